"""The two axes by which a lesion is measured on axial slices (RECIST 1.1, Eisenhauer et al., Eur J Cancer 2009)."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from lossseg.evaluation.farthest import farthest
from lossseg.evaluation.outline import widest

_DIRECTIONS = np.array([(np.cos(angle), np.sin(angle)) for angle in np.arange(4) * np.pi / 4])


def axial_axes(
    ordered: np.ndarray, sizes: np.ndarray, spacing: Sequence[float], axial: int = 0
) -> tuple[np.ndarray, np.ndarray]:
    """Longest axial diameter of each component and the longest one perpendicular to it in the same slice, in mm.

    The outline of a slice is that of `shape.diameters`: midway between inside and outside, through the middles of the
    pixels' sides. The second axis is the longest segment perpendicular to the first between two points of the outline's
    convex hull, so a notch does not shorten it. The slice is the one of the greatest longest diameter. One pixel
    measures its two sides.

    Args:
        ordered: (n, 3) z, y, x of the voxels, component by component, in C order within each.
        sizes: (count,) voxels of each component.
        spacing: (z, y, x) mm.
        axial: the array axis across axial slices.

    Returns:
        Two arrays (count,) float64; the second is never greater than the first.
    """
    if not len(sizes):
        return np.zeros(0), np.zeros(0)
    plane = [axis for axis in range(3) if axis != axial]
    sides = np.asarray(spacing, float)[plane]
    component = np.repeat(np.arange(len(sizes)), sizes)
    slices, pixels = ordered[:, axial], ordered[:, plane]
    if axial:
        order = np.lexsort((slices, component))
        component, slices, pixels = component[order], slices[order], pixels[order]
    new_slice = (np.diff(component, prepend=-1) != 0) | (np.diff(slices, prepend=-1) != 0)
    new_row = new_slice | (np.diff(pixels[:, 0], prepend=-1) != 0)
    # The first and the last pixel of each row: no other can end a diameter.
    ends = new_row | np.append(new_row[1:], True)
    points, component = pixels[ends] * sides, component[ends]
    first = np.flatnonzero(new_slice[ends])
    stop = np.append(first[1:], len(points))
    bound, of_slice = _bounds(points, first, sides), component[first]

    # The slice that may hold the longest diameter is measured, then those that may hold one still longer.
    order = np.lexsort((-bound, of_slice))
    chosen = order[np.searchsorted(of_slice[order], np.arange(len(sizes)))]
    found = farthest(*_taken(points, first, stop, chosen), sides)
    length, vector = found.length.copy(), found.vector.copy()
    longer = bound > length[of_slice]
    longer[chosen] = False
    rest = np.flatnonzero(longer)
    again = farthest(*_taken(points, first, stop, rest), sides)
    # Assigned from the shortest to the longest: the last assignment to a component is its longest.
    for place in np.argsort(again.length, kind="stable"):
        owner = of_slice[rest[place]]
        if again.length[place] > length[owner]:
            length[owner], vector[owner], chosen[owner] = again.length[place], again.vector[place], rest[place]
    across = widest(*_taken(points, first, stop, chosen), sides, vector / length[:, None])
    return length, np.minimum(across, length)


def _bounds(points: np.ndarray, first: np.ndarray, sides: np.ndarray) -> np.ndarray:
    """What the diameter of each slice, whose points (n, 2) begin at `first`, cannot exceed, in mm.

    One of four directions is at most 22.5 degrees from the diameter, along which the slice is nearly as long.
    """
    extents = []
    for direction in _DIRECTIONS:
        along = points @ direction
        extent = np.maximum.reduceat(along, first) - np.minimum.reduceat(along, first)
        extents.append(extent + np.abs(direction * sides).max())
    bound: np.ndarray = np.max(extents, axis=0) / np.cos(np.pi / 8) * (1 + 1e-9)
    return bound


def _taken(
    points: np.ndarray, first: np.ndarray, stop: np.ndarray, chosen: np.ndarray
) -> tuple[np.ndarray, np.ndarray]:
    """The points of some groups one after the other, and where each of these groups begins."""
    sizes = stop[chosen] - first[chosen]
    begin = np.cumsum(sizes) - sizes
    return points[np.repeat(first[chosen] - begin, sizes) + np.arange(sizes.sum())], begin
