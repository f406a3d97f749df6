"""The best model of each fold as an ensemble, and what can honestly be said of how good it is."""

from __future__ import annotations

import csv
import io
import math
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from lossseg.dataset import read_splits
from lossseg.errors import InputError
from lossseg.evaluation.measures import mean
from lossseg.evaluation.table import plain
from lossseg.files import read_json, write_text
from lossseg.model import load_ensemble, save_ensemble
from lossseg.studies.best_folds import FoldTable, best_folds
from lossseg.studies.candidates import folds_in
from lossseg.studies.conditions import SPLITS_FILE
from lossseg.studies.presets import BEST_OF_FOLDS, Preset
from lossseg.studies.presets.measures import MEASURES, of_cases
from lossseg.studies.presets.table import number
from lossseg.studies.results import EVALUATION, RESULTS_FILE

_OPTIMISTIC = (
    "Each case was segmented by the best model of its fold, which did not train on it; but the model was chosen on "
    "these cases, and the highest of several uncertain values is too high. The ensemble itself cannot be scored here, "
    "for every case trained all of its members but one: test it on new cases. Beside it stands, for each fold, the "
    "loss that was best on the other folds, which no case of the fold had a part in choosing."
)


@dataclass(frozen=True)
class FoldRow:
    """One loss in one fold.

    Attributes:
        score: of the validation by which the best was chosen.
        best: whether it has the highest score of its fold.
        elsewhere: whether its mean score over the other folds is the highest.
        means: of the preset's measures over the fold's cases, on each case's own grid; None where undefined.
        paper: Dice of the loss in this fold, as printed.
    """

    fold: int
    loss: str
    score: float | None
    best: bool
    elsewhere: bool
    cases: int
    means: Mapping[str, float | None]
    paper: float | None


def make_ensembles(preset: Preset, out: Path) -> dict[str, Any]:
    """For each arm the ensemble file, the table of folds, and the scores of the winners, as JSON data.

    Writes `ensemble_ARM.json` and `folds_ARM.csv` into `out`. An arm in which a fold is missing has no ensemble but a
    sentence that says so.

    Raises:
        InputError: results cannot be read.
    """
    made = {}
    for arm in preset.arms:
        study = out / arm.name
        if not (study / RESULTS_FILE).exists():
            continue
        groups = {each["loss"]: study / each["folder"] for each in _first_seeds(read_json(study / RESULTS_FILE))}
        score = str(preset.settings.get("score", "dice"))
        try:
            models = {loss: folds_in(loss, folder) for loss, folder in groups.items()}
            _check_complete(models, len(read_splits(study / SPLITS_FILE)))
            table = best_folds(models, score=score)
        except InputError as error:
            made[arm.name] = {"file": None, "sentence": f"There is no ensemble. {error.message}"}
            continue
        made[arm.name] = _made(preset, arm.name, study, groups, table)
    return made


def _check_complete(models: Mapping[str, Sequence[Path]], folds: int) -> None:
    for loss, folders in models.items():
        if len(folders) < folds:
            raise InputError(f"{loss} has {len(folders)} of {folds} folds.", "Go on with the run to train the others.")


def _made(preset: Preset, arm: str, study: Path, groups: Mapping[str, Path], table: FoldTable) -> dict[str, Any]:
    out = study.parent
    file = out / f"ensemble_{arm}.json"
    _save(file, table)
    names = tuple(name for name in preset.measures if MEASURES[name].of_a_case)
    cases = {loss: of_cases(folder / EVALUATION, names) for loss, folder in groups.items()}
    held_out = [fold.validation for fold in read_splits(study / SPLITS_FILE)]
    folds = _folds(preset, arm, table, names, cases, held_out)
    write_text(out / f"folds_{arm}.csv", folds_text(folds, names, table.score))
    return plain(
        {
            "file": str(file),
            "chosen": table.sentence,
            "sentence": _OPTIMISTIC,
            "score": table.score,
            "folds": [asdict(row) for row in folds],
            "best": _pooled([row for row in folds if row.best], names, cases, held_out),
            "best_elsewhere": _pooled([row for row in folds if row.elsewhere], names, cases, held_out),
            "mean_score": mean([row.score for row in folds if row.best and row.score is not None])[0],
            "paper": [
                asdict(figure) for name in preset.measures for figure in preset.figures(arm, BEST_OF_FOLDS, name)
            ],
        }
    )


def _save(file: Path, table: FoldTable) -> None:
    """Write the ensemble file; that of the same members stays, that of others, from before more was trained, goes."""
    if file.exists():
        members = [member.model.folder.resolve() for member in load_ensemble(file).members]
        if members == [folder.resolve() for folder in table.members]:
            return
        file.unlink()
    save_ensemble(file, table.members, chosen=table.sentence)


def _folds(
    preset: Preset,
    arm: str,
    table: FoldTable,
    names: tuple[str, ...],
    cases: Mapping[str, Mapping[str, Mapping[str, float]]],
    held_out: Sequence[Sequence[str]],
) -> list[FoldRow]:
    made = []
    for fold, scores in enumerate(table.values):
        elsewhere = _best_elsewhere(table, fold)
        for place, loss in enumerate(table.groups):
            own = [cases[loss][case] for case in held_out[fold] if case in cases[loss]]
            printed = preset.figures(arm, loss, "dice", fold)
            made.append(
                FoldRow(
                    fold,
                    loss,
                    scores[place],
                    best=place == table.winners[fold],
                    elsewhere=place == elsewhere,
                    cases=len(own),
                    means={name: _mean(own, name) for name in names},
                    paper=printed[0].value if printed else None,
                )
            )
    return made


def _best_elsewhere(table: FoldTable, fold: int) -> int:
    """The place of the loss with the highest mean score over the other folds; of equals the first."""
    others = [row for number, row in enumerate(table.values) if number != fold]
    means = [mean([value for row in others if (value := row[place]) is not None]) for place in range(len(table.groups))]
    worth = [value if count else -math.inf for value, _, count in means]
    return worth.index(max(worth))


def _pooled(
    rows: Sequence[FoldRow],
    names: tuple[str, ...],
    cases: Mapping[str, Mapping[str, Mapping[str, float]]],
    held_out: Sequence[Sequence[str]],
) -> dict[str, Any]:
    """Mean and standard deviation over all cases, each as the loss that its fold's row names segmented it."""
    own = [cases[row.loss][case] for row in rows for case in held_out[row.fold] if case in cases[row.loss]]
    found = {name: mean([each[name] for each in own]) for name in names}
    figures = {name: {"value": value, "std": std, "cases": count} for name, (value, std, count) in found.items()}
    return {"cases": len(own), "figures": figures}


def _mean(cases: Sequence[Mapping[str, float]], name: str) -> float | None:
    value, _, count = mean([each[name] for each in cases])
    return value if count else None


def folds_text(folds: Sequence[FoldRow], names: Sequence[str], score: str) -> str:
    """The table of folds as CSV, the best of each marked."""
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(
        ("fold", "loss", f"validation {score}", "best", "best on other folds", "cases", *names, "dice in the paper")
    )
    for row in folds:
        marks = ("yes" if row.best else "", "yes" if row.elsewhere else "")
        means = (number(row.means[name]) for name in names)
        writer.writerow((row.fold, row.loss, number(row.score), *marks, row.cases, *means, number(row.paper)))
    return text.getvalue()


def _first_seeds(results: Mapping[str, Any]) -> list[Mapping[str, Any]]:
    """The losses of a study, each with its first seed."""
    first: dict[str, Mapping[str, Any]] = {}
    for each in results["losses"]:
        first.setdefault(each["loss"], each)
    return list(first.values())
