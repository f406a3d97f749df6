"""The config of the filter-reuse network and its twin with learned dilated filters. Needs no torch."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any

from lossseg.errors import InputError
from lossseg.networks.config import (
    Maps,
    Triple,
    check_choice,
    check_keys,
    flag,
    plain,
    positive,
    stage_voxels,
    total,
    triples,
    whole_numbers,
)

NORMS = ("layer", "instance", "batch")
KERNEL = 3


@dataclass(frozen=True)
class SharedDilationConfig:
    """A network whose every layer looks at several scales through filters that are dilated, finest layer first.

    Attributes:
        in_channels: image channels.
        out_channels: classes with the background.
        shared: one set of filters per layer is used at every dilation; else each dilation learns filters of its own.
        filters: number of learned filters of each encoder layer per dilation; a layer gives that many maps for each
            dilation. The decoder has the same layers in reverse. The paper has 4, 8, 16, 32, 64.
        dilations: (z, y, x) steps between the taps of a filter, for each of the scales. Four of them give the paper's
            number of parameters; it does not tell their sizes.
        strides: (z, y, x) max pooling after each encoder layer, undone before the decoder layer that answers to it.
        skips: add the maps of each encoder layer to those of the decoder layer at its resolution, which costs no
            parameter; the paper does not say.
        norm: "layer" over the filters and voxels of one sample and dilation, "instance" over voxels, "batch" over
            voxels and samples. The paper does not say; the number of parameters is that of each.
    """

    in_channels: int
    out_channels: int
    shared: bool
    filters: tuple[int, ...]
    dilations: tuple[Triple, ...]
    strides: tuple[Triple, ...]
    skips: bool
    norm: str

    name = "SharedDilationNet"
    keys = ("name", "in_channels", "out_channels", "shared", "filters", "dilations", "strides", "skips", "norm")

    @classmethod
    def from_json(cls, config: Mapping[str, Any]) -> SharedDilationConfig:
        """The checked config.

        Raises:
            InputError: a setting is missing, unknown or of a wrong form, or the layers do not agree.
        """
        check_keys(cls.name, config, cls.keys)
        check_choice("norm", config["norm"], NORMS)
        made = cls(
            in_channels=positive(cls.name, "in_channels", config["in_channels"]),
            out_channels=positive(cls.name, "out_channels", config["out_channels"]),
            shared=flag(cls.name, "shared", config["shared"]),
            filters=whole_numbers(cls.name, "filters", config["filters"]),
            dilations=triples(cls.name, "dilations", config["dilations"]),
            strides=triples(cls.name, "strides", config["strides"]),
            skips=flag(cls.name, "skips", config["skips"]),
            norm=config["norm"],
        )
        if not made.filters or len(made.filters) != len(made.strides):
            raise InputError(
                f"{cls.name}: there are {len(made.filters)} filters, {len(made.strides)} strides.",
                "Give one of each for every encoder layer.",
            )
        if not made.dilations:
            raise InputError(f"{cls.name}: there are no dilations.", "Give at least one, such as [1, 1, 1].")
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
    def widths(self) -> tuple[int, ...]:
        """Maps that each encoder layer gives."""
        return tuple(len(self.dilations) * filters for filters in self.filters)

    @property
    def layers(self) -> tuple[tuple[int, int], ...]:
        """(incoming maps, filters per dilation) of every layer, encoder then decoder."""
        down = zip((self.in_channels, *self.widths), self.filters, strict=False)
        up = zip((self.widths[-1], *self.widths[::-1]), self.filters[::-1], strict=False)
        return (*down, *up)

    def layer_parameters(self, layer: int) -> int:
        """Parameters of one layer: filters with bias, and the scale and offset of their norm."""
        inputs, filters = self.layers[layer]
        sets = 1 if self.shared else len(self.dilations)
        return sets * filters * (KERNEL**3 * inputs + 3)

    @property
    def parameters(self) -> int:
        """Number of parameters."""
        head = KERNEL**3 * self.widths[0] * self.out_channels + self.out_channels
        return sum(self.layer_parameters(layer) for layer in range(len(self.layers))) + head

    def maps(self, patch: Sequence[int]) -> Maps:
        """Feature maps of one patch: of each layer its input, its maps before the norm, and activated."""
        below = stage_voxels(self.strides, patch)
        voxels = [math.prod(patch), *below[:-1]]
        saved, skipped, widest = self.in_channels * voxels[0], 0, 0
        for width, count, pooled, stride in zip(self.widths, voxels, below, self.strides, strict=True):
            saved += 2 * width * count
            if stride != (1, 1, 1):
                saved += 3 * width * pooled
            skipped += width * count if self.skips else 0
        entering = (self.widths[-1], *self.widths[::-1])
        previous = below[-1]
        for inputs, width, count in zip(entering, self.widths[::-1], reversed(voxels), strict=False):
            saved += 2 * width * count
            saved += inputs * count if self.skips or count != previous else 0
            widest, previous = max(widest, inputs * count, width * count), count
        saved += self.widths[0] * voxels[0] if self.skips else 0
        return Maps(saved, skipped, widest)


def same_reach(rate: int, spacing: tuple[float, float, float]) -> Triple:
    """The dilation (z, y, x) that reaches on every axis about as far in mm as `rate` voxels of the finest one."""
    z, y, x = (max(round(rate * min(spacing) / step), 1) for step in spacing)
    return z, y, x
