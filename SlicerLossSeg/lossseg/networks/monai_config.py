"""The config of a network of MONAI's own, as a bundle names it: a class that is known and plain arguments."""

from __future__ import annotations

import math
import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from lossseg.errors import InputError
from lossseg.networks.config import Maps, Triple, check_choice, check_keys, flag, nearest, plain, positive

_WORD = re.compile(r"[A-Za-z][A-Za-z0-9_]*")
_LONGEST = 64
"""Entries of a list: no network has as many stages."""

Check = Callable[[str, str, object], Any]


def _counts(name: str, key: str, value: object) -> Any:
    """A whole number above 0, or a list of such or of lists of such."""
    if isinstance(value, list | tuple):
        return [_counts(name, key, entry) for entry in _short(name, key, value)]
    return positive(name, key, value)


def _from_zero(name: str, key: str, value: object) -> int:
    return 0 if value == 0 and not isinstance(value, bool) else positive(name, key, value)


def _share(name: str, key: str, value: object) -> float | None:
    """A number from 0 to 1, or null."""
    if value is None:
        return None
    if isinstance(value, bool) or not isinstance(value, int | float) or not 0 <= value <= 1:
        raise InputError(f"{name}: {key} is {value!r}.", "It must be a number from 0 to 1.")
    return float(value)


def _shares(name: str, key: str, value: object) -> Any:
    if isinstance(value, list | tuple):
        return [_share(name, key, entry) for entry in _short(name, key, value)]
    return _share(name, key, value)


def _numbers(name: str, key: str, value: object) -> list[float] | None:
    """A list of numbers above 0, or null."""
    if value is None:
        return None
    entries = _short(name, key, value if isinstance(value, list | tuple) else [value])
    if not all(isinstance(entry, int | float) and not isinstance(entry, bool) and entry > 0 for entry in entries):
        raise InputError(f"{name}: {key} is {value!r}.", "It must be a list of numbers above 0.")
    return [float(entry) for entry in entries]


def _word(name: str, key: str, value: object) -> str:
    if not isinstance(value, str) or not _WORD.fullmatch(value):
        raise InputError(f"{name}: {key} is {value!r}.", "It must be a word.")
    return value


def _layer(name: str, key: str, value: object) -> Any:
    """The name of a layer, alone or with settings: "batch" or ["group", {"num_groups": 8}]."""
    if isinstance(value, list | tuple) and len(value) == 2 and isinstance(value[1], Mapping):
        settings = {_word(name, key, word): _constant(name, key, entry) for word, entry in value[1].items()}
        return [_word(name, key, value[0]), settings]
    return _word(name, key, value)


def _constant(name: str, key: str, value: object) -> Any:
    if value is None or isinstance(value, bool | int | float) or (isinstance(value, str) and _WORD.fullmatch(value)):
        return value
    raise InputError(f"{name}: {key} holds {value!r}.", "It may hold numbers, words, true and false.")


def _short(name: str, key: str, value: Sequence[Any]) -> Sequence[Any]:
    if not 0 < len(value) <= _LONGEST:
        raise InputError(f"{name}: {key} has {len(value)} entries.", f"It can have 1 to {_LONGEST}.")
    return value


