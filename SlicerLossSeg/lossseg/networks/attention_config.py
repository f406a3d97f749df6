"""The config of the Attention U-Net. Needs no torch."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any

from lossseg.errors import InputError
from lossseg.networks.config import (
    FEWEST_STAGES,
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

KERNEL = 3


@dataclass(frozen=True)
class AttentionUNetConfig:
    """A U-Net whose skips are weighted voxel by voxel by what comes from below, finest stage first, bottleneck last.

    Attributes:
        in_channels: image channels.
        out_channels: classes with the background.
        strides: (z, y, x) stride on entering each stage; of the first stage (1, 1, 1).
        filters: even number of filters of each stage. All kernels are 3 x 3 x 3.
    """

    in_channels: int
    out_channels: int
    strides: tuple[Triple, ...]
    filters: tuple[int, ...]

    name = "AttentionUNet"
    keys = ("name", "in_channels", "out_channels", "strides", "filters")

    @classmethod
    def from_json(cls, config: Mapping[str, Any]) -> AttentionUNetConfig:
        """The checked config.

        Raises:
            InputError: a setting is missing, unknown or of a wrong form, or the stages do not agree.
        """
        check_keys(cls.name, config, cls.keys)
        made = cls(
            in_channels=positive(cls.name, "in_channels", config["in_channels"]),
            out_channels=positive(cls.name, "out_channels", config["out_channels"]),
            strides=triples(cls.name, "strides", config["strides"]),
            filters=whole_numbers(cls.name, "filters", config["filters"]),
        )
        kernels = ((KERNEL,) * 3,) * len(made.strides)
        if len(made.filters) != len(made.strides):
            raise InputError(
                f"{cls.name}: there are {len(made.strides)} strides, {len(made.filters)} filters.",
                "Give one of each for every stage.",
            )
        check_stages(cls.name, kernels, made.strides, made.filters, FEWEST_STAGES)
        for filters in made.filters:
            if filters % 2:
                raise InputError(f"{cls.name}: filters is {filters}.", "Give even numbers: attention halves them.")
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

    @property
    def parameters(self) -> int:
        """Number of parameters: every convolution has a bias, every batch norm scale and offset; the convolution that
        merges a skip has a norm without either and one slope."""
        size, finest = KERNEL**3, self.filters[0]
        count = _block(self.in_channels, finest) + (finest + 1) * self.out_channels
        for filters, below in zip(self.filters, self.filters[1:], strict=False):
            half = filters // 2
            count += _block(filters, below)
            count += size * below * filters + 3 * filters
            count += 2 * (filters * half + 3 * half) + half + 3
            count += size * 2 * filters * filters + filters + 1
        return count

    def maps(self, patch: Sequence[int]) -> Maps:
        """Feature maps of one patch: of each convolution its input and its result before the norm, the gates, and the
        concatenations."""
        voxels = stage_voxels(self.strides, patch)
        saved = self.in_channels * voxels[0]
        sizes = [filters * count for filters, count in zip(self.filters, voxels, strict=True)]
        for size, count in zip(sizes[:-1], voxels[:-1], strict=True):
            saved += 4 * size + 2 * size + 3 * size // 2 + 2 * count + 2 * size + 3 * size
        return Maps(saved + 4 * sizes[-1], sum(sizes[:-1]), 2 * max(sizes))


def _block(inputs: int, filters: int) -> int:
    """Two convolutions with bias, each with a batch norm."""
    return KERNEL**3 * (inputs + filters) * filters + 6 * filters
