"""The plain JSON config of a network, checked. Needs no torch."""

from __future__ import annotations

import difflib
import math
from collections.abc import Iterable, Mapping
from dataclasses import asdict, dataclass
from typing import Any, TypeAlias

from lossseg.errors import InputError

Triple: TypeAlias = tuple[int, int, int]

HINT = "Make the config with `lossseg plan` or restore it from the model folder."
FEWEST_STAGES = 3


def check_keys(name: str, config: Mapping[str, Any], allowed: Iterable[str]) -> None:
    """Raises InputError if a key is missing or unknown, naming the nearest known one."""
    known = sorted(allowed)
    for key in config:
        if key not in known:
            raise InputError(f"{name} has no setting '{key}'.", nearest(str(key), known))
    missing = [key for key in known if key not in config]
    if missing:
        raise InputError(f"{name} lacks the setting '{missing[0]}'.", HINT)


def check_choice(what: str, name: object, known: Iterable[str]) -> None:
    """Raises InputError if `name` is none of `known`, naming the nearest."""
    names = sorted(known)
    if name not in names:
        raise InputError(f"There is no {what} '{name}'.", nearest(str(name), names))


def nearest(name: str, known: list[str]) -> str:
    by_lower = {entry.lower(): entry for entry in known}
    close = difflib.get_close_matches(name.lower(), list(by_lower), n=1, cutoff=0.5)
    question = f"Did you mean '{by_lower[close[0]]}'? " if close else ""
    return f"{question}Known: {', '.join(known)}."


def positive(name: str, key: str, value: object) -> int:
    """`value` if it is a whole number above 0, else InputError."""
    if isinstance(value, bool) or not isinstance(value, int) or value < 1:
        raise InputError(f"{name}: {key} is {value!r}.", f"{key} must be a whole number above 0.")
    return value


def sequence(name: str, key: str, value: object) -> tuple[Any, ...]:
    """`value` as a tuple if it is a list or tuple, else InputError."""
    if not isinstance(value, list | tuple):
        raise InputError(f"{name}: {key} is {value!r}.", f"{key} must be a list.")
    return tuple(value)


@dataclass(frozen=True)
class DynUNetConfig:
    """A U-Net with kernel and stride per axis and stage, finest stage first, bottleneck last.

    Attributes:
        in_channels: image channels.
        out_channels: classes with the background (1: a single foreground logit).
        kernels: (z, y, x) odd kernel size of each stage.
        strides: (z, y, x) stride on entering each stage; of the first stage (1, 1, 1).
        filters: number of filters of each stage.
        deep_supervision: give an output at every resolution but the bottleneck's in training.
    """

    in_channels: int
    out_channels: int
    kernels: tuple[Triple, ...]
    strides: tuple[Triple, ...]
    filters: tuple[int, ...]
    deep_supervision: bool

    name = "DynUNet"
    keys = ("name", "in_channels", "out_channels", "kernels", "strides", "filters", "deep_supervision")

    @classmethod
    def from_json(cls, config: Mapping[str, Any]) -> DynUNetConfig:
        """The checked config.

        Raises:
            InputError: a setting is missing, unknown or of a wrong form, or the stages do not agree.
        """
        check_keys(cls.name, config, cls.keys)
        if not isinstance(config["deep_supervision"], bool):
            raise InputError(
                f"{cls.name}: deep_supervision is {config['deep_supervision']!r}.", "It must be true or false."
            )
        made = cls(
            in_channels=positive(cls.name, "in_channels", config["in_channels"]),
            out_channels=positive(cls.name, "out_channels", config["out_channels"]),
            kernels=_triples(cls.name, "kernels", config["kernels"]),
            strides=_triples(cls.name, "strides", config["strides"]),
            filters=tuple(
                positive(cls.name, "filters", value) for value in sequence(cls.name, "filters", config["filters"])
            ),
            deep_supervision=config["deep_supervision"],
        )
        made._check_stages()
        return made

    def to_json(self) -> dict[str, Any]:
        """The config as JSON holds it: lists, no tuples."""
        plain = asdict(self)
        plain["kernels"] = [list(kernel) for kernel in self.kernels]
        plain["strides"] = [list(stride) for stride in self.strides]
        plain["filters"] = list(self.filters)
        return {"name": self.name} | plain

    @property
    def divisor(self) -> Triple:
        """(z, y, x) voxels that the edges of an input must be multiples of."""
        z, y, x = (math.prod(stride[axis] for stride in self.strides) for axis in range(3))
        return z, y, x

    @property
    def levels(self) -> int:
        """Number of outputs in training."""
        return len(self.strides) - 1 if self.deep_supervision else 1

    def _check_stages(self) -> None:
        lengths = {"kernels": len(self.kernels), "strides": len(self.strides), "filters": len(self.filters)}
        if len(set(lengths.values())) > 1:
            told = ", ".join(f"{count} {key}" for key, count in lengths.items())
            raise InputError(f"{self.name}: there are {told}.", "Give one of each for every stage.")
        if len(self.strides) < FEWEST_STAGES:
            raise InputError(
                f"{self.name}: {len(self.strides)} stage(s) are too few.", f"Give at least {FEWEST_STAGES}."
            )
        if self.strides[0] != (1, 1, 1):
            raise InputError(
                f"{self.name}: the first stride is {list(self.strides[0])}.",
                "It must be [1, 1, 1], so that the output lies on the input's grid.",
            )
        for kernel, stride in zip(self.kernels, self.strides, strict=True):
            if any(edge % 2 == 0 for edge in kernel) or any(
                step > edge + 1 for edge, step in zip(kernel, stride, strict=True)
            ):
                raise InputError(
                    f"{self.name}: kernel {list(kernel)} with stride {list(stride)} is not possible.",
                    "Kernel sizes are odd and at least the stride less one.",
                )


def _triples(name: str, key: str, value: object) -> tuple[Triple, ...]:
    made = []
    for entry in sequence(name, key, value):
        edges = sequence(name, key, entry)
        if len(edges) != 3:
            raise InputError(f"{name}: {key} holds {list(edges)}.", f"Each of {key} is [z, y, x].")
        z, y, x = (positive(name, key, edge) for edge in edges)
        made.append((z, y, x))
    return tuple(made)
