"""Voxel maps that a loss needs from the target, made once by the loader."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from types import MappingProxyType

import numpy as np

from lossseg import components
from lossseg.errors import InputError

INVERSE_WEIGHTS = "inverse_weights"


def inverse_weights(target: np.ndarray, connectivity: int = 26) -> np.ndarray:
    """Weights that give every lesion, and the background, the same share: w_j = N / (M |L_j|) in component L_j.

    Eq. (1) of Shirokikh et al., "Universal Loss Reweighting to Balance Lesion Size Inequality in 3D Medical Image
    Segmentation", MICCAI 2020, with M = K + 1 for K lesions and the background. Without background (a full target)
    M = K; without lesions all weights are 1. Touching voxels of different classes belong to one lesion.

    Args:
        target: (z, y, x) or (y, x), integer or bool, 0 is background; usually a patch.
        connectivity: 6, 18 or 26.

    Returns:
        float32 of the target's shape; the sum is N, its number of voxels.

    Raises:
        InputError: the target is no integer array of two or three dimensions with at least one voxel.
    """
    target = np.asarray(target)
    if target.ndim not in (2, 3) or target.dtype.kind not in "iub" or not target.size:
        raise InputError(
            f"Inverse weights cannot be made from an array of shape {target.shape} and type {target.dtype}.",
            "Give an integer (z, y, x) target with at least one voxel.",
        )
    found = components.find(target if target.ndim == 3 else target[np.newaxis], connectivity)
    background = target.size - len(found.voxels)
    share = target.size / (found.count + (background > 0))
    weights = np.full(target.size, share / max(background, 1), np.float32)
    weights[found.voxels] = (share / found.sizes).astype(np.float32)[found.labels - 1]
    return weights.reshape(target.shape)


@dataclass(frozen=True)
class VoxelMap:
    """A kind of map: how it is made from a target (z, y, x), and whether its sum is the number of voxels."""

    name: str
    make: Callable[[np.ndarray], np.ndarray]
    sums_to_voxels: bool


MAPS: Mapping[str, VoxelMap] = MappingProxyType(
    {INVERSE_WEIGHTS: VoxelMap(INVERSE_WEIGHTS, inverse_weights, sums_to_voxels=True)}
)


def make_maps(names: Iterable[str], target: np.ndarray) -> dict[str, np.ndarray]:
    """The maps of those names (a loss's `required_maps`) for a target (z, y, x), float32 of its shape.

    Raises:
        InputError: there is no map of that name, or one cannot be made from this target.
    """
    made = {}
    for name in names:
        if name not in MAPS:
            raise InputError(f"There is no voxel map '{name}'.", f"Known: {', '.join(sorted(MAPS))}.")
        made[name] = MAPS[name].make(target)
    return made
