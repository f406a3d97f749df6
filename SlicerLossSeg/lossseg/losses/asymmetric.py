"""Overlaps in which missed voxels and false alarms weigh differently."""

from __future__ import annotations

from torch import Tensor

from lossseg.losses.background import extent
from lossseg.losses.batch import Batch
from lossseg.losses.loss import Loss, implements
from lossseg.losses.reduction import OVERLAP, SQUARED_OVERLAP, Reduction
from lossseg.losses.region import FLOOR, score
from lossseg.losses.voxel_functions import SQUARED_ERROR, VoxelFunction


@implements("asl")
class AsymmetricSimilarity(Loss):
    """1 - mean of ((1 + b^2) S(p y) + s) / (b^2 S(y) + S(p) + s) over foreground classes and samples, b being `beta`.

    The F_b score (Hashemi et al., IEEE Access 2019), as printed by Shirokikh et al., MICCAI 2020, Table 1; their code
    is the `squared` form with S(p^2) for S(p), which for beta below 1 can fall under 0. beta=1 is `dice`, and the
    linear form is `tversky` with alpha = 1 / (1 + b^2) and beta = b^2 / (1 + b^2). `batch` sums over the whole batch.

    `smooth` is s; 0 gives the printed form, which is also used inside `iw`, with every voxel times its weight. An empty
    patch teaches nothing unless all its probabilities vanish, as with `dice`.
    """

    def __init__(self, *, classes: int, beta: float, squared: bool, batch: bool, smooth: float) -> None:
        super().__init__(classes=classes)
        self.beta, self.squared, self.batch, self.smooth = beta, squared, batch, smooth

    def own_sums(self) -> tuple[VoxelFunction, ...]:
        return SQUARED_OVERLAP if self.squared else OVERLAP

    def value(self, batch: Batch, reduction: Reduction) -> Tensor:
        overlap, square = reduction.overlap(self.squared, pooled=self.batch), self.beta**2
        size = square * overlap.reference + overlap.prediction
        hits = (1 + square) * overlap.true_positive
        return reduction.average(1 - score(hits, size, self.smooth, reduction.weighted))


@implements("sensitivity_specificity")
class SensitivitySpecificity(Loss):
    """Mean of r S(y (1 - p)^2) / S(y) + (1 - r) S((1 - y) p^2) / S(1 - y) over foreground classes and samples.

    The mean squared errors of a class's own voxels and of all others (Brosch et al., MICCAI 2015). A part without
    voxels is 0, so that an empty patch teaches every voxel to be background, with a gradient of (1 - r) 2 p^2 (1 - p)
    / N at each.
    """

    def __init__(self, *, classes: int, r: float) -> None:
        super().__init__(classes=classes)
        self.r = r

    def own_sums(self) -> tuple[VoxelFunction, ...]:
        return (SQUARED_ERROR,)

    def value(self, batch: Batch, reduction: Reduction) -> Tensor:
        errors, size = reduction.per_class(SQUARED_ERROR), reduction.reference
        rest = extent(batch, reduction) - size
        missed = errors.foreground / size.clamp_min(FLOOR)
        false = errors.background / rest.clamp_min(FLOOR)
        return reduction.average(self.r * missed + (1 - self.r) * false)
