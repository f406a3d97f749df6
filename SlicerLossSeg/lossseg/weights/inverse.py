"""Inverse weights: what makes every lesion count the same, however small."""

from __future__ import annotations

import numpy as np

from lossseg import components
from lossseg.weights.grid import checked_target


def inverse_weights(target: np.ndarray, connectivity: int = 26) -> np.ndarray:
    """Weights that give every lesion, and the background, the same share: w_j = N / (M |L_j|) in component L_j.

    Eq. (1) of Shirokikh et al., "Universal Loss Reweighting to Balance Lesion Size Inequality in 3D Medical Image
    Segmentation", MICCAI 2020, with M = K + 1 for K lesions and the background. Without background (a full target)
    M = K; without lesions all weights are 1. Touching voxels of different classes belong to one lesion. The paper's
    code clips the weights to [1, 2e5], which breaks their sum; that is left to the loss.

    Args:
        target: (z, y, x) or (y, x), integer or bool, 0 is background; usually a patch.
        connectivity: 6, 18 or 26.

    Returns:
        float32 of the target's shape; the sum is N, its number of voxels.

    Raises:
        InputError: the target is no integer array of two or three dimensions with at least one voxel.
    """
    target = checked_target("Inverse weights", target)
    shape = target.shape if target.ndim == 3 else (1, *target.shape)
    found = components.group(components.foreground(target), shape, connectivity)
    background = target.size - len(found.voxels)
    share = target.size / (found.count + (background > 0))
    weights = np.full(target.size, share / max(background, 1), np.float32)
    weights[found.voxels] = (share / found.sizes).astype(np.float32)[found.labels - 1]
    return weights.reshape(target.shape)
