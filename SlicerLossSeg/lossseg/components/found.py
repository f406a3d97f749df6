"""What was found: the components of a mask as a list of voxels."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

import numpy as np


@dataclass(frozen=True, eq=False)
class Components:
    """The components of one mask as a list of voxels.

    Attributes:
        shape: of the mask, (z, y, x) voxels.
        voxels: (n,) int64, flat C-order indices of the foreground, ascending.
        labels: (n,) int32, the component of each voxel, 1 to `count`; components are numbered by their first voxel.
        count: number of components.
    """

    shape: tuple[int, int, int]
    voxels: np.ndarray
    labels: np.ndarray
    count: int

    @cached_property
    def sizes(self) -> np.ndarray:
        """(count,) int64: voxels of component 1, 2, ..."""
        return np.bincount(self.labels, minlength=self.count + 1)[1:]

    @cached_property
    def by_component(self) -> np.ndarray:
        """(n,) int64: places in `voxels` component by component, in ascending order of the voxels within each."""
        return np.argsort(self.labels, kind="stable")

    @property
    def starts(self) -> np.ndarray:
        """(count,) int64: where component 1, 2, ... begins in `by_component`."""
        return np.cumsum(self.sizes) - self.sizes

    def coordinates(self) -> np.ndarray:
        """(n, 3) int64: z, y, x of each voxel."""
        return np.stack(np.unravel_index(self.voxels, self.shape), axis=1)

    def subset(self, keep: np.ndarray) -> Components:
        """Only the components whose place in `keep`, (count,) bool, is true; numbered anew in the same order."""
        wanted = np.concatenate([[False], keep])
        number = np.cumsum(wanted, dtype=np.int32)
        chosen = wanted[self.labels]
        return Components(self.shape, self.voxels[chosen], number[self.labels[chosen]], int(number[-1]))

    def highest(self, values: np.ndarray) -> np.ndarray:
        """(count,) float64: the highest of `values` (n,), one per voxel in the order of `voxels`, in each component."""
        highest = np.full(self.count + 1, -np.inf, np.float64)
        np.maximum.at(highest, self.labels, values)
        return highest[1:]

    def array(self) -> np.ndarray:
        """(z, y, x) int32: the component of each voxel, 0 in the background."""
        labels = np.zeros(self.shape, np.int32)
        labels.reshape(-1)[self.voxels] = self.labels
        return labels
