"""The focal loss, with an exponent that is given or learned."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor

from lossseg.losses.batch import Batch
from lossseg.losses.catalogue import LEARN
from lossseg.losses.learned import Bounded
from lossseg.losses.loss import Loss, implements
from lossseg.losses.reduction import Reduction, Split
from lossseg.losses.voxel_functions import CROSS_ENTROPY, ERROR, FocalError, VoxelFunction, apply

# A learned exponent starts where the paper found it best and stays where the loss is still a focal one.
START, LOW, HIGH = 2.0, 0.5, 5.0


@implements("focal")
class Focal(Loss):
    """Mean over all voxels of -a (1 - p)^gamma log p, p being the probability of the true class (Lin et al. 2017).

    a is alpha on foreground and 1 - alpha on background. An empty patch teaches the less, the surer it already is.

    With gamma=learn the exponent starts at 2, is trained by Adam at the rate `lr` and stays between 0.5 and 5. A
    larger exponent makes every voxel's loss smaller, so it is divided by its value for an undecided voxel, 2^-gamma,
    relative to that at gamma = 2: otherwise training would only drive gamma to its upper bound.
    """

    def __init__(self, *, classes: int, gamma: Any, alpha: float, lr: float) -> None:
        super().__init__(classes=classes)
        self.alpha, self.lr = alpha, lr
        self.gamma = Bounded(START, LOW, HIGH) if gamma == LEARN else None
        self.function = FocalError(START if gamma == LEARN else gamma)

    def own_sums(self) -> tuple[VoxelFunction, ...]:
        return (self.function,) if self.gamma is None else ()

    def value(self, batch: Batch, reduction: Reduction) -> Tensor:
        sums = reduction.true_class(self.function) if self.gamma is None else self._learned(batch, reduction)
        return reduction.mean((1 - self.alpha) * sums.background + self.alpha * sums.foreground)

    def _learned(self, batch: Batch, reduction: Reduction) -> Split:
        assert self.gamma is not None
        gamma = self.gamma().to(batch.logits.dtype)
        error = batch.true_class_error
        # The floor keeps the slope finite where the prediction is exactly right.
        wrong = apply(ERROR, error).clamp_min(torch.finfo(error.dtype).tiny)
        voxels = (2 * wrong).pow(gamma) * 0.25 * apply(CROSS_ENTROPY, error)
        return reduction.split((voxels,), (batch.foreground,))

    def own_learned(self) -> dict[str, float]:
        return {} if self.gamma is None else {"gamma": float(self.gamma().detach())}

    def own_parameters(self) -> list[dict[str, Any]]:
        return [] if self.gamma is None else [{"params": list(self.gamma.parameters()), "lr": self.lr}]
