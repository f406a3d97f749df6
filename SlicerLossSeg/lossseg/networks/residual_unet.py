"""The residual U-Net with added skips on which inverse weighting was shown."""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial
from itertools import pairwise

import torch
from torch import nn
from torch.nn.functional import interpolate, max_pool3d

from lossseg.networks.config import Triple
from lossseg.networks.image_shape import check_image
from lossseg.networks.residual_config import ResidualUNetConfig


class ResidualUNet(nn.Module):
    """The "slightly modified 3D U-Net" of Shirokikh et al., Universal loss reweighting (MICCAI 2020), as its authors
    published it: residual blocks with batch norm and ReLU before each convolution, max pooling on the way down,
    trilinear enlargement on the way up, skips through one convolution of size 1 and added, and a batch norm on the
    logits.
    """

    def __init__(self, config: ResidualUNetConfig) -> None:
        super().__init__()
        self.config = config
        finest, kernel = config.filters[0], config.kernels[0]
        levels = range(len(config.filters) - 1)
        self.stem = nn.Sequential(_convolution(config.in_channels, finest, kernel), _activated(finest, finest, kernel))
        self.down = nn.ModuleList(_blocks(config.down(stage), config.kernels[stage]) for stage in levels)
        self.skips = nn.ModuleList(
            _activated(config.filters[stage], config.filters[stage], (1, 1, 1)) for stage in levels
        )
        self.bridge = _blocks(config.bridge, config.kernels[-1])
        self.up = nn.ModuleList(_blocks(config.up(stage), config.kernels[stage]) for stage in levels)
        self.head = nn.Sequential(
            ResidualBlock(finest, finest, (1, 1, 1)),
            _activated(finest, config.out_channels, (1, 1, 1), bias=False),
            nn.BatchNorm3d(config.out_channels),
        )

    def forward(self, image: torch.Tensor) -> torch.Tensor:
        """Logits (B, classes, z, y, x) of `image` (B, channels, z, y, x).

        Raises:
            InputError: the image has other channels, or an edge is no multiple of the network's.
        """
        check_image(image, self.config)
        features, skipped = self.stem(image), []
        for blocks, skip, stride in zip(self.down, self.skips, self.config.strides[1:], strict=True):
            features = blocks(features)
            skipped.append(skip(features))
            if stride != (1, 1, 1):
                features = max_pool3d(features, stride)
        features = self.bridge(features)
        for blocks in reversed(self.up):
            beside = skipped.pop()
            if features.shape[2:] != beside.shape[2:]:
                features = interpolate(features, beside.shape[2:], mode="trilinear", align_corners=True)
            features = blocks(features + beside)
        logits: torch.Tensor = self.head(features)
        return logits


class ResidualBlock(nn.Module):
    """Two convolutions, each after batch norm and ReLU, and the input added (through a convolution of size 1 where the
    widths differ)."""

    def __init__(self, inputs: int, outputs: int, kernel: Triple) -> None:
        super().__init__()
        activated = partial(_activated, kernel=kernel, bias=False)
        self.path = nn.Sequential(activated(inputs, outputs), activated(outputs, outputs))
        self.shortcut = nn.Identity() if inputs == outputs else _convolution(inputs, outputs, (1, 1, 1))

    def forward(self, features: torch.Tensor) -> torch.Tensor:
        """(B, inputs, z, y, x) -> (B, outputs, z, y, x)."""
        result: torch.Tensor = self.path(features) + self.shortcut(features)
        return result


def _blocks(channels: Sequence[int], kernel: Triple) -> nn.Sequential:
    return nn.Sequential(*(ResidualBlock(a, b, kernel) for a, b in pairwise(channels)))


def _activated(inputs: int, outputs: int, kernel: Triple, bias: bool = True) -> nn.Sequential:
    return nn.Sequential(
        nn.BatchNorm3d(inputs), nn.ReLU(inplace=True), _convolution(inputs, outputs, kernel, bias=bias)
    )


def _convolution(inputs: int, outputs: int, kernel: Triple, bias: bool = False) -> nn.Conv3d:
    z, y, x = (edge // 2 for edge in kernel)
    return nn.Conv3d(inputs, outputs, kernel, padding=(z, y, x), bias=bias)
