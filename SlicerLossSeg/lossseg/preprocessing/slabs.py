"""A case brought onto the network's grid slab by slab, and a result brought back, for volumes larger than memory.

Slabs lie along the first axis of the network's grid. The values are those of `case.prepare` and `case.restore`; where
the grids differ cubic splines see 16 slices beyond a slab, which leaves a difference of rounding.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import replace

import numpy as np

from lossseg.images import Geometry, Volume
from lossseg.preprocessing.case import Crop, Prepared, check_channels, clipped, nonzero_box
from lossseg.preprocessing.intensity import moments, normalise
from lossseg.preprocessing.orientation import Orientation
from lossseg.preprocessing.plan import ChannelKind, ChannelScheme, Plan
from lossseg.preprocessing.resampling import (
    Shape,
    coarse_axis,
    resample_slab,
    resampled_shape,
    slices_needed,
)
from lossseg.preprocessing.stack import Stack

SLAB = 32
_HALO = 16


def in_slabs(plan: Plan) -> bool:
    """Whether `prepare_slabs` knows how: not for other frameworks' preprocessing, nor with an organ mask."""
    return not plan.is_foreign and all(scheme.kind is not ChannelKind.ORGAN_MASK for scheme in plan.channels)


def plan_shape(plan: Plan, geometry: Geometry, crop: Crop) -> Shape:
    """The voxels (z, y, x) of the plan's grid over the part `crop` of a case's."""
    orientation = Orientation.of_plan(plan, geometry)
    a, b, c = (crop[axis].stop - crop[axis].start for axis in orientation.axes)
    return resampled_shape((a, b, c), orientation.spacing(geometry), plan.spacing)


def prepare_slabs(volumes: Sequence[Volume], plan: Plan, *, crop: Crop | None = None) -> tuple[Prepared, Stack]:
    """As `case.prepare`, the image in a stack.

    Returns:
        what `prepare` gives, its image a stand-in of the right shape that takes no memory; and the image.

    Raises:
        InputError: as `prepare`.
        DiskFull: no room for the image.
    """
    assert in_slabs(plan), plan
    check_channels(volumes, plan)
    geometry = volumes[0].geometry
    box = nonzero_box(volumes) if crop is None else clipped(crop, geometry)
    orientation = Orientation.of_plan(plan, geometry)
    spacing = orientation.spacing(geometry)
    channels = [orientation.apply(volume.array[box]) for volume in volumes]
    schemes = [local_scheme(volume.array[box], scheme) for volume, scheme in zip(volumes, plan.channels, strict=True)]
    shape = plan_shape(plan, geometry, box)
    stack = Stack((len(channels), *shape))
    lowest = np.full(len(channels), np.inf)
    for first in range(0, shape[0], SLAB):
        outputs = range(first, min(first + SLAB, shape[0]))
        slabs = [
            _prepared_slab(values, scheme, shape, outputs, coarse_axis(spacing))
            for values, scheme in zip(channels, schemes, strict=True)
        ]
        lowest = np.minimum(lowest, [slab.min() for slab in slabs])
        stack.write(first, np.stack(slabs))
    padding = (0.0 if scheme.nonzero else float(low) for scheme, low in zip(plan.channels, lowest, strict=True))
    return Prepared(np.broadcast_to(np.float32(0), stack.shape), box, geometry, tuple(padding), plan), stack


def local_scheme(array: np.ndarray, scheme: ChannelScheme) -> ChannelScheme:
    """`scheme` with what it measures of the whole `array` (z, y, x) written down, so that it can be applied to a part.

    Its `nonzero` says whether voxels that are 0 stay so.
    """
    match scheme.kind:
        case ChannelKind.ZSCORE:
            some = scheme.nonzero and bool(array.any())
            planes = lambda: (plane[plane != 0] if some else plane for plane in array)  # noqa: E731
            mean, std = moments(lambda: (plane.astype(np.float32) for plane in planes()))
            return replace(scheme, kind=ChannelKind.CT, low=-np.inf, high=np.inf, mean=mean, std=std)
        case ChannelKind.RESCALE:
            low, high = float(array.min()), float(array.max())
            # A constant image becomes 0.
            return replace(scheme, kind=ChannelKind.WINDOW, low=low, high=max(high, low + 1e-8), nonzero=False)
    return replace(scheme, nonzero=False)


class SlabRestorer:
    """Takes results (channels, n, y, x) on the plan's grid slab by slab, and gives them on the case's own grid.

    Args:
        prepared: where the plan's grid lies; its image is not looked at but for its shape.
    """

    def __init__(self, prepared: Prepared) -> None:
        z, y, x = prepared.image.shape[1:]
        a, b, c = (prepared.crop_shape[axis] for axis in prepared.orientation.axes)
        self._size: Shape = (z, y, x)
        self._shape: Shape = (a, b, c)
        self._kept: np.ndarray | None = None
        self._first = self._given = 0

    def push(self, values: np.ndarray) -> Iterator[tuple[int, np.ndarray]]:
        """Take the next slices; give (first slice, values (channels, n, y, x)) of what is complete by them.

        Slices are counted along the plan's first axis, within the crop.
        """
        if self._size == self._shape:
            self._first, first = self._first + values.shape[1], self._first
            yield first, values
            return
        kept = values if self._kept is None else np.concatenate((self._kept, values), axis=1)
        end = self._first + kept.shape[1]
        while self._given < self._shape[0]:
            outputs = range(self._given, min(self._given + SLAB, self._shape[0]))
            while outputs and slices_needed(outputs, self._size[0], self._shape[0]).stop > end:
                outputs = outputs[:-1]
            if not outputs:
                break
            needed = slices_needed(outputs, self._size[0], self._shape[0])
            part = kept[:, needed.start - self._first : needed.stop - self._first]
            size, shape = self._size, self._shape
            yield (
                outputs.start,
                np.stack([resample_slab(one, needed.start, size, shape, outputs, 1) for one in part]),
            )
            self._given = outputs.stop
        if self._given < self._shape[0]:
            low = slices_needed(range(self._given, self._given + 1), self._size[0], self._shape[0]).start
            self._kept, self._first = kept[:, low - self._first :].copy(), low
        else:
            self._kept = None


def _prepared_slab(
    values: np.ndarray, scheme: ChannelScheme, shape: Shape, outputs: range, coarse: int | None
) -> np.ndarray:
    """The slices `outputs` of `values` (z, y, x), normalised by a local scheme, on `shape`."""
    size = _shape(values)
    if size == shape:
        return _normalised(values[outputs.start : outputs.stop], scheme)
    needed = slices_needed(outputs, size[0], shape[0], _HALO)
    slab = _normalised(values[needed.start : needed.stop], scheme)
    if coarse is None or size[coarse] == shape[coarse]:
        return resample_slab(slab, needed.start, size, shape, outputs, 3)
    z, y, x = (size[axis] if axis == coarse else n for axis, n in enumerate(shape))
    if size == (z, y, x):
        return resample_slab(slab, needed.start, size, shape, outputs, 0)
    between = slices_needed(outputs, z, shape[0])
    slab = resample_slab(slab, needed.start, size, (z, y, x), between, 3)
    return resample_slab(slab, between.start, (z, y, x), shape, outputs, 0)


def _normalised(values: np.ndarray, scheme: ChannelScheme) -> np.ndarray:
    result = normalise(values, scheme)
    if scheme.nonzero:
        result[values == 0] = 0
    return result


def _shape(array: np.ndarray) -> Shape:
    z, y, x = array.shape
    return z, y, x
