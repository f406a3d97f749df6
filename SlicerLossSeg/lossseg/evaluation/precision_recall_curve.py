"""Precision against recall by voxel, over any number of volumes."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np

from lossseg.evaluation.voxel_tally import VoxelTally, fine_edges


@dataclass(frozen=True, eq=False)
class PrecisionRecall:
    """Voxels pooled over all volumes. Build it with `precision_recall`.

    Attributes:
        thresholds: (n,) descending: voxels of this probability and more count as predicted.
        precision: (n,) share of the predicted voxels that are of the reference.
        recall: (n,) share of the voxels of the reference that are predicted, ascending to 1; NaN without any.
        prevalence: share of all voxels that are of the reference: the precision of a guess.
    """

    thresholds: np.ndarray
    precision: np.ndarray
    recall: np.ndarray
    prevalence: float

    @property
    def average_precision(self) -> float:
        """Sum over the thresholds of precision times the recall gained there; NaN without a voxel of the reference.

        The step sum of scikit-learn's `average_precision_score`: nothing is interpolated.
        """
        if not len(self.recall) or math.isnan(self.recall[-1]):
            return math.nan
        return float(np.diff(self.recall, prepend=0.0) @ self.precision)

    @property
    def best(self) -> tuple[float, float]:
        """The highest Dice of all voxels together that a threshold reaches, and the threshold; NaN without lesions."""
        if not len(self.recall) or math.isnan(self.recall[-1]):
            return math.nan, math.nan
        both = self.precision + self.recall
        dice = 2 * self.precision * self.recall / np.where(both > 0, both, 1.0)
        place = int(dice.argmax())
        return float(dice[place]), float(self.thresholds[place])


def precision_recall(tally: VoxelTally) -> PrecisionRecall:
    """The curve at the lower edge of every fine bin that holds a voxel.

    Precision and recall are exact at each of these thresholds. Between two of them, less than 1/128 of p or of 1 - p
    apart, the order of the voxels is not kept.
    """
    voxels = tally.background + tally.lesion
    bins = np.flatnonzero(voxels)[::-1]
    hits, predicted = np.cumsum(tally.lesion[bins]), np.cumsum(voxels[bins])
    lesion, total = int(tally.lesion.sum()), int(voxels.sum())
    recall = hits / lesion if lesion else np.full(len(bins), math.nan)
    return PrecisionRecall(
        thresholds=fine_edges()[bins],
        precision=hits / np.maximum(predicted, 1),
        recall=recall,
        prevalence=lesion / total if total else math.nan,
    )
