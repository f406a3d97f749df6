"""Losses that compare predicted and true regions by their overlap."""

from __future__ import annotations

from torch import Tensor

from lossseg.errors import InputError
from lossseg.losses.batch import Batch, Overlap, Reduction
from lossseg.losses.loss import Loss, implements

SMOOTH = 1e-5
# Far below any overlap of float32 probabilities worth learning from; its reciprocal is still finite.
FLOOR = 1e-12


def score(numerator: Tensor, denominator: Tensor, smooth: float, weighted: bool) -> Tensor:
    """numerator / denominator: smoothed, or under weights as printed, which is 0 where nothing is there at all."""
    if weighted:
        return numerator / denominator.clamp_min(FLOOR)
    return (numerator + smooth) / (denominator + smooth)


@implements("dice")
class Dice(Loss):
    """1 - mean of 2 S(p y) / (S(p) + S(y)) over foreground classes and samples (or classes of the whole batch).

    Smoothed by 1e-5 above and below, as nnU-Net. Inside `iw` it is 1 - 2 S(w p y) / S(w (p + y)) without smoothing, as
    printed. `squared` puts p^2 for p below (y^2 = y).

    An empty patch gives nearly 1 and a gradient that vanishes unless all its probabilities do: it teaches nothing, so
    pair the loss with ce or topk. Inside `iw` its loss is exactly 1 and its gradient 0.
    """

    def __init__(self, *, classes: int, squared: bool, batch: bool) -> None:
        super().__init__(classes=classes)
        self.squared, self.batch = squared, batch

    def value(self, batch: Batch, reduction: Reduction) -> Tensor:
        overlap = reduction.overlap(self.squared)
        if self.batch:
            overlap = overlap.summed()
        size = overlap.prediction + overlap.reference
        return 1 - score(2 * overlap.intersection, size, SMOOTH, reduction.weighted).mean()


@implements("tversky")
class Tversky(Loss):
    """1 - mean of TP / (TP + alpha FP + beta FN) over foreground classes and samples.

    Smoothed by 5e-6 above and below, which makes it equal to `dice` for alpha = beta = 0.5; not smoothed inside `iw`.
    An empty patch teaches nothing unless all its probabilities vanish, as with `dice`.

    Raises:
        InputError: alpha and beta are both 0.
    """

    def __init__(self, *, classes: int, alpha: float, beta: float) -> None:
        super().__init__(classes=classes)
        if alpha == beta == 0:
            raise InputError("tversky: alpha=0 and beta=0 leave nothing to learn.", "Give one of them a value above 0.")
        self.alpha, self.beta = alpha, beta

    def value(self, batch: Batch, reduction: Reduction) -> Tensor:
        overlap: Overlap = reduction.overlap()
        true = overlap.intersection
        size = true + self.alpha * (overlap.prediction - true) + self.beta * (overlap.reference - true)
        return 1 - score(true, size, SMOOTH / 2, reduction.weighted).mean()
