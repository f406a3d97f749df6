"""The Tversky index with an exponent that turns attention to the classes it is low for."""

from __future__ import annotations

from torch import Tensor

from lossseg.errors import InputError
from lossseg.losses.batch import Batch
from lossseg.losses.loss import Loss, implements
from lossseg.losses.reduction import OVERLAP, Reduction
from lossseg.losses.region import power, shortfall
from lossseg.losses.voxel_functions import VoxelFunction


@implements("focal_tversky")
class FocalTversky(Loss):
    """Mean of (1 - TI)^gamma over foreground classes and samples, TI = (TP + s) / (TP + alpha FP + beta FN + s).

    The focal Tversky loss (Abraham & Khan, ISBI 2019). `gamma` is the exponent itself, 0.75 as in their code; the paper
    prints it as 1 / gamma with gamma = 4/3, and sums over classes. gamma=1 is `tversky`. Their code sums over the whole
    batch (`batch`) and has s = 1 (`smooth`); smooth=0 is the printed form, which is also used inside `iw`.

    An empty patch gives 1 and teaches nothing unless all its probabilities vanish. A gamma below 1 makes the gradient
    grow as the overlap becomes perfect, one above 1 makes it fade.

    Raises:
        InputError: alpha and beta are both 0.
    """

    def __init__(self, *, classes: int, alpha: float, beta: float, gamma: float, batch: bool, smooth: float) -> None:
        super().__init__(classes=classes)
        if alpha == beta == 0:
            raise InputError(
                "focal_tversky: alpha=0 and beta=0 leave nothing to learn.", "Give one of them a value above 0."
            )
        self.alpha, self.beta, self.gamma, self.batch, self.smooth = alpha, beta, gamma, batch, smooth

    def own_sums(self) -> tuple[VoxelFunction, ...]:
        return OVERLAP

    def value(self, batch: Batch, reduction: Reduction) -> Tensor:
        overlap = reduction.overlap(pooled=self.batch)
        errors = self.alpha * overlap.false_positive + self.beta * overlap.false_negative
        missing = shortfall(errors, overlap.true_positive, self.smooth, reduction.weighted)
        return reduction.average(power(missing, self.gamma))
