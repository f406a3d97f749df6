"""The mean of the members' probabilities, and how far they disagree, without keeping the members' volumes."""

from __future__ import annotations

import numpy as np

from lossseg.inference.sliding_window import Box, Triple


class RunningMean:
    """Weighted running mean of probability volumes, and on request the running variance of the foreground.

    Mean and variance are updated in place (West, Comm. ACM 22, 1979), plane by plane, so that the number of members
    does not matter for the memory: one volume per foreground class, and one more for the variance.

    Args:
        channels: number of foreground classes.
        size: the grid (z, y, x) in voxels.
        variance: whether to follow the variance of the probability of any foreground.

    Attributes:
        weight: the sum of the weights so far.
        mean: float32 (channels, z, y, x), zero before the first volume.
    """

    def __init__(self, channels: int, size: Triple, *, variance: bool = False) -> None:
        self.channels, self.weight = channels, 0.0
        self.mean = np.zeros((channels, *size), np.float32)
        self._squares = np.zeros(size, np.float32) if variance else None

    @property
    def variance(self) -> bool:
        return self._squares is not None

    def add(self, probability: np.ndarray, weight: float, region: Box | None = None) -> None:
        """Take up probabilities (channels, *region) float32; they are 0 outside of `region`, default everywhere.

        The first volume that fills the grid is kept, not copied: the caller must not use it any more.
        """
        first = self.weight == 0.0
        self.weight += weight
        if first and probability.shape == self.mean.shape:
            self.mean = probability
        elif first:
            self.mean[(..., *(region or ()))] = probability
        else:
            self._update(probability, weight, region or (slice(None), slice(None), slice(None)))

    def add_zeros(self, weight: float) -> None:
        """Take up probabilities that are 0 everywhere."""
        self.add(np.zeros((self.channels, 0, 0, 0), np.float32), weight, (slice(0), slice(0), slice(0)))

    def any_foreground(self) -> np.ndarray:
        """Mean probability (z, y, x) of any foreground, in [0, 1] also where rounding went beyond."""
        total = self.mean[0] if self.channels == 1 else self.mean.sum(axis=0)
        result: np.ndarray = np.clip(total, 0, 1, out=total)
        return result

    def deviation(self) -> np.ndarray:
        """Standard deviation float32 (z, y, x) of the probability of any foreground, in place of the sums."""
        assert self._squares is not None, "not followed"
        self._squares /= np.float32(self.weight)
        result: np.ndarray = np.sqrt(self._squares, out=self._squares)
        return result

    def _update(self, probability: np.ndarray, weight: float, region: Box) -> None:
        rows, ys, xs = region
        share = weight / self.weight
        planes = self.mean.shape[1]
        start = rows.indices(planes)[0]
        for z in range(planes):
            plane = np.zeros((self.channels, *self.mean.shape[2:]), np.float32)
            if 0 <= z - start < probability.shape[1]:
                plane[:, ys, xs] = probability[:, z - start]
            plane -= self.mean[:, z]
            if self._squares is not None:
                self._squares[z] += weight * (1 - share) * plane.sum(axis=0) ** 2
            plane *= share
            self.mean[:, z] += plane
