"""Losses that compare the predicted and the true class voxel by voxel."""

from __future__ import annotations

from torch import Tensor

from lossseg.losses.batch import Batch
from lossseg.losses.loss import Loss, implements
from lossseg.losses.reduction import Reduction
from lossseg.losses.voxel_functions import CROSS_ENTROPY, VoxelFunction


@implements("ce")
class CrossEntropy(Loss):
    """Mean over all voxels of -log of the probability of the true class.

    An empty patch teaches every voxel to be background, with a gradient of p / N at each.
    """

    def own_sums(self) -> tuple[VoxelFunction, ...]:
        return (CROSS_ENTROPY,)

    def value(self, batch: Batch, reduction: Reduction) -> Tensor:
        return reduction.mean(reduction.true_class(CROSS_ENTROPY).total)


@implements("bce")
class BinaryCrossEntropy(Loss):
    """Mean over voxels and foreground classes of -y log p - (1 - y) log(1 - p), p being the class's softmax.

    Equal to the cross-entropy for one foreground class. An empty patch teaches every voxel to be background.
    """

    def own_sums(self) -> tuple[VoxelFunction, ...]:
        return (CROSS_ENTROPY,)

    def value(self, batch: Batch, reduction: Reduction) -> Tensor:
        return reduction.mean(reduction.per_class(CROSS_ENTROPY).total)
