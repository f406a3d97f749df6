"""Connected components of a 3D mask, found on its foreground only.

A lesion mask is almost all background, so nothing here walks the whole volume more than once: the foreground voxels are
listed, gathered into runs along x, and runs that touch are joined. The cost follows the foreground, not the volume.
"""

from __future__ import annotations

from dataclasses import dataclass

import cc3d
import numpy as np
from scipy.sparse import coo_array
from scipy.sparse.csgraph import connected_components

from lossseg.errors import InputError

# Half of the neighbourhood, by rows: (step in z, step in y, how far apart in x runs may lie); symmetry gives the rest.
_NEIGHBOUR_ROWS = {
    6: ((0, 1, 0), (1, 0, 0)),
    18: ((0, 1, 1), (1, 0, 1), (1, 1, 0), (1, -1, 0)),
    26: ((0, 1, 1), (1, 0, 1), (1, 1, 1), (1, -1, 1)),
}

# Above this many runs (noise-like masks) joining runs costs more than cc3d's pass over the bounding box.
_MOST_RUNS = 80_000


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

    @property
    def sizes(self) -> np.ndarray:
        """(count,) int64: voxels of component 1, 2, ..."""
        return np.bincount(self.labels, minlength=self.count + 1)[1:]

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
        """(count,) the highest of `values` (n,), one per voxel in the order of `voxels`, in each component."""
        highest = np.full(self.count + 1, -np.inf, np.float64)
        np.maximum.at(highest, self.labels, values)
        return highest[1:]

    def array(self) -> np.ndarray:
        """(z, y, x) int32: the component of each voxel, 0 in the background."""
        labels = np.zeros(self.shape, np.int32)
        labels.reshape(-1)[self.voxels] = self.labels
        return labels


def label(mask: np.ndarray, connectivity: int = 26) -> tuple[np.ndarray, int]:
    """Number the connected components of a mask.

    Args:
        mask: (z, y, x); every value but 0 is foreground.
        connectivity: 6 (faces), 18 (and edges) or 26 (and corners).

    Returns:
        (z, y, x) int32, components 1 to count in the order of their first voxel, and the count (0 for an empty mask).

    Raises:
        InputError: not three axes, or another connectivity.
    """
    found = find(mask, connectivity)
    return found.array(), found.count


def remove_small(mask: np.ndarray, min_voxels: int = 11, connectivity: int = 26) -> np.ndarray:
    """The mask without its components of fewer than `min_voxels` voxels.

    The default drops what the ADAM 2020 winner dropped, by component: aneurysms under 11 voxels.

    Args:
        mask: (z, y, x); every value but 0 is foreground.
        min_voxels: the smallest component that stays, in voxels; 1 or less keeps everything.
        connectivity: 6, 18 or 26.

    Returns:
        (z, y, x) bool, a new array.

    Raises:
        InputError: not three axes, or another connectivity.
    """
    found = find(mask, connectivity)
    kept = np.zeros(found.shape, bool)
    kept.reshape(-1)[found.subset(found.sizes >= min_voxels).voxels] = True
    return kept


def sizes(labels: np.ndarray) -> np.ndarray:
    """Voxels of component 1, 2, ... of a label array as `label` gives it: (count,) int64, empty without any."""
    return np.bincount(labels[labels > 0])[1:] if labels.any() else np.zeros(0, np.int64)


def find(mask: np.ndarray, connectivity: int = 26) -> Components:
    """As `label`, but as a list of foreground voxels, which takes less memory and time than an array."""
    mask = np.asarray(mask)
    if mask.ndim != 3:
        raise InputError(f"Components need a 3D mask, this one has {mask.ndim} axes.", "Give an array (z, y, x).")
    return group(foreground(mask), mask.shape, connectivity)


def foreground(mask: np.ndarray) -> np.ndarray:
    """(n,) int64: flat C-order indices, ascending, of the voxels that are not 0."""
    return np.flatnonzero(mask if mask.dtype == bool else mask != 0)


def group(voxels: np.ndarray, shape: tuple[int, ...], connectivity: int = 26) -> Components:
    """Components of the voxels at flat C-order indices (ascending, each once) of a grid of `shape` (z, y, x).

    Raises:
        InputError: connectivity is none of 6, 18, 26.
    """
    if connectivity not in _NEIGHBOUR_ROWS:
        raise InputError(f"There is no {connectivity}-connectivity in 3D.", "Choose 6, 18 or 26.")
    depth, height, width = shape
    grid = (depth, height, width)
    if not len(voxels):
        return Components(grid, voxels.astype(np.int64), np.zeros(0, np.int32), 0)
    row, x = np.divmod(voxels, width)
    starts = np.ones(len(voxels), bool)
    starts[1:] = (np.diff(voxels) != 1) | (x[1:] == 0)
    first = np.flatnonzero(starts)
    if len(first) > _MOST_RUNS:
        return _with_cc3d(voxels, grid, connectivity)
    last = np.append(first[1:], len(voxels)) - 1
    # A row after each slice and two columns after each row stay empty: a neighbour beyond the border finds nothing.
    padded_row = row[first] + row[first] // height
    stride = width + 2
    run_of_voxel = np.cumsum(starts) - 1
    start, end = padded_row * stride + x[first], padded_row * stride + x[last]
    count, component = _join_runs(start, end, height + 1, stride, connectivity)
    return Components(grid, voxels, _in_order(component, count)[run_of_voxel], count)


def _join_runs(start: np.ndarray, end: np.ndarray, rows: int, stride: int, connectivity: int) -> tuple[int, np.ndarray]:
    sources, targets = [], []
    for step_z, step_y, reach in _NEIGHBOUR_ROWS[connectivity]:
        offset = (step_z * rows + step_y) * stride
        low = np.searchsorted(end, start + offset - reach, "left")
        high = np.searchsorted(start, end + offset + reach, "right")
        touching = np.maximum(high - low, 0)
        total = int(touching.sum())
        before = np.cumsum(touching) - touching
        sources.append(np.repeat(np.arange(len(start)), touching))
        targets.append(np.repeat(low - before, touching) + np.arange(total))
    source, target = np.concatenate(sources), np.concatenate(targets)
    graph = coo_array((np.ones(len(source), bool), (source, target)), shape=(len(start), len(start)))
    count, component = connected_components(graph, directed=False)
    return int(count), component


def _with_cc3d(voxels: np.ndarray, shape: tuple[int, int, int], connectivity: int) -> Components:
    coordinates = np.unravel_index(voxels, shape)
    low = [int(axis.min()) for axis in coordinates]
    inside = tuple(axis - least for axis, least in zip(coordinates, low, strict=True))
    box = np.zeros([int(axis.max()) + 1 for axis in inside], bool)
    box[inside] = True
    labels, count = cc3d.connected_components(box, connectivity=connectivity, return_N=True)
    return Components(shape, voxels, _in_order(labels[inside].astype(np.int64) - 1, int(count)), int(count))


def _in_order(component: np.ndarray, count: int) -> np.ndarray:
    """Number the components 0 to count - 1 of a list anew, 1 to count, by their first place in the list."""
    place = np.empty(count, np.int64)
    # Of several values for one place numpy keeps the last, which is the first of the list when it is read backwards.
    place[component[::-1]] = np.arange(len(component))[::-1]
    number = np.empty(count, np.int32)
    number[np.argsort(place)] = np.arange(1, count + 1)
    return number[component]
