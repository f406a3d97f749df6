"""The config of the residual U-Net of the inverse-weighting paper. Needs no torch."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from itertools import pairwise
from typing import Any

from lossseg.networks.config import (
    Maps,
    Triple,
    check_keys,
    check_stages,
    plain,
    positive,
    stage_voxels,
    total,
    triples,
    whole_numbers,
)

BRIDGE_BLOCKS = 3


@dataclass(frozen=True)
class ResidualUNetConfig:
    """A U-Net of residual blocks whose skips are added, finest stage first, bottleneck last.

    Attributes:
        in_channels: image channels.
        out_channels: classes with the background (1: a single foreground logit).
        kernels: (z, y, x) odd kernel size of each stage.
        strides: (z, y, x) pooling before each stage; before the first stage (1, 1, 1).
        filters: number of filters of each stage; the paper has 16, 64, 128, 256.
    """

    in_channels: int
    out_channels: int
    kernels: tuple[Triple, ...]
    strides: tuple[Triple, ...]
    filters: tuple[int, ...]

    name = "ResidualUNet"
    keys = ("name", "in_channels", "out_channels", "kernels", "strides", "filters")

    @classmethod
    def from_json(cls, config: Mapping[str, Any]) -> ResidualUNetConfig:
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
        )
        check_stages(cls.name, made.kernels, made.strides, made.filters)
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
        """Number of outputs in training: one."""
        return 1

    def down(self, stage: int) -> tuple[int, int, int]:
        """Channels before, between and after the two blocks on the way down at `stage`."""
        filters = self.filters[stage]
        return self.filters[max(stage - 1, 0)], filters, filters

    def up(self, stage: int) -> tuple[int, int, int]:
        """Channels before, between and after the two blocks on the way up at `stage`."""
        filters = self.filters[stage]
        return filters, filters, self.filters[max(stage - 1, 0)]

    @property
    def bridge(self) -> tuple[int, int, int, int]:
        """Channels before, between and after the three blocks of the bottleneck."""
        above, filters = self.filters[-2:]
        return above, filters, filters, above

    @property
    def parameters(self) -> int:
        """Number of parameters."""
        finest, first = self.filters[0], math.prod(self.kernels[0])
        count = first * self.in_channels * finest + 2 * finest + first * finest * finest + finest
        for stage, kernel in enumerate(self.kernels[:-1]):
            filters, size = self.filters[stage], math.prod(kernel)
            count += _blocks(self.down(stage), size) + _blocks(self.up(stage), size)
            count += 2 * filters + filters * filters + filters
        count += _blocks(self.bridge, math.prod(self.kernels[-1])) + _blocks((finest, finest), 1)
        return count + 2 * finest + finest * self.out_channels + 2 * self.out_channels

    def maps(self, patch: Sequence[int]) -> Maps:
        """Feature maps of one patch: of each convolution its input, and what goes into the norm before that."""
        voxels = stage_voxels(self.strides, patch)
        finest = self.filters[0]
        saved = (self.in_channels + 8 * finest + self.out_channels) * voxels[0]
        skipped, widest = 0, finest * voxels[0]
        for stage, count in enumerate(voxels[:-1]):
            filters = self.filters[stage]
            pooled = 3 if self.strides[stage + 1] != (1, 1, 1) else 0
            # What the way up hands to the next stage is enlarged and added, neither of which keeps it.
            handed_on = self.up(stage)[-1] if stage else 0
            saved += (_saved(self.down(stage)) + 2 * filters + _saved(self.up(stage)) - handed_on) * count
            saved += pooled * filters * voxels[stage + 1]
            skipped += filters * count
            widest = max(widest, filters * count)
        saved += (_saved(self.bridge) - self.bridge[-1]) * voxels[-1]
        return Maps(saved, skipped, max(widest, self.filters[-1] * voxels[-1]))


def _blocks(channels: Sequence[int], kernel: int) -> int:
    """Parameters of residual blocks: two norms and convolutions without bias, and one of size 1 where widths differ."""
    count = 0
    for inputs, outputs in pairwise(channels):
        count += 2 * inputs + kernel * inputs * outputs + 2 * outputs + kernel * outputs * outputs
        count += inputs * outputs if inputs != outputs else 0
    return count


def _saved(channels: Sequence[int]) -> int:
    """Channels that residual blocks keep: activated input, first result, that activated, and their own result."""
    return sum(inputs + 3 * outputs for inputs, outputs in pairwise(channels))
