"""Every kind of config by the name it carries. Needs no torch."""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType
from typing import Any

from lossseg.errors import InputError
from lossseg.networks.attention_config import AttentionUNetConfig
from lossseg.networks.config import DynUNetConfig, NetworkConfig, check_choice
from lossseg.networks.dilation_config import SharedDilationConfig
from lossseg.networks.monai_config import MonaiConfig
from lossseg.networks.plain_conv_config import PlainConvConfig
from lossseg.networks.residual_config import ResidualUNetConfig
from lossseg.networks.residual_encoder_config import ResidualEncoderConfig

Known = (
    DynUNetConfig
    | ResidualUNetConfig
    | SharedDilationConfig
    | AttentionUNetConfig
    | ResidualEncoderConfig
    | PlainConvConfig
    | MonaiConfig
)

CONFIGS: Mapping[str, type[Known]] = MappingProxyType(
    {
        DynUNetConfig.name: DynUNetConfig,
        ResidualUNetConfig.name: ResidualUNetConfig,
        SharedDilationConfig.name: SharedDilationConfig,
        AttentionUNetConfig.name: AttentionUNetConfig,
        ResidualEncoderConfig.name: ResidualEncoderConfig,
        PlainConvConfig.name: PlainConvConfig,
        MonaiConfig.name: MonaiConfig,
    }
)


def read_config(config: Mapping[str, Any]) -> NetworkConfig:
    """The checked config that `config`, plain JSON data, describes; `name` chooses its kind.

    Raises:
        InputError: unknown architecture or setting, or settings that do not fit each other.
    """
    if not isinstance(config, Mapping) or "name" not in config:
        raise InputError("The network config has no 'name'.", f"Known: {', '.join(CONFIGS)}.")
    check_choice("network", config["name"], CONFIGS)
    return CONFIGS[config["name"]].from_json(config)
