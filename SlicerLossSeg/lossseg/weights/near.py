"""Exact distances where every voxel lies near a mask's surface, as in the noise that a network predicts at first.

Axis by axis the lower envelope of parabolas (Felzenszwalb & Huttenlocher, "Distance Transforms of Sampled Functions",
Theory of Computing 2012), taken over all offsets up to a reach: the cost follows the farthest distance, where that of
the usual algorithms follows the surface. With equal spacing along the axes squared distances fit into single bytes.
"""

from __future__ import annotations

import numpy as np

from lossseg.weights.grid import Spacing

_REACHES = (4, 15)
"""In voxels; 16 is the first whose square a byte cannot hold."""
_FAR_BYTE = 255
_AT_ONCE = 2**17
"""Voxels worked on together, few enough for the processor's cache."""
_STRIDE, _CUBE = 4, 32


def near_field(mask: np.ndarray, spacing: Spacing) -> np.ndarray | None:
    """The distance field of a mask (bool, neither empty nor full), or None if a voxel is too far from the surface.

    Returns:
        float32 of the mask's shape, mm; see `lossseg.weights.distance_field`.
    """
    if _has_empty_cube(mask):
        return None
    finest, equal = min(spacing), len(set(spacing)) == 1
    kind, steps = (np.uint8, (1.0,) * mask.ndim) if equal else (np.float32, spacing)
    for reach in _REACHES:
        squared = _squared(mask, kind, steps, reach)
        exact_below = (reach + 1) ** 2
        if not equal and squared.max() < exact_below * finest**2:
            return np.sqrt(squared)
        if equal and squared.max() < min(exact_below, _FAR_BYTE):
            return (np.sqrt(np.arange(_FAR_BYTE)) * finest).astype(np.float32)[squared]
    return None


def _has_empty_cube(mask: np.ndarray) -> bool:
    """Whether some cube of `_CUBE` voxels seems to be all inside or all outside, by every `_STRIDE`-th voxel."""
    low = high = mask[(slice(None, None, _STRIDE),) * mask.ndim].view(np.uint8)
    for axis, length in enumerate(low.shape):
        block = min(_CUBE // _STRIDE, length)
        starts = np.arange(0, length - length % block, block)
        low, high = np.minimum.reduceat(low, starts, axis=axis), np.maximum.reduceat(high, starts, axis=axis)
    return bool((low == high).any())


def _squared(mask: np.ndarray, kind: type[np.generic], spacing: Spacing, reach: int) -> np.ndarray:
    """Squared distance to the other side; what is beyond `reach` voxels along an axis may come out too large."""
    squared = _squared_to(~mask, kind, spacing, reach)
    # On each side one of the two is 0.
    squared += _squared_to(mask, kind, spacing, reach)
    return squared


def _squared_to(mask: np.ndarray, kind: type[np.generic], spacing: Spacing, reach: int) -> np.ndarray:
    width = mask.shape[-1]
    # With padding a shift along the last axis is one of the flat array: no row sees the next.
    squared = np.full((*mask.shape[:-1], width + reach), _FAR_BYTE if kind is np.uint8 else np.inf, kind)
    # 1 - 1 is 0, and 0 - 1 is the largest byte: without a branch for each voxel.
    squared[..., :width] = mask.view(np.uint8) - np.uint8(1) if kind is np.uint8 else np.where(mask, 0, np.inf)
    across = max(1, _AT_ONCE // max(squared[0].size, 1))
    for start in range(0, len(squared), across):
        slab = squared[start : start + across]
        slab[:] = _nearest(slab.reshape(-1), 0, spacing[-1], reach).reshape(slab.shape)
        for axis in range(1, mask.ndim - 1):
            slab[:] = _nearest(slab, axis, spacing[axis], reach)
    across = max(1, _AT_ONCE // max(squared[:, 0].size, 1))
    for start in range(0, squared.shape[1], across):
        slab = np.ascontiguousarray(squared[:, start : start + across])
        squared[:, start : start + across] = _nearest(slab, 0, spacing[0], reach)
    return squared[..., :width]


def _nearest(squared: np.ndarray, axis: int, step: float, reach: int) -> np.ndarray:
    """The smallest of squared[i + k] + (k * step)^2 over |k| <= reach along an axis."""
    nearest, shifted = squared.copy(), np.empty_like(squared)
    before = (slice(None),) * axis
    for offset in range(1, min(reach, squared.shape[axis] - 1) + 1):
        cost = squared.dtype.type((offset * step) ** 2)
        if squared.dtype == np.uint8:
            # Bytes must not run over. Of an array and a number numpy takes the minimum 20 times as slowly.
            shifted.fill(_FAR_BYTE - cost)
            np.minimum(squared, shifted, out=shifted)
            shifted += cost
        else:
            np.add(squared, cost, out=shifted)
        low, high = (*before, slice(None, -offset)), (*before, slice(offset, None))
        np.minimum(nearest[low], shifted[high], out=nearest[low])
        np.minimum(nearest[high], shifted[low], out=nearest[high])
    return nearest
