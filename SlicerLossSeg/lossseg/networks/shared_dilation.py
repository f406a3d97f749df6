"""The filter-reuse network: filters learned once and used at several dilations."""

from __future__ import annotations

import torch
from torch import nn
from torch.nn import functional
from torch.nn.functional import conv3d, interpolate, max_pool3d

from lossseg.networks.dilation_config import KERNEL, SharedDilationConfig
from lossseg.networks.image_shape import check_image


class SharedDilationNet(nn.Module):
    """Encoder and decoder of layers with shared dilated filters (Al Chanti et al., Efficient strategies for better
    imbalance image segmentation, 2021).

    With the paper's filters, four dilations, one channel and two classes it has 1,031,606 parameters, 120 of them in
    the first layer; with learned dilated filters 4,123,826 and 480.
    """

    def __init__(self, config: SharedDilationConfig) -> None:
        super().__init__()
        self.config = config
        layers = [DilatedLayer(inputs, filters, config) for inputs, filters in config.layers]
        self.encoder = nn.ModuleList(layers[: len(config.filters)])
        self.decoder = nn.ModuleList(layers[len(config.filters) :])
        self.head = nn.Conv3d(config.widths[0], config.out_channels, KERNEL, padding=KERNEL // 2)

    def forward(self, image: torch.Tensor) -> torch.Tensor:
        """Logits (B, classes, z, y, x) of `image` (B, channels, z, y, x).

        Raises:
            InputError: the image has other channels, or an edge is no multiple of the network's.
        """
        check_image(image, self.config)
        features, sizes, skipped = image, [], []
        for layer, stride in zip(self.encoder, self.config.strides, strict=True):
            features = layer(features)
            sizes.append(features.shape[2:])
            skipped.append(features if self.config.skips else None)
            if stride != (1, 1, 1):
                features = max_pool3d(features, stride)
        for layer in self.decoder:
            size, skip = sizes.pop(), skipped.pop()
            if features.shape[2:] != size:
                features = interpolate(features, size)
            features = layer(features)
            if skip is not None:
                features = features + skip
        logits: torch.Tensor = self.head(features)
        return logits


class DilatedLayer(nn.Module):
    """Filters at several dilations side by side, each followed by a norm and a ReLU.

    Shared filters share their bias and the norm's scale and offset as well. All dilations are normalised in one call:
    as groups of one wide map, each by statistics of its own.
    """

    def __init__(self, inputs: int, filters: int, config: SharedDilationConfig) -> None:
        super().__init__()
        self._dilations, self._norm = config.dilations, config.norm
        self._copies = len(config.dilations) if config.shared else 1
        learned = filters if config.shared else filters * len(config.dilations)
        self.weight = nn.Parameter(torch.empty(learned, inputs, KERNEL, KERNEL, KERNEL))
        self.bias = nn.Parameter(torch.zeros(learned))
        self.scale = nn.Parameter(torch.ones(learned))
        self.offset = nn.Parameter(torch.zeros(learned))
        nn.init.kaiming_normal_(self.weight, nonlinearity="relu")
        if config.norm == "batch":
            self.register_buffer("mean", torch.zeros(filters * len(config.dilations)))
            self.register_buffer("variance", torch.ones(filters * len(config.dilations)))

    def forward(self, features: torch.Tensor) -> torch.Tensor:
        """(B, inputs, z, y, x) -> (B, dilations x filters, z, y, x), dilation by dilation."""
        sets = zip(self._sets(self.weight), self._sets(self.bias), self._dilations, strict=True)
        maps = torch.cat(
            [conv3d(features, weight, bias, padding=step, dilation=step) for weight, bias, step in sets], 1
        )
        return self._normalise(maps).relu_()

    def _sets(self, learned: torch.Tensor) -> tuple[torch.Tensor, ...]:
        """One tensor for each dilation: the same one where it is shared."""
        return (learned,) * self._copies if self._copies > 1 else learned.chunk(len(self._dilations))

    def _normalise(self, maps: torch.Tensor) -> torch.Tensor:
        scale, offset = self.scale.repeat(self._copies), self.offset.repeat(self._copies)
        if self._norm == "layer":
            return functional.group_norm(maps, len(self._dilations), scale, offset)
        if self._norm == "instance":
            return functional.instance_norm(maps, weight=scale, bias=offset)
        mean, variance = self.get_buffer("mean"), self.get_buffer("variance")
        return functional.batch_norm(maps, mean, variance, scale, offset, training=self.training)
