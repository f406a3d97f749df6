"""Dice and cross-entropy by their logarithms."""

from __future__ import annotations

import torch
from torch import Tensor

from lossseg.losses.background import background_overlap, mean_with_background
from lossseg.losses.batch import Batch
from lossseg.losses.loss import Loss, implements
from lossseg.losses.reduction import OVERLAP, Overlap, Reduction, Split
from lossseg.losses.region import FLOOR, power, shortfall
from lossseg.losses.voxel_functions import CROSS_ENTROPY, PoweredCrossEntropy, VoxelFunction, apply


@implements("explog")
class ExponentialLogarithmic(Loss):
    """share * mean of (-log Dice)^gamma_dice + (1 - share) * mean over voxels of w (-log p)^gamma_ce.

    The exponential logarithmic loss (Wong et al., MICCAI 2018); Dice is (2 TP + s) / (2 TP + FP + FN + s) of each class
    and sample, p the probability of the voxel's true class. As printed both exponents are 0.3, share is 0.8 and s is 1
    (`smooth`); gamma_ce=1 is the form that SegLoss computes. w is `weight` on foreground and 1 on background: printed
    is the root of N / V with the number V of a class's voxels in the training set. The printed mean of the Dice part
    runs over all classes; here the background is one of them only with `background`.

    An exponent below 1 keeps the gradient large where prediction and target nearly agree. An empty patch teaches
    background by its cross-entropy, and by its Dice as long as the predicted volume is not much larger than s.
    """

    def __init__(
        self,
        *,
        classes: int,
        gamma_dice: float,
        gamma_ce: float,
        share: float,
        weight: float,
        background: bool,
        smooth: float,
    ) -> None:
        super().__init__(classes=classes)
        self.gamma_dice, self.share, self.weight, self.smooth = gamma_dice, share, weight, smooth
        self.background = background
        self.function = CROSS_ENTROPY if gamma_ce == 1 else PoweredCrossEntropy(gamma_ce)

    def own_sums(self) -> tuple[VoxelFunction, ...]:
        return (self.function, *OVERLAP)

    def value(self, batch: Batch, reduction: Reduction) -> Tensor:
        sums = self._entropies(batch, reduction)
        entropy = reduction.mean(sums.background + self.weight * sums.foreground)
        return self.share * self._dice(batch, reduction) + (1 - self.share) * entropy

    def _entropies(self, batch: Batch, reduction: Reduction) -> Split:
        if batch.classes == 2 or self.function == CROSS_ENTROPY:
            return reduction.true_class(self.function)
        # A small power makes much of the smallest values, and log_softmax gives none below the rounding of 1.
        return reduction.split((apply(self.function, batch.true_class_error),), (batch.foreground,))

    def _dice(self, batch: Batch, reduction: Reduction) -> Tensor:
        own = self._of(reduction.overlap(), reduction.weighted)
        if not self.background:
            return reduction.average(own)
        rest = self._of(background_overlap(batch, reduction), reduction.weighted)
        return mean_with_background(reduction, own, rest)

    def _of(self, overlap: Overlap, weighted: bool) -> Tensor:
        errors, hits = overlap.false_positive + overlap.false_negative, 2 * overlap.true_positive
        smooth = 0 if weighted else self.smooth
        missing = shortfall(errors, hits, smooth, weighted)
        # Each logarithm where it is exact: near a perfect overlap by what is missing, else by what is there.
        near = -torch.log1p(-missing.clamp_max(0.5))
        far = torch.log((hits + errors + smooth).clamp_min(FLOOR)) - torch.log((hits + smooth).clamp_min(FLOOR))
        return power(torch.where(missing < 0.5, near, far), self.gamma_dice)
