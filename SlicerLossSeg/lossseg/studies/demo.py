"""Everything once: from annotated cases to an ensemble's lesion table, on phantoms or on a person's own dataset.

The recipe is the ADAM 2020 winner's at small scale: two groups of cross-validation models, Dice + CE and Dice + TopK,
the best model of each fold, their ensemble, components under 11 voxels removed (Ma 2020).
"""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

from lossseg.dataset import Case, Dataset, Fold, make_folds, open_dataset, write_splits
from lossseg.errors import InputError
from lossseg.evaluation import Cohort, evaluate_case, summarise, write_report
from lossseg.evaluation.report import CaseArrays
from lossseg.evaluation.table import write_cohort_json, write_lesions_csv
from lossseg.files import write_json
from lossseg.images import read_label, read_volume
from lossseg.inference import PredictSettings, predict_cases
from lossseg.model import load_ensemble, save_ensemble
from lossseg.phantoms import make_dataset
from lossseg.reporting import Reporter
from lossseg.studies.best_folds import FoldTable, best_folds
from lossseg.training import Optimizer, TrainingSettings, cross_validate

GROUPS = {"dice_ce": "dice + ce", "dice_topk": "dice + topk(k=0.1)"}
"""Folder name and loss of each group of models."""

FOLDS = 3
_PHANTOMS = {"cases": 32, "size": (64, 96, 96), "seed": 2020}
_HELD_OUT = 4
_NETWORK: dict[str, Any] = {"filters": (8, 16, 32, 64), "patch": (32, 48, 48), "batch": 2}
_TRAINING_SHARE = 0.8


def run_demo(out: Path, data: Path | None, minutes: float, reporter: Reporter) -> dict[str, Any]:
    """Make or take a dataset, train, combine, segment held-out cases, evaluate, report.

    Args:
        out: study folder; must be empty or absent.
        data: dataset in nnU-Net v2 raw layout; None makes TOF-MRA-like phantoms. A quarter of its patients is held out.
        minutes: for the whole; 80 % of what is left after the data are made goes into training.

    Returns:
        Where everything lies, and the scores.

    Raises:
        InputError: the folder is in use, or the dataset cannot be used.
    """
    started = time.monotonic()
    out = Path(out)
    if out.exists() and (not out.is_dir() or any(out.iterdir())):
        raise InputError(f"{out} is not empty.", "Choose another folder with --out, or remove it.")
    dataset = open_dataset(data) if data else _phantoms(out / "dataset", reporter)
    unseen, folds = _split(dataset)
    write_splits(out / "splits_final.json", folds)
    left = max(minutes - (time.monotonic() - started) / 60, 0.1)
    groups = _train(dataset, out, folds, left * _TRAINING_SHARE / (len(GROUPS) * len(folds)), data is None, reporter)

    table = best_folds(groups)
    ensemble_path = out / "ensembles" / "best_of_each_fold.json"
    ensemble = save_ensemble(ensemble_path, table.members, chosen=table.sentence)
    reporter.artifact("ensemble", ensemble_path)
    write_json(out / "ensembles" / "best_of_each_fold.table.json", _plain(table))

    predictions = out / "predictions"
    cases = [case for case in dataset.cases if case.name in unseen]
    predict_cases(load_ensemble(ensemble_path), cases, predictions, PredictSettings(keep_probability=True), reporter)
    cohort = _evaluate(cases, predictions, dataset, reporter)
    evaluation = out / "evaluation"
    write_lesions_csv(evaluation / "lesions.csv", cohort.cases)
    write_cohort_json(evaluation / "evaluation.json", cohort)
    title = f"{ensemble.name}: {len(cases)} unseen cases of {dataset.name}"
    write_report(evaluation / "report.html", cohort, _source(cases, predictions), title=title, reporter=reporter)
    reporter.artifact("report", evaluation / "report.html")
    return {
        "dataset": str(dataset.folder),
        "models": str(out / "models"),
        "ensemble": str(ensemble_path),
        "chosen": table.sentence,
        "predictions": str(predictions),
        "lesion_table": str(evaluation / "lesions.csv"),
        "report": str(evaluation / "report.html"),
        "fold_scores": _plain(table)["folds"],
        "minutes": round((time.monotonic() - started) / 60, 1),
    } | {name: round(value, 4) if value == value else None for name, value in cohort.summary().items()}


def _phantoms(folder: Path, reporter: Reporter) -> Dataset:
    return make_dataset("tof", folder, reporter=reporter, **_PHANTOMS)  # type: ignore[arg-type]


def _split(dataset: Dataset) -> tuple[set[str], tuple[Fold, ...]]:
    """The held-out cases, and folds of the others; by patient both times."""
    names = [case.name for case in dataset.cases if case.label is not None]
    parts = max(2, min(_HELD_OUT, len(names)))
    unseen = set(make_folds(names, parts, seed=0)[0].validation)
    rest = [name for name in names if name not in unseen]
    return unseen, make_folds(rest, min(FOLDS, len(rest)), seed=0)


def _train(
    dataset: Dataset, out: Path, folds: Sequence[Fold], minutes: float, phantoms: bool, reporter: Reporter
) -> dict[str, list[Path]]:
    settings: dict[str, Any] = {
        "minutes": minutes,
        "splits": out / "splits_final.json",
        "cache": out / "cache",
        "folds": len(folds),
        "validations": 1,
        # In a minute of training AdamW comes further than SGD does.
        "optimizer": Optimizer.ADAMW,
    }
    network = _NETWORK if phantoms else {"base_filters": 16, "max_filters": 128, "memory_gb": 4.0}
    groups: dict[str, list[Path]] = {}
    for name, loss in GROUPS.items():
        chosen = TrainingSettings(loss=loss, **settings, **network)
        groups[name] = cross_validate(dataset.folder, out / "models" / name, chosen, reporter)
    return groups


def _evaluate(cases: Sequence[Case], predictions: Path, dataset: Dataset, reporter: Reporter) -> Cohort:
    results = []
    for case in cases:
        reporter.check()
        assert case.label is not None
        reference = read_label(case.label)
        prediction = read_label(predictions / f"{case.name}.nii.gz")
        probability = read_volume(predictions / f"{case.name}_probability.nii.gz")
        results.append(
            evaluate_case(
                reference.array,
                prediction.array,
                reference.geometry.spacing,
                probability.array,
                affine=reference.geometry.affine,
                labels=dataset.labels,
                name=case.name,
            )
        )
    return summarise(results, {"threshold": "0.5", "smallest component": "11 voxels", "matching": "any overlap"})


def _source(cases: Sequence[Case], predictions: Path) -> Callable[[str], CaseArrays]:
    by_name = {case.name: case for case in cases}

    def arrays(name: str) -> CaseArrays:
        case = by_name[name]
        assert case.label is not None
        image = read_volume(case.images[0])
        prediction = read_label(predictions / f"{name}.nii.gz")
        return image.array, image.geometry, read_label(case.label).array, prediction.array

    return arrays


def _plain(table: FoldTable) -> dict[str, Any]:
    rows = [
        {"fold": fold, "best": table.groups[winner], table.score: dict(zip(table.groups, values, strict=True))}
        for fold, (values, winner) in enumerate(zip(table.values, table.winners, strict=True))
    ]
    return {"score": table.score, "folds": rows}
