"""Splitting cases into folds for cross-validation, by patient, and nnU-Net's file for them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from lossseg.dataset.patients import by_patient
from lossseg.errors import InputError
from lossseg.files import read_json, write_json


@dataclass(frozen=True)
class Fold:
    """The case names to train on and to validate on, each sorted."""

    train: tuple[str, ...]
    validation: tuple[str, ...]


def make_folds(
    names: Sequence[str], folds: int, seed: int, weights: Mapping[str, float] | None = None
) -> tuple[Fold, ...]:
    """Splits cases into `folds` folds; every case is validated once and no patient is in both parts of a fold.

    Folds are equal in their numbers of cases as far as patients allow it. Within that, `weights` (case name → e.g. its
    number of lesions) are spread evenly: the heaviest patient goes to the lightest fold that has room. The result
    depends on the set of names, the weights and the seed, not on the order of the names.

    Raises:
        InputError: fewer than 2 folds, a name twice, or fewer patients than folds.
    """
    if folds < 2:
        raise InputError(f"{folds} folds are asked for.", "Ask for 2 or more.")
    repeated = sorted({name for name in names if list(names).count(name) > 1})
    if repeated:
        raise InputError(f"The case {repeated[0]} is named twice.", "Give each case once.")
    patients = by_patient(sorted(names))
    if len(patients) < folds:
        raise InputError(
            f"{folds} folds are asked for, but there are {len(patients)} patients.", "Ask for fewer folds."
        )
    order = [list(patients.values())[index] for index in np.random.default_rng(seed).permutation(len(patients))]
    parts = _distribute(order, folds, weights or {})
    every = sorted(names)
    return tuple(
        Fold(tuple(name for name in every if name not in part), tuple(name for name in every if name in part))
        for part in parts
    )


def _distribute(groups: Sequence[list[str]], folds: int, weights: Mapping[str, float]) -> list[set[str]]:
    """Longest processing time first, on two goals: numbers of cases, then weights."""

    def weight(group: Sequence[str]) -> float:
        return sum(weights.get(name, 0.0) for name in group)

    parts: list[list[str]] = [[] for _ in range(folds)]
    least, larger_folds = divmod(sum(map(len, groups)), folds)
    # Sorting is stable, so patients that are alike stay in the seed's order.
    for group in sorted(groups, key=lambda group: (-len(group), -weight(group))):
        full = sum(len(part) > least for part in parts)
        roomy = [
            number
            for number, part in enumerate(parts)
            if len(part) + len(group) <= least or (len(part) + len(group) == least + 1 and full < larger_folds)
        ]
        if roomy:
            chosen = min(roomy, key=lambda number: (weight(parts[number]), len(parts[number]), number))
        else:
            chosen = min(range(folds), key=lambda number: (len(parts[number]), weight(parts[number]), number))
        parts[chosen].extend(group)
    return [set(part) for part in parts]


def write_splits(path: Path | str, folds: Sequence[Fold]) -> None:
    """Writes folds as nnU-Net's `splits_final.json`: [{"train": [...], "val": [...]}, ...]."""
    write_json(Path(path), [{"train": list(fold.train), "val": list(fold.validation)} for fold in folds])


def read_splits(path: Path | str, names: Sequence[str] | None = None) -> tuple[Fold, ...]:
    """The folds in nnU-Net's `splits_final.json`.

    Args:
        names: the cases of the dataset, where known, to check the file's names against.

    Raises:
        InputError: no such file, another structure, a case in both parts of a fold, or a case not in `names`.
    """
    content = read_json(Path(path))
    if not isinstance(content, list) or not content or not all(_is_fold(part) for part in content):
        raise InputError(
            f"{path} holds no splits.", 'It needs a list such as [{"train": ["A", "B"], "val": ["C"]}, ...].'
        )
    folds = tuple(Fold(tuple(part["train"]), tuple(part["val"])) for part in content)
    for number, fold in enumerate(folds):
        both = sorted(set(fold.train) & set(fold.validation))
        if both:
            raise InputError(
                f"{path} has the case {both[0]} in both parts of fold {number}.", "Remove it from one of them."
            )
        unknown = sorted((set(fold.train) | set(fold.validation)) - set(names)) if names is not None else []
        if unknown:
            raise InputError(
                f"{path} names the case {unknown[0]}, which the dataset does not have.",
                "Delete the file to make new splits, or add the case.",
            )
    return folds


def _is_fold(part: Any) -> bool:
    return isinstance(part, dict) and all(
        isinstance(part.get(key), list) and part[key] and all(isinstance(name, str) for name in part[key])
        for key in ("train", "val")
    )
