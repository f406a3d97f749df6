"""Losses that compare predicted and true regions by their overlap, and what they are made of."""

from __future__ import annotations

import torch
from torch import Tensor

from lossseg.losses.batch import Batch
from lossseg.losses.loss import Loss, implements
from lossseg.losses.reduction import OVERLAP, SQUARED_OVERLAP, Reduction
from lossseg.losses.voxel_functions import VoxelFunction

SMOOTH = 1e-5
# Far below any overlap of float32 probabilities worth learning from; its reciprocal is still finite.
FLOOR = 1e-12


def score(numerator: Tensor, denominator: Tensor, smooth: float, weighted: bool) -> Tensor:
    """numerator / denominator: smoothed, or under weights as printed, which is 0 where nothing is there at all."""
    if weighted or not smooth:
        return numerator / denominator.clamp_min(FLOOR)
    return (numerator + smooth) / (denominator + smooth)


def shortfall(errors: Tensor, hits: Tensor, smooth: float, weighted: bool) -> Tensor:
    """1 - `score` of hits over hits + errors, exact to the last digit also where that is small.

    Where nothing is there at all it is 0, smoothed or not.
    """
    return errors / (hits + errors + (0 if weighted else smooth)).clamp_min(FLOOR)


def power(values: Tensor, exponent: float) -> Tensor:
    """values ** exponent for values >= 0 and an exponent above 0; 0 with slope 0 where they are below 1e-12.

    The slope of an exponent below 1 is infinite at 0, that is, where the prediction is exactly right.
    """
    return torch.where(values > FLOOR, values.clamp_min(FLOOR).pow(exponent), torch.zeros_like(values))


@implements("dice")
class Dice(Loss):
    """1 - mean of (2 S(p y) + s) / (S(p) + S(y) + s) over foreground classes and samples (or those of the whole batch).

    `smooth` is s, 1e-5 as nnU-Net; 0 gives the printed form. Inside `iw` it is 1 - 2 S(w p y) / S(w (p + y)) without
    smoothing, as printed. `squared` puts p^2 for p below (y^2 = y).

    An empty patch gives nearly 1 and a gradient that vanishes unless all its probabilities do: it teaches nothing, so
    pair the loss with ce or topk. Inside `iw` and for smooth=0 its loss is exactly 1 and its gradient 0.
    """

    def __init__(self, *, classes: int, squared: bool, batch: bool, smooth: float) -> None:
        super().__init__(classes=classes)
        self.squared, self.batch, self.smooth = squared, batch, smooth

    def own_sums(self) -> tuple[VoxelFunction, ...]:
        return SQUARED_OVERLAP if self.squared else OVERLAP

    def value(self, batch: Batch, reduction: Reduction) -> Tensor:
        overlap = reduction.overlap(self.squared, pooled=self.batch)
        size = overlap.prediction + overlap.reference
        return reduction.average(1 - score(2 * overlap.true_positive, size, self.smooth, reduction.weighted))


@implements("iou")
class IoU(Loss):
    """1 - mean of (TP + s) / (TP + FP + FN + s) over foreground classes and samples (or those of the whole batch).

    The soft Jaccard index (Rahman & Wang, ISVC 2016), which is D / (2 - D) for a Dice D. `smooth` is s; 0 gives the
    printed form, which is also used inside `iw`. An empty patch teaches nothing unless all its probabilities vanish,
    as with `dice`.
    """

    def __init__(self, *, classes: int, batch: bool, smooth: float) -> None:
        super().__init__(classes=classes)
        self.batch, self.smooth = batch, smooth

    def own_sums(self) -> tuple[VoxelFunction, ...]:
        return OVERLAP

    def value(self, batch: Batch, reduction: Reduction) -> Tensor:
        overlap = reduction.overlap(pooled=self.batch)
        union = overlap.true_positive + overlap.false_positive + overlap.false_negative
        return reduction.average(1 - score(overlap.true_positive, union, self.smooth, reduction.weighted))
