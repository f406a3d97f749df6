"""One case on the network's grid, and a result of the network back on the case's own grid."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from lossseg.errors import InputError
from lossseg.images import Geometry, Volume
from lossseg.preprocessing import monai, nnunet
from lossseg.preprocessing.intensity import normalise
from lossseg.preprocessing.monai_grid import MonaiGrid
from lossseg.preprocessing.orientation import Orientation
from lossseg.preprocessing.plan import ChannelKind, Plan
from lossseg.preprocessing.resampling import (
    Spacing,
    coarse_axis,
    resample_image,
    resample_label,
    resample_linear,
    resampled_shape,
)

Crop = tuple[slice, slice, slice]


@dataclass(frozen=True)
class Prepared:
    """A case as the network sees it.

    Attributes:
        image: (C, z, y, x) float32 on the plan's grid.
        crop: the part of the original grid (z, y, x) that it covers.
        geometry: the original grid.
        padding: per channel the value that stands for "nothing there", for windows that reach over the border.
        plan: whose grid this is.
        inset: the part of the plan's grid that `image` is, where it is not all of it.
    """

    image: np.ndarray
    crop: Crop
    geometry: Geometry
    padding: tuple[float, ...]
    plan: Plan
    inset: monai.Inset | None = None

    @property
    def orientation(self) -> Orientation:
        """How the axes of the original grid become those of `image`."""
        return Orientation.of_plan(self.plan, self.geometry)

    @property
    def zoom(self) -> tuple[float, float, float]:
        """Voxels of the plan's grid to one of the original grid, along each axis of the plan's."""
        orientation, plan = self.orientation, self.plan
        if plan.monai is not None:
            a, b, c = (1 / step for step in monai.steps(orientation.spacing(self.geometry), plan.monai, plan.spacing))
            return a, b, c
        lengths = [self.crop_shape[axis] for axis in orientation.axes]
        a, b, c = (n / length for n, length in zip(self.image.shape[1:], lengths, strict=True))
        return a, b, c

    @property
    def first(self) -> tuple[int, int, int]:
        """The voxel of the plan's grid with which `image` begins."""
        a, b, c = (part.start for part in self.inset.box) if self.inset else (0, 0, 0)
        return a, b, c

    @property
    def crop_shape(self) -> tuple[int, int, int]:
        z, y, x = (part.stop - part.start for part in self.crop)
        return z, y, x


def nonzero_box(volumes: Sequence[Volume]) -> Crop:
    """The smallest box (z, y, x) that holds every voxel that is not 0 in some channel.

    Raises:
        InputError: all voxels of all channels are 0.
    """
    spans: list[slice] = []
    for axis in range(3):
        others = tuple(a for a in range(3) if a != axis)
        filled = np.flatnonzero(np.logical_or.reduce([volume.array.any(axis=others) for volume in volumes]))
        if not filled.size:
            name = volumes[0].path or "The image"
            raise InputError(f"{name} holds only zeros.", "Check that the right volume was exported.")
        spans.append(slice(int(filled[0]), int(filled[-1]) + 1))
    return spans[0], spans[1], spans[2]


def prepare(volumes: Sequence[Volume], plan: Plan, *, crop: Crop | None = None) -> Prepared:
    """The channels of a case cropped, normalised, turned to the patient's axes and resampled to the plan's spacing.

    Args:
        volumes: one per channel of the plan, all on one grid.
        crop: the part of the grid to use; default the box of non-zero voxels. A plan from a MONAI bundle says itself
            what is cut off.

    Raises:
        InputError: the number of channels differs from the plan's, grids differ, or all voxels are 0.
    """
    check_channels(volumes, plan)
    geometry = volumes[0].geometry
    box = nonzero_box(volumes)
    if crop is not None:
        box = clipped(crop, geometry)
    orientation = Orientation.of_plan(plan, geometry)
    if plan.monai is not None:
        return _by_steps(volumes, plan, plan.monai, orientation)
    inside = _organ(volumes, plan, box)
    body = nnunet.body([volume.array[box] for volume in volumes]) if _measures_body(plan) else None
    spacing = orientation.spacing(geometry)
    channels: list[np.ndarray] = []
    for volume, scheme in zip(volumes, plan.channels, strict=True):
        if scheme.kind is ChannelKind.ORGAN_MASK:
            continue
        values = orientation.apply(normalise(volume.array[box], scheme, inside, body))
        channels.append(np.ascontiguousarray(_onto_grid(values, spacing, plan), np.float32))
    schemes = [scheme for scheme in plan.channels if scheme.kind is not ChannelKind.ORGAN_MASK]
    zero = [plan.nnunet is not None or scheme.nonzero for scheme in schemes]
    padding = tuple(0.0 if fixed else float(values.min()) for fixed, values in zip(zero, channels, strict=True))
    return Prepared(channels[0][None] if len(channels) == 1 else np.stack(channels), box, geometry, padding, plan)


