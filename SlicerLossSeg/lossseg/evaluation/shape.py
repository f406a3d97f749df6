"""Where the components of a mask lie and how long they are, for all components in one pass."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from scipy.spatial import ConvexHull, QhullError
from scipy.spatial.distance import cdist

from lossseg.components import Components

# Up to this many points comparing all pairs is quicker than a convex hull.
_FEW_POINTS = 300

# Pairs are compared in blocks of this many points, so that memory stays bounded.
_BLOCK = 1000


def centroids(components: Components) -> np.ndarray:
    """(count, 3) float64: mean z, y, x of each component, in voxels (0 is the centre of the first voxel)."""
    coordinates = components.coordinates()
    sums = [np.bincount(components.labels, coordinates[:, axis], components.count + 1)[1:] for axis in range(3)]
    return np.stack(sums, axis=1) / components.sizes[:, None]


def diameters(components: Components, spacing: Sequence[float]) -> np.ndarray:
    """(count,) float64: the longest diameter (maximum Feret diameter) of each component, in mm.

    It is the greatest distance between two points of the surface midway between inside and outside, that is between
    two face centres of the component's voxels. PyRadiomics' `Maximum3DDiameter` and scikit-image's
    `feret_diameter_max` mean the same surface. One voxel measures its longest edge; n voxels in a row along an axis
    measure n times the spacing of that axis, from edge to edge.

    Args:
        components: of a mask (z, y, x).
        spacing: (z, y, x) mm. Axes are orthogonal, so an oblique direction changes nothing.
    """
    sides = np.asarray(spacing, float)
    longest = np.full(components.count, sides.max())
    corners, labels = _corners(components)
    order = np.argsort(labels, kind="stable")
    corners, labels = corners[order], labels[order]
    first = np.searchsorted(labels, np.arange(1, components.count + 2))
    for index in np.flatnonzero(components.sizes > 1):
        longest[index] = _longest(corners[first[index] : first[index + 1]], sides)
    return longest


def _corners(components: Components) -> tuple[np.ndarray, np.ndarray]:
    """Coordinates and component of the voxels that end a line along every axis: no other can end a diameter."""
    coordinates, labels = components.coordinates(), components.labels
    for axis in range(3):
        first, second = (other for other in range(3) if other != axis)
        order = np.lexsort((coordinates[:, axis], coordinates[:, first], coordinates[:, second], labels))
        coordinates, labels = coordinates[order], labels[order]
        line = np.column_stack((labels, coordinates[:, first], coordinates[:, second]))
        begins = np.ones(len(line) + 1, bool)
        begins[1:-1] = (line[1:] != line[:-1]).any(axis=1)
        ends = begins[:-1] | begins[1:]
        coordinates, labels = coordinates[ends], labels[ends]
    return coordinates, labels


def _longest(voxels: np.ndarray, spacing: np.ndarray) -> float:
    half_steps = 0.5 * np.concatenate([np.eye(3), -np.eye(3)])
    points = ((voxels[:, None] + half_steps) * spacing).reshape(-1, 3)
    if len(points) > _FEW_POINTS:
        points = _hull_vertices(points)
    return max(float(cdist(points[i : i + _BLOCK], points[i:]).max()) for i in range(0, len(points), _BLOCK))


def _hull_vertices(points: np.ndarray) -> np.ndarray:
    try:
        return points[ConvexHull(points).vertices]
    except QhullError:  # only a spacing that differs by many orders of magnitude makes face centres look coplanar
        return np.unique(points, axis=0)
