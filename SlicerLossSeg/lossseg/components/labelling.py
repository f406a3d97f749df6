"""Components of a mask or of a list of voxels, as an array or as a list."""

from __future__ import annotations

import cc3d
import numpy as np

from lossseg.components.found import Components
from lossseg.components.listing import foreground
from lossseg.components.runs import NEIGHBOUR_ROWS, Runs, join, runs_of
from lossseg.components.slabs import by_slabs
from lossseg.errors import InputError

# In the time in which one run is joined, cc3d reads about this many voxels.
_VOXELS_PER_RUN = 300

# Above this share of foreground an array of labels is left to cc3d, which walks all voxels in any case.
_DENSE = 1 / 200

# The share is estimated on every so many slices.
_SLICES_APART = 8


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
    mask = _checked(mask, connectivity)
    if not _is_dense(mask):
        found = find(mask, connectivity)
        return found.array(), found.count
    try:
        labels, count = cc3d.connected_components(
            _unsigned(mask), connectivity=connectivity, return_N=True, binary_image=True, out_dtype=np.uint32
        )
    except RuntimeError:  # cc3d refuses lattices of single voxels in volumes with odd sides
        found = find(mask, connectivity)
        return found.array(), found.count
    return labels.view(np.int32), int(count)


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
    kept.reshape(-1)[found.voxels[np.append(False, found.sizes >= min_voxels)[found.labels]]] = True
    return kept


def sizes(labels: np.ndarray) -> np.ndarray:
    """Voxels of component 1, 2, ... of a label array as `label` gives it: (count,) int64, empty without any."""
    return np.bincount(labels[labels > 0])[1:] if labels.any() else np.zeros(0, np.int64)


def find(mask: np.ndarray, connectivity: int = 26) -> Components:
    """As `label`, but as a list of foreground voxels, which takes less memory and time than an array."""
    mask = _checked(mask, connectivity)
    return group(foreground(mask), mask.shape, connectivity)


def group(voxels: np.ndarray, shape: tuple[int, ...], connectivity: int = 26) -> Components:
    """Components of the voxels at flat C-order indices (ascending, each once) of a grid of `shape` (z, y, x).

    Raises:
        InputError: connectivity is none of 6, 18, 26.
    """
    _check_connectivity(connectivity)
    depth, height, width = shape
    grid = (depth, height, width)
    if not len(voxels):
        return Components(grid, voxels.astype(np.int64), np.zeros(0, np.int32), 0)
    runs = runs_of(voxels, width)
    low, box = _bounding_box(runs, grid)
    if len(runs.first) * _VOXELS_PER_RUN <= np.prod(box, dtype=np.int64):
        count, component = join(runs, grid, connectivity)
        return Components(grid, voxels, np.repeat(_in_order(component, count), runs.length), count)
    row, x = np.divmod(runs.first, width)
    z, y = np.divmod(row, height)
    box = (box[0] + box[0] % 2, box[1] + box[1] % 2, box[2] + box[2] % 2)
    first_in_box = ((z - low[0]) * box[1] + y - low[1]) * box[2] + x - low[2]
    count, labels = by_slabs(voxels + np.repeat(first_in_box - runs.first, runs.length), box, connectivity)
    return Components(grid, voxels, labels, count)


def _bounding_box(runs: Runs, shape: tuple[int, int, int]) -> tuple[tuple[int, ...], tuple[int, int, int]]:
    """The first voxel (z, y, x) and the size of the box that holds all runs."""
    _, height, width = shape
    row = runs.first // width
    y, x = row % height, runs.first % width
    low = (int(row[0]) // height, int(y.min()), int(x.min()))
    high = (int(row[-1]) // height, int(y.max()), int((x + runs.length).max()) - 1)
    return low, (high[0] - low[0] + 1, high[1] - low[1] + 1, high[2] - low[2] + 1)


def _in_order(component: np.ndarray, count: int) -> np.ndarray:
    """Number the components 0 to count - 1 of a list anew, 1 to count, by their first place in the list."""
    place = np.empty(count, np.int64)
    # Of several values for one place numpy keeps the last, which is the first of the list when it is read backwards.
    place[component[::-1]] = np.arange(len(component))[::-1]
    number = np.empty(count, np.int32)
    number[np.argsort(place)] = np.arange(1, count + 1)
    return number[component]


def _is_dense(mask: np.ndarray) -> bool:
    some = mask[::_SLICES_APART]
    return bool(np.count_nonzero(some) > _DENSE * some.size)


def _unsigned(mask: np.ndarray) -> np.ndarray:
    """The mask in C order and of a type in which cc3d takes every value but 0 for foreground."""
    return np.ascontiguousarray(mask if mask.dtype.kind in "bu" else mask != 0)


def _checked(mask: np.ndarray, connectivity: int) -> np.ndarray:
    mask = np.asarray(mask)
    if mask.ndim != 3:
        raise InputError(f"Components need a 3D mask, this one has {mask.ndim} axes.", "Give an array (z, y, x).")
    _check_connectivity(connectivity)
    return mask


def _check_connectivity(connectivity: int) -> None:
    if connectivity not in NEIGHBOUR_ROWS:
        raise InputError(f"There is no {connectivity}-connectivity in 3D.", "Choose 6, 18 or 26.")
