"""Numbers of lesions: which one a voxel is part of, and which one is nearest to it."""

from __future__ import annotations

import numpy as np

from lossseg import components
from lossseg.weights.grid import Spacing


def lesions(target: np.ndarray) -> np.ndarray:
    """The 26-connected component (8-connected in 2D) of each foreground voxel, 1 to K; 0 in the background.

    Args:
        target: (z, y, x) or (y, x); every value but 0 is foreground. Touching classes are one lesion.

    Returns:
        float32 of the target's shape, whole numbers (exact up to 2^24 lesions), in the order of their first voxels.
    """
    found = components.find(target if target.ndim == 3 else target[np.newaxis])
    numbers = np.zeros(target.size, np.float32)
    numbers[found.voxels] = found.labels
    return numbers.reshape(target.shape)


def nearest_lesion(target: np.ndarray, spacing: Spacing) -> np.ndarray:
    """The number of the lesion nearest to each voxel, as `lesions` counts them: the lesions' Voronoi regions.

    One feature transform finds the nearest foreground voxel of every voxel, and the lesion follows from it, where the
    regions of CC-DiceCE (arXiv 2511.17146) are made by one distance transform for each lesion. A voxel as near to one
    lesion as to another gets either.

    Args:
        target: (z, y, x) or (y, x); every value but 0 is foreground.
        spacing: mm along the axes.

    Returns:
        float32 of the target's shape, whole numbers 1 to K; all 0 without any lesion.
    """
    numbers = lesions(target)
    background = numbers == 0
    if background.all() or not background.any():
        return numbers
    from scipy.ndimage import distance_transform_edt

    nearest = distance_transform_edt(background, sampling=spacing, return_distances=False, return_indices=True)
    return numbers[tuple(nearest)]
