"""Which predicted component belongs to which reference lesion."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum

import numpy as np

from lossseg.components import Components
from lossseg.errors import InputError


class Credit(StrEnum):
    """How many reference lesions one predicted component may find.

    ALL: every lesion that it overlaps, as in the inverse-weighting paper (Shirokikh et al., MICCAI 2020). At a low
        threshold one huge component then finds everything.
    BEST: only the lesion with which its Dice is highest (the first of equals).
    """

    ALL = "all"
    BEST = "best"

    @classmethod
    def _missing_(cls, value: object) -> Credit:
        raise InputError(f"There is no credit {value!r}.", "Choose all or best.")


@dataclass(frozen=True, eq=False)
class Matching:
    """The reference lesions and predicted components of one case and class, matched by overlap of at least one voxel.

    Attributes:
        pairs: (p, 2) int64: reference lesion and predicted component of each overlapping pair, numbered from 1.
        pair_voxels: (p,) int64: voxels that both have.
        pair_dice: (p,) float64: Dice of the pair, in (0, 1].
        component: (reference lesions,) int64: the predicted component matched to each lesion, 0 when it was missed.
            Of several the one of highest Dice, and of equals the first.
        dice: (reference lesions,) float64: Dice with that component, 0 when missed.
        false_positive: (predicted components,) bool: those that overlap no reference lesion at all. Several components
            on one lesion are therefore never false positives.
    """

    pairs: np.ndarray
    pair_voxels: np.ndarray
    pair_dice: np.ndarray
    component: np.ndarray
    dice: np.ndarray
    false_positive: np.ndarray

    @property
    def found(self) -> np.ndarray:
        """(reference lesions,) bool."""
        return self.component > 0


def match(reference: Components, prediction: Components, credit: Credit = Credit.ALL) -> Matching:
    """Match the components of two masks of one shape. Either may have none."""
    pairs, voxels = _overlaps(reference, prediction)
    dice = 2.0 * voxels / (reference.sizes[pairs[:, 0] - 1] + prediction.sizes[pairs[:, 1] - 1])
    credited = np.ones(len(pairs), bool)
    if credit is Credit.BEST:
        best = _best_of(pairs[:, 1], dice, prediction.count)
        credited = np.zeros(len(pairs), bool)
        credited[best[best >= 0]] = True
    choice = _best_of(pairs[credited, 0], dice[credited], reference.count)
    found = choice >= 0
    component = np.zeros(reference.count, np.int64)
    matched_dice = np.zeros(reference.count)
    component[found] = pairs[credited, 1][choice[found]]
    matched_dice[found] = dice[credited][choice[found]]
    touched = np.zeros(prediction.count, bool)
    touched[pairs[:, 1] - 1] = True
    return Matching(pairs, voxels, dice, component, matched_dice, ~touched)


def _overlaps(reference: Components, prediction: Components) -> tuple[np.ndarray, np.ndarray]:
    if not reference.count or not prediction.count:
        return np.zeros((0, 2), np.int64), np.zeros(0, np.int64)
    place = np.searchsorted(prediction.voxels, reference.voxels)
    place[place == len(prediction.voxels)] = 0
    common = prediction.voxels[place] == reference.voxels
    code = reference.labels[common].astype(np.int64) * (prediction.count + 1) + prediction.labels[place[common]]
    codes, voxels = np.unique(code, return_counts=True)
    return np.stack(np.divmod(codes, prediction.count + 1), axis=1), voxels


def _best_of(owner: np.ndarray, score: np.ndarray, owners: int) -> np.ndarray:
    """(owners,) for owner 1, 2, ...: the place of its highest score, of equals the first; -1 without any."""
    best = np.full(owners, -1)
    # Assigned from the lowest score to the highest: the last assignment to an owner is its best.
    order = np.lexsort((-np.arange(len(score)), score))
    best[owner[order] - 1] = order
    return best
