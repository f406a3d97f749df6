"""The U-Net with a residual encoder that nnU-Net's current presets train."""

from __future__ import annotations

from itertools import pairwise

import torch
from torch import nn

from lossseg.networks.config import Triple
from lossseg.networks.image_shape import check_image
from lossseg.networks.layout import join
from lossseg.networks.residual_encoder_config import ResidualEncoderConfig

_SLOPE = 0.01


class ResidualEncoderUNet(nn.Module):
    """Residual-encoder U-Net (Isensee et al., nnU-Net revisited, MICCAI 2024): a stem, stages of residual blocks with
    average-pooled shortcuts (ResNet-D, He et al. 2019), a decoder of transposed convolutions and few plain ones,
    instance norm and leaky ReLU.

    Parameters carry the names that nnU-Net's checkpoints give them, each once (there `all_modules` and
    `decoder.encoder` name the same tensors again). Decoder stages are therefore counted from the coarsest.
    """

    def __init__(self, config: ResidualEncoderConfig) -> None:
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
    """Stem and stages; gives the maps of every stage, finest first."""

    def __init__(self, config: ResidualEncoderConfig) -> None:
        super().__init__()
        filters, inputs = config.filters, (config.filters[0], *config.filters)
        self.stem = Convolutions([config.in_channels, filters[0]], config.kernels[0], config.bias)
        self.stages = nn.ModuleList(
            Stage(
                inputs[stage],
                filters[stage],
                config.kernels[stage],
                config.strides[stage],
                config.blocks[stage],
                config.bias,
            )
            for stage in range(len(filters))
        )

    def forward(self, image: torch.Tensor) -> list[torch.Tensor]:
        """(B, channels, z, y, x) -> one tensor for each stage."""
        features, every = self.stem(image), []
        for stage in self.stages:
            features = stage(features)
            every.append(features)
        return every


class Decoder(nn.Module):
    """From the maps of the encoder to logits; its modules are in the order of computation, coarsest first."""

    def __init__(self, config: ResidualEncoderConfig) -> None:
        super().__init__()
        filters, last = config.filters, len(config.filters) - 2
        coarsest_first = range(last, -1, -1)
        self.stages = nn.ModuleList(
            Convolutions(
                [2 * filters[stage], *[filters[stage]] * config.decoder_convolutions[stage]],
                config.kernels[stage],
                config.bias,
            )
            for stage in coarsest_first
        )
        self.transpconvs = nn.ModuleList(
            nn.ConvTranspose3d(
                filters[stage + 1],
                filters[stage],
                config.strides[stage + 1],
                config.strides[stage + 1],
                bias=config.bias,
            )
            for stage in coarsest_first
        )
        self.seg_layers = nn.ModuleDict(
            {str(last - stage): nn.Conv3d(filters[stage], config.out_channels, 1) for stage in range(config.levels)}
        )

    def forward(self, skips: list[torch.Tensor], every: bool) -> list[torch.Tensor]:
        """Logits, finest first; only the finest unless `every`."""
        features, outputs = skips[-1], []
        for index, (enlarge, stage) in enumerate(zip(self.transpconvs, self.stages, strict=True)):
            features = stage(join(enlarge(features), skips[-2 - index]))
            if str(index) in self.seg_layers and (every or index == len(self.stages) - 1):
                outputs.append(self.seg_layers[str(index)](features))
        return outputs[::-1]


class Stage(nn.Module):
    """Residual blocks, the first with the stride."""

    def __init__(self, inputs: int, filters: int, kernel: Triple, stride: Triple, blocks: int, bias: bool) -> None:
        super().__init__()
        first = ResidualBlock(inputs, filters, kernel, stride, bias)
        rest = (ResidualBlock(filters, filters, kernel, (1, 1, 1), bias) for _ in range(blocks - 1))
        self.blocks = nn.Sequential(first, *rest)

    def forward(self, features: torch.Tensor) -> torch.Tensor:
        result: torch.Tensor = self.blocks(features)
        return result


class ResidualBlock(nn.Module):
    """Two convolutions and a shortcut, which is pooled and projected where stride or width change."""

    def __init__(self, inputs: int, filters: int, kernel: Triple, stride: Triple, bias: bool) -> None:
        super().__init__()
        self.conv1 = ConvolutionNorm(inputs, filters, kernel, stride, bias)
        self.conv2 = ConvolutionNorm(filters, filters, kernel, (1, 1, 1), bias)
        shortcut: list[nn.Module] = [nn.AvgPool3d(stride, stride)] if stride != (1, 1, 1) else []
        if inputs != filters:
            shortcut.append(ConvolutionNorm(inputs, filters, (1, 1, 1), (1, 1, 1), bias=False))
        self.skip = nn.Sequential(*shortcut)

    def forward(self, features: torch.Tensor) -> torch.Tensor:
        """(B, inputs, z, y, x) -> (B, filters, z, y, x), each edge divided by the stride."""
        beside = self.skip(features)
        result: torch.Tensor = _activate(self.conv2(_activate(self.conv1(features))).add_(beside))
        return result


class Convolutions(nn.Module):
    """Convolutions with norm and activation, one after the other."""

    def __init__(self, channels: list[int], kernel: Triple, bias: bool) -> None:
        super().__init__()
        pairs = pairwise(channels)
        self.convs = nn.ModuleList(ConvolutionNorm(a, b, kernel, (1, 1, 1), bias) for a, b in pairs)

    def forward(self, features: torch.Tensor) -> torch.Tensor:
        for convolution in self.convs:
            features = _activate(convolution(features))
        return features


class ConvolutionNorm(nn.Module):
    """A convolution and an affine instance norm."""

    def __init__(self, inputs: int, filters: int, kernel: Triple, stride: Triple, bias: bool) -> None:
        super().__init__()
        z, y, x = (edge // 2 for edge in kernel)
        self.conv = nn.Conv3d(inputs, filters, kernel, stride, padding=(z, y, x), bias=bias)
        self.norm = nn.InstanceNorm3d(filters, affine=True)

    def forward(self, features: torch.Tensor) -> torch.Tensor:
        result: torch.Tensor = self.norm(self.conv(features))
        return result


def _activate(features: torch.Tensor) -> torch.Tensor:
    return nn.functional.leaky_relu_(features, _SLOPE)


def _initialise(module: nn.Module) -> None:
    """He's normal distribution, no bias, and each residual block at first no more than its shortcut."""
    if isinstance(module, nn.Conv3d | nn.ConvTranspose3d):
        nn.init.kaiming_normal_(module.weight, a=_SLOPE)
        if module.bias is not None:
            nn.init.zeros_(module.bias)
    elif isinstance(module, ResidualBlock):
        nn.init.zeros_(module.conv2.norm.weight)
