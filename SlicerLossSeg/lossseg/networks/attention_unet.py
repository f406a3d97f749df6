"""MONAI's Attention U-Net on a checked config."""

from __future__ import annotations

import torch
from monai.networks.nets import AttentionUnet

from lossseg.networks.attention_config import KERNEL, AttentionUNetConfig
from lossseg.networks.image_shape import check_image


class AttentionUNet(AttentionUnet):
    """Attention U-Net (Oktay et al. 2018; MONAI), the network that the focal Tversky loss was shown with (Abraham and
    Khan 2019, in two dimensions)."""

    def __init__(self, config: AttentionUNetConfig) -> None:
        super().__init__(
            spatial_dims=3,
            in_channels=config.in_channels,
            out_channels=config.out_channels,
            channels=config.filters,
            strides=config.strides[1:],
            kernel_size=KERNEL,
            up_kernel_size=KERNEL,
        )
        self.config = config

    def forward(self, image: torch.Tensor) -> torch.Tensor:
        """Logits (B, classes, z, y, x) of `image` (B, channels, z, y, x).

        Raises:
            InputError: the image has other channels, or an edge is no multiple of the network's.
        """
        check_image(image, self.config)
        return super().forward(image)
