"""Folds of a part of a dataset, for a scale that is small whatever the data."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from lossseg.dataset import Fold, make_folds
from lossseg.dataset.patients import by_patient


def folds_of_some(names: Sequence[str], cases: int, folds: int, seed: int) -> tuple[Fold, ...] | None:
    """Folds of the cases of randomly drawn patients, as many as make up `cases`; None when there are no more than that.

    Raises:
        InputError: fewer patients than folds.
    """
    if len(names) <= cases:
        return None
    patients = list(by_patient(sorted(names)).values())
    chosen: list[str] = []
    for place in np.random.default_rng(seed).permutation(len(patients)):
        if len(chosen) >= cases:
            break
        chosen += patients[place]
    return make_folds(chosen, folds, seed)
