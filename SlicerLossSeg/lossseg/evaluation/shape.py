"""Where the components of a mask lie and how large they are, for all components in one pass."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from lossseg.components import Components
from lossseg.evaluation.axes import axial_axes
from lossseg.evaluation.farthest import farthest


@dataclass(frozen=True, eq=False)
class Shapes:
    """Where the components of one mask lie and how large they are.

    Attributes:
        centroid: (count, 3) float64: mean z, y, x of the voxels (0 is the centre of the first voxel).
        first: (count, 3) int64: z, y, x of the corner of the bounding box nearest to the origin.
        last: (count, 3) int64: of the opposite corner, which belongs to the box.
        at_border: (count,) bool: a voxel lies in the first or last layer of the volume along an axis.
        diameter_mm: (count,) float64, see `diameters`.
        axial_long_mm: (count,) float64: the longest diameter within one axial slice, see `axes.axial_axes`.
        axial_short_mm: (count,) float64: the longest one perpendicular to it in that slice.
    """

    centroid: np.ndarray
    first: np.ndarray
    last: np.ndarray
    at_border: np.ndarray
    diameter_mm: np.ndarray
    axial_long_mm: np.ndarray
    axial_short_mm: np.ndarray


def shapes(components: Components, spacing: Sequence[float], axial: int = 0) -> Shapes:
    """Measure all components.

    Args:
        components: of a mask (z, y, x).
        spacing: (z, y, x) mm. Axes are orthogonal, so an oblique direction changes nothing.
        axial: the array axis across axial slices: 0 unless the volume is stored in another order.
    """
    coordinates = components.coordinates()
    if not components.count:
        corner, nothing = np.zeros((0, 3), np.int64), np.zeros(0)
        return Shapes(np.zeros((0, 3)), corner, corner, np.zeros(0, bool), nothing, nothing, nothing)
    ordered = coordinates[components.by_component]
    first = np.minimum.reduceat(ordered, components.starts)
    last = np.maximum.reduceat(ordered, components.starts)
    long_mm, short_mm = axial_axes(ordered, components.sizes, spacing, axial)
    return Shapes(
        centroid=_centroids(components, coordinates),
        first=first,
        last=last,
        at_border=((first == 0) | (last == np.array(components.shape) - 1)).any(axis=1),
        diameter_mm=_diameters(ordered, components.sizes, spacing),
        axial_long_mm=long_mm,
        axial_short_mm=short_mm,
    )


def centroids(components: Components) -> np.ndarray:
    """(count, 3) float64: mean z, y, x of each component, in voxels (0 is the centre of the first voxel)."""
    return _centroids(components, components.coordinates())


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
    return _diameters(components.coordinates()[components.by_component], components.sizes, spacing)


def _centroids(components: Components, coordinates: np.ndarray) -> np.ndarray:
    sums = [np.bincount(components.labels, coordinates[:, axis], components.count + 1)[1:] for axis in range(3)]
    return np.stack(sums, axis=1) / components.sizes[:, None]


def _diameters(ordered: np.ndarray, sizes: np.ndarray, spacing: Sequence[float]) -> np.ndarray:
    if not len(sizes):
        return np.zeros(0)
    sides = np.asarray(spacing, float)
    corners, component = _corners(ordered, np.repeat(np.arange(len(sizes)), sizes))
    first = np.searchsorted(component, np.arange(len(sizes)))
    return farthest(corners * sides, first, sides).length


def _corners(ordered: np.ndarray, component: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Coordinates and component of the voxels that end a line along every axis: no other can end a diameter.

    They are taken and given component by component.
    """
    coordinates = ordered
    for axis in (2, 1, 0):
        others = [other for other in range(3) if other != axis]
        span = coordinates.max(axis=0) + 1
        line = (component * span[others[0]] + coordinates[:, others[0]]) * span[others[1]] + coordinates[:, others[1]]
        if axis < 2:  # the voxels of a component come in C order, which is that of lines along x
            order = np.argsort(line * span[axis] + coordinates[:, axis])
            coordinates, component, line = coordinates[order], component[order], line[order]
        begins = np.ones(len(line) + 1, bool)
        begins[1:-1] = line[1:] != line[:-1]
        ends = begins[:-1] | begins[1:]
        coordinates, component = coordinates[ends], component[ends]
    return coordinates, component
