"""Losses that compare the predicted and the true class voxel by voxel."""

from __future__ import annotations

import numpy as np
import torch
from torch import Tensor

from lossseg.losses.batch import Batch, Reduction
from lossseg.losses.loss import Loss, implements


@implements("ce")
class CrossEntropy(Loss):
    """Mean over all voxels of -log of the probability of the true class.

    An empty patch teaches every voxel to be background, with a gradient of p / N at each.
    """

    def value(self, batch: Batch, reduction: Reduction) -> Tensor:
        return reduction.mean(batch.cross_entropy)


@implements("bce")
class BinaryCrossEntropy(Loss):
    """Mean over voxels and foreground classes of -y log p - (1 - y) log(1 - p), p being the class's softmax.

    Equal to the cross-entropy for one foreground class. An empty patch teaches every voxel to be background.
    """

    def value(self, batch: Batch, reduction: Reduction) -> Tensor:
        return torch.stack([reduction.mean(voxels) for voxels in batch.binary_cross_entropy]).mean()


@implements("topk")
class TopK(Loss):
    """Mean of the floor(k N), at least one, largest cross-entropies among all N voxels of the batch (nnU-Net's TopK).

    Voxels equal to the smallest one that counts share what is left, so that a constant prediction gets a gradient on
    all its voxels; otherwise value and gradient are those of `torch.topk`. An empty patch teaches its worst false
    alarms to be background.
    """

    def __init__(self, *, classes: int, k: float) -> None:
        super().__init__(classes=classes)
        self.k = k

    def value(self, batch: Batch, reduction: Reduction) -> Tensor:
        voxels = batch.cross_entropy.flatten()
        count = max(int(voxels.numel() * self.k), 1)
        with torch.no_grad():
            threshold = _largest(voxels, count)
            above, tied = voxels > threshold, voxels == threshold
            share = (count - above.sum()) / tied.sum()
            weights = torch.where(tied, share.to(voxels.dtype), above.to(voxels.dtype))
        return (voxels * weights).sum() / count


def _largest(voxels: Tensor, count: int) -> Tensor:
    """The `count`-th largest value, without sorting."""
    if voxels.device.type == "cpu":
        place = voxels.numel() - count
        return torch.from_numpy(np.partition(voxels.numpy(), place)[place : place + 1])
    return torch.topk(voxels, count, sorted=False).values.min()


@implements("focal")
class Focal(Loss):
    """Mean over all voxels of -a (1 - p)^gamma log p, p being the probability of the true class.

    a is alpha on foreground and 1 - alpha on background. An empty patch teaches the less, the surer it already is.
    """

    def __init__(self, *, classes: int, gamma: float, alpha: float) -> None:
        super().__init__(classes=classes)
        self.gamma, self.alpha = gamma, alpha

    def value(self, batch: Batch, reduction: Reduction) -> Tensor:
        cross_entropy = batch.cross_entropy
        # The floor keeps the slope of a power below 1 finite where the prediction is exactly right.
        error = (-torch.expm1(-cross_entropy)).clamp_min(1e-12)
        balance = (1 - self.alpha) + (2 * self.alpha - 1) * batch.foreground
        return reduction.mean(balance * error.pow(self.gamma) * cross_entropy)
