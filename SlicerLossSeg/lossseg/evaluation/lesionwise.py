"""Lesion-wise Dice of the BraTS challenges, with the parameters of BraTS-METS."""

from __future__ import annotations

import math
from itertools import product

import numpy as np

from lossseg.components import Components, group, places

_SMALLEST_MM3 = 2.0
_BALL = [step for step in product((-1, 0, 1), repeat=3) if sum(map(abs, step)) <= 2]


def lesionwise_dice(
    reference: Components,
    prediction: Components,
    voxel_volume: float,
    boundary: np.ndarray,
    dismissed: np.ndarray,
) -> float:
    """Sum of Dice over the reference lesions / (their number + false positives), as the BraTS 2023 evaluation has it.

    The reference is dilated once with the 18-neighbourhood; lesions that then touch (26-neighbourhood) are one. Its
    Dice is that with all predicted components together that touch the dilated lesion, 0 without one. Lesions of up to
    2 mm3 are left out, but what touches them is no false positive: that are the components that touch no dilated
    lesion at all. (The evaluation of BraTS 2023 gives 1 where nothing is counted; here that is undefined.)

    Args:
        reference: components of a mask (z, y, x) by 26-neighbourhood.
        prediction: those of a mask of the same shape.
        voxel_volume: mm3.
        boundary: (voxels of the reference,) bool: those that have background in their 18-neighbourhood, the only ones
            that dilate; see `surface.Surface.adam`.
        dismissed: (predicted components,) bool: not counted as false positives.

    Returns:
        In [0, 1]; NaN when no lesion is counted and nothing is false.
    """
    dilated = _dilated(reference, boundary)
    lesion = dilated.labels[places(reference.voxels, dilated.voxels)]
    sizes = np.bincount(lesion, minlength=dilated.count + 1)[1:]
    place = places(dilated.voxels, prediction.voxels)
    touching = place >= 0
    width = prediction.count + 1
    pairs = np.unique(dilated.labels[touching].astype(np.int64) * width + prediction.labels[place[touching]])
    of_lesion, component = np.divmod(pairs, width)
    predicted = np.bincount(of_lesion - 1, prediction.sizes[component - 1], dilated.count)
    # Every predicted voxel in a lesion belongs to a component that touches it.
    common = np.bincount(lesion[places(reference.voxels, prediction.voxels) >= 0], minlength=dilated.count + 1)[1:]
    dice = 2 * common / (sizes + predicted)
    false = ~dismissed
    false[component - 1] = False
    counted = sizes * voxel_volume > _SMALLEST_MM3
    total = int(counted.sum()) + int(false.sum())
    return float(dice[counted].sum()) / total if total else math.nan


def _dilated(mask: Components, boundary: np.ndarray) -> Components:
    """Components by 26-neighbourhood of the mask's dilation with the 18-neighbourhood."""
    seeds = np.flatnonzero(boundary)
    coordinates = mask.coordinates()[seeds]
    size = np.array(mask.shape)
    ends = ((coordinates == 0) | (coordinates == size - 1)).any(axis=1)
    _, height, width = mask.shape
    offsets = np.array([(z * height + y) * width + x for z, y, x in _BALL])
    grown = [mask.voxels, (mask.voxels[seeds[~ends], None] + offsets).reshape(-1)]
    around = (coordinates[ends, None] + np.array(_BALL)).reshape(-1, 3)
    around = around[((around >= 0) & (around < size)).all(axis=1)]
    grown.append(np.ravel_multi_index(tuple(around.T), mask.shape))
    voxels = np.sort(np.concatenate(grown))
    return group(voxels[np.append(True, np.diff(voxels) > 0)[: len(voxels)]], mask.shape)
