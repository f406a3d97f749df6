"""The maps there are."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from types import MappingProxyType

import numpy as np

from lossseg.errors import InputError
from lossseg.weights.distances import distance, region_wise, signed_distance
from lossseg.weights.inverse import inverse_weights
from lossseg.weights.lesions import lesions, nearest_lesion
from lossseg.weights.voxel_map import VoxelMap

INVERSE_WEIGHTS = "inverse_weights"
INVERSE_WEIGHTS_VOLUME = "inverse_weights_volume"
SIGNED_DISTANCE = "signed_distance"
DISTANCE = "distance"
REGION_WISE = "region_wise"
REGION_WISE_BACKGROUND = "region_wise_background"
LESIONS = "lesions"
NEAREST_LESION = "nearest_lesion"


def _smallest(channel: np.ndarray) -> float:
    return float(channel.min())


def _largest(channel: np.ndarray) -> float:
    return float(channel.max())


_ALL = (
    VoxelMap(INVERSE_WEIGHTS, lambda target, _: inverse_weights(target), _smallest, sums_to_voxels=True),
    # The smallest weight is the background's, unless a lesion is larger than all the background.
    VoxelMap(INVERSE_WEIGHTS_VOLUME, lambda target, _: inverse_weights(target), _smallest, whole_volume=True),
    VoxelMap(SIGNED_DISTANCE, signed_distance, _largest, per_class=True, whole_volume=True),
    VoxelMap(DISTANCE, distance, _largest, per_class=True, whole_volume=True),
    VoxelMap(REGION_WISE, region_wise, _largest, per_class=True, whole_volume=True),
    VoxelMap(
        REGION_WISE_BACKGROUND,
        lambda target, spacing: region_wise(target == 0, spacing),
        _smallest,
        whole_volume=True,
    ),
    VoxelMap(LESIONS, lambda target, _: lesions(target), _smallest),
    VoxelMap(NEAREST_LESION, nearest_lesion, _smallest),
)

MAPS: Mapping[str, VoxelMap] = MappingProxyType({entry.name: entry for entry in _ALL})


def voxel_map(name: str) -> VoxelMap:
    """The map of that name.

    Raises:
        InputError: there is none.
    """
    if name not in MAPS:
        raise InputError(f"There is no voxel map '{name}'.", f"Known: {', '.join(sorted(MAPS))}.")
    return MAPS[name]


def make_maps(
    names: Iterable[str], target: np.ndarray, *, spacing: Sequence[float] | None = None, classes: int = 2
) -> dict[str, np.ndarray]:
    """The maps of those names (a loss's `required_maps`) for a target, by name.

    Args:
        target: (z, y, x) or (y, x), integer or bool, 0 is background. A map that belongs to the whole volume is made
            from what is given here as if that were all of it.
        spacing: mm along the axes of the array, None takes 1.
        classes: number of classes with the background.

    Returns:
        (channels, *S) float32 each; see `VoxelMap.make`.

    Raises:
        InputError: there is no map of that name, or one cannot be made from this target.
    """
    return {name: voxel_map(name).make(target, spacing=spacing, classes=classes) for name in names}