_UNET: dict[str, Check] = {
    "channels": _counts,
    "strides": _counts,
    "kernel_size": _counts,
    "up_kernel_size": _counts,
    "dropout": _share,
}
_RESNET: dict[str, Check] = {
    "init_filters": positive,
    "act": _layer,
    "norm": _layer,
    "blocks_down": _counts,
    "blocks_up": _counts,
    "upsample_mode": _word,
}
_ARGUMENTS: Mapping[str, Mapping[str, Check]] = {
    "UNet": _UNET | {"num_res_units": _from_zero, "act": _layer, "norm": _layer, "bias": flag, "adn_ordering": _word},
    "AttentionUnet": _UNET,
    "BasicUNet": {
        "features": _counts,
        "act": _layer,
        "norm": _layer,
        "bias": flag,
        "dropout": _share,
        "upsample": _word,
    },
    "DynUNet": {
        "kernel_size": _counts,
        "strides": _counts,
        "upsample_kernel_size": _counts,
        "filters": lambda name, key, value: None if value is None else _counts(name, key, value),
        "dropout": _share,
        "norm_name": _layer,
        "act_name": _layer,
        "deep_supervision": flag,
        "deep_supr_num": positive,
        "res_block": flag,
        "trans_bias": flag,
    },
    "SegResNet": _RESNET | {"dropout_prob": _share, "num_groups": positive, "use_conv_final": flag},
    "SegResNetDS": _RESNET | {"dsdepth": positive, "resolution": _numbers},
    "VNet": {
        "act": _layer,
        "dropout_prob": _share,
        "dropout_prob_down": _share,
        "dropout_prob_up": _shares,
        "dropout_dim": positive,
        "bias": flag,
    },
}
NETWORKS = tuple(_ARGUMENTS)
"""Classes of monai.networks.nets that can be built from constants and need no package besides."""

_DOWN = 4
"""How often BasicUNet and VNet halve the image; also SegResNet's blocks by default."""


@dataclass(frozen=True)
class MonaiConfig:
    """A network of MONAI's as it is, in three dimensions.

    Attributes:
        network: its class, one of `NETWORKS`.
        in_channels: image channels.
        out_channels: classes with the background (1: a single foreground logit).
        arguments: the others, by MONAI's names; those left out have MONAI's defaults.
    """

    network: str
    in_channels: int
    out_channels: int
    arguments: Mapping[str, Any]

    name = "MONAI"
    keys = ("name", "network", "in_channels", "out_channels", "arguments")

    @classmethod
    def from_json(cls, config: Mapping[str, Any]) -> MonaiConfig:
        """The checked config.

        Raises:
            InputError: a setting is missing, unknown or of a wrong form.
        """
        check_keys(cls.name, config, cls.keys)
        network, arguments = config["network"], config["arguments"]
        check_choice("network of MONAI that can be used", network, NETWORKS)
        if not isinstance(arguments, Mapping):
            raise InputError(f"{network}: arguments is {arguments!r}.", "It must be a JSON object.")
        checks = _ARGUMENTS[network]
        for key in arguments:
            if key not in checks:
                raise InputError(f"{network} has no argument '{key}'.", nearest(str(key), sorted(checks)))
        return cls(
            network=network,
            in_channels=positive(network, "in_channels", config["in_channels"]),
            out_channels=positive(network, "out_channels", config["out_channels"]),
            arguments={key: checks[key](network, key, plain(value)) for key, value in arguments.items()},
        )

    def to_json(self) -> dict[str, Any]:
        """The config as JSON holds it: lists, no tuples."""
        return {
            "name": self.name,
            "network": self.network,
            "in_channels": self.in_channels,
            "out_channels": self.out_channels,
            "arguments": dict(self.arguments),
        }

    @property
    def divisor(self) -> Triple:
        """Voxels along each axis of the network's grid that the edges of an input must be multiples of."""
        if "strides" in self.arguments:
            steps = [step if isinstance(step, list) else [step] * 3 for step in self.arguments["strides"]]
            a, b, c = (math.prod(step[axis] for step in steps) for axis in range(3))
            return a, b, c
        halved = 2 ** (len(self.arguments.get("blocks_down", (1,) * _DOWN)) - ("ResNet" in self.network))
        return halved, halved, halved

    @property
    def levels(self) -> int:
        """Number of outputs in training: one."""
        return 1

    @property
    def parameters(self) -> int:
        """Number of parameters, counted on the network itself: torch is loaded."""
        from lossseg.networks.monai_network import count

        return count(self)

    def maps(self, patch: Sequence[int]) -> Maps:
        """Feature maps of one patch, from a pass without numbers: torch is loaded. Each layer's result is one."""
        from lossseg.networks.monai_network import trace

        return trace(self, patch).maps
