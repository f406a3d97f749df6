"""How the voxels of a batch become sums, and how sums become one number."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from types import MappingProxyType
from typing import TYPE_CHECKING

import torch
from torch import Tensor

from lossseg.losses.derived import VoxelWeights
from lossseg.losses.rows import Rows
from lossseg.losses.sparse import count_foreground
from lossseg.losses.voxel_functions import (
    ERROR,
    FOREGROUND_ONLY,
    SQUARED_ERROR,
    SQUARED_TRUTH,
    TRUTH,
    VoxelFunction,
)

if TYPE_CHECKING:
    from lossseg.losses.batch import Batch


@dataclass(frozen=True)
class Split:
    """Sums over the voxels whose truth is background and foreground, (R, K) each."""

    background: Tensor
    foreground: Tensor

    @property
    def total(self) -> Tensor:
        return self.background + self.foreground


@dataclass(frozen=True)
class Overlap:
    """Sums over the voxels of each row, (R, K) for K foreground classes, each voxel times its weight.

    `true_positive` is S(p y), `false_positive` S(p (1 - y)), `false_negative` S((1 - p) y), `reference` S(y) and
    `prediction` S(p), or S(p^2) if squared.
    """

    true_positive: Tensor
    false_positive: Tensor
    false_negative: Tensor
    reference: Tensor
    prediction: Tensor


MOMENTS = frozenset({ERROR, TRUTH, SQUARED_ERROR, SQUARED_TRUTH})
COMPLEMENTS: Mapping[VoxelFunction, tuple[VoxelFunction, ...]] = MappingProxyType(
    {TRUTH: (ERROR,), SQUARED_TRUTH: (ERROR, SQUARED_ERROR)}
)
OVERLAP = (ERROR, TRUTH)
SQUARED_OVERLAP = (*OVERLAP, SQUARED_ERROR, SQUARED_TRUTH)


class Reduction:
    """Sums of voxel functions, plainly or with weights, over samples or other rows.

    A term that others may be put around (`voxel_sum` in its entry) reduces through this and nothing else.

    Args:
        batch: where the voxels come from.
        rows: what each sum runs over.
        weights: voxel weights (B, *S) for all classes, or one such map for each foreground class; None weighs 1.
    """

    def __init__(self, batch: Batch, rows: Rows, weights: tuple[VoxelWeights, ...] | None = None) -> None:
        self._batch, self.rows, self.weights = batch, rows, weights
        self._splits: dict[tuple[VoxelFunction, bool], Split] = {}

    @property
    def weighted(self) -> bool:
        return self.weights is not None

    @property
    def flat_weights(self) -> VoxelWeights | None:
        """The weights of every voxel of the batch in one row; for one foreground class."""
        return self.weights[0].reshape(-1) if self.weights else None

    def want(self, *functions: VoxelFunction) -> None:
        """Announces sums that will be asked for, so that one pass over the voxels can serve many terms."""
        self._batch.want(self, (function for function in functions if (function, True) not in self._splits))

    def keep(self, function: VoxelFunction, split: Split) -> None:
        """Takes a sum that was computed elsewhere; with one foreground class both kinds of sums are the same."""
        self._splits[function, True] = self._splits[function, False] = split

    def complement(self, function: VoxelFunction) -> None:
        """Takes the foreground sums of (1 - q) or (1 - q)^2 from those of q and q^2."""
        error = self._splits[ERROR, True].foreground
        right = self.reference - error
        if function == SQUARED_TRUTH:
            right = right - error + self._splits[SQUARED_ERROR, True].foreground
        self.keep(function, Split(torch.zeros_like(right), right))

    def per_class(self, function: VoxelFunction) -> Split:
        """Sums (R, K) of a function of the error in "this class or not", for each foreground class."""
        return self._sums(function, True)

    def true_class(self, function: VoxelFunction) -> Split:
        """Sums (R, 1) of a function of the error of the voxel's true class; its foreground is every such class."""
        return self._sums(function, False)

    def split(self, values: tuple[Tensor, ...], truths: tuple[Tensor, ...], *, foreground_only: bool = False) -> Split:
        """Sums (R, K) of voxel maps (B, *S), one for each of K truths (0 or 1), which say where foreground is."""
        foreground, background = [], []
        for number, (voxels, truth) in enumerate(zip(values, truths, strict=True)):
            scaled = self._batch.only_valid(voxels * self._weight(number) if self.weights else voxels)
            foreground.append(self.rows.sum(scaled, truth))
            background.append(torch.zeros_like(foreground[-1]) if foreground_only else self.rows.sum(scaled, 1 - truth))
        return Split(torch.stack(background, 1), torch.stack(foreground, 1))

    def _weight(self, number: int) -> Tensor:
        assert self.weights is not None
        return self.weights[number if len(self.weights) > 1 else 0][...]

    def _sums(self, function: VoxelFunction, per_class: bool) -> Split:
        key = (function, per_class)
        if key in self._splits or self._batch.fuse(self, function):
            return self._splits[key]
        if per_class and function in MOMENTS and self._batch.classes > 2 and self.rows.per_sample:
            self._take_moments(squared=function in (SQUARED_ERROR, SQUARED_TRUTH))
        else:
            values = self._batch.per_class(function) if per_class else (self._batch.true_class(function),)
            truths = self._batch.truths if per_class else (self._batch.foreground,)
            self._splits[key] = self.split(values, truths, foreground_only=function in FOREGROUND_ONLY)
        return self._splits[key]

    def _take_moments(self, squared: bool) -> None:
        """The sums of the overlap from S(p), S(p y) and S(y), as softmax gives p for all classes at once."""
        power = 2 if squared else 1
        every = [self._moment(p.pow(power), None, number) for number, p in enumerate(self._batch.probabilities)]
        true = [
            self._moment(p.pow(power), truth, number)
            for number, (p, truth) in enumerate(zip(self._batch.probabilities, self._batch.truths, strict=True))
        ]
        total, right = torch.stack(every, 1), torch.stack(true, 1)
        missed = (
            self.reference - right if not squared else self.reference - 2 * self.per_class(TRUTH).foreground + right
        )
        error, truth = (SQUARED_ERROR, SQUARED_TRUTH) if squared else (ERROR, TRUTH)
        self._splits[error, True] = Split(total - right, missed)
        self._splits[truth, True] = Split(torch.zeros_like(right), right)

    def _moment(self, values: Tensor, factors: Tensor | None, number: int) -> Tensor:
        scaled = self._batch.only_valid(values * self._weight(number) if self.weights else values)
        return self.rows.sum(scaled, factors)

    def overlap(self, squared: bool = False, pooled: bool = False) -> Overlap:
        """The sums that region losses are made of, of each row or (1, K) of the whole batch."""
        self.want(*(SQUARED_OVERLAP if squared else OVERLAP))
        false, true, size = self.per_class(ERROR), self.per_class(TRUTH).foreground, self.reference
        wrong, right = false.background, true
        if squared:
            wrong, right = self.per_class(SQUARED_ERROR).background, self.per_class(SQUARED_TRUTH).foreground
        sums = (true, false.background, false.foreground, size, wrong + right)
        return Overlap(*(self.pool(one) for one in sums) if pooled else sums)

    @cached_property
    def reference(self) -> Tensor:
        """Sum of the weights over the voxels of each foreground class, (R, K)."""
        sparse = self._batch.sparse
        if sparse is not None:
            return self.rows.sum_foreground(self._weights_at(sparse.foreground), sparse)[:, None]
        if self.weights is None and self.rows.per_sample and self._batch.classes == 2:
            counts = [count_foreground(sample) for sample in self._batch.labels]
            return self._batch.logits.new_tensor(counts)[:, None]
        return torch.stack([self._moment(truth, None, number) for number, truth in enumerate(self._batch.truths)], 1)

    def _weights_at(self, places: Tensor) -> Tensor:
        weights = self.flat_weights
        return self._batch.logits.new_ones(len(places)) if weights is None else weights[places]

    @cached_property
    def voxels(self) -> Tensor:
        """Number of voxels of each row, (R, 1), without weights."""
        if self._batch.sparse is not None:
            return self.rows.voxels(self._batch.sparse).to(self._batch.logits)[:, None]
        if self.rows.per_sample and self._batch.valid is None:
            return self._batch.logits.new_full((len(self.rows.sample), 1), self._batch.voxels)
        return self.rows.sum(self._batch.only_valid(torch.ones_like(self._batch.truths[0])))[:, None]

    def pool(self, sums: Tensor) -> Tensor:
        """(1, K) for the whole batch; rows that are not whole samples stay as they are."""
        return sums.sum(0, keepdim=True) if self.rows.per_sample else sums

    def mean(self, sums: Tensor) -> Tensor:
        """Sums (R, K) over the number of voxels, as one number: for samples over all voxels of the batch."""
        return self.average(self.pool(sums) / self.pool(self.voxels).clamp_min(1))

    def average(self, values: Tensor) -> Tensor:
        """One number from values (R, K), or (1, K) of the pooled batch.

        The mean over samples and classes. Single lesions and regions count only for the classes that they hold; they
        are averaged within their sample first.
        """
        if self.rows.per_sample or len(values) == 1:
            return values.mean()
        return (values * self._shares(values.shape[1])).sum()

    def _shares(self, classes: int) -> Tensor:
        present = (self.reference > 0).to(self.reference.dtype)
        if classes < present.shape[1]:
            # A value of a lesion as a whole, as a cross-entropy over all classes.
            present = torch.ones_like(present[:, :1])
        present = torch.where(present.sum(1, keepdim=True) > 0, present, torch.ones_like(present))
        # Of a region all of whose voxels are ignored there is nothing to say.
        present = present * (self.voxels > 0)
        samples = int(self.rows.sample[-1]) + 1
        counts = present.new_zeros(samples).index_add(0, self.rows.sample, present.sum(1))
        return present / (counts[self.rows.sample] * samples).clamp_min(1)[:, None]
