"""Trained models of nnU-Net v2 (Isensee et al. 2021) as model folders of our own."""

from __future__ import annotations

import math
import re
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from lossseg.errors import InputError
from lossseg.exchange.nnunet_checkpoint import Checkpoint, check_fit, read_checkpoint
from lossseg.exchange.nnunet_plans import dataset_name, read_plan
from lossseg.files import read_json, whole_folder
from lossseg.model import save, save_ensemble
from lossseg.reporting import Reporter, Silent, Stage

FINAL, BEST = "checkpoint_final.pth", "checkpoint_best.pth"
_LOSS = {"nnUNetTrainer": "dice_ce"}


@dataclass(frozen=True)
class Imported:
    """Model folders in the order of their folds, the ensemble file of them if one was asked for, and what to know."""

    models: tuple[Path, ...]
    ensemble: Path | None
    warnings: tuple[str, ...]


def import_nnunet(
    source: Path,
    out: Path,
    *,
    name: str = "",
    folds: Sequence[int] | None = None,
    best: bool = False,
    ensembles: Path | None = None,
    reporter: Reporter | None = None,
) -> Imported:
    """Write the folds of the result folder `source` as model folders OUT/NAME/fold_K: all of them or none.

    Each predicts what nnU-Net predicts with that fold. An ensemble of them averages probabilities as all ensembles
    here do, whereas nnU-Net averages the logits of folds.

    Args:
        source: with dataset.json, plans.json and fold_K/checkpoint_final.pth.
        name: of the folder to write; default the dataset's name and the configuration.
        folds: only these; default every one that has a checkpoint, fold_all included.
        best: take checkpoint_best.pth, of the best epoch, instead of the last one's.
        ensembles: folder for an ensemble file NAME.json of all folds.

    Raises:
        InputError: no result folder, a file in it that is damaged or cannot be trusted, a model that cannot be
            reproduced here, or a result that exists already.
        DiskFull: no room.
    """
    source, out = Path(source), Path(out)
    warnings: list[str] = []
    chosen = _checkpoints(source, folds, best, warnings)
    first = read_checkpoint(next(iter(chosen.values())))
    name = name or _safe(f"{dataset_name(source)}_{first.configuration}")
    if name != _safe(name):
        raise InputError(f"{name!r} cannot be the name of a folder.", "Use letters, digits, . _ and -.")
    target, ensemble = out / name, (Path(ensembles) / f"{name}.json") if ensembles else None
    for path in (target, ensemble):
        if path is not None and path.exists():
            raise InputError(f"{path} already exists.", "Choose another name; models are never overwritten.")
    stage = Stage(reporter or Silent(), "import", len(chosen))
    with whole_folder(target) as beside:
        for fold, path in chosen.items():
            checkpoint = first if path == first.path else read_checkpoint(path)
            _write(source, beside / fold, checkpoint, first.configuration)
            stage.advance()
    models = tuple(target / fold for fold in chosen)
    if ensemble is not None:
        save_ensemble(ensemble, models, chosen=f"All folds imported from {source.name}.")
    return Imported(models, ensemble, tuple(warnings))


def _checkpoints(source: Path, folds: Sequence[int] | None, best: bool, warnings: list[str]) -> dict[str, Path]:
    """The checkpoint of each fold's folder, in the order of the folds."""
    for file in ("dataset.json", "plans.json"):
        if not (source / file).is_file():
            inside = sorted(path.parent.name for path in source.glob("*/plans.json")) if source.is_dir() else []
            hint = (
                f"It holds {', '.join(inside)}: give one of those."
                if inside
                else "Give TRAINER__PLANS__3d_fullres, or a MONAI bundle."
            )
            raise InputError(f"{source} is no result folder of nnU-Net v2: it has no {file}.", hint)
    wanted, other = (BEST, FINAL) if best else (FINAL, BEST)
    names = [path.name for path in source.glob("fold_*") if path.name == "fold_all" or path.name[5:].isdigit()]
    if folds is not None:
        missing = [f"fold_{fold}" for fold in folds if f"fold_{fold}" not in names]
        if missing:
            raise InputError(f"{source} has no {missing[0]}.", f"It has {', '.join(sorted(names)) or 'no fold'}.")
        names = [f"fold_{fold}" for fold in folds]
    found: dict[str, Path] = {}
    for fold in sorted(names, key=lambda fold: (fold == "fold_all", fold[5:].zfill(9))):
        for file in (wanted, other):
            if (source / fold / file).is_file():
                found[fold] = source / fold / file
                if file == other:
                    warnings.append(f"{fold} has no {wanted}; {other} was taken.")
                break
        else:
            warnings.append(f"{fold} has no checkpoint and was left out.")
    if not found:
        raise InputError(f"{source} holds no fold with {wanted}.", "Wait for the training to end, or give its folder.")
    return found


def _write(source: Path, folder: Path, checkpoint: Checkpoint, configuration: str) -> None:
    if checkpoint.configuration != configuration:
        raise InputError(
            f"{checkpoint.path} was trained with {checkpoint.configuration}, other folds with {configuration}.",
            "Restore the result folder from a copy.",
        )
    plan = read_plan(source, configuration, checkpoint.mirror)
    check_fit(checkpoint, plan.network)
    dice, cases = _validation(checkpoint.path.parent / "validation" / "summary.json")
    record: dict[str, Any] = {
        "imported_from": "nnU-Net v2",
        "result_folder": source.resolve().name,
        "dataset": dataset_name(source),
        "configuration": configuration,
        "trainer": checkpoint.trainer,
        "checkpoint": checkpoint.path.name,
        "epochs": checkpoint.epochs,
    }
    if cases:
        record["validation"] = cases
    loss = _LOSS.get(checkpoint.trainer, checkpoint.trainer)
    scores = {} if dice is None else {"dice": dice}
    save(folder, plan=plan, weights=checkpoint.weights, loss=loss, training=record, scores=scores)


def _validation(path: Path) -> tuple[float | None, list[str]]:
    """nnU-Net's mean Dice of the validation cases and their names; nothing where it was not validated."""
    if not path.is_file():
        return None, []
    try:
        summary = read_json(path)
        dice = float(summary["foreground_mean"]["Dice"])
        files = [re.split(r"[/\\]", case["prediction_file"])[-1] for case in summary["metric_per_case"]]
    except (InputError, KeyError, TypeError, ValueError, AttributeError):
        # The scores are of use, but no part of the model.
        return None, []
    return (math.nan if math.isnan(dice) else dice), sorted(file.split(".")[0] for file in files)


def _safe(name: str) -> str:
    """`name` as the name of a folder on every system, whatever a plans.json says."""
    return re.sub(r"[^A-Za-z0-9._-]+", "_", name).strip("._-") or "nnunet"
