"""The config of the U-Net with plain convolutions as nnU-Net's version 2 builds it. Needs no torch."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

from lossseg.networks.config import Maps, stage_voxels
from lossseg.networks.residual_encoder_config import ResidualEncoderConfig


@dataclass(frozen=True)
class PlainConvConfig(ResidualEncoderConfig):
    """As `ResidualEncoderConfig`, with plain convolutions in the encoder and no stem.

    `blocks` are the convolutions of each stage (nnU-Net's `n_conv_per_stage`), the first of which has the stride.
    """

    name = "PlainConvUNet"

    @property
    def parameters(self) -> int:
        """Number of parameters."""
        inputs, count = self.in_channels, 0
        for filters, kernel, convolutions in zip(self.filters, self.kernels, self.blocks, strict=True):
            count += self._convolution(inputs, filters, kernel)
            count += (convolutions - 1) * self._convolution(filters, filters, kernel)
            inputs = filters
        for stage, convolutions in enumerate(self.decoder_convolutions):
            filters, below, kernel = self.filters[stage], self.filters[stage + 1], self.kernels[stage]
            count += below * filters * math.prod(self.strides[stage + 1]) + self.bias * filters
            count += self._convolution(2 * filters, filters, kernel)
            count += (convolutions - 1) * self._convolution(filters, filters, kernel)
        return count + sum((filters + 1) * self.out_channels for filters in self.filters[: self.levels])

    def maps(self, patch: Sequence[int]) -> Maps:
        """Feature maps of one patch: of each convolution its input and its result before the norm."""
        voxels = stage_voxels(self.strides, patch)
        sizes = [filters * count for filters, count in zip(self.filters, voxels, strict=True)]
        saved = self.in_channels * voxels[0]
        saved += sum(2 * count * size for count, size in zip(self.blocks, sizes, strict=True))
        saved += sum((2 + 2 * count) * size for count, size in zip(self.decoder_convolutions, sizes, strict=False))
        return Maps(saved, sum(sizes[:-1]), 2 * max(sizes[:-1]))
