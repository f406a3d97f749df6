"""What the terms of a loss share during one call, each computed at most once and only if a term asks for it.

Terms are written on these quantities and never touch the logits themselves, so that a faster or leaner way of
computing one of them serves every term at once.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from functools import cached_property
from typing import TypeAlias

import torch
from torch import Tensor
from torch.nn import functional

from lossseg.losses.dense import dense_sums
from lossseg.losses.derived import DerivedWeights, VoxelWeights
from lossseg.losses.fused import Request, fused_sums
from lossseg.losses.hardest import ErrorMargins
from lossseg.losses.picking import sums_at
from lossseg.losses.quantities import GivenErrors
from lossseg.losses.reduction import COMPLEMENTS, Reduction, Split
from lossseg.losses.rows import RegionRows, Rows, lesion_rows, region_rows, sample_rows
from lossseg.losses.sparse import SparseTarget
from lossseg.losses.voxel_functions import VoxelFunction, apply
from lossseg.weights import make_maps

Weights: TypeAlias = tuple[VoxelWeights, ...] | None
Wanted: TypeAlias = list[tuple[Reduction, VoxelFunction]]

# Gathering the foreground costs more than it saves when it is more of the batch than this.
SPARSE = 0.03


class Batch:
    """Logits (B, C, *S), target (B, 1, *S) and maps of one call, and what follows from them.

    One channel is a single foreground logit under a sigmoid, more are classes under a softmax with background first.
    Both cases of two classes are computed from the margin, the logit of foreground against background. Half-precision
    logits are computed in float32. Voxel maps have shape (B, *S).

    Args:
        logits: any floating-point type.
        target: any integer type.
        maps: the loader's maps, (B, channels, *S).
        ignore: label whose voxels do not count at all.
        spacing: mm along the axes of the voxels, None takes 1.
    """

    def __init__(
        self,
        logits: Tensor,
        target: Tensor,
        maps: Mapping[str, Tensor],
        *,
        ignore: int | None = None,
        spacing: Sequence[float] | None = None,
    ) -> None:
        self.logits = logits if logits.dtype in (torch.float32, torch.float64) else logits.float()
        labels = target[:, 0]
        self.valid = None if ignore is None else labels != ignore
        self.labels = labels if self.valid is None else torch.where(self.valid, labels, torch.zeros_like(labels))
        self.spacing = spacing
        self._maps = maps
        self._reductions: dict[tuple[str, ...], Reduction] = {}
        self._wanted: dict[tuple[Reduction, VoxelFunction], None] = {}

    @property
    def classes(self) -> int:
        """Number of classes with the background."""
        return max(self.logits.shape[1], 2)

    @property
    def voxels(self) -> int:
        """Number of voxels of a sample."""
        return self.labels[0].numel()

    @cached_property
    def truths(self) -> tuple[Tensor, ...]:
        """The target of each foreground class, 0 or 1 in the type of the logits."""
        return tuple((self.labels == number).to(self.logits.dtype) for number in range(1, self.classes))

    @cached_property
    def foreground(self) -> Tensor:
        """1 where the target is of any foreground class, else 0."""
        return self.truths[0] if self.classes == 2 else (self.labels > 0).to(self.logits.dtype)

    @cached_property
    def margins(self) -> tuple[Tensor, ...]:
        """For each foreground class the logit of its probability against all the others."""
        if self.logits.shape[1] == 1:
            return (self.logits.squeeze(1),)
        channels = self.logits.unbind(1)
        if len(channels) == 2:
            return (channels[1] - channels[0],)
        return tuple(
            channel - torch.logsumexp(torch.stack(channels[:number] + channels[number + 1 :]), 0)
            for number, channel in enumerate(channels)
            if number
        )

    @cached_property
    def probabilities(self) -> tuple[Tensor, ...]:
        """The probability of each foreground class."""
        if self.classes == 2:
            return (torch.sigmoid(self.margins[0]),)
        if any(not function.of_error for _, function in self._wanted):
            # Their logarithms will be asked for as well.
            return self._log_probabilities.exp().unbind(1)[1:]
        return torch.softmax(self.logits, 1).unbind(1)[1:]

    @cached_property
    def errors(self) -> tuple[Tensor, ...]:
        """For each foreground class the error margin in "this class or not" (see `voxel_functions`)."""
        return tuple(
            torch.where(truth > 0, -margin, margin) for margin, truth in zip(self.margins, self.truths, strict=True)
        )

    @cached_property
    def true_class_error(self) -> Tensor:
        """The logit of the probability that the voxel is of any class but its own."""
        if self.classes == 2:
            return self.errors[0]
        labels = self.labels.long()[:, None]
        own = self.logits.gather(1, labels)[:, 0]
        others = self.logits.scatter(1, labels, float("-inf"))
        return torch.logsumexp(others, 1) - own

    def error_margins(self) -> ErrorMargins:
        """The error margin of the true class of every voxel, without gradient."""
        valid = None if self.valid is None else self.valid.reshape(-1)
        if self.sparse is None:
            return ErrorMargins(self.true_class_error.detach().reshape(-1), valid=valid)
        margins = self.margins[0].detach().reshape(-1)
        return ErrorMargins(margins, self.labels.reshape(-1), self.sparse.foreground, valid)

    def sums_at(self, function: VoxelFunction, listed: Sequence[Tensor]) -> Sequence[Tensor]:
        """For each list the sum of a voxel function of the true class's error over the voxels at its flat places."""
        if self.classes == 2:
            return sums_at(self.margins[0], self.labels, function, listed)
        errors = self.true_class_error.reshape(-1)
        return [apply(function, errors[places]).sum() for places in listed]

    @cached_property
    def _log_probabilities(self) -> Tensor:
        return torch.log_softmax(self.logits, 1)

    def per_class(self, function: VoxelFunction) -> tuple[Tensor, ...]:
        """A voxel function of the error in "this class or not", for each foreground class."""
        if self.classes > 2 and function.of_error:
            # Softmax gives all classes at once; margins cost a sum over the others for each.
            pairs = zip(self.probabilities, self.truths, strict=True)
            return tuple(function.value(GivenErrors(error=(p - truth).abs())) for p, truth in pairs)
        return tuple(apply(function, error) for error in self.errors)

    def true_class(self, function: VoxelFunction) -> Tensor:
        """A voxel function of the error of the true class."""
        if self.classes > 2:
            cross_entropy = functional.nll_loss(self._log_probabilities, self.labels.long(), reduction="none")
            return function.value(GivenErrors(cross_entropy=cross_entropy))
        return apply(function, self.errors[0])

    def only_valid(self, voxels: Tensor) -> Tensor:
        """A voxel map with 0 where the target is ignored."""
        return voxels if self.valid is None else torch.where(self.valid, voxels, torch.zeros_like(voxels))

    @cached_property
    def sparse(self) -> SparseTarget | None:
        """The target by its foreground places, where that is the faster way to compute: one rare class, on a CPU."""
        if self.classes > 2 or self.labels.device.type != "cpu":
            return None
        target = SparseTarget.of(self.labels, self.valid)
        return target if len(target.apart) <= SPARSE * self.labels.numel() else None

    @cached_property
    def foreground_places(self) -> Tensor:
        """Flat places of the foreground voxels that count, ascending."""
        if self.sparse is not None:
            return self.sparse.foreground
        mask = self.labels != 0
        return torch.nonzero(mask.reshape(-1) if self.valid is None else (mask & self.valid).reshape(-1))[:, 0]

    def map(self, name: str) -> Tensor:
        """The loader's map of that name, (B, channels, *S).

        One that the loader did not bring is made from the target on the CPU, as if that were the whole volume; it
        costs time in every step.
        """
        if name in self._maps:
            return self._maps[name].to(self.logits.dtype)
        samples = self.labels.cpu().numpy()
        made = [make_maps((name,), sample, spacing=self.spacing, classes=self.classes)[name] for sample in samples]
        return torch.stack([torch.from_numpy(one) for one in made]).to(self.logits)

    @property
    def plain(self) -> Reduction:
        """Sums over samples, every voxel weighing 1."""
        return self._reduction("plain", rows=lambda: self._samples)

    def weighted_by(self, name: str, clip: tuple[float, float] | None = None) -> Reduction:
        """Sums over samples with the map of that name as weights, its values kept within `clip`."""

        def weights() -> Weights:
            channels = self.map(name).unbind(1)
            if clip is None:
                return channels
            return tuple(DerivedWeights(lambda weights: weights.clamp(*clip), channel) for channel in channels)

        return self.weighted_with(f"{name} {clip}", weights)

    def weighted_with(self, key: str, weights: Callable[[], Weights]) -> Reduction:
        """Sums over samples with weights that are made when the key is first asked for (see `Reduction`)."""
        return self._reduction("weighted", key, rows=lambda: self._samples, weights=weights)

    def by_lesion(self) -> Reduction:
        """Sums over each lesion and the background, without the other lesions."""
        return self._reduction("lesion", rows=lambda: lesion_rows(self.map("lesions")[:, 0], self.foreground_places))

    def by_region(self) -> Reduction:
        """Sums over the regions of voxels that have the same nearest lesion."""
        return self._reduction("region", rows=lambda: region_rows(self.map("nearest_lesion")[:, 0]))

    @cached_property
    def _samples(self) -> Rows:
        return sample_rows(len(self.labels), self.labels.device)

    def _reduction(
        self, *key: str, rows: Callable[[], Rows], weights: Callable[[], Weights] = lambda: None
    ) -> Reduction:
        if key not in self._reductions:
            self._reductions[key] = Reduction(self, rows(), weights())
        return self._reductions[key]

    def want(self, reduction: Reduction, functions: Iterable[VoxelFunction]) -> None:
        """Notes sums that a term will ask for."""
        self._wanted |= {(reduction, function): None for function in functions}

    def fuse(self, reduction: Reduction, function: VoxelFunction) -> bool:
        """Computes that sum and all that were announced in one pass; False where there is no such way."""
        if self.classes > 2 or self.labels.device.type != "cpu" or not self._can_fuse(reduction):
            return False
        self.want(reduction, (function,))
        wanted = [one for one in self._wanted if self._can_fuse(one[0])]
        self._wanted = {}
        if self.sparse is None:
            self._keep_dense(wanted)
            return True
        sums = self._sparse_sums(wanted, self.sparse)
        for (known, function), background, foreground in zip(wanted, *sums, strict=True):
            shared = background if isinstance(known.rows, RegionRows) else background[known.rows.sample]
            known.keep(function, Split(shared[:, None], foreground[:, None]))
        return True

    def _can_fuse(self, reduction: Reduction) -> bool:
        return self.sparse is not None or reduction.rows.per_sample

    def _sparse_sums(self, wanted: Wanted, target: SparseTarget) -> tuple[tuple[Tensor, ...], tuple[Tensor, ...]]:
        requests = [
            Request(
                function,
                known.flat_weights,
                known.rows.owners_of(target),
                len(known.rows.sample),
                known.rows if isinstance(known.rows, RegionRows) else None,
            )
            for known, function in wanted
        ]
        return fused_sums(self.margins[0], target, requests)

    def _keep_dense(self, wanted: Wanted) -> None:
        """With much foreground the probability of the truth is taken as 1 - error, which saves computing it."""
        basic = {
            (known, needed): None for known, function in wanted for needed in COMPLEMENTS.get(function, (function,))
        }
        requests = [(function, known.flat_weights) for known, function in basic]
        sums = dense_sums(self.margins[0], self.labels, self.valid, requests)
        for (known, function), background, foreground in zip(basic, *sums, strict=True):
            known.keep(function, Split(background[:, None], foreground[:, None]))
        for known, function in wanted:
            if function in COMPLEMENTS:
                known.complement(function)
