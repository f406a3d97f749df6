"""The U-Net with plain convolutions that nnU-Net's version 2 trains by default."""

from __future__ import annotations

import torch
from torch import nn

from lossseg.networks.config import Triple
from lossseg.networks.image_shape import check_image
from lossseg.networks.plain_conv_config import PlainConvConfig
from lossseg.networks.residual_encoder import ConvolutionNorm, Convolutions, Decoder


class PlainConvUNet(nn.Module):
    """nnU-Net's PlainConvUNet (Isensee et al. 2021): like DynUNet, with biases and any number of convolutions a stage.

    Parameters carry the names that nnU-Net's checkpoints give them, each once.
    """

    def __init__(self, config: PlainConvConfig) -> None:
        super().__init__()
        self.config = config
        self.encoder = Encoder(config)
        self.decoder = Decoder(config)
        self.apply(_initialise)

    def forward(self, image: torch.Tensor) -> torch.Tensor | list[torch.Tensor]:
        """Logits (B, classes, z, y, x) of `image` (B, channels, z, y, x).

        In training with deep supervision a list: full resolution first, then one for each coarser stage above the
        bottleneck, each at its own resolution.

        Raises:
            InputError: the image has other channels, or an edge is no multiple of the network's.
        """
        check_image(image, self.config)
        outputs: list[torch.Tensor] = self.decoder(self.encoder(image), self.training)
        return outputs if self.training and self.config.deep_supervision else outputs[0]


class Encoder(nn.Module):
    """Stages; gives the maps of every stage, finest first."""

    def __init__(self, config: PlainConvConfig) -> None:
        super().__init__()
        inputs = (config.in_channels, *config.filters)
        chain = zip(inputs, config.filters, config.kernels, config.strides, config.blocks, strict=False)
        self.stages = nn.ModuleList(nn.Sequential(Stage(*stage, config.bias)) for stage in chain)

    def forward(self, image: torch.Tensor) -> list[torch.Tensor]:
        """(B, channels, z, y, x) -> one tensor for each stage."""
        features, every = image, []
        for stage in self.stages:
            features = stage(features)
            every.append(features)
        return every


class Stage(Convolutions):
    """Convolutions, the first with the stride."""

    def __init__(
        self, inputs: int, filters: int, kernel: Triple, stride: Triple, convolutions: int, bias: bool
    ) -> None:
        super().__init__([inputs, *[filters] * convolutions], kernel, bias)
        self.convs[0] = ConvolutionNorm(inputs, filters, kernel, stride, bias)


def _initialise(module: nn.Module) -> None:
    """He's normal distribution, no bias."""
    if isinstance(module, nn.Conv3d | nn.ConvTranspose3d):
        nn.init.kaiming_normal_(module.weight, a=0.01)
        if module.bias is not None:
            nn.init.zeros_(module.bias)
