"""Exact Euclidean distance transforms of masks, in mm.

ITK is imported when it is first needed, so that what only names the maps starts without it.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from lossseg.weights.grid import Spacing, checked_spacing
from lossseg.weights.near import near_field


def distance_field(mask: np.ndarray, spacing: Sequence[float] | None = None) -> np.ndarray:
    """Distance of each voxel to the nearest voxel on the other side of the mask's surface, unsigned.

    That is `edt(mask) + edt(~mask)`, the distance to the boundary as MONAI's HausdorffDTLoss takes it: the voxels on
    both sides of a face are one voxel away from it. Computed by Maurer's transform (IEEE TPAMI 2003) as ITK has it, or
    by `lossseg.weights.near` where all voxels are near the surface; both are exact.

    Args:
        mask: (z, y, x) or (y, x); every value but 0 is inside.
        spacing: mm along the axes of the array, None takes 1.

    Returns:
        float32 of the mask's shape, in mm, at least 0; all 0 where the mask is empty or full, as there is no surface.

    Raises:
        InputError: spacing and mask do not fit.
    """
    mask = np.asarray(mask)
    mask = mask if mask.dtype == bool else mask != 0
    steps = checked_spacing(spacing, mask.ndim)
    if mask.all() or not mask.any():
        return np.zeros(mask.shape, np.float32)
    field = near_field(mask, steps)
    if field is None:
        field = distance_to(mask, steps)
        add_depth(field, mask, steps)
    return field


def distance_to(mask: np.ndarray, spacing: Spacing) -> np.ndarray:
    """(*S) float32: mm from each voxel to the nearest voxel of a mask (bool, neither empty nor full), 0 in it."""
    import SimpleITK as sitk

    image = sitk.GetImageFromArray(mask.view(np.uint8))
    image.SetSpacing(spacing[::-1])
    signed = sitk.SignedMaurerDistanceMap(image, insideIsPositive=False, squaredDistance=False, useImageSpacing=True)
    # Inside, ITK measures to the mask's outermost voxels, not to the nearest one outside: that side is not used.
    return np.maximum(sitk.GetArrayViewFromImage(signed), 0)


def add_depth(field: np.ndarray, mask: np.ndarray, spacing: Spacing, sign: float = 1.0) -> None:
    """Add to each voxel of a mask (bool, neither empty nor full) in `field` (*S) its mm to the nearest voxel outside.

    Only the mask's bounding box with one voxel around is looked at: the nearest voxel outside the mask lies in it.
    """
    box = _box(mask)
    field[box] += sign * distance_to(~mask[box], spacing)


def _box(mask: np.ndarray) -> tuple[slice, ...]:
    spans = []
    for axis in range(mask.ndim):
        filled = np.flatnonzero(mask.any(axis=tuple(other for other in range(mask.ndim) if other != axis)))
        spans.append(slice(max(int(filled[0]) - 1, 0), int(filled[-1]) + 2))
    return tuple(spans)
