"""Dice over all classes at once, each class weighted by its size."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from types import MappingProxyType

import torch
from torch import Tensor

from lossseg.losses.background import background_overlap
from lossseg.losses.batch import Batch
from lossseg.losses.entries.region import ClassWeight
from lossseg.losses.loss import Loss, implements
from lossseg.losses.reduction import OVERLAP, SQUARED_OVERLAP, Reduction
from lossseg.losses.region import score
from lossseg.losses.voxel_functions import VoxelFunction

# Weight of a class by its number of voxels V; infinite for a class that is missing.
WEIGHTS: Mapping[ClassWeight, Callable[[Tensor], Tensor]] = MappingProxyType(
    {
        ClassWeight.SQUARE: lambda volume: volume.square().reciprocal(),
        ClassWeight.SIMPLE: torch.reciprocal,
        ClassWeight.UNIFORM: torch.ones_like,
        ClassWeight.OFFSET: lambda volume: (1 + volume.square()).reciprocal(),
    }
)


@implements("gdice")
class GeneralizedDice(Loss):
    """1 - mean of 2 S_c w_c S(p y) / S_c w_c (S(p) + S(y)) over samples; c runs over all classes with the background.

    The generalised Dice loss (Sudre et al., DLMIA 2017). `weight` says what w_c is for a class of V voxels: `square`
    1 / V^2 as printed, `simple` 1 / V, `uniform` 1, or `offset` 1 / (1 + V^2) as in the code of Shirokikh et al.,
    MICCAI 2020. These also square the denominator, S(p^2) + S(y^2), as `squared` does. `batch` sums over the whole
    batch.

    A missing class has no weight 1 / V; it gets the largest weight of the classes that are there (as MONAI). So with
    one foreground class an empty patch gives the mean of p, or nearly that of p^2 if squared, and teaches background.
    With `offset` a missing class weighs 1, which is so much more than the others that the loss is nearly 1
    whatever is predicted, and teaches nothing. No smoothing is needed and none is used: some class is always there.
    MONAI adds 1e-5 to sums that are themselves as small as 1 / V, and thereby forgives false alarms in empty patches.
    """

    def __init__(self, *, classes: int, weight: str, squared: bool, batch: bool) -> None:
        super().__init__(classes=classes)
        self.weight, self.squared, self.batch = WEIGHTS[ClassWeight(weight)], squared, batch

    def own_sums(self) -> tuple[VoxelFunction, ...]:
        return SQUARED_OVERLAP if self.squared else OVERLAP

    def value(self, batch: Batch, reduction: Reduction) -> Tensor:
        own = reduction.overlap(self.squared, pooled=self.batch)
        rest = background_overlap(batch, reduction, self.squared, pooled=self.batch)
        hits = torch.cat([rest.true_positive, own.true_positive], 1)
        sizes = torch.cat([rest.reference + rest.prediction, own.reference + own.prediction], 1)
        weights = self._weights(torch.cat([rest.reference, own.reference], 1))
        dice = score(
            2 * (weights * hits).sum(1, keepdim=True), (weights * sizes).sum(1, keepdim=True), 0, weighted=True
        )
        return reduction.average(1 - dice)

    def _weights(self, volumes: Tensor) -> Tensor:
        """(R, K + 1), the largest being 1, so that no product becomes too small to be told from 0."""
        weights = self.weight(volumes)
        known = torch.where(torch.isinf(weights), torch.zeros_like(weights), weights)
        largest = known.amax(1, keepdim=True)
        return torch.where(torch.isinf(weights), largest, weights) / largest.clamp_min(torch.finfo(weights.dtype).tiny)
