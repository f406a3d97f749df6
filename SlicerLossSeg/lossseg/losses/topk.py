"""The cross-entropy of the hardest voxels only."""

from __future__ import annotations

import math

from torch import Tensor

from lossseg.losses.batch import Batch
from lossseg.losses.hardest import ErrorMargins, Hard, hardest
from lossseg.losses.loss import Loss, implements
from lossseg.losses.reduction import Reduction
from lossseg.losses.voxel_functions import CROSS_ENTROPY


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
        return mean_of(batch, hardest(batch.error_margins(), fraction(batch, self.k)))


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
        return mean_of(batch, self._hard(batch.error_margins(), fraction(batch, self.k)))

    def _hard(self, errors: ErrorMargins, fewest: int) -> Hard:
        hard = errors.above(self.margin)
        if len(hard) < fewest or not len(hard):
            return hardest(errors, fewest)
        return Hard(hard)


def fraction(batch: Batch, k: float) -> int:
    """floor(k N) of the N voxels that count, at least one of them, 0 if there are none."""
    voxels = batch.labels.numel() if batch.valid is None else int(batch.valid.sum())
    return min(max(int(voxels * k), 1), voxels)


def mean_of(batch: Batch, hard: Hard) -> Tensor:
    """Mean cross-entropy of the voxels that count."""
    listed = [hard.above] if hard.tied is None else [hard.above, hard.tied]
    sums = batch.sums_at(CROSS_ENTROPY, listed)
    total = sums[0] if hard.tied is None else sums[0] + hard.share * sums[1]
    return total / max(hard.count, 1.0)
