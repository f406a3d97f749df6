"""Random transforms of a patch, in nnU-Net's kind and strength, made of MONAI's transforms."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from monai.transforms import (
    Compose,
    RandAdjustContrastd,
    RandAffined,
    RandFlipd,
    RandGaussianNoised,
    RandGaussianSmoothd,
    RandScaleIntensityd,
    RandSimulateLowResolutiond,
)

_IMAGE, _LABEL = "image", "label"
_ANISOTROPIC = 3.0


def augmentation(
    patch: tuple[int, int, int], spacing: tuple[float, float, float], along: Sequence[str] = ()
) -> Compose:
    """Transforms of {"image": (C, z, y, x), "label": (1, z, y, x)} tensors.

    Rotations stay in the plane of an axis that is much coarser than the others or whose patch is much thinner.

    Args:
        along: keys of further tensors (channels, z, y, x) that move with the label: each voxel takes its value from the
            voxel that it takes its label from.
    """
    moved = (_IMAGE, _LABEL, *along)
    thin = int(np.argmin(patch))
    flat = max(spacing) >= _ANISOTROPIC * min(spacing) or max(patch) >= _ANISOTROPIC * patch[thin]
    axis = int(np.argmax(spacing)) if max(spacing) >= _ANISOTROPIC * min(spacing) else thin
    angle = np.pi / 6
    rotations = [(angle if not flat or a == axis else 0.0) for a in range(3)]
    scales = [((-0.3, 0.4) if not flat or a != axis else (0.0, 0.0)) for a in range(3)]
    return Compose(
        [
            RandAffined(
                moved,
                prob=0.2,
                rotate_range=[(-r, r) for r in rotations],
                scale_range=scales,
                mode=("bilinear", *["nearest"] * (len(moved) - 1)),
                padding_mode="border",
            ),
            RandGaussianNoised(_IMAGE, prob=0.1, std=0.1),
            RandGaussianSmoothd(_IMAGE, prob=0.1, sigma_x=(0.5, 1.0), sigma_y=(0.5, 1.0), sigma_z=(0.5, 1.0)),
            RandScaleIntensityd(_IMAGE, factors=0.25, prob=0.15),
            RandSimulateLowResolutiond(_IMAGE, prob=0.1, zoom_range=(0.5, 1.0)),
            RandAdjustContrastd(_IMAGE, prob=0.3, gamma=(0.7, 1.5), retain_stats=True),
            *[RandFlipd(moved, prob=0.5, spatial_axis=axis) for axis in range(3)],
        ]
    )
