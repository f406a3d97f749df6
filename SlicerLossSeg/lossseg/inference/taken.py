"""Slabs handed on, each slice once, although the work on them may begin anew."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np

from lossseg.errors import OutOfMemory
from lossseg.inference.ladder import is_out_of_memory

_AT_ONCE = 16
"""Slices: what takes them up needs several times their memory."""


class Taken:
    """Hands slabs to `take`, and zeros for the slices between them.

    What runs out of memory in there is not tried again: the slab may have been taken up in part.

    Args:
        channels: of the slabs.
        size: the grid (z, y, x) in voxels.

    Attributes:
        end: the first slice that has not been handed on.
    """

    def __init__(self, take: Callable[[int, np.ndarray], None], channels: int, size: Sequence[int]) -> None:
        self._take, self._channels, self._size = take, channels, tuple(size)
        self.end = 0

    def add(self, first: int, values: np.ndarray) -> None:
        """Hand on `values` (channels, n, y, x) float32, the slices from `first` on."""
        while self.end < first:
            count = min(_AT_ONCE, first - self.end)
            self._hand_on(np.zeros((self._channels, count, *self._size[1:]), np.float32))
        for low in range(0, values.shape[1], _AT_ONCE):
            self._hand_on(values[:, low : low + _AT_ONCE])

    def finish(self) -> None:
        """Zeros up to the last slice."""
        self.add(self._size[0], np.zeros((self._channels, 0, *self._size[1:]), np.float32))

    def _hand_on(self, values: np.ndarray) -> None:
        try:
            self._take(self.end, values)
        except Exception as error:
            if is_out_of_memory(error):
                raise OutOfMemory(
                    "Memory ran out before or after the network ran.",
                    "Close other programs or give a region of interest.",
                ) from error
            raise
        self.end += values.shape[1]
