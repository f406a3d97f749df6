"""Distance maps of one class: what boundary, Hausdorff and region-wise losses weigh probabilities with."""

from __future__ import annotations

import numpy as np

from lossseg.weights.grid import Spacing
from lossseg.weights.transform import depth, distance_field


def signed_distance(mask: np.ndarray, spacing: Spacing) -> np.ndarray:
    """phi of the boundary loss: the distance to the class outside, -(depth - 1) inside, in mm.

    Kervadec et al., "Boundary loss for highly unbalanced segmentation", MIDL 2019 and MedIA 2021, as their code makes
    it: depth is the distance to the nearest voxel outside the class, and 1 is taken from it whatever the spacing. With
    spacing 1 that is one voxel, and voxels at the inner side of the surface have 0; else it is 1 mm, and they have
    1 - spacing, which is positive for voxels smaller than 1 mm.

    Args:
        mask: (*S) bool.
        spacing: mm along the axes.

    Returns:
        (*S) float32; all 0 if the class is absent (as in their code) or fills everything.
    """
    if mask.all() or not mask.any():
        return np.zeros(mask.shape, np.float32)
    field = distance_field(mask, spacing)
    return np.where(mask, 1 - field, field)


def distance(mask: np.ndarray, spacing: Spacing) -> np.ndarray:
    """d of the Hausdorff loss, unsigned, in mm: see `lossseg.weights.distance_field`.

    Karimi & Salcudean, "Reducing the Hausdorff Distance in Medical Image Segmentation with Convolutional Neural
    Networks", IEEE TMI 2020.
    """
    return distance_field(mask, spacing)


def region_wise(mask: np.ndarray, spacing: Spacing) -> np.ndarray:
    """The rectified region-wise map: 1 outside the class, -depth / (largest depth) inside, in [-1, 0).

    Valverde & Tohka, "Region-wise loss for biomedical image segmentation", Pattern Recognition 2023 (arXiv 2108.01405);
    depth is the distance to the nearest voxel outside the class.

    Args:
        mask: (*S) bool.
        spacing: mm along the axes.

    Returns:
        (*S) float32, without unit; all 1 if the class is absent (as in their code), all -1 if it fills everything.
    """
    field = np.ones(mask.shape, np.float32)
    if mask.all():
        return -field
    if mask.any():
        depths = depth(mask, spacing)
        np.divide(depths, -depths.max(), out=field, where=mask)
    return field
