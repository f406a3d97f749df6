"""What the terms of a loss share during one call, each computed at most once and only if a term asks for it.

Terms are written on these quantities and never touch the logits themselves, so that a faster or leaner way of
computing one of them serves every term at once.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property

import torch
from torch import Tensor
from torch.nn import functional

from lossseg.weights import MAPS

# softplus(x) is x beyond this, exact in float64
LINEAR = 40.0


class Batch:
    """Logits (B, C, *S), target (B, 1, *S) and maps of one call, and what follows from them.

    One channel is a single foreground logit under a sigmoid, more are classes under a softmax with background first.
    Both cases of two classes are computed from the margin, the logit of foreground against background. Half-precision
    logits are computed in float32. Voxel maps have shape (B, *S).
    """

    def __init__(self, logits: Tensor, target: Tensor, maps: Mapping[str, Tensor]) -> None:
        precise = logits if logits.dtype in (torch.float32, torch.float64) else logits.float()
        self._channels = precise.unbind(1) if precise.shape[1] > 1 else (precise.squeeze(1),)
        self._logits = precise
        self._target = target[:, 0]
        self._maps = maps
        self._weighted: dict[str, Reduction] = {}

    @property
    def classes(self) -> int:
        """Number of classes with the background."""
        return max(len(self._channels), 2)

    @cached_property
    def truths(self) -> tuple[Tensor, ...]:
        """The target of each foreground class, 0 or 1 in the type of the logits."""
        if self.classes == 2 and self._target.device.type == "cpu":
            # On the CPU the labels were looked at and are 0 or 1 already.
            return (self._target.to(self._logits.dtype),)
        return tuple((self._target == number).to(self._logits.dtype) for number in range(1, self.classes))

    @property
    def foreground(self) -> Tensor:
        """1 where the target is of any foreground class, else 0."""
        return self.truths[0] if self.classes == 2 else (self._target > 0).to(self._logits.dtype)

    @cached_property
    def margins(self) -> tuple[Tensor, ...]:
        """For each foreground class the logit of its probability against all the others."""
        if len(self._channels) == 1:
            return self._channels
        if len(self._channels) == 2:
            return (self._channels[1] - self._channels[0],)
        return tuple(
            channel - torch.logsumexp(torch.stack(self._channels[:number] + self._channels[number + 1 :]), 0)
            for number, channel in enumerate(self._channels)
            if number
        )

    @cached_property
    def probabilities(self) -> tuple[Tensor, ...]:
        """The probability of each foreground class."""
        if self.classes == 2:
            return (torch.sigmoid(self.margins[0]),)
        if "_log_probabilities" in self.__dict__:
            return self._log_probabilities.exp().unbind(1)[1:]
        return torch.softmax(self._logits, 1).unbind(1)[1:]

    @cached_property
    def cross_entropy(self) -> Tensor:
        """-log of the probability of the true class."""
        if self.classes == 2:
            return self.binary_cross_entropy[0]
        return functional.nll_loss(self._log_probabilities, self._target.long(), reduction="none")

    @cached_property
    def binary_cross_entropy(self) -> tuple[Tensor, ...]:
        """For each foreground class -log of the probability of the truth in "this class or not"."""
        return tuple(
            functional.softplus(margin * torch.rsub(truth, 1, alpha=2), threshold=LINEAR)
            for margin, truth in zip(self.margins, self.truths, strict=True)
        )

    @cached_property
    def _log_probabilities(self) -> Tensor:
        return torch.log_softmax(self._logits, 1)

    def map(self, name: str) -> Tensor:
        """The loader's map of that name, (B, *S); made from the target if the loader brought none, which is slower."""
        if name in self._maps:
            return self._maps[name][:, 0].to(self._logits.dtype)
        made = [torch.from_numpy(MAPS[name].make(sample)) for sample in self._target.cpu().numpy()]
        return torch.stack(made).to(self._logits)

    def weighted_by(self, name: str) -> Reduction:
        """The reduction with the map of that name as weights; one for all terms that ask."""
        if name not in self._weighted:
            self._weighted[name] = Reduction(self, self.map(name))
        return self._weighted[name]


@dataclass(frozen=True)
class Overlap:
    """Sums over the voxels of each sample, (B, K) for K foreground classes, each voxel times its weight.

    `prediction` is S(p), or S(p^2) for the squared kind; `intersection` S(p y); `reference` S(y).
    """

    intersection: Tensor
    prediction: Tensor
    reference: Tensor

    def summed(self) -> Overlap:
        """The same with the samples of the batch added up, (1, K)."""
        return Overlap(*(sums.sum(0, keepdim=True) for sums in (self.intersection, self.prediction, self.reference)))


class Reduction:
    """How the voxels of a batch become one number: plainly, or with a weight (B, *S) for each.

    A term that weights may be put around (`voxel_sum` in its entry) reduces through this and nothing else.
    """

    def __init__(self, batch: Batch, weights: Tensor | None = None) -> None:
        self._batch, self._weights = batch, weights
        self._overlaps: dict[bool, Overlap] = {}

    @property
    def weighted(self) -> bool:
        return self._weights is not None

    def mean(self, voxels: Tensor) -> Tensor:
        """Sum of a voxel map (B, *S), each voxel times its weight, over the number of voxels."""
        return voxels.mean() if self._weights is None else (voxels * self._weights).mean()

    def overlap(self, squared: bool = False) -> Overlap:
        if squared not in self._overlaps:
            sums = [
                self._sums(probability, truth, squared)
                for probability, truth in zip(self._batch.probabilities, self._batch.truths, strict=True)
            ]
            self._overlaps[squared] = Overlap(*(torch.stack(parts, 1) for parts in zip(*sums, strict=True)))
        return self._overlaps[squared]

    def _sums(self, probability: Tensor, truth: Tensor, squared: bool) -> tuple[Tensor, Tensor, Tensor]:
        power = probability.square() if squared else probability
        if self._weights is not None:
            truth, power = truth * self._weights, power * self._weights
        return _total(probability * truth), _total(power), _total(truth)


def _total(voxels: Tensor) -> Tensor:
    return voxels.flatten(1).sum(1)
