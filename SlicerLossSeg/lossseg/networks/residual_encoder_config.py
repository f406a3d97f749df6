"""The config of the U-Net with a residual encoder. Needs no torch."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any

from lossseg.errors import InputError
from lossseg.networks.config import (
    Maps,
    Triple,
    check_keys,
    check_stages,
    flag,
    plain,
    positive,
    stage_voxels,
    total,
    triples,
    whole_numbers,
)

BLOCKS = (1, 3, 4, 6, 6, 6)
"""Residual blocks of each stage in nnU-Net's presets; every further stage has as many as the last."""


def blocks_of(stages: int) -> tuple[int, ...]:
    """Residual blocks of each of `stages` stages in nnU-Net's presets."""
    return tuple(BLOCKS[min(stage, len(BLOCKS) - 1)] for stage in range(stages))


@dataclass(frozen=True)
class ResidualEncoderConfig:
    """A U-Net with residual blocks in the encoder and plain ones in the decoder, finest stage first, bottleneck last.

    Attributes:
        in_channels: image channels.
        out_channels: classes with the background.
        kernels: (z, y, x) odd kernel size of each stage (nnU-Net's `kernel_sizes`).
        strides: (z, y, x) stride on entering each stage; of the first stage (1, 1, 1).
        filters: number of filters of each stage (`features_per_stage`).
        blocks: residual blocks of each stage (`n_blocks_per_stage`).
        decoder_convolutions: convolutions of each decoder stage, finest first, one stage fewer than the encoder has
            (nnU-Net's `n_conv_per_stage_decoder` begins with the coarsest).
        bias: convolutions have a bias, those of the residuals' shortcuts excepted (`conv_bias`; true in the presets).
        deep_supervision: give an output at every resolution but the bottleneck's in training.
    """

    in_channels: int
    out_channels: int
    kernels: tuple[Triple, ...]
    strides: tuple[Triple, ...]
    filters: tuple[int, ...]
    blocks: tuple[int, ...]
    decoder_convolutions: tuple[int, ...]
    bias: bool
    deep_supervision: bool

    name = "ResidualEncoderUNet"
    keys = (
        "name",
        "in_channels",
        "out_channels",
        "kernels",
        "strides",
        "filters",
        "blocks",
        "decoder_convolutions",
        "bias",
        "deep_supervision",
    )

    @classmethod
    def from_json(cls, config: Mapping[str, Any]) -> ResidualEncoderConfig:
        """The checked config.

        Raises:
            InputError: a setting is missing, unknown or of a wrong form, or the stages do not agree.
        """
        check_keys(cls.name, config, cls.keys)
        made = cls(
            in_channels=positive(cls.name, "in_channels", config["in_channels"]),
            out_channels=positive(cls.name, "out_channels", config["out_channels"]),
            kernels=triples(cls.name, "kernels", config["kernels"]),
            strides=triples(cls.name, "strides", config["strides"]),
            filters=whole_numbers(cls.name, "filters", config["filters"]),
            blocks=whole_numbers(cls.name, "blocks", config["blocks"]),
            decoder_convolutions=whole_numbers(cls.name, "decoder_convolutions", config["decoder_convolutions"]),
            bias=flag(cls.name, "bias", config["bias"]),
            deep_supervision=flag(cls.name, "deep_supervision", config["deep_supervision"]),
        )
        check_stages(cls.name, made.kernels, made.strides, made.filters)
        stages = len(made.filters)
        if len(made.blocks) != stages or len(made.decoder_convolutions) != stages - 1:
            raise InputError(
                f"{cls.name}: there are {stages} stages, {len(made.blocks)} blocks and "
                f"{len(made.decoder_convolutions)} decoder_convolutions.",
                "Give blocks for every stage and decoder_convolutions for one stage fewer.",
            )
        return made

    def to_json(self) -> dict[str, Any]:
        """The config as JSON holds it: lists, no tuples."""
        return {"name": self.name} | {key: plain(value) for key, value in asdict(self).items()}

    @property
    def divisor(self) -> Triple:
        """(z, y, x) voxels that the edges of an input must be multiples of."""
        return total(self.strides)

    @property
    def levels(self) -> int:
        """Number of outputs in training."""
        return len(self.strides) - 1 if self.deep_supervision else 1

    @property
    def parameters(self) -> int:
        """Number of parameters."""
        inputs = self.filters[0]
        count = self._convolution(self.in_channels, inputs, self.kernels[0])
        for filters, kernel, blocks in zip(self.filters, self.kernels, self.blocks, strict=True):
            count += self._convolution(inputs, filters, kernel)
            count += (2 * blocks - 1) * self._convolution(filters, filters, kernel)
            count += inputs * filters + 2 * filters if inputs != filters else 0
            inputs = filters
        for stage, convolutions in enumerate(self.decoder_convolutions):
            filters, below, kernel = self.filters[stage], self.filters[stage + 1], self.kernels[stage]
            count += below * filters * math.prod(self.strides[stage + 1]) + self.bias * filters
            count += self._convolution(2 * filters, filters, kernel)
            count += (convolutions - 1) * self._convolution(filters, filters, kernel)
        return count + sum((filters + 1) * self.out_channels for filters in self.filters[: self.levels])

    def maps(self, patch: Sequence[int]) -> Maps:
        """Feature maps of one patch: of each convolution its input (the activated map before it; in the decoder the
        concatenation) and its result before the norm."""
        voxels = stage_voxels(self.strides, patch)
        sizes = [filters * count for filters, count in zip(self.filters, voxels, strict=True)]
        saved = self.in_channels * voxels[0] + 2 * sizes[0]
        inputs = self.filters[0]
        for stage, (filters, count) in enumerate(zip(self.filters, voxels, strict=True)):
            saved += 4 * self.blocks[stage] * sizes[stage]
            if inputs != filters:
                pooled = inputs * count if self.strides[stage] != (1, 1, 1) else 0
                saved += sizes[stage] + pooled
            inputs = filters
        for convolutions, size in zip(self.decoder_convolutions, sizes, strict=False):
            saved += (2 + 2 * convolutions) * size
        return Maps(saved, sum(sizes[:-1]), max(sizes))

    def _convolution(self, inputs: int, filters: int, kernel: Triple) -> int:
        """Parameters of a convolution and its norm."""
        return inputs * filters * math.prod(kernel) + self.bias * filters + 2 * filters