def prepare_label(label: Volume, prepared: Prepared, plan: Plan) -> np.ndarray:
    """The label (z, y, x) of a prepared case on the plan's grid, in the smallest unsigned type."""
    if plan.monai is not None:
        raise InputError(
            "A model from a MONAI bundle only predicts: labels are not brought onto its grid.",
            "Train or inspect a model that lossseg trained.",
        )
    values = Orientation.of_plan(plan, label.geometry).apply(label.array[prepared.crop])
    shape = _shape(prepared.image[0])
    return np.ascontiguousarray(resample_label(np.ascontiguousarray(values), shape))


def restore(values: np.ndarray, prepared: Prepared) -> np.ndarray:
    """Values (z, y, x) on the plan's grid, linearly resampled to the original grid inside `prepared.crop`.

    They are probabilities; logits where the plan is nnU-Net's, whose own resampling is used then.
    """
    orientation, plan = prepared.orientation, prepared.plan
    a, b, c = (prepared.crop_shape[axis] for axis in orientation.axes)
    if plan.monai is not None:
        steps = monai.steps(orientation.spacing(prepared.geometry), plan.monai, plan.spacing)
        return np.ascontiguousarray(orientation.undo(monai.back(values, prepared.inset, (a, b, c), steps)))
    if plan.nnunet is None:
        return np.ascontiguousarray(orientation.undo(resample_linear(values, (a, b, c))))
    axis = nnunet.separate_axis(plan.spacing, orientation.spacing(prepared.geometry))
    return np.ascontiguousarray(orientation.undo(nnunet.resample(values, (a, b, c), axis, plan.nnunet.logit_order)))


def check_channels(volumes: Sequence[Volume], plan: Plan) -> None:
    names = ", ".join(scheme.name for scheme in plan.channels)
    if len(volumes) != len(plan.channels):
        raise InputError(
            f"{len(volumes)} image channel(s) given, but {len(plan.channels)} are needed: {names}.",
            "Give one volume per channel, in this order.",
        )
    for volume in volumes[1:]:
        if not volume.geometry.matches(volumes[0].geometry):
            raise InputError(
                f"{volume.path or 'A channel'} lies on another grid than {volumes[0].path or 'the first channel'}: "
                f"{volume.geometry.difference(volumes[0].geometry)}.",
                "Resample all channels to one grid.",
            )


def _onto_grid(values: np.ndarray, spacing: Spacing, plan: Plan) -> np.ndarray:
    """`values` (z, y, x), turned to the plan's axes already, resampled from `spacing` to the plan's."""
    if plan.nnunet is None:
        shape = resampled_shape(_shape(values), spacing, plan.spacing)
        return resample_image(values, shape, coarse_axis(spacing))
    shape = nnunet.resampled_shape(_shape(values), spacing, plan.spacing)
    return nnunet.resample(values, shape, nnunet.separate_axis(spacing, plan.spacing), plan.nnunet.image_order)


def _by_steps(volumes: Sequence[Volume], plan: Plan, grid: MonaiGrid, orientation: Orientation) -> Prepared:
    geometry = volumes[0].geometry
    image = np.stack([orientation.apply(volume.array) for volume in volumes], dtype=np.float32, casting="unsafe")
    made = monai.onto_grid(image, orientation.spacing(geometry), grid, plan.spacing)
    a, b, c = orientation.stored(made.crop, geometry.size)
    return Prepared(made.image, (a, b, c), geometry, (grid.fill,) * len(volumes), plan, made.inset)


def _measures_body(plan: Plan) -> bool:
    return plan.nnunet is not None and any(scheme.nonzero for scheme in plan.channels)


def _organ(volumes: Sequence[Volume], plan: Plan, box: Crop) -> np.ndarray | None:
    masks = [v.array[box] != 0 for v, s in zip(volumes, plan.channels, strict=True) if s.kind is ChannelKind.ORGAN_MASK]
    return np.logical_and.reduce(masks) if masks else None


def clipped(crop: Crop, geometry: Geometry) -> Crop:
    """The part of `crop` that lies on the grid.

    Raises:
        InputError: there is none.
    """
    a, b, c = (
        slice(max(0, part.start or 0), min(n, n if part.stop is None else part.stop))
        for part, n in zip(crop, geometry.size, strict=True)
    )
    if min(part.stop - part.start for part in (a, b, c)) <= 0:
        raise InputError("The region of interest lies outside the volume.", "Move the region into the volume.")
    return a, b, c


def _shape(array: np.ndarray) -> tuple[int, int, int]:
    z, y, x = array.shape
    return z, y, x
