"""Dice as a similarity of directions, more or less compact."""

from __future__ import annotations

import math
from collections.abc import Mapping

import torch
from torch import Tensor

from lossseg.losses.background import background_overlap, mean_with_background
from lossseg.losses.batch import Batch
from lossseg.losses.loss import Loss, implements
from lossseg.losses.reduction import SQUARED_OVERLAP, Overlap, Reduction
from lossseg.losses.voxel_functions import VoxelFunction

# Least length of a vector of probabilities, that of the authors' normalisation.
SHORTEST = 1e-12


@implements("tvmf_dice")
class TvmfDice(Loss):
    """Mean of (1 - phi_c)^2 over foreground classes, phi = (1 + cos) / (1 + kappa (1 - cos)) - 1.

    cos = S(p y) / sqrt(S(p^2) S(y^2)) is the cosine between prediction and target over the whole batch, or over each
    sample without `batch` (t-vMF Dice loss, Kato & Hotta, Comput. Biol. Med. 2023, arXiv:2207.07842). The larger kappa,
    the less an imperfect overlap is worth. The published mean has the background as a class too: `background`.

    With `adaptive` each class has the kappa `kappa` times its Dice in the last validation, 0 before the first one, so
    that a class is asked for more the better it is segmented already. `end_epoch` takes the Dice of class c from the
    measure "dice_c", or else from "dice"; an epoch without either, or where it is undefined, changes nothing. The
    background's is 1 once another is known, unless "dice_0" says otherwise. The values are kept with a checkpoint.

    The cosine does not depend on how large the probabilities are, only on how they are distributed. A class without
    foreground in the batch gives its largest value, (2 - 1 / (1 + kappa))^2, and teaches nothing.
    """

    dice: Tensor

    def __init__(self, *, classes: int, kappa: float, adaptive: bool, batch: bool, background: bool) -> None:
        super().__init__(classes=classes)
        self.kappa, self.adaptive, self.batch, self.background = kappa, adaptive, batch, background
        if adaptive:
            self.register_buffer("dice", torch.zeros(classes))

    def own_sums(self) -> tuple[VoxelFunction, ...]:
        return SQUARED_OVERLAP

    def value(self, batch: Batch, reduction: Reduction) -> Tensor:
        kappa = self._kappas(batch)
        own = _distance(reduction.overlap(squared=True, pooled=self.batch), kappa[1:])
        if not self.background:
            return reduction.average(own)
        rest = background_overlap(batch, reduction, squared=True, pooled=self.batch)
        return mean_with_background(reduction, own, _distance(rest, kappa[:1]))

    def _kappas(self, batch: Batch) -> Tensor:
        """(K + 1,), with the background first."""
        if self.adaptive:
            return (self.kappa * self.dice).to(batch.logits)
        return batch.logits.new_full((self.classes,), self.kappa)

    def end_epoch(self, metrics: Mapping[str, float]) -> None:
        super().end_epoch(metrics)
        if not self.adaptive:
            return
        found = [metrics.get(f"dice_{number}", metrics.get("dice", math.nan)) for number in range(1, self.classes)]
        if any(math.isfinite(value) for value in found):
            self.dice[0] = metrics.get("dice_0", 1.0)
        for number, value in enumerate(found, start=1):
            if math.isfinite(value):
                self.dice[number] = value

    def own_learned(self) -> dict[str, float]:
        if not self.adaptive:
            return {}
        return {f"kappa_{number}": self.kappa * float(self.dice[number]) for number in range(1, self.classes)}


def _distance(overlap: Overlap, kappa: Tensor) -> Tensor:
    lengths = [one.clamp_min(SHORTEST**2).sqrt() for one in (overlap.prediction, overlap.reference)]
    cosine = overlap.true_positive / lengths[0] / lengths[1]
    return (2 - (1 + cosine) / (1 + kappa * (1 - cosine))).square()
