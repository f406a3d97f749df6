"""Resampling between grids that cover the same extent, and its inverse.

Voxel i of n covers [i/n, (i+1)/n] of the extent, so that going to another number of voxels and back keeps the
position of every structure. The manner is nnU-Net's (Isensee et al. 2021, supplementary note 2): third order for
images, linear on one-hot masks for labels, and along a much coarser axis nearest neighbour on its own.
"""

from __future__ import annotations

import numpy as np
import SimpleITK as sitk

ANISOTROPY = 3.0
"""From this ratio of the coarsest to the finest spacing on, the coarsest axis is resampled on its own."""

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
    result = np.zeros(shape, label.dtype)
    if values.size == 2 and values[0] == 0:
        best = np.full(shape, 0.5, np.float32)
    else:
        best = _resample((label == 0).astype(np.float32), shape, 1)
    for value in values[values > 0]:
        share = _resample((label == value).astype(np.float32), shape, 1)
        wins = share > best
        result[wins] = value
        best[wins] = share[wins]
    return result


def _resample(array: np.ndarray, shape: Shape, order: int) -> np.ndarray:
    if array.shape == tuple(shape):
        return array
    image = sitk.GetImageFromArray(np.ascontiguousarray(array, np.float32))
    step = [a / b for a, b in zip(array.shape[::-1], shape[::-1], strict=True)]
    resampler = sitk.ResampleImageFilter()
    resampler.SetSize([int(n) for n in shape[::-1]])
    resampler.SetOutputSpacing(step)
    resampler.SetOutputOrigin([0.5 * s - 0.5 for s in step])
    # ITK's B-spline needs four voxels along an axis; thinner volumes are interpolated linearly.
    usable = order if min(array.shape) >= 4 or order < 3 else 1
    resampler.SetInterpolator(_INTERPOLATORS[usable])
    resampler.UseNearestNeighborExtrapolatorOn()
    return sitk.GetArrayFromImage(resampler.Execute(image))
