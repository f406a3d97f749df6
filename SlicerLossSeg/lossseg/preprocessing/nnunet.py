"""Resampling exactly as nnU-Net does it (Isensee et al. 2021, supplementary note 2), for models that it trained.

It differs from the house's in the spline's treatment of borders (the outermost voxel goes on for ever, and no value
leaves the range of those given), in when the coarsest axis goes on its own, and in the rounding of sizes.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from scipy import ndimage

from lossseg.preprocessing.resampling import ANISOTROPY, Shape, Spacing


def resampled_shape(shape: Shape, spacing: Spacing, target: Spacing) -> Shape:
    """Voxels (z, y, x) of the grid with `target` spacing over the same extent, at least one per axis."""
    z, y, x = (max(1, round(s / t * n)) for n, s, t in zip(shape, spacing, target, strict=True))
    return z, y, x


def separate_axis(spacing: Spacing, target: Spacing) -> int | None:
    """The axis that is resampled on its own between two spacings in mm, or None.

    It is the coarsest of the first spacing that is anisotropic, unless two axes are equally coarse.
    """
    for grid in (spacing, target):
        if max(grid) / min(grid) > ANISOTROPY:
            coarsest = [axis for axis in range(3) if max(grid) / grid[axis] == 1]
            return coarsest[0] if len(coarsest) == 1 else None
    return None


def resample(array: np.ndarray, shape: Shape, axis: int | None, order: int) -> np.ndarray:
    """`array` (z, y, x) float32 on `shape` by splines of `order`; nearest neighbour along `axis`, if any.

    Slices across `axis` are resampled one by one. Where the shape is the same already, nothing is done.
    """
    if array.shape == tuple(shape):
        return array
    if axis is None:
        return _zoom(array, shape, order)
    plane = tuple(n for other, n in enumerate(shape) if other != axis)
    slices = np.stack([_zoom(part, plane, order) for part in np.moveaxis(array, axis, 0)])
    old, new = array.shape[axis], shape[axis]
    if old != new:
        positions = old / new * (np.arange(new) + 0.5) - 0.5
        slices = slices[np.clip(np.floor(positions + 0.5).astype(int), 0, old - 1)]
    return np.moveaxis(slices, 0, axis)


def body(channels: Sequence[np.ndarray]) -> np.ndarray:
    """bool (z, y, x): where some channel is not 0, holes filled; what nnU-Net measures when it leaves zeros out."""
    filled: np.ndarray = ndimage.binary_fill_holes(np.logical_or.reduce([channel != 0 for channel in channels]))
    return filled


def _zoom(array: np.ndarray, shape: Sequence[int], order: int) -> np.ndarray:
    factors = [1 / (old / new) for old, new in zip(array.shape, shape, strict=True)]
    zoomed: np.ndarray = ndimage.zoom(array, factors, output=np.float64, order=order, mode="nearest", grid_mode=True)
    if order > 1:
        np.clip(zoomed, array.min(), array.max(), out=zoomed)
    return zoomed.astype(np.float32)
