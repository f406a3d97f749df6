"""Small made-up pairs of lesion masks for the tests of the evaluation: a reference and a prediction that is near it."""

from __future__ import annotations

import numpy as np
from scipy import ndimage


def blob_pair(
    seed: int, shape: tuple[int, int, int] = (14, 40, 44), share: float = 0.05
) -> tuple[np.ndarray, np.ndarray]:
    """Reference and prediction, bool (z, y, x), of `share` foreground: some blobs in common, some of either alone.

    Blobs touch the border, merge and split.
    """
    random = np.random.default_rng(seed)
    common, one, other = ndimage.gaussian_filter(random.standard_normal((3, *shape)), (0, 1.5, 1.5, 1.5))
    fields = (common + 0.7 * one, common + 0.7 * other)
    reference, prediction = (field > np.quantile(field, 1 - share) for field in fields)
    return reference, prediction


def sparse_pair(seed: int, shape: tuple[int, int, int] = (7, 8, 9), share: float = 0.12) -> tuple[np.ndarray, ...]:
    """Reference and prediction of scattered voxels, about half of which they have in common."""
    random = np.random.default_rng(seed)
    common, one, other = random.random((3, *shape))
    return (np.minimum(common, one) < share / 2), (np.minimum(common, other) < share / 2)
