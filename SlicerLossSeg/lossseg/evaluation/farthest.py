"""The longest diameter of each of many groups of voxels or pixels."""

from __future__ import annotations

from collections.abc import Iterator
from typing import NamedTuple

import numpy as np
from scipy.spatial import ConvexHull, QhullError
from scipy.spatial.distance import cdist

# Groups of more points are looked at one by one; of those up to this size many pairs are compared at once.
_FEW_POINTS = 48
_PAIRS_AT_ONCE = 1 << 18

# Above this many points a convex hull is quicker than comparing all pairs, and blocks keep memory bounded.
_MANY_POINTS = 500
_BLOCK = 1000


class Farthest(NamedTuple):
    """The longest diameter of each group.

    Attributes:
        length: (groups,) float64, in the unit of the points.
        vector: (groups, d) float64: from one end to the other.
    """

    length: np.ndarray
    vector: np.ndarray


def farthest(points: np.ndarray, first: np.ndarray, sides: np.ndarray) -> Farthest:
    """The greatest distance between the middles of two faces (in 3D) or sides (in 2D) of the voxels of each group.

    Only opposite faces across one axis need a look. For faces across two axes the square of the distance is less than
    the mean of the squares for opposite faces across the one axis and across the other.

    Args:
        points: (n, d): the middles of the voxels, group by group; at least one in each.
        first: (groups,): where each group begins.
        sides: (d,): lengths of a voxel's sides.
    """
    sizes = np.diff(np.append(first, len(points)))
    ends = np.zeros((len(first), 2), np.int64)
    for group in np.flatnonzero(sizes > _FEW_POINTS):
        ends[group] = first[group] + _of_many(points[first[group] : first[group] + sizes[group]], sides)
    few = np.flatnonzero(sizes <= _FEW_POINTS)
    for some in _portions(few, sizes):
        ends[some] = _of_few(points, first[some], sizes[some], sides)
    vector = points[ends[:, 0]] - points[ends[:, 1]]
    axis = _longer_by(vector, sides).argmax(axis=1)
    place = (np.arange(len(first)), axis)
    vector[place] += np.where(vector[place] < 0, -sides[axis], sides[axis])
    return Farthest(np.linalg.norm(vector, axis=1), vector)


def _longer_by(difference: np.ndarray, sides: np.ndarray) -> np.ndarray:
    """(n, d): by how much the square of a distance between middles grows when faces across each axis are its ends."""
    longer: np.ndarray = sides * (2 * np.abs(difference) + sides)
    return longer


def _portions(groups: np.ndarray, sizes: np.ndarray) -> Iterator[np.ndarray]:
    """The groups in portions of about as many pairs as are compared at once."""
    pairs = np.cumsum(sizes[groups] * (sizes[groups] + 1) // 2)
    portion = pairs // _PAIRS_AT_ONCE
    yield from np.split(groups, np.flatnonzero(np.diff(portion)) + 1) if len(groups) else ()


def _of_few(points: np.ndarray, first: np.ndarray, sizes: np.ndarray, sides: np.ndarray) -> np.ndarray:
    """(groups, 2): places of the two voxels, by comparing all pairs of all groups at once."""
    one = np.repeat(first, sizes) + _counted(sizes)
    # Each voxel is compared with itself and with those that follow in its group.
    following = np.repeat(first + sizes, sizes) - one
    other = np.repeat(one, following) + _counted(following)
    one = np.repeat(one, following)
    difference = points[one] - points[other]
    squared = (difference**2).sum(axis=1) + _longer_by(difference, sides).max(axis=1)
    pairs = sizes * (sizes + 1) // 2
    start = np.cumsum(pairs) - pairs
    best = np.flatnonzero(squared == np.repeat(np.maximum.reduceat(squared, start), pairs))
    best = best[np.searchsorted(best, start)]
    return np.stack((one[best], other[best]), axis=1)


def _counted(lengths: np.ndarray) -> np.ndarray:
    """0, 1, ... length - 1 for each of the lengths, one after the other."""
    counted: np.ndarray = np.arange(lengths.sum()) - np.repeat(np.cumsum(lengths) - lengths, lengths)
    return counted


def _of_many(points: np.ndarray, sides: np.ndarray) -> np.ndarray:
    """(2,): places of the two voxels in one group."""
    outline = np.arange(len(points))
    if len(points) > _MANY_POINTS:
        outline = _hull_vertices(points)
    corners = points[outline]
    longest, ends = -1.0, np.zeros(2, np.int64)
    for step in np.diag(sides):
        for start in range(0, len(corners), _BLOCK):
            squared = cdist(corners[start : start + _BLOCK] + step, corners, "sqeuclidean")
            one, other = divmod(int(squared.argmax()), len(corners))
            if squared[one, other] > longest:
                longest, ends = squared[one, other], outline[[start + one, other]]
    return ends


def _hull_vertices(points: np.ndarray) -> np.ndarray:
    """Places of the vertices of the convex hull; of all points when they lie in a plane or on a line."""
    try:
        vertices: np.ndarray = ConvexHull(points).vertices
    except QhullError:
        return np.arange(len(points))
    return vertices
