"""Which predicted component belongs to which reference lesion."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np
from scipy.optimize import linear_sum_assignment
from scipy.spatial import cKDTree

from lossseg.components import Components, places
from lossseg.evaluation.criteria import Assignment, Credit, Criterion, Duplicates, Matching
from lossseg.evaluation.shape import centroids, diameters

__all__ = ["Credit", "Matches", "Matching", "match"]

_ROUNDING = 1e-9


@dataclass(frozen=True, eq=False)
class Matches:
    """The reference lesions and predicted components of one case and class, and which of them belong together.

    Attributes:
        pairs: (p, 2) int64: reference lesion and predicted component of each pair that overlaps by a voxel or more,
            numbered from 1, whatever the criterion.
        pair_voxels: (p,) int64: voxels that both have.
        pair_dice: (p,) float64: Dice of the pair, in (0, 1].
        pair_iou: (p,) float64: intersection over union of the pair, in (0, 1].
        component: (reference lesions,) int64: the predicted component matched to each lesion, 0 when it was missed.
        dice: (reference lesions,) float64: Dice with that component; 0 when missed, or matched without an overlap.
        false_positive: (predicted components,) bool.
        dismissed: (predicted components,) bool: neither found nor false, being what an ignore region left over.
    """

    pairs: np.ndarray
    pair_voxels: np.ndarray
    pair_dice: np.ndarray
    pair_iou: np.ndarray
    component: np.ndarray
    dice: np.ndarray
    false_positive: np.ndarray
    dismissed: np.ndarray

    @property
    def found(self) -> np.ndarray:
        """(reference lesions,) bool."""
        return self.component > 0

    @cached_property
    def parts(self) -> np.ndarray:
        """(reference lesions,) int64: predicted components that overlap each lesion; more than one: it was split."""
        return np.bincount(self.pairs[:, 0], minlength=len(self.component) + 1)[1:]

    @cached_property
    def covers(self) -> np.ndarray:
        """(predicted components,) int64: lesions that each component overlaps; more than one: it merges them."""
        return np.bincount(self.pairs[:, 1], minlength=len(self.false_positive) + 1)[1:]

    def merged_with(self) -> list[tuple[int, ...]]:
        """For each lesion the other lesions, ascending, that one of the components on it overlaps too."""
        partners: list[set[int]] = [set() for _ in self.component]
        for component in np.flatnonzero(self.covers > 1) + 1:
            together = self.pairs[self.pairs[:, 1] == component, 0].tolist()
            for lesion in together:
                partners[lesion - 1].update(together)
        return [tuple(sorted(others - {lesion})) for lesion, others in enumerate(partners, start=1)]


def match(
    reference: Components,
    prediction: Components,
    matching: Matching | Credit = Credit.ALL,
    spacing: Sequence[float] = (1.0, 1.0, 1.0),
    dismissible: np.ndarray | None = None,
) -> Matches:
    """Match the components of two masks of one shape. Either may have none.

    Under the criteria of overlap a lesion's match is the component of highest Dice, which is that of highest IoU; under
    that of the centre the nearest one. Of equals it is the first.

    Args:
        reference: the lesions.
        prediction: the predicted components.
        matching: how; a credit alone stands for any overlap with that credit.
        spacing: (z, y, x) mm, for distances between centres.
        dismissible: (predicted components,) bool: no false positives even if they are nobody's match.
    """
    how = Matching(credit=matching) if isinstance(matching, Credit) else matching
    pairs, voxels = _overlaps(reference, prediction)
    both = reference.sizes[pairs[:, 0] - 1] + prediction.sizes[pairs[:, 1] - 1]
    dice, iou = 2.0 * voxels / both, voxels / (both - voxels)
    if how.criterion is Criterion.CENTRE:
        candidates, distance = _near(reference, prediction, how, spacing)
        score = -distance
    else:
        enough = iou >= how.threshold if how.criterion is Criterion.IOU else slice(None)
        candidates, score = pairs[enough], iou[enough]
    chosen = _assigned(candidates, score, reference.count, prediction.count, how)
    component = np.zeros(reference.count, np.int64)
    component[candidates[chosen, 0] - 1] = candidates[chosen, 1]
    # Pairs are ordered by lesion, then by component.
    place = places(np.arange(1, reference.count + 1) * (prediction.count + 1) + component, _code(pairs, prediction))
    matched_dice = np.where(place >= 0, np.append(dice, 0.0)[place], 0.0)
    used = candidates[:, 1] if how.duplicates is Duplicates.IGNORED else component[component > 0]
    false = np.ones(prediction.count, bool)
    false[used - 1] = False
    dismissed = np.zeros(prediction.count, bool) if dismissible is None else false & dismissible
    return Matches(pairs, voxels, dice, iou, component, matched_dice, false & ~dismissed, dismissed)


def _overlaps(reference: Components, prediction: Components) -> tuple[np.ndarray, np.ndarray]:
    place = places(reference.voxels, prediction.voxels)
    common = place >= 0
    code = reference.labels[common].astype(np.int64) * (prediction.count + 1) + prediction.labels[place[common]]
    codes, voxels = np.unique(code, return_counts=True)
    return np.stack(np.divmod(codes, prediction.count + 1), axis=1), voxels


def _code(pairs: np.ndarray, prediction: Components) -> np.ndarray:
    code: np.ndarray = pairs[:, 0] * (prediction.count + 1) + pairs[:, 1]
    return code


def _near(
    reference: Components, prediction: Components, how: Matching, spacing: Sequence[float]
) -> tuple[np.ndarray, np.ndarray]:
    """Pairs (p, 2) of lesion and component whose centres are near enough, in order, and their distances in mm."""
    if not reference.count or not prediction.count:
        return np.zeros((0, 2), np.int64), np.zeros(0)
    steps = np.asarray(spacing, float)
    lesions, found = centroids(reference) * steps, centroids(prediction) * steps
    fixed = np.full(reference.count, how.radius_mm or 0.0)
    radius = fixed if how.radius_mm is not None else diameters(reference, spacing) / 2
    close = cKDTree(found).query_ball_point(lesions, radius * (1 + 1e-6), return_sorted=True)
    lesion = np.repeat(np.arange(reference.count), [len(each) for each in close])
    component = np.array([each for some in close for each in some], np.int64)
    distance = np.linalg.norm(lesions[lesion] - found[component], axis=1)
    # Rounding must not decide whether a distance equals the radius.
    margin = _ROUNDING if how.inclusive else -_ROUNDING
    near = distance <= radius[lesion] * (1 + margin)
    return np.stack((lesion, component), axis=1)[near] + 1, distance[near]


def _assigned(candidates: np.ndarray, score: np.ndarray, lesions: int, components: int, how: Matching) -> np.ndarray:
    """The places of the candidates that are matches, at most one for each lesion."""
    if how.assignment is Assignment.ONE_TO_ONE:
        return _one_to_one(candidates, score)
    every = np.arange(len(candidates))
    if how.credit is Credit.BEST:
        best = _best_of(candidates[:, 1], score, components)
        every = np.sort(best[best >= 0])
    best = _best_of(candidates[every, 0], score[every], lesions)
    return every[best[best >= 0]]


def _one_to_one(candidates: np.ndarray, score: np.ndarray) -> np.ndarray:
    """The most pairs, and of those the highest sum of scores."""
    if not len(candidates):
        return np.zeros(0, np.int64)
    lesions, lesion = np.unique(candidates[:, 0], return_inverse=True)
    components, component = np.unique(candidates[:, 1], return_inverse=True)
    gain = score - score.min()
    # Another pair is worth more than all that the scores of the others can differ by.
    gain += 1.0 + gain.max() * min(len(lesions), len(components))
    table = np.zeros((len(lesions), len(components)))
    table[lesion, component] = gain
    rows, columns = linear_sum_assignment(table, maximize=True)
    place = np.full(table.shape, -1)
    place[lesion, component] = np.arange(len(candidates))
    chosen: np.ndarray = place[rows, columns]
    return chosen[chosen >= 0]


def _best_of(owner: np.ndarray, score: np.ndarray, owners: int) -> np.ndarray:
    """(owners,) for owner 1, 2, ...: the place of its highest score, of equals the first; -1 without any."""
    best = np.full(owners, -1)
    # Assigned from the lowest score to the highest: the last assignment to an owner is its best.
    order = np.lexsort((-np.arange(len(score)), score))
    best[owner[order] - 1] = order
    return best
