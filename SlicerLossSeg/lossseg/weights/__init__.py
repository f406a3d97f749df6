"""Voxel maps that a loss needs from the target, made once by the loader."""

from lossseg.weights.inverse import inverse_weights
from lossseg.weights.maps import (
    DISTANCE,
    INVERSE_WEIGHTS,
    INVERSE_WEIGHTS_VOLUME,
    LESIONS,
    MAPS,
    NEAREST_LESION,
    REGION_WISE,
    REGION_WISE_BACKGROUND,
    SIGNED_DISTANCE,
    make_maps,
    voxel_map,
)
from lossseg.weights.transform import distance_field
from lossseg.weights.voxel_map import VoxelMap

__all__ = [
    "DISTANCE",
    "INVERSE_WEIGHTS",
    "INVERSE_WEIGHTS_VOLUME",
    "LESIONS",
    "MAPS",
    "NEAREST_LESION",
    "REGION_WISE",
    "REGION_WISE_BACKGROUND",
    "SIGNED_DISTANCE",
    "VoxelMap",
    "distance_field",
    "inverse_weights",
    "make_maps",
    "voxel_map",
]
