"""Which cases a run is trained on and which are held out."""

from __future__ import annotations

from pathlib import Path

from lossseg.dataset import Dataset, Fold, make_folds, read_splits, write_splits
from lossseg.errors import InputError
from lossseg.files import read_json
from lossseg.training.record import SETTINGS
from lossseg.training.settings import ALL_CASES, TrainingSettings

SPLITS = "splits_final.json"


def folds_of(dataset: Dataset, out: Path, settings: TrainingSettings) -> tuple[Fold, ...]:
    """The folds of the run's file; made once, so that every run of a study holds out the same cases."""
    path = settings.splits or out / SPLITS
    if path.exists():
        folds = read_splits(path)
        known = {case.name for case in dataset.cases}
        for fold in folds:
            missing = sorted({*fold.train, *fold.validation} - known)
            if missing:
                raise InputError(
                    f"{path} names {missing[0]}, which {dataset.folder} lacks.", "Correct the splits file."
                )
        return folds
    if settings.splits and path.name != SPLITS:
        raise InputError(f"{path} does not exist.", "Give an existing splits file or leave it out.")
    names = [case.name for case in dataset.cases if case.label is not None]
    folds = make_folds(names, settings.folds, settings.seed)
    write_splits(path, folds)
    return folds


def fold_of(dataset: Dataset, out: Path, settings: TrainingSettings) -> Fold:
    if (out / SETTINGS).exists():
        return _recorded_fold(dataset, out)
    if settings.fold == ALL_CASES:
        return Fold(tuple(case.name for case in dataset.cases if case.label is not None), ())
    folds = folds_of(dataset, out, settings)
    if not 0 <= int(settings.fold) < len(folds):
        raise InputError(f"The fold is {settings.fold}.", f"Give a number from 0 to {len(folds) - 1}.")
    return folds[int(settings.fold)]


def _recorded_fold(dataset: Dataset, out: Path) -> Fold:
    """The cases that the run began with, whatever was added to the dataset meanwhile."""
    record = read_json(out / SETTINGS)
    fold = Fold(tuple(record["train"]), tuple(record["validation"]))
    missing = sorted({*fold.train, *fold.validation} - {case.name for case in dataset.cases})
    if missing:
        raise InputError(
            f"The interrupted run in {out} uses the case {missing[0]}, which {dataset.folder} lacks.",
            "Put the case back, or train into another folder.",
        )
    return fold
