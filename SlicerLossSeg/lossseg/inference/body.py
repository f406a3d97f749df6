"""Where an image shows anything: windows on nothing need not be computed."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from scipy import ndimage

from lossseg.images import Volume
from lossseg.inference.sliding_window import Box
from lossseg.preprocessing import Prepared

_BLOCK = 8


def body_on_plan_grid(volumes: Sequence[Volume], prepared: Prepared) -> np.ndarray | None:
    """bool (z, y, x) on the network's grid: False where the image is 0 in every channel, out to its border.

    Looked at in blocks of 8 voxels of the case's grid: a block counts when it or a neighbour holds anything, or when
    such blocks enclose it, as zeros within a body do.

    Returns:
        None where all of the grid counts.
    """
    blocks = _blocks(volumes, prepared.crop)
    whole = np.ones((3, 3, 3), bool)
    blocks = ndimage.binary_dilation(ndimage.binary_fill_holes(blocks), whole)
    if blocks.all():
        return None
    shape = prepared.image.shape[1:]
    turned = prepared.orientation.apply(blocks)
    places = []
    for axis, flip, length in zip(prepared.orientation.axes, prepared.orientation.flips, shape, strict=True):
        extent = prepared.crop_shape[axis]
        # The voxel of the case's grid under the middle of each of the network's.
        voxel = ((np.arange(length) + 0.5) * extent / length).astype(int)
        last = -(-extent // _BLOCK) - 1
        places.append(last - (extent - 1 - voxel) // _BLOCK if flip else voxel // _BLOCK)
    return np.ascontiguousarray(turned[np.ix_(*places)])


def _blocks(volumes: Sequence[Volume], crop: Box) -> np.ndarray:
    """Which blocks of the crop hold a voxel that is not 0, counted from its first voxel."""
    filled: np.ndarray | None = None
    for volume in volumes:
        blocks = volume.array[crop] != 0
        for axis in range(3):
            blocks = np.logical_or.reduceat(blocks, np.arange(0, blocks.shape[axis], _BLOCK), axis=axis)
        filled = blocks if filled is None else filled | blocks
    assert filled is not None
    return filled
