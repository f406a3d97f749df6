"""Foreground voxels as runs along x, and the components of a list of runs."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from scipy.sparse import coo_array
from scipy.sparse.csgraph import connected_components

# Half of the neighbourhood, by rows: (step in z, step in y, how far apart in x runs may lie); symmetry gives the rest.
NEIGHBOUR_ROWS = {
    6: ((0, 1, 0), (1, 0, 0)),
    18: ((0, 1, 1), (1, 0, 1), (1, 1, 0), (1, -1, 0)),
    26: ((0, 1, 1), (1, 0, 1), (1, 1, 1), (1, -1, 1)),
}


class Runs(NamedTuple):
    """Neighbouring voxels of one row each.

    Attributes:
        first: (runs,) int64: flat C-order index of the first voxel, ascending.
        length: (runs,) int64, voxels.
    """

    first: np.ndarray
    length: np.ndarray


def runs_of(voxels: np.ndarray, width: int) -> Runs:
    """The runs of voxels at flat indices (ascending, each once) of a grid with rows of `width`; there is at least one.

    A row's last voxel and the next row's first are in different runs.
    """
    gap = np.flatnonzero(np.diff(voxels) != 1) + 1
    first = voxels[np.concatenate(([0], gap))]
    length = np.diff(np.concatenate(([0], gap, [len(voxels)])))
    rows = (first + length - 1) // width - first // width + 1
    if rows.max() == 1:
        return Runs(first, length)
    # Runs that go on in the next row are cut at the end of each row.
    stretch = np.repeat(np.arange(len(first)), rows)
    piece = np.arange(len(stretch)) - np.repeat(np.cumsum(rows) - rows, rows)
    begin = np.where(piece == 0, first[stretch], (first[stretch] // width + piece) * width)
    end = np.minimum((begin // width + 1) * width, (first + length)[stretch])
    return Runs(begin, end - begin)


def join(runs: Runs, shape: tuple[int, int, int], connectivity: int) -> tuple[int, np.ndarray]:
    """The number of components, and the component of each run, counted from 0 in no particular order."""
    _, height, width = shape
    row, x = np.divmod(runs.first, width)
    # A row after each slice and two columns after each row stay empty: a neighbour beyond the border finds nothing.
    stride, rows = width + 2, height + 1
    first = (row + row // height) * stride + x
    last = first + runs.length - 1
    sources, targets = [], []
    for step_z, step_y, reach in NEIGHBOUR_ROWS[connectivity]:
        offset = (step_z * rows + step_y) * stride
        # Of two runs that touch, one is the first that the other touches: these pairs join what all pairs would.
        onward = _first_touching(first + offset, last + offset, first, last, reach)
        back = _first_touching(first - offset, last - offset, first, last, reach)
        sources += [onward[0], back[0]]
        targets += [onward[1], back[1]]
    source, target = np.concatenate(sources), np.concatenate(targets)
    graph = coo_array((np.ones(len(source)), (source, target)), shape=(len(first), len(first)))
    count, component = connected_components(graph, directed=False)
    return int(count), component


def _first_touching(
    start: np.ndarray, end: np.ndarray, first: np.ndarray, last: np.ndarray, reach: int
) -> tuple[np.ndarray, np.ndarray]:
    """Which of the intervals [start, end] come within `reach` of one of [first, last], and the first such one."""
    candidate = np.searchsorted(last, start - reach)
    candidate[candidate == len(first)] = 0
    touching = np.flatnonzero((first[candidate] <= end + reach) & (last[candidate] >= start - reach))
    return touching, candidate[touching]
