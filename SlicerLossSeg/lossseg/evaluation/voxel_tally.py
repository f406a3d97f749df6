"""What is kept of the probabilities of any number of voxels: counts in fine bins, and sums for calibration."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from lossseg.evaluation.inputs import checked_probability

RELIABILITY_BINS = 20
"""Bins of equal width in which the probability is compared with the share of lesion voxels."""

_CHUNK = 1 << 21
_SHIFT = 16
_HALF = int(np.float32(0.5).view(np.uint32)) >> _SHIFT
FINE_BINS = 2 * _HALF + 1


@dataclass(frozen=True, eq=False)
class VoxelTally:
    """Sums over voxels; those of several volumes are added with `+`. Its size does not depend on how many voxels.

    The fine bins lie closer the nearer the probability is to 0 or 1: a bin reaches over at most 1/128 of p below one
    half and of 1 - p above it, because it holds the float32 numbers that have 7 leading bits of the fraction in common.
    Equal bins would put a detector's whole working range, such as 1e-5 to 1e-2 of background, into one.

    Attributes:
        background: (FINE_BINS,) int64: voxels outside of the reference in each fine bin, ascending in probability.
        lesion: (FINE_BINS,) int64: voxels of the reference.
        voxels: (RELIABILITY_BINS,) int64: all voxels in each bin of equal width.
        probability: (RELIABILITY_BINS,) float64: the sum of their probabilities.
        positive: (RELIABILITY_BINS,) int64: how many of them are of the reference.
        squared_error: sum of (p - y)² over all voxels, y being 1 in the reference and 0 elsewhere.
    """

    background: np.ndarray
    lesion: np.ndarray
    voxels: np.ndarray
    probability: np.ndarray
    positive: np.ndarray
    squared_error: float

    def __add__(self, other: VoxelTally) -> VoxelTally:
        return VoxelTally(
            self.background + other.background,
            self.lesion + other.lesion,
            self.voxels + other.voxels,
            self.probability + other.probability,
            self.positive + other.positive,
            self.squared_error + other.squared_error,
        )


def tally(reference: np.ndarray, probability: np.ndarray, ignore_label: int | None = None) -> VoxelTally:
    """The sums of one volume.

    Args:
        reference: (z, y, x), every value but 0 is lesion.
        probability: (z, y, x) in [0, 1], of any lesion; taken as float32.
        ignore_label: value of the reference whose voxels are left out.

    Raises:
        InputError: shapes that differ, or a probability outside [0, 1].
    """
    values = checked_probability(probability, reference).reshape(-1)
    truth = reference.reshape(-1)
    if ignore_label is not None:
        counted = truth != ignore_label
        values, truth = values[counted], truth[counted]
    fine = np.zeros((2, FINE_BINS), np.int64)
    voxels, positive = np.zeros((2, RELIABILITY_BINS), np.int64)
    sums = np.zeros(RELIABILITY_BINS)
    squared_error = 0.0
    for start in range(0, len(values), _CHUNK):
        p = np.ascontiguousarray(values[start : start + _CHUNK], np.float32)
        inside = np.flatnonzero(truth[start : start + _CHUNK])
        bins = fine_bin(p)
        every, part = (np.bincount(each, minlength=FINE_BINS) for each in (bins, bins[inside]))
        fine += every - part, part
        exact = p.astype(np.float64)
        of_lesion = exact[inside]
        squared_error += float(exact @ exact - 2 * of_lesion.sum() + len(inside))
        positive += np.bincount(_coarse_bin(of_lesion), minlength=RELIABILITY_BINS)
        # Almost all voxels are in the lowest bin: what is left of the whole when the others are counted.
        above = exact[exact * RELIABILITY_BINS >= 1]
        coarse = _coarse_bin(above)
        counts, totals = np.bincount(coarse, minlength=RELIABILITY_BINS), np.bincount(coarse, above, RELIABILITY_BINS)
        counts[0], totals[0] = len(exact) - len(above), max(exact.sum() - totals.sum(), 0.0)
        voxels += counts
        sums += totals
    return VoxelTally(fine[0], fine[1], voxels, sums, positive, squared_error)


def fine_bin(probability: np.ndarray) -> np.ndarray:
    """The fine bin of each float32 probability; a greater probability is never in a lower bin."""
    bins = (probability.view(np.uint32) >> _SHIFT).astype(np.intp)
    high = np.flatnonzero(probability > 0.5)
    rest = np.float32(1) - probability[high]
    bins[high] = FINE_BINS - 1 - (rest.view(np.uint32) >> _SHIFT)
    return bins


def fine_edges() -> np.ndarray:
    """(FINE_BINS,) float64: the lower edge of each fine bin, in [0, 1]; it belongs to the bin up to 0.5."""
    codes = np.arange(_HALF + 1, dtype=np.uint32) << _SHIFT
    low = codes.view(np.float32).astype(np.float64)
    return np.concatenate([low, 1 - low[:0:-1]])


def _coarse_bin(probability: np.ndarray) -> np.ndarray:
    return np.minimum((probability * RELIABILITY_BINS).astype(np.intp), RELIABILITY_BINS - 1)
