"""The architectures, each built from a plain config. Torch is loaded by `build`, not by planning."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from lossseg.networks.attention_config import AttentionUNetConfig
from lossseg.networks.config import DynUNetConfig
from lossseg.networks.configs import CONFIGS, read_config
from lossseg.networks.dilation_config import SharedDilationConfig
from lossseg.networks.monai_config import MonaiConfig
from lossseg.networks.plain_conv_config import PlainConvConfig
from lossseg.networks.residual_config import ResidualUNetConfig
from lossseg.networks.residual_encoder_config import ResidualEncoderConfig

if TYPE_CHECKING:
    from torch import nn

__all__ = ["CONFIGS", "build", "read_config"]


def build(config: Mapping[str, Any]) -> nn.Module:
    """The network that `config` describes, with fresh random weights.

    Args:
        config: plain JSON data; `name` chooses the architecture, see the classes of `CONFIGS`.

    Raises:
        InputError: unknown architecture or setting, or settings that do not fit each other.
    """
    from lossseg.networks.layout import with_sample_norms

    return with_sample_norms(_plain(read_config(config)))


def _plain(checked: object) -> nn.Module:
    match checked:
        case DynUNetConfig():
            from lossseg.networks.dynunet import PlannedUNet

            return PlannedUNet(checked)
        case ResidualUNetConfig():
            from lossseg.networks.residual_unet import ResidualUNet

            return ResidualUNet(checked)
        case SharedDilationConfig():
            from lossseg.networks.shared_dilation import SharedDilationNet

            return SharedDilationNet(checked)
        case AttentionUNetConfig():
            from lossseg.networks.attention_unet import AttentionUNet

            return AttentionUNet(checked)
        case PlainConvConfig():  # before the class that it derives from
            from lossseg.networks.plain_conv_unet import PlainConvUNet

            return PlainConvUNet(checked)
        case ResidualEncoderConfig():
            from lossseg.networks.residual_encoder import ResidualEncoderUNet

            return ResidualEncoderUNet(checked)
        case MonaiConfig():
            from lossseg.networks.monai_network import monai_network

            return monai_network(checked)
    raise AssertionError(checked)
