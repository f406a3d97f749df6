"""A region of interest: from bounds in RAS mm to a box of voxels, with the surroundings that the network sees."""

from __future__ import annotations

import math
from collections.abc import Sequence
from itertools import product

import numpy as np

from lossseg.errors import InputError
from lossseg.images import Geometry
from lossseg.inference.sliding_window import Box, Triple
from lossseg.preprocessing import ChannelKind, Plan, Prepared
from lossseg.preprocessing.orientation import Orientation

Bounds = tuple[float, float, float, float, float, float]
_TOLERANCE = 1e-4
_LOCAL_KINDS = {ChannelKind.CT, ChannelKind.WINDOW, ChannelKind.NONE}


def check_bounds(bounds: Sequence[float]) -> Bounds:
    """`bounds` as (r0, r1, a0, a1, s0, s1) in RAS mm.

    Raises:
        InputError: they are not six finite numbers with each lower bound below its upper one.
    """
    numbers = [float(value) for value in bounds]
    if (
        len(numbers) != 6
        or not all(map(math.isfinite, numbers))
        or any(low >= high for low, high in zip(numbers[::2], numbers[1::2], strict=True))
    ):
        raise InputError(
            f"The region of interest {tuple(bounds)} is no box.",
            "Give six numbers in RAS mm: right, anterior and superior, each from its lower to its upper bound.",
        )
    r0, r1, a0, a1, s0, s1 = numbers
    return r0, r1, a0, a1, s0, s1


def voxel_box(bounds: Bounds, geometry: Geometry) -> Box:
    """The voxels (z, y, x) of the smallest box on the grid that holds `bounds`; every voxel they touch belongs to it.

    On an oblique grid this is more than the bounds themselves.

    Raises:
        InputError: the bounds lie outside of the volume.
    """
    corners = np.array([(*corner, 1.0) for corner in product(bounds[0:2], bounds[2:4], bounds[4:6])])
    index = (corners @ np.linalg.inv(geometry.affine).T)[:, 2::-1]
    low = np.floor(index.min(axis=0) + 0.5 + _TOLERANCE).astype(int)
    high = np.ceil(index.max(axis=0) - 0.5 - _TOLERANCE).astype(int) + 1
    box = _clipped(low.tolist(), high.tolist(), geometry.size)
    if any(part.start >= part.stop for part in box):
        raise InputError(
            f"The region of interest {bounds} lies outside of the volume.", "Move it onto the volume (RAS, mm)."
        )
    return box


def context(box: Box | None, body: Box, plans: Sequence[Plan], geometry: Geometry) -> Box | None:
    """The part of `body` to preprocess for `box`: half a patch more on each side, so that windows see around it.

    The plans have one grid.

    None stands for all of it: when there is no box, when the intensity scheme measures the whole volume, or where a
    MONAI bundle's grid begins at the volume's first voxel.
    """
    kinds = {scheme.kind for plan in plans for scheme in plan.channels}
    if box is None or not kinds <= _LOCAL_KINDS or plans[0].monai is not None:
        return None
    orientation = Orientation.of_plan(plans[0], geometry)
    low, high = [part.start for part in box], [part.stop for part in box]
    for index, axis in enumerate(orientation.axes):
        margin_mm = max(plan.patch[index] * plan.spacing[index] for plan in plans) / 2
        margin = math.ceil(margin_mm / geometry.spacing[axis])
        low[axis] -= margin
        high[axis] += margin
    z, y, x = (slice(a, b) for a, b in zip(low, high, strict=True))
    return intersection((z, y, x), body)


def on_plan_grid(box: Box, prepared: Prepared) -> np.ndarray:
    """bool (z, y, x) on the network's grid: where `box`, of the original grid, lies.

    Two voxels more on each side, so that interpolation back never reaches beyond.
    """
    orientation = prepared.orientation
    shape = prepared.image.shape[1:]
    mask = np.zeros(shape, bool)
    part = []
    chain = zip(orientation.axes, orientation.flips, prepared.zoom, prepared.first, strict=True)
    for axis, flip, zoom, first in chain:
        outer = prepared.crop_shape[axis]
        low, high = box[axis].start - prepared.crop[axis].start, box[axis].stop - prepared.crop[axis].start
        if flip:
            low, high = outer - high, outer - low
        part.append(slice(max(math.floor(low * zoom) - 2 - first, 0), max(math.ceil(high * zoom) + 2 - first, 0)))
    mask[tuple(part)] = True
    return mask


def intersection(box: Box, other: Box) -> Box:
    """The voxels in both boxes; where there are none, an empty box within `other`."""
    z, y, x = (
        slice(min(max(a.start, b.start), b.stop), max(min(a.stop, b.stop), b.start))
        for a, b in zip(box, other, strict=True)
    )
    return z, y, x


def relative(box: Box, outer: Box) -> Box:
    """`box` counted from the first voxel of `outer`."""
    z, y, x = (slice(a.start - b.start, a.stop - b.start) for a, b in zip(box, outer, strict=True))
    return z, y, x


def _clipped(low: Sequence[int], high: Sequence[int], size: Triple) -> Box:
    z, y, x = (slice(max(a, 0), min(b, n)) for a, b, n in zip(low, high, size, strict=True))
    return z, y, x
