"""Putting a volume on another grid in space."""

from __future__ import annotations

import numpy as np
import SimpleITK as sitk

from lossseg.images.geometry import Geometry, Volume

_INTERPOLATORS = {0: sitk.sitkNearestNeighbor, 1: sitk.sitkLinear, 3: sitk.sitkBSpline}


def resample_to(volume: Volume, geometry: Geometry, *, order: int) -> Volume:
    """`volume` sampled at the voxel centres of `geometry`, both taken in patient space.

    Args:
        order: 0 nearest neighbour (labels: type and values are kept), 1 linear, 3 cubic B-spline (result float32).

    Where `geometry` reaches beyond the volume the result is 0 for order 0 and the volume's lowest value otherwise.

    Raises:
        ValueError: another `order`.
    """
    if order not in _INTERPOLATORS:
        raise ValueError(f"order {order}: one of {sorted(_INTERPOLATORS)}")
    array = volume.array if order == 0 else volume.array.astype(np.float32, copy=False)
    if array.dtype == np.bool_:
        array = array.astype(np.uint8)
    image = volume.geometry.apply_to(sitk.GetImageFromArray(array))
    grid = geometry.apply_to(sitk.Image([int(n) for n in geometry.size[::-1]], sitk.sitkUInt8))
    outside = 0.0 if order == 0 else float(array.min())
    placed = sitk.Resample(image, grid, sitk.Transform(), _INTERPOLATORS[order], outside, image.GetPixelID())
    result = sitk.GetArrayFromImage(placed)
    return Volume(result.astype(volume.array.dtype) if order == 0 else result, geometry, volume.path)
