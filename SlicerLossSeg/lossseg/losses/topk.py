"""The cross-entropy of the hardest voxels only."""

from __future__ import annotations

import math

import numpy as np
import torch
from torch import Tensor

from lossseg.losses.batch import Batch
from lossseg.losses.loss import Loss, implements
from lossseg.losses.reduction import Reduction
from lossseg.losses.voxel_functions import CROSS_ENTROPY, apply


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
        errors = counted_errors(batch)
        return hardest(errors, fraction(errors, self.k))


@implements("ohem")
class Bootstrapped(Loss):
    """Mean cross-entropy of the voxels whose true class has a probability below `threshold`, of all in the batch.

    Online bootstrapping (Wu et al., arXiv:1605.06885), known as OHEM cross-entropy. As the paper asks, the threshold is
    raised where too few voxels are left: at least the floor(k N), and at least one, hardest of N voxels count, those
    equal to the last one sharing what is left as in `topk`. So there is never no voxel, and threshold=1 is `ce`. An
    empty patch teaches its false alarms to be background, and once there are few of them, its worst voxels.
    """

    def __init__(self, *, classes: int, threshold: float, k: float) -> None:
        super().__init__(classes=classes)
        # Where the probability of the true class is below t, the logit of the error is above that of 1 - t.
        self.margin = math.log((1 - threshold) / threshold) if threshold < 1 else -math.inf
        self.k = k

    def value(self, batch: Batch, reduction: Reduction) -> Tensor:
        errors = counted_errors(batch)
        hard = places(errors.detach() > self.margin)
        fewest = fraction(errors, self.k)
        return apply(CROSS_ENTROPY, errors[hard]).mean() if len(hard) >= fewest else hardest(errors, fewest)


def counted_errors(batch: Batch) -> Tensor:
    """The error margins of the true class, (M,), without the voxels to ignore."""
    errors = batch.true_class_error.reshape(-1)
    return errors if batch.valid is None else errors[batch.valid.reshape(-1)]


def fraction(voxels: Tensor, k: float) -> int:
    return max(int(voxels.numel() * k), 1)


def hardest(errors: Tensor, count: int) -> Tensor:
    """Mean cross-entropy of the `count` largest error margins (M,)."""
    if not errors.numel():
        return errors.sum()
    # The cross-entropy rises with the error margin, so the hardest voxels are found without computing it.
    threshold = _largest(errors.detach(), count)
    above = places(errors.detach() > threshold)
    tied = places(errors.detach() == threshold)
    hard = apply(CROSS_ENTROPY, errors[above]).sum()
    rest = (count - len(above)) / max(len(tied), 1)
    return (hard + rest * apply(CROSS_ENTROPY, errors[tied]).sum()) / count


def _largest(values: Tensor, count: int) -> Tensor:
    """The `count`-th largest value, without sorting."""
    if values.device.type == "cpu":
        place = values.numel() - count
        return torch.from_numpy(np.partition(values.numpy(), place)[place : place + 1])
    return torch.topk(values, count, sorted=False).values.min()


def places(mask: Tensor) -> Tensor:
    if mask.device.type == "cpu":
        return torch.from_numpy(np.flatnonzero(mask.numpy()))
    return torch.nonzero(mask)[:, 0]
