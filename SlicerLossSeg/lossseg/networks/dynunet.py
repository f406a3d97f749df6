"""MONAI's DynUNet with outputs as a planned nnU-Net gives them."""

from __future__ import annotations

import torch
from monai.networks.nets import DynUNet

from lossseg.networks.config import DynUNetConfig
from lossseg.networks.image_shape import check_image
from lossseg.networks.layout import join


class PlannedUNet(DynUNet):
    """DynUNet (Isensee et al., nnU-Net, 2021; MONAI) with plain convolutions, affine instance norm, leaky ReLU 0.01.

    MONAI's own forward enlarges the outputs of deep supervision to full size and stacks them, keeps them (and with
    them the graph of the last step) in the module, which then cannot be deep-copied, computes them in evaluation too,
    and registers every block twice, which doubles the names in its state. Here none of that is so: blocks, their
    initialisation and their parameters are MONAI's, the path through them is written out.
    """

    def __init__(self, config: DynUNetConfig) -> None:
        super().__init__(
            spatial_dims=3,
            in_channels=config.in_channels,
            out_channels=config.out_channels,
            kernel_size=config.kernels,
            strides=config.strides,
            upsample_kernel_size=config.strides[1:],
            filters=config.filters,
            norm_name=("INSTANCE", {"affine": True}),
            act_name=("leakyrelu", {"inplace": True, "negative_slope": 0.01}),
            deep_supervision=config.deep_supervision,
            deep_supr_num=max(config.levels - 1, 1),
        )
        self.config = config
        del self.skip_layers
        self.heads: list[torch.Tensor] = []

    def forward(self, image: torch.Tensor) -> torch.Tensor | list[torch.Tensor]:
        """Logits (B, classes, z, y, x) of `image` (B, channels, z, y, x).

        In training with deep supervision a list: full resolution first, then one for each coarser stage above the
        bottleneck, each at its own resolution.

        Raises:
            InputError: the image has other channels, or an edge is no multiple of the network's.
        """
        check_image(image, self.config)
        features, skips = self.input_block(image), []
        for downsample in [*self.downsamples, self.bottleneck]:
            skips.append(features)
            features = downsample(features)
        stages = []
        for upsample in self.upsamples:
            features = upsample.conv_block(join(upsample.transp_conv(features), skips.pop()))
            stages.append(features)
        output = self.output_block(features)
        if not (self.training and self.deep_supervision):
            return output
        coarser = stages[-2::-1]
        return [output, *(head(stage) for head, stage in zip(self.deep_supervision_heads, coarser, strict=True))]
