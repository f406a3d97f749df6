"""MONAI's preprocessing steps as its documentation defines them, for models that come from a MONAI bundle."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import SimpleITK as sitk

from lossseg.errors import InputError
from lossseg.preprocessing.monai_grid import MonaiGrid, MonaiStep, StepKind
from lossseg.preprocessing.resampling import Shape, Spacing

Box = tuple[slice, slice, slice]

SAME_SPACING = 1e-3
"""mm; MONAI leaves an axis alone whose spacing is that near to the wished one."""


@dataclass(frozen=True)
class Inset:
    """A part of the network's grid: the box that it fills in a grid of `shape`."""

    shape: Shape
    box: Box


@dataclass(frozen=True)
class OnGrid:
    """A case on the network's grid.

    Attributes:
        image: (C, a, b, c) float32.
        crop: the part of the turned original grid that was left when the image was resampled.
        inset: what was left of the network's grid after that, if something was cut off.
    """

    image: np.ndarray
    crop: Box
    inset: Inset | None


def onto_grid(image: np.ndarray, spacing: Spacing, grid: MonaiGrid, target: Spacing) -> OnGrid:
    """The steps of `grid` on `image`.

    Args:
        image: (C, a, b, c) float32, its axes turned already; it may be changed.
        spacing: mm along them.
        target: the plan's spacing.

    Raises:
        InputError: a crop leaves nothing.
    """
    crop = inside = _whole(image)
    shape: Shape | None = None
    for step in grid.steps:
        match step.kind:
            case StepKind.CROP:
                box = _foreground(image, step)
                image, inside = image[(slice(None), *box)], _within(box, inside)
            case StepKind.RESAMPLE:
                crop = inside
                image = _resampled(image, steps(spacing, grid, target))
                inside, shape = _whole(image), _shape(image)
            case _:
                image = _changed(image, step)
    if shape is None:
        return OnGrid(np.ascontiguousarray(image), inside, None)
    inset = None if inside == _box(shape) else Inset(shape, inside)
    return OnGrid(np.ascontiguousarray(image), crop, inset)


def steps(spacing: Spacing, grid: MonaiGrid, target: Spacing) -> tuple[float, float, float]:
    """Voxels of the turned original grid from one voxel of the network's to the next, along each axis."""
    if not grid.resamples:
        return 1.0, 1.0, 1.0
    a, b, c = (1.0 if abs(s - t) <= SAME_SPACING else t / s for s, t in zip(spacing, target, strict=True))
    return a, b, c


def resample(array: np.ndarray, shape: Shape, step: Sequence[float]) -> np.ndarray:
    """`array` (a, b, c) linearly on `shape`: voxel k of the result lies at k * step, the border goes on for ever."""
    if array.shape == tuple(shape) and all(length == 1 for length in step):
        return array
    # Beyond the border along one axis ITK would take the nearest voxel along the others too.
    beyond = [max(math.ceil((m - 1) * s - (n - 1)), 0) for n, m, s in zip(array.shape, shape, step, strict=True)]
    image = sitk.GetImageFromArray(np.pad(array, [(0, more) for more in beyond], mode="edge").astype(np.float32))
    resampler = sitk.ResampleImageFilter()
    resampler.SetSize([int(n) for n in shape[::-1]])
    resampler.SetOutputSpacing([float(length) for length in step[::-1]])
    resampler.SetInterpolator(sitk.sitkLinear)
    return sitk.GetArrayFromImage(resampler.Execute(image))


def back(values: np.ndarray, inset: Inset | None, shape: Shape, step: Sequence[float]) -> np.ndarray:
    """Probabilities (a, b, c) on the network's grid, linearly on the turned original grid of `shape`.

    Args:
        inset: where they lie; around them there is nothing.
        step: as `steps` gives it.
    """
    if inset is not None:
        whole = np.zeros(inset.shape, np.float32)
        whole[inset.box] = values
        values = whole
    return resample(values, shape, [1 / length for length in step])


def _resampled(image: np.ndarray, step: Sequence[float]) -> np.ndarray:
    shape = [round((n - 1) / length + 1) for n, length in zip(image.shape[1:], step, strict=True)]
    a, b, c = shape
    return np.stack([resample(channel, (a, b, c), step) for channel in image])


def _changed(image: np.ndarray, step: MonaiStep) -> np.ndarray:
    """`image` (C, a, b, c) after a step that changes values only."""
    parts = list(image) if step.channel_wise else [image]
    match step.kind:
        case StepKind.RANGE:
            made = [_to_range(part, step.low, step.high, step) for part in parts]
        case StepKind.PERCENTILES:
            bounds = [np.percentile(part, [step.low, step.high]) for part in parts]
            made = [_to_range(part, float(b[0]), float(b[1]), step) for part, b in zip(parts, bounds, strict=True)]
        case StepKind.SCALE:
            made = [_scaled(part, step) for part in parts]
        case _:
            made = [_normalised(part, step) for part in parts]
    return np.stack(made) if step.channel_wise else made[0]


def _to_range(values: np.ndarray, low: float, high: float, step: MonaiStep) -> np.ndarray:
    values = values - np.float32(low)
    if high == low:
        return values + np.float32(step.to_low or 0.0)
    values /= np.float32(high - low)
    if step.to_low is not None and step.to_high is not None:
        values *= np.float32(step.to_high - step.to_low)
        values += np.float32(step.to_low)
    if step.clip and not step.to_low is step.to_high is None:
        np.clip(values, step.to_low, step.to_high, out=values)
    return values


def _scaled(values: np.ndarray, step: MonaiStep) -> np.ndarray:
    assert step.to_low is not None and step.to_high is not None, step
    low, high = values.min(), values.max()
    if low == high:
        return values * np.float32(step.to_low)
    values = (values - low) / (high - low)
    values *= np.float32(step.to_high - step.to_low)
    values += np.float32(step.to_low)
    return values


def _normalised(values: np.ndarray, step: MonaiStep) -> np.ndarray:
    where = values != 0 if step.nonzero else np.ones(values.shape, bool)
    measured = values[where]
    if not measured.size:
        return values
    mean = measured.mean(dtype=np.float64) if step.mean is None else step.mean
    std = measured.std(dtype=np.float64) if step.std is None else step.std
    values = values.copy()
    values[where] = (measured - np.float32(mean)) / np.float32(std or 1.0)
    return values


def _foreground(image: np.ndarray, step: MonaiStep) -> Box:
    filled = np.logical_or.reduce(image != 0 if step.nonzero else image > 0)
    spans = []
    for axis in range(3):
        used = np.flatnonzero(filled.any(axis=tuple(other for other in range(3) if other != axis)))
        if not used.size:
            raise InputError(
                "The model crops the image to its foreground, of which there is none.",
                "Check that the right volume was given.",
            )
        spans.append(slice(int(used[0]), int(used[-1]) + 1))
    return spans[0], spans[1], spans[2]


def _within(box: Box, outer: Box) -> Box:
    a, b, c = (slice(o.start + p.start, o.start + p.stop) for p, o in zip(box, outer, strict=True))
    return a, b, c


def _whole(image: np.ndarray) -> Box:
    return _box(_shape(image))


def _box(shape: Shape) -> Box:
    return slice(0, shape[0]), slice(0, shape[1]), slice(0, shape[2])


def _shape(image: np.ndarray) -> Shape:
    _, a, b, c = image.shape
    return a, b, c
