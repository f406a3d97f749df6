"""Where to look closely: an approximation that leaves out what a quick first pass finds nothing in.

The first pass runs one member over windows that do not overlap, without mirroring, which in a large volume is about an
eighth of the windows. Blocks of 8 voxels in which the probability of some foreground anywhere reaches half of that
from which a voxel is foreground, and their neighbours, are segmented as always; everything else is background. It saves
nothing where lesions are many or the volume is only a few windows large.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from scipy import ndimage

BLOCK = 8
OVERLAP = 0.0
_PART, _USUAL_THRESHOLD = 0.5, 0.5


@dataclass(frozen=True)
class LookedAt:
    """How much of a case was looked at in full.

    Attributes:
        voxels, of_voxels: of the networks' grids, all members together; what is 0 out to the border counts in the
            latter.
        windows, of_windows: run in full, and what a segmentation without the first pass would have run.
        first_pass: windows of the first pass.
    """

    voxels: int = 0
    of_voxels: int = 0
    windows: int = 0
    of_windows: int = 0
    first_pass: int = 0

    @property
    def share(self) -> float:
        """Of the volume, in [0, 1]."""
        return self.voxels / self.of_voxels if self.of_voxels else 0.0

    @property
    def record(self) -> dict[str, str | float | int]:
        """What the result's record says of it."""
        return {
            "approximation": "coarse to fine: only where a first pass found something was everything run",
            "looked_at_in_full": round(self.share, 4),
            "windows": self.windows,
            "of_windows": self.of_windows,
            "windows_of_first_pass": self.first_pass,
        }

    def __add__(self, other: LookedAt) -> LookedAt:
        return LookedAt(
            self.voxels + other.voxels,
            self.of_voxels + other.of_voxels,
            self.windows + other.windows,
            self.of_windows + other.of_windows,
            self.first_pass + other.first_pass,
        )


class Candidates:
    """Collects the slabs of a first pass over a grid.

    Args:
        size: of the grid, (z, y, x) voxels.
        threshold: from which probability on a voxel is foreground; None for the most probable class.
    """

    def __init__(self, size: Sequence[int], threshold: float | None = None) -> None:
        self._size = tuple(size)
        self._faint = _PART * (_USUAL_THRESHOLD if threshold is None else threshold)
        self._blocks = np.zeros([-(-length // BLOCK) for length in size], bool)

    def take(self, first: int, probability: np.ndarray) -> None:
        """The probabilities (classes, n, y, x) of the slices from `first` on."""
        found = probability.sum(axis=0) >= self._faint
        for axis in (1, 2):
            found = np.logical_or.reduceat(found, np.arange(0, found.shape[axis], BLOCK), axis=axis)
        for number, plane in enumerate(found, first):
            self._blocks[number // BLOCK] |= plane

    def needed(self) -> np.ndarray:
        """bool (z, y, x): the blocks in which something was found, and their 26 neighbours."""
        blocks = ndimage.binary_dilation(self._blocks, np.ones((3, 3, 3), bool))
        places = [np.arange(length) // BLOCK for length in self._size]
        return np.ascontiguousarray(blocks[np.ix_(*places)])
