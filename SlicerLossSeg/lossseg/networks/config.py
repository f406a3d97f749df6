"""Plain JSON configs of networks, checked: what they have in common, and that of the planned U-Net. Needs no torch."""

from __future__ import annotations

import difflib
import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any, NamedTuple, Protocol, TypeAlias

from lossseg.errors import InputError

Triple: TypeAlias = tuple[int, int, int]

HINT = "Make the config with `lossseg plan` or restore it from the model folder."
FEWEST_STAGES = 3


class Maps(NamedTuple):
    """Sizes of the feature maps of one patch, in values.

    Attributes:
        saved: kept for the backward pass.
        skipped: kept in prediction until the decoder takes them.
        widest: of the largest single map.
    """

    saved: int
    skipped: int
    widest: int


class NetworkConfig(Protocol):
    """What every config can tell without torch."""

    @property
    def name(self) -> str:
        """What `name` in the JSON config says."""
        ...

    @property
    def in_channels(self) -> int:
        """Image channels."""
        ...

    @property
    def out_channels(self) -> int:
        """Classes with the background."""
        ...

    @property
    def divisor(self) -> Triple:
        """(z, y, x) voxels that the edges of an input must be multiples of."""
        ...

    @property
    def levels(self) -> int:
        """Number of outputs in training."""
        ...

    @property
    def parameters(self) -> int:
        """Number of parameters."""
        ...

    def maps(self, patch: Sequence[int]) -> Maps:
        """Feature maps of one patch of `patch` (z, y, x) voxels."""
        ...

    def to_json(self) -> dict[str, Any]:
        """The config as JSON holds it: lists, no tuples."""
        ...


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


def flag(name: str, key: str, value: object) -> bool:
    """`value` if it is true or false, else InputError."""
    if not isinstance(value, bool):
        raise InputError(f"{name}: {key} is {value!r}.", "It must be true or false.")
    return value


def whole_numbers(name: str, key: str, value: object) -> tuple[int, ...]:
    """`value` as a tuple if it is a list of whole numbers above 0, else InputError."""
    return tuple(positive(name, key, entry) for entry in sequence(name, key, value))


def triples(name: str, key: str, value: object) -> tuple[Triple, ...]:
    """`value` as a tuple if it is a list of [z, y, x], whole numbers above 0, else InputError."""
    made = []
    for entry in sequence(name, key, value):
        edges = sequence(name, key, entry)
        if len(edges) != 3:
            raise InputError(f"{name}: {key} holds {list(edges)}.", f"Each of {key} is [z, y, x].")
        z, y, x = (positive(name, key, edge) for edge in edges)
        made.append((z, y, x))
    return tuple(made)


def check_stages(
    name: str, kernels: Sequence[Triple], strides: Sequence[Triple], filters: Sequence[int], fewest: int = FEWEST_STAGES
) -> None:
    """Raises InputError unless there is one of each per stage, the first stride is 1, and kernels suit strides."""
    lengths = {"kernels": len(kernels), "strides": len(strides), "filters": len(filters)}
    if len(set(lengths.values())) > 1:
        told = ", ".join(f"{count} {key}" for key, count in lengths.items())
        raise InputError(f"{name}: there are {told}.", "Give one of each for every stage.")
    if len(strides) < fewest:
        raise InputError(f"{name}: {len(strides)} stage(s) are too few.", f"Give at least {fewest}.")
    if strides[0] != (1, 1, 1):
        raise InputError(
            f"{name}: the first stride is {list(strides[0])}.",
            "It must be [1, 1, 1], so that the output lies on the input's grid.",
        )
    for kernel, stride in zip(kernels, strides, strict=True):
        if any(edge % 2 == 0 for edge in kernel) or any(
            step > edge + 1 for edge, step in zip(kernel, stride, strict=True)
        ):
            raise InputError(
                f"{name}: kernel {list(kernel)} with stride {list(stride)} is not possible.",
                "Kernel sizes are odd and at least the stride less one.",
            )


def total(strides: Sequence[Triple]) -> Triple:
    """The product of the strides per axis."""
    z, y, x = (math.prod(stride[axis] for stride in strides) for axis in range(3))
    return z, y, x


def stage_voxels(strides: Sequence[Triple], patch: Sequence[int]) -> list[int]:
    """Voxels of one feature map after each of `strides`, for a patch of `patch` (z, y, x) voxels."""
    edges, counts = list(patch), []
    for stride in strides:
        edges = [math.ceil(edge / step) for edge, step in zip(edges, stride, strict=True)]
        counts.append(math.prod(edges))
    return counts


def plain(value: Any) -> Any:
    """`value` with lists in the place of tuples."""
    return [plain(entry) for entry in value] if isinstance(value, list | tuple) else value


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
        made = cls(
            in_channels=positive(cls.name, "in_channels", config["in_channels"]),
            out_channels=positive(cls.name, "out_channels", config["out_channels"]),
            kernels=triples(cls.name, "kernels", config["kernels"]),
            strides=triples(cls.name, "strides", config["strides"]),
            filters=whole_numbers(cls.name, "filters", config["filters"]),
            deep_supervision=flag(cls.name, "deep_supervision", config["deep_supervision"]),
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
        """Number of outputs in training."""
        return len(self.strides) - 1 if self.deep_supervision else 1

    @property
    def parameters(self) -> int:
        """Two convolutions without bias and two affine norms per block, a transposed convolution before each decoder
        block, an output convolution with bias for each output."""
        count, inputs = 0, self.in_channels
        for filters, kernel in zip(self.filters, self.kernels, strict=True):
            count += _block(inputs, filters, kernel)
            inputs = filters
        for stage in range(1, len(self.filters)):
            below, filters = self.filters[stage], self.filters[stage - 1]
            count += below * filters * math.prod(self.strides[stage])
            count += _block(2 * filters, filters, self.kernels[stage])
        return count + sum((filters + 1) * self.out_channels for filters in self.filters[: self.levels])

    def maps(self, patch: Sequence[int]) -> Maps:
        """Feature maps of one patch: of each convolution its input (the activated map before it; in the decoder the
        concatenation) and its result before the norm."""
        voxels = stage_voxels(self.strides, patch)
        sizes = [filters * count for filters, count in zip(self.filters, voxels, strict=True)]
        saved = self.in_channels * voxels[0] + 10 * sum(sizes[:-1]) + 4 * sizes[-1]
        return Maps(saved, sum(sizes[1:-1]), max(sizes))


def _block(inputs: int, filters: int, kernel: Triple) -> int:
    return (inputs * filters + filters * filters) * math.prod(kernel) + 4 * filters
