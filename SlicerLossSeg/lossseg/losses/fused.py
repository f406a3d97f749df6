"""Sums over the voxels of a sparse target, and their gradient, in two passes over the logits and without copies.

Where foreground is rare nearly all voxels are background: one pass treats every voxel as such, block by block in the
processor's cache, and the few foreground voxels are gathered and done by themselves. The backward pass turns the error
probabilities of the forward pass into the gradient where they are, so the extra memory is the gradient alone.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor

from lossseg.losses.derived import VoxelWeights
from lossseg.losses.quantities import Errors, Workspace
from lossseg.losses.rows import RegionRows
from lossseg.losses.sparse import BLOCK, SparseTarget
from lossseg.losses.voxel_functions import FOREGROUND_ONLY, VoxelFunction


@dataclass(frozen=True)
class Request:
    """A function to sum, with voxel weights (flat, or None) and the row (of `rows`) of each foreground voxel.

    Sums over the background are those of samples, or of the rows that share all voxels (`regions`).
    """

    function: VoxelFunction
    weights: VoxelWeights | None
    owner: Tensor
    rows: int
    regions: RegionRows | None = None

    def add(self, at: Errors, sample: int, block: slice, sums: Tensor) -> None:
        """Adds the background of a block to the sums."""
        if self.regions is not None:
            values = _weighted(self.function.value(at), self.weights, block)
            self.regions.add_block(block, values, sums)
        elif self.weights is not None:
            sums[sample] += torch.dot(self.function.value(at), self.weights[block])
        else:
            sums[sample] += self.function.total(at)

    def weights_of(self, block: slice, factors: Tensor) -> Tensor | None:
        """The weights of a block's voxels, times the factors (rows,) of their regions if there are any."""
        if self.regions is None:
            return None if self.weights is None else self.weights[block]
        return _weighted(self.regions.spread(block, factors), self.weights, block)


class _FusedSums(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, margin: Tensor, target: SparseTarget, requests: Sequence[Request]) -> tuple[Tensor, ...]:
        ctx.save_for_backward(margin)
        ctx.target, ctx.requests = target, requests
        flat = margin.reshape(-1)
        background = [
            torch.zeros(target.shape[0] if wanted.regions is None else wanted.rows, dtype=torch.float64)
            for wanted in requests
        ]
        dense = [(number, wanted) for number, wanted in enumerate(requests) if wanted.function not in FOREGROUND_ONLY]
        size = _block_size(requests)
        space = Workspace(flat, size)
        errors = torch.empty_like(flat)
        for sample, block, apart in target.blocks(size):
            at = Errors(flat[block], apart, space, _write_errors(flat[block], apart, errors[block]))
            for number, wanted in dense:
                wanted.add(at, sample, block, background[number])
        ctx.errors = errors
        at = Errors(-flat[target.foreground])
        foreground = []
        for wanted in requests:
            values = _weighted(wanted.function.value(at), wanted.weights, target.foreground)
            sums = torch.zeros(wanted.rows, dtype=torch.float64).index_add_(0, wanted.owner, values.double())
            foreground.append(sums.to(margin.dtype))
        return (*(sums.to(margin.dtype) for sums in background), *foreground)

    @staticmethod
    @torch.autograd.function.once_differentiable
    def backward(ctx: Any, *gradients: Tensor | None) -> tuple[Tensor, None, None]:
        (margin,) = ctx.saved_tensors
        target, requests = ctx.target, ctx.requests
        flat = margin.reshape(-1)
        # The gradient takes the place of the errors. A second backward pass has to compute them again.
        errors, ctx.errors = ctx.errors, None
        known, result = errors is not None, torch.empty_like(flat) if errors is None else errors
        dense = [
            (wanted, factors, factors.tolist())
            for wanted, factors in zip(requests, gradients[: len(requests)], strict=True)
            if factors is not None and wanted.function not in FOREGROUND_ONLY and factors.any()
        ]
        size = _block_size(requests)
        space = Workspace(flat, size)
        for sample, block, apart in target.blocks(size):
            slot = result[block]
            at = Errors(flat[block], apart, space, slot if known else _write_errors(flat[block], apart, slot))
            total = space.take("gradient", len(slot)) if len(dense) > 1 else slot
            for number, (wanted, factors, of_sample) in enumerate(dense, start=1):
                weights = wanted.weights_of(block, factors)
                factor = of_sample[sample] if wanted.regions is None else 1.0
                # The errors are needed up to the last function.
                out = slot if number == len(dense) else total
                if weights is None and number == 1:
                    wanted.function.scaled_slope(at, factor, out)
                    continue
                slope = wanted.function.slope(at)
                if weights is not None:
                    weighted = slot if len(dense) == 1 else space.take("weighted", len(slot))
                    slope = torch.mul(slope, weights, out=weighted)
                if number == 1:
                    torch.mul(slope, factor, out=out)
                else:
                    torch.add(total, slope, alpha=factor, out=out)
            if not dense:
                slot.zero_()
        at = Errors(-flat[target.foreground])
        at_foreground = flat.new_zeros(len(target.foreground))
        for wanted, gradient in zip(requests, gradients[len(requests) :], strict=True):
            if gradient is not None:
                slope = _weighted(wanted.function.slope(at), wanted.weights, target.foreground)
                at_foreground.addcmul_(slope, gradient[wanted.owner], value=-1)
        result[target.foreground] = at_foreground
        return result.view_as(margin), None, None


def _block_size(requests: Sequence[Request]) -> int:
    """Weights are made in memory of their own, which smaller blocks keep small and near."""
    return BLOCK if all(wanted.weights is None for wanted in requests) else BLOCK // 4


def _write_errors(margin: Tensor, apart: Tensor, out: Tensor) -> Tensor:
    """Error of a block's voxels taken as background, 0 at those that are not, written where the gradient will be."""
    return torch.sigmoid(margin, out=out).index_fill_(0, apart, 0)


def _weighted(values: Tensor, weights: VoxelWeights | None, places: slice | Tensor) -> Tensor:
    return values if weights is None else values * weights[places]


def fused_sums(
    margin: Tensor, target: SparseTarget, requests: Sequence[Request]
) -> tuple[tuple[Tensor, ...], tuple[Tensor, ...]]:
    """Background sums (B,), or (rows,) for regions, and foreground sums (rows,) of each request.

    Args:
        margin: (B, *S), on the CPU.
        target: the places of its foreground.
        requests: what to sum.
    """
    sums = _FusedSums.apply(margin.contiguous(), target, tuple(requests))
    return sums[: len(requests)], sums[len(requests) :]
