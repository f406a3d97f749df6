"""nnU-Net v2 with a loss of lossseg: a trainer that reads the expression from the environment.

    export nnUNet_extTrainer=$PWD/examples LOSSSEG_LOSS="dice + topk(k=0.1)"
    nnUNetv2_train DATASET 3d_fullres 0 -tr nnUNetTrainerLossSeg

Both packages must be installed in one environment. A version of nnU-Net that does not know nnUNet_extTrainer finds the
file in its own folder nnunetv2/training/nnUNetTrainer. Without LOSSSEG_LOSS the loss is dice_ce, as nnU-Net's own.
"""

from __future__ import annotations

import os
from collections.abc import Sequence

from nnunetv2.training.nnUNetTrainer.nnUNetTrainer import nnUNetTrainer
from torch import Tensor, nn

from lossseg.losses import DeepSupervision, build


class WholeNumbers(nn.Module):
    """Hands a loss nnU-Net's targets, which are floating point and, with deep supervision, one for each resolution."""

    def __init__(self, loss: nn.Module) -> None:
        super().__init__()
        self.loss = loss

    def forward(self, output: Tensor | Sequence[Tensor], target: Tensor | Sequence[Tensor]) -> Tensor:
        finest = target if isinstance(target, Tensor) else target[0]
        value: Tensor = self.loss(output, finest.long())
        return value


class nnUNetTrainerLossSeg(nnUNetTrainer):  # noqa: N801 - nnU-Net finds trainers by names like this
    """nnU-Net's trainer with the loss that the environment variable LOSSSEG_LOSS writes."""

    def _build_loss(self) -> nn.Module:
        if self.label_manager.has_regions:
            raise ValueError("Losses of lossseg take labels, not regions.")
        expression = os.environ.get("LOSSSEG_LOSS", "dice_ce")
        loss = build(expression, classes=self.label_manager.num_segmentation_heads)
        if loss.parameter_groups():
            raise ValueError(f"{expression} learns parameters, for which this trainer has no optimizer.")
        loss.ignore = self.label_manager.ignore_label
        loss.spacing = tuple(self.configuration_manager.spacing)
        self.print_to_log_file(f"Loss: {loss.expression}")
        return WholeNumbers(DeepSupervision(loss) if self.enable_deep_supervision else loss)
