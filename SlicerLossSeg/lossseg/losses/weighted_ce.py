"""Cross-entropy with a weight for the foreground."""

from __future__ import annotations

from torch import Tensor

from lossseg.losses.background import extent
from lossseg.losses.batch import Batch
from lossseg.losses.loss import Loss, implements
from lossseg.losses.reduction import OVERLAP, Reduction
from lossseg.losses.region import FLOOR
from lossseg.losses.voxel_functions import CROSS_ENTROPY, VoxelFunction


@implements("wce")
class WeightedCrossEntropy(Loss):
    """Mean over voxels and foreground classes of -w y log p - (1 - y) log(1 - p).

    w is `weight`, or with `adaptive` `weight` times (N - S(p)) / S(p) over the whole batch: the ratio of predicted
    background to predicted foreground. For weight=1 that is WCE of Shirokikh et al., MICCAI 2020, Table 1; the gradient
    flows through w, as in their code, so that a larger prediction makes the loss smaller by itself. Each foreground
    class is taken against all the others, with its own adaptive weight. weight=1 without `adaptive` is `bce`.

    Inside `iw` voxels are summed with their weights in w too; the paper does not weight twice. An empty patch teaches
    every voxel to be background, whatever w is.
    """

    def __init__(self, *, classes: int, weight: float, adaptive: bool) -> None:
        super().__init__(classes=classes)
        self.weight, self.adaptive = weight, adaptive

    def own_sums(self) -> tuple[VoxelFunction, ...]:
        return (CROSS_ENTROPY, *OVERLAP) if self.adaptive else (CROSS_ENTROPY,)

    def value(self, batch: Batch, reduction: Reduction) -> Tensor:
        sums = reduction.per_class(CROSS_ENTROPY)
        return reduction.mean(sums.background + self._weight(batch, reduction) * sums.foreground)

    def _weight(self, batch: Batch, reduction: Reduction) -> Tensor | float:
        if not self.adaptive:
            return self.weight
        predicted = reduction.overlap(pooled=True).prediction
        rest = reduction.pool(extent(batch, reduction)) - predicted
        return self.weight * rest / predicted.clamp_min(FLOOR)
