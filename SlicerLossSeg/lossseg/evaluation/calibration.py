"""Whether a probability of 0.8 means that 80 of 100 such voxels are lesion."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np

from lossseg.evaluation.voxel_tally import RELIABILITY_BINS, VoxelTally


@dataclass(frozen=True, eq=False)
class Reliability:
    """The reliability curve of voxels pooled over all volumes. Build it with `reliability`.

    Attributes:
        edges: (bins + 1,) of the bins, from 0 to 1; a probability on an edge is in the upper bin, 1 in the last.
        voxels: (bins,) in each bin.
        confidence: (bins,) mean probability; NaN in an empty bin.
        frequency: (bins,) share of voxels that are of the reference; NaN in an empty bin.
        brier: mean of (p - y)² over all voxels; NaN without voxels.
    """

    edges: np.ndarray
    voxels: np.ndarray
    confidence: np.ndarray
    frequency: np.ndarray
    brier: float

    @property
    def ece(self) -> float:
        """Expected calibration error: mean of |confidence - frequency| over the bins, weighted by their voxels.

        In [0, 1]; NaN without voxels (Naeini et al., AAAI 2015; Guo et al., ICML 2017). Almost all voxels are sure
        background, so it is small for every model; `ece_above_first` leaves them out.
        """
        return self._error(0)

    @property
    def ece_above_first(self) -> float:
        """The same without the lowest bin: over the voxels that the model holds to be lesion with at least 5 %.

        Voxels are chosen by their probability alone; choosing them by the reference as well would bend the curve.
        """
        return self._error(1)

    @property
    def mce(self) -> float:
        """Maximum calibration error: the greatest |confidence - frequency| of a bin; NaN without voxels."""
        gaps = np.abs(self.confidence - self.frequency)[self.voxels > 0]
        return float(gaps.max()) if len(gaps) else math.nan

    def _error(self, first: int) -> float:
        voxels = self.voxels[first:]
        gaps = np.abs(self.confidence - self.frequency)[first:]
        held = voxels > 0
        return float(gaps[held] @ voxels[held] / voxels.sum()) if held.any() else math.nan


def reliability(tally: VoxelTally) -> Reliability:
    """Mean probability and share of lesion voxels in 20 bins of equal width."""
    voxels = tally.voxels
    total = int(voxels.sum())
    with np.errstate(invalid="ignore"):
        confidence, frequency = tally.probability / voxels, tally.positive / voxels
    return Reliability(
        edges=np.linspace(0, 1, RELIABILITY_BINS + 1),
        voxels=voxels,
        confidence=confidence,
        frequency=frequency,
        brier=tally.squared_error / total if total else math.nan,
    )
