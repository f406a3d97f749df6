"""The Tversky index, with weights that are given or learned."""

from __future__ import annotations

from typing import Any

from torch import Tensor

from lossseg.errors import InputError
from lossseg.losses.batch import Batch
from lossseg.losses.catalogue import LEARN, Value
from lossseg.losses.learned import Balance
from lossseg.losses.loss import Loss, implements
from lossseg.losses.reduction import OVERLAP, Overlap, Reduction
from lossseg.losses.region import SMOOTH, score
from lossseg.losses.voxel_functions import VoxelFunction


def tversky_index(overlap: Overlap, alpha: float | Tensor, beta: float | Tensor, weighted: bool) -> Tensor:
    """TP / (TP + alpha FP + beta FN), (R, K); smoothed by 5e-6 above and below unless weighted."""
    errors = alpha * overlap.false_positive + beta * overlap.false_negative
    return score(overlap.true_positive, overlap.true_positive + errors, SMOOTH / 2, weighted)


@implements("tversky")
class Tversky(Loss):
    """1 - mean of TP / (TP + alpha FP + beta FN) over foreground classes and samples (Salehi et al. 2017).

    Smoothed by 5e-6 above and below, which makes it equal to `dice` for alpha = beta = 0.5; not smoothed inside `iw`.
    An empty patch teaches nothing unless all its probabilities vanish, as with `dice`.

    With `learn` for both, alpha + beta = 1 are the softmax of two learned logits that begin equal (Chanti et al.
    2020), trained by Adam at the rate `lr` and never below `low` (see `Balance` for why). One pair serves all classes.

    Raises:
        InputError: alpha and beta are both 0, or only one of them is learned.
    """

    def __init__(self, *, classes: int, alpha: Value, beta: Value, lr: float, low: float) -> None:
        super().__init__(classes=classes)
        if (alpha == LEARN) != (beta == LEARN):
            raise InputError(
                f"tversky: alpha={alpha} and beta={beta} cannot go together.",
                "Learned weights sum to 1, so write alpha=learn and beta=learn, or a number for both.",
            )
        if alpha == beta == 0:
            raise InputError("tversky: alpha=0 and beta=0 leave nothing to learn.", "Give one of them a value above 0.")
        self.given = (alpha, beta)
        self.balance = Balance(low) if alpha == LEARN else None
        self.lr = lr

    def weights(self) -> tuple[Any, Any]:
        """alpha and beta, numbers or scalar tensors with a gradient."""
        return self.given if self.balance is None else tuple(self.balance().unbind(0))

    def own_sums(self) -> tuple[VoxelFunction, ...]:
        return OVERLAP

    def value(self, batch: Batch, reduction: Reduction) -> Tensor:
        index = tversky_index(reduction.overlap(), *self.weights(), reduction.weighted)
        return reduction.average(1 - index)

    def own_learned(self) -> dict[str, float]:
        if self.balance is None:
            return {}
        return {name: float(value.detach()) for name, value in zip(("alpha", "beta"), self.weights(), strict=True)}

    def own_parameters(self) -> list[dict[str, Any]]:
        return [] if self.balance is None else [{"params": list(self.balance.parameters()), "lr": self.lr}]
