"""The mean of the members' probabilities, and how far they disagree, without keeping the members' volumes."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from lossseg.inference.sliding_window import Triple
from lossseg.preprocessing.stack import Stack


@dataclass(frozen=True)
class Means:
    """Slices of the mean over all members.

    Attributes:
        probability: float32 (classes, n, y, x) of each foreground class.
        squares: float32 (n, y, x), the weighted sum of squared deviations of any foreground; where it is followed.
    """

    probability: np.ndarray
    squares: np.ndarray | None = None

    def any_foreground(self) -> np.ndarray:
        """Mean probability (n, y, x) of any foreground, in [0, 1] also where rounding went beyond."""
        total = self.probability[0] if len(self.probability) == 1 else self.probability.sum(axis=0)
        result: np.ndarray = np.clip(total, 0, 1)
        return result


class RunningMean:
    """Weighted running mean of probability volumes, and on request the running variance of the foreground.

    Mean and variance are updated slab by slab (West, Comm. ACM 22, 1979), so that the number of members does not
    matter for the memory. They lie in a stack, which takes a file when it is large; of a single member nothing is kept.

    Args:
        channels: number of foreground classes.
        size: the grid (z, y, x) in voxels.
        members: how many volumes come.
        variance: whether to follow the variance of the probability of any foreground.

    Attributes:
        weight: the sum of the weights so far, that of the present volume included.
    """

    def __init__(self, channels: int, size: Triple, members: int, *, variance: bool = False) -> None:
        self.channels, self.weight, self.variance = channels, 0.0, variance
        self._left = members
        self._share, self._added = 1.0, 0.0
        self._stack = Stack((channels + variance, *size)) if members > 1 else None

    def begin(self, weight: float) -> bool:
        """The next volume begins, all slices of which come by `add`; whether it is the last one."""
        self._left -= 1
        self._share, self._added = weight / (self.weight + weight) if self.weight else 1.0, weight
        self.weight += weight
        return self._left == 0

    def add(self, first: int, probability: np.ndarray) -> Means:
        """Take up the slices (channels, n, y, x) float32 from `first` on; the mean over the volumes so far."""
        means = self._updated(first, probability)
        if self._stack is not None and self._left:
            kept = [means.probability] if means.squares is None else [means.probability, means.squares[None]]
            self._stack.write(first, kept[0] if len(kept) == 1 else np.concatenate(kept))
        return means

    def _updated(self, first: int, probability: np.ndarray) -> Means:
        end = first + probability.shape[1]
        if self._share == 1.0 or self._stack is None:
            return Means(probability, np.zeros(probability.shape[1:], np.float32) if self.variance else None)
        before = self._stack.read(first, end)
        mean = before[: self.channels]
        change = probability - mean
        squares = None
        if self.variance:
            squares = before[-1] + np.float32(self._added * (1 - self._share)) * change.sum(axis=0) ** 2
        change *= np.float32(self._share)
        change += mean
        return Means(change, squares)
