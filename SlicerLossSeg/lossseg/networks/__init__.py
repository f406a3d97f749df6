"""The architectures, each built from a plain config. Torch is loaded by `build`, not by planning."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from types import MappingProxyType
from typing import TYPE_CHECKING, Any

from lossseg.errors import InputError
from lossseg.networks.config import DynUNetConfig, check_choice

if TYPE_CHECKING:
    from torch import nn

__all__ = ["ARCHITECTURES", "build"]


def _dynunet(config: Mapping[str, Any]) -> nn.Module:
    checked = DynUNetConfig.from_json(config)
    from lossseg.networks.dynunet import PlannedUNet

    return PlannedUNet(checked)


ARCHITECTURES: Mapping[str, Callable[[Mapping[str, Any]], nn.Module]] = MappingProxyType({DynUNetConfig.name: _dynunet})


def build(config: Mapping[str, Any]) -> nn.Module:
    """The network that `config` describes, with fresh random weights.

    Args:
        config: plain JSON data; `name` chooses the architecture. For "DynUNet" see `DynUNetConfig`.

    Raises:
        InputError: unknown architecture or setting, or settings that do not fit each other.
    """
    if not isinstance(config, Mapping) or "name" not in config:
        raise InputError("The network config has no 'name'.", f"Known: {', '.join(ARCHITECTURES)}.")
    check_choice("network", config["name"], ARCHITECTURES)
    return ARCHITECTURES[config["name"]](config)
