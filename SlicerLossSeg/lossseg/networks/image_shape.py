"""The sentence for an image that a network cannot take."""

from __future__ import annotations

import torch

from lossseg.errors import InputError
from lossseg.networks.config import NetworkConfig


def check_image(image: torch.Tensor, config: NetworkConfig) -> None:
    """Raises InputError unless `image` is (batch, the config's channels, z, y, x) with edges that can be halved."""
    if image.ndim != 5 or image.shape[1] != config.in_channels:
        raise InputError(
            f"The network got an image of shape {tuple(image.shape)}.",
            f"It takes (batch, {config.in_channels}, z, y, x).",
        )
    if any(edge % step for edge, step in zip(image.shape[2:], config.divisor, strict=True)):
        raise InputError(
            f"The network cannot take an image of {tuple(image.shape[2:])} voxels (z, y, x).",
            f"Its edges must be multiples of {config.divisor}.",
        )
