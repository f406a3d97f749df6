"""Resampling between grids that cover the same extent, and its inverse.

Voxel i of n covers [i/n, (i+1)/n] of the extent, so that going to another number of voxels and back keeps the
position of every structure. The manner is nnU-Net's (Isensee et al. 2021, supplementary note 2): third order for
images, linear on one-hot masks for labels, and along a much coarser axis nearest neighbour on its own.
"""

from __future__ import annotations

import math

import numpy as np
import SimpleITK as sitk

ANISOTROPY = 3.0
"""From this ratio of the coarsest to the finest spacing on, the coarsest axis is resampled on its own."""

_LARGE, _SLAB = 2**26, 32
_INTERPOLATORS = {0: sitk.sitkNearestNeighbor, 1: sitk.sitkLinear, 3: sitk.sitkBSpline}

Shape = tuple[int, int, int]
Spacing = tuple[float, float, float]


def resampled_shape(shape: Shape, spacing: Spacing, target: Spacing) -> Shape:
    """Voxels (z, y, x) of the grid with `target` spacing over the same extent, at least one per axis."""
    z, y, x = (max(1, round(n * s / t)) for n, s, t in zip(shape, spacing, target, strict=True))
    return z, y, x


def coarse_axis(spacing: Spacing) -> int | None:
    """The axis whose spacing is at least `ANISOTROPY` times the finest, or None."""
    axis = int(np.argmax(spacing))
    return axis if spacing[axis] >= ANISOTROPY * min(spacing) else None


def resample_image(array: np.ndarray, shape: Shape, coarse: int | None = None) -> np.ndarray:
    """`array` (z, y, x) with third-order interpolation on `shape`; nearest neighbour along the axis `coarse`."""
    if coarse is None or array.shape[coarse] == shape[coarse]:
        return _resample(array, shape, 3)
    z, y, x = (array.shape[axis] if axis == coarse else n for axis, n in enumerate(shape))
    return _resample(_resample(array, (z, y, x), 3), shape, 0)


def resample_linear(array: np.ndarray, shape: Shape) -> np.ndarray:
    """`array` (z, y, x) with linear interpolation on `shape`."""
    return _resample(array, shape, 1)


def resample_label(label: np.ndarray, shape: Shape) -> np.ndarray:
    """`label` (z, y, x) on `shape`: each value's mask linearly, the largest wins, background on a tie."""
    if label.shape == shape:
        return label
    values = np.unique(label)
    z, y, x = label.shape
    if max(label.size, math.prod(shape)) < _LARGE:
        return _label_slab(label, 0, (z, y, x), shape, range(shape[0]), values)
    # The masks of a large volume, of four bytes a voxel, would take many times its memory.
    result = np.zeros(shape, label.dtype)
    for first in range(0, shape[0], _SLAB):
        outputs = range(first, min(first + _SLAB, shape[0]))
        needed = slices_needed(outputs, z, shape[0])
        slab = label[needed.start : needed.stop]
        result[first : outputs.stop] = _label_slab(slab, needed.start, (z, y, x), shape, outputs, values)
    return result


def _label_slab(
    slab: np.ndarray, first: int, size: Shape, shape: Shape, outputs: range, values: np.ndarray
) -> np.ndarray:
    """The slices `outputs` of a label of `size` that holds `values`, of which `slab` are those from `first` on."""

    def share_of(value: int) -> np.ndarray:
        return resample_slab((slab == value).astype(np.float32), first, size, shape, outputs, 1)

    made = (len(outputs), *shape[1:])
    result = np.zeros(made, slab.dtype)
    two = values.size == 2 and values[0] == 0
    best = np.full(made, 0.5, np.float32) if two else share_of(0)
    for value in values[values > 0]:
        share = share_of(value)
        wins = share > best
        result[wins] = value
        best[wins] = share[wins]
    return result


def slices_needed(outputs: range, before: int, after: int, halo: int = 0) -> range:
    """The slices of a stack of `before` from which the slices `outputs` of the stack on `after` slices are made.

    Args:
        halo: how many more on each side; 0 suffices for linear interpolation.
    """
    step = before / after
    low = math.floor((outputs.start + 0.5) * step - 0.5) - halo
    high = math.floor((outputs.stop - 0.5) * step - 0.5) + 2 + halo
    return range(max(low, 0), max(min(high, before), 1))


def resample_slab(slab: np.ndarray, first: int, size: Shape, shape: Shape, outputs: range, order: int) -> np.ndarray:
    """The slices `outputs` of an array of `size` (z, y, x) resampled to `shape`, by splines of `order` (0, 1 or 3).

    Args:
        slab: its slices from `first` on, at least `slices_needed`. The influence of a voxel on a cubic spline falls to
            a fourth with each voxel of distance, so that a halo of 16 leaves nothing of it.
    """
    image = sitk.GetImageFromArray(np.ascontiguousarray(slab, np.float32))
    image.SetOrigin((0.0, 0.0, float(first)))
    step = [a / b for a, b in zip(size[::-1], shape[::-1], strict=True)]
    origin = [0.5 * s - 0.5 for s in step]
    resampler = sitk.ResampleImageFilter()
    resampler.SetSize([int(shape[2]), int(shape[1]), len(outputs)])
    resampler.SetOutputSpacing(step)
    resampler.SetOutputOrigin([origin[0], origin[1], origin[2] + outputs.start * step[2]])
    # ITK's B-spline needs four voxels along an axis; thinner volumes are interpolated linearly.
    usable = order if min(size) >= 4 or order < 3 else 1
    resampler.SetInterpolator(_INTERPOLATORS[usable])
    resampler.UseNearestNeighborExtrapolatorOn()
    return sitk.GetArrayFromImage(resampler.Execute(image))


def _resample(array: np.ndarray, shape: Shape, order: int) -> np.ndarray:
    if array.shape == tuple(shape):
        return array
    z, y, x = array.shape
    return resample_slab(array, 0, (z, y, x), shape, range(shape[0]), order)
