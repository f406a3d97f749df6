"""Probabilities of some voxels only: those of a prediction's foreground are all that a lesion table needs."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from lossseg.components import places


@dataclass(frozen=True, eq=False)
class ListedProbability:
    """Probabilities of any foreground at some voxels of a volume; elsewhere they are not known.

    Attributes:
        shape: of the volume, (z, y, x) voxels.
        voxels: (n,) int64, flat C-order indices, ascending.
        values: (n,) float32 in [0, 1].
    """

    shape: tuple[int, ...]
    voxels: np.ndarray
    values: np.ndarray

    @classmethod
    def of(
        cls, shape: tuple[int, ...], voxels: Sequence[np.ndarray], values: Sequence[np.ndarray]
    ) -> ListedProbability:
        """From parts in any order."""
        index = np.concatenate([np.zeros(0, np.int64), *voxels])
        listed = np.concatenate([np.zeros(0, np.float32), *values])
        if len(index) and (np.diff(index) < 0).any():
            order = np.argsort(index)
            index, listed = index[order], listed[order]
        return cls(shape, index, listed)

    def at(self, voxels: np.ndarray) -> np.ndarray:
        """(n,) float32: the probabilities at flat indices (n,), NaN at voxels that are not listed."""
        place = places(voxels, self.voxels)
        return np.where(place < 0, np.float32(np.nan), np.append(self.values, np.float32(np.nan))[place])


def values_at(probability: np.ndarray | ListedProbability, voxels: np.ndarray) -> np.ndarray:
    """(n,): the probabilities, a volume (z, y, x) or a list, at flat C-order indices (n,)."""
    if isinstance(probability, ListedProbability):
        return probability.at(voxels)
    flat: np.ndarray = probability.reshape(-1)
    return flat[voxels]
