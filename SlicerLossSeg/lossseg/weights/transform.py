"""Exact Euclidean distance transforms of masks, in mm.

The package edt is imported when it is first needed, so that what only names the maps starts without it.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from lossseg.weights.grid import Spacing, checked_spacing
from lossseg.weights.near import near_field


def distance_field(mask: np.ndarray, spacing: Sequence[float] | None = None) -> np.ndarray:
    """Distance of each voxel to the nearest voxel on the other side of the mask's surface, unsigned.

    That is `edt(mask) + edt(~mask)`, the distance to the boundary as MONAI's HausdorffDTLoss takes it: the voxels on
    both sides of a face are one voxel away from it. Computed by the package edt (the transforms of Felzenszwalb &
    Huttenlocher, with both sides in one pass), or by `lossseg.weights.near` where all voxels are near the surface;
    both are exact.

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
    return _far_field(mask, steps) if field is None else field


def depth(mask: np.ndarray, spacing: Spacing) -> np.ndarray:
    """(*S) float32: mm from each voxel of a mask (bool, neither empty nor full) to the nearest outside; 0 outside.

    Only the mask's bounding box with one voxel around is looked at: the nearest voxel outside the mask lies in it.
    """
    found, box = np.zeros(mask.shape, np.float32), _box(mask)
    np.multiply(_far_field(mask[box], spacing), mask[box], out=found[box])
    return found


def _far_field(mask: np.ndarray, spacing: Spacing) -> np.ndarray:
    import edt

    # Of two labels each voxel gets the distance to the nearest one of the other.
    sides = np.ascontiguousarray(mask).view(np.uint8) + np.uint8(1)
    equal = len(set(spacing)) == 1
    # In voxels squared distances are whole numbers, which float32 holds exactly.
    steps = (1.0,) * mask.ndim if equal else spacing
    field: np.ndarray = edt.edt(sides, anisotropy=steps, black_border=False, parallel=1)
    if equal and spacing[0] != 1:
        field *= np.float32(spacing[0])
    return field


def _box(mask: np.ndarray) -> tuple[slice, ...]:
    spans = []
    for axis in range(mask.ndim):
        filled = np.flatnonzero(mask.any(axis=tuple(other for other in range(mask.ndim) if other != axis)))
        spans.append(slice(max(int(filled[0]) - 1, 0), int(filled[-1]) + 2))
    return tuple(spans)
