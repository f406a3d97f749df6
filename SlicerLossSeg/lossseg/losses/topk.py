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

# A prime, so that the sample falls into step with no axis, and how many more than expected are looked at.
_STRIDE, _SLACK = 61, 1.15


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
        errors = error_values(batch)
        return hardest(batch, errors, fraction(batch, self.k))


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
        errors = error_values(batch)
        hard, fewest = places(errors > self.margin), fraction(batch, self.k)
        if len(hard) < fewest or not len(hard):
            return hardest(batch, errors, fewest)
        return apply(CROSS_ENTROPY, batch.errors_at(hard)).mean()


def error_values(batch: Batch) -> Tensor:
    """The error margin of every voxel's true class, (B * N,), -inf where it is to be ignored; no gradient."""
    errors = batch.error_values()
    return errors if batch.valid is None else errors.masked_fill_(~batch.valid.reshape(-1), -math.inf)


def fraction(batch: Batch, k: float) -> int:
    """floor(k N) of the N voxels that count, at least one of them, 0 if there are none."""
    voxels = batch.labels.numel() if batch.valid is None else int(batch.valid.sum())
    return min(max(int(voxels * k), 1), voxels)


def hardest(batch: Batch, errors: Tensor, count: int) -> Tensor:
    """Mean cross-entropy of the `count` largest of the error margins."""
    if not count:
        return batch.errors_at(errors.new_zeros(0, dtype=torch.int64)).sum()
    # The cross-entropy rises with the error margin, so the hardest voxels are found without computing it.
    listed = _candidates(errors, count)
    values = errors[listed]
    threshold = _largest(values, count)
    above, tied = listed[values > threshold], listed[values == threshold]
    hard = apply(CROSS_ENTROPY, batch.errors_at(above)).sum()
    rest = (count - len(above)) / len(tied)
    return (hard + rest * apply(CROSS_ENTROPY, batch.errors_at(tied)).sum()) / count


def _candidates(values: Tensor, count: int) -> Tensor:
    """Places among which the `count` largest values are: those above a bound that every 61st value suggests."""
    sample = values[::_STRIDE]
    expected = int(_SLACK * count / _STRIDE) + _STRIDE
    if expected < len(sample):
        found = places(values >= _largest(sample.contiguous(), expected))
        if len(found) >= count:
            return found
    return torch.arange(len(values), device=values.device)


def _largest(values: Tensor, count: int) -> Tensor:
    """The `count`-th largest value, without sorting."""
    if values.device.type == "cpu":
        place = values.numel() - count
        return torch.from_numpy(np.partition(values.numpy(), place)[place : place + 1])
    return torch.topk(values, count, sorted=False).values.min()


def places(mask: Tensor) -> Tensor:
    """Flat places where a mask (M,) is True."""
    if mask.device.type == "cpu":
        return torch.from_numpy(np.flatnonzero(mask.numpy()))
    return torch.nonzero(mask)[:, 0]
