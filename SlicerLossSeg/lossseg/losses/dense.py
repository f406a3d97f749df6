"""Sums over the voxels of a target with much foreground, and their gradient, block by block and without copies.

The counterpart of `fused` where gathering the foreground would cost more than masking it.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor

from lossseg.losses.derived import VoxelWeights
from lossseg.losses.quantities import Errors, Workspace
from lossseg.losses.sparse import BLOCK
from lossseg.losses.voxel_functions import FOREGROUND_ONLY, VoxelFunction

DenseRequest = tuple[VoxelFunction, VoxelWeights | None]
"""A function to sum, and voxel weights in one row or None."""


@dataclass(frozen=True)
class _Block:
    sample: int
    place: slice
    foreground: Tensor
    background: Tensor
    margin: Tensor

    def errors(self, space: Workspace) -> Errors:
        sign = torch.sub(self.background, self.foreground, out=space.take("sign", len(self.margin)))
        return Errors(sign.mul_(self.margin), space=space)


class _DenseSums(torch.autograd.Function):
    @staticmethod
    def forward(
        ctx: Any, margin: Tensor, labels: Tensor, valid: Tensor | None, requests: Sequence[DenseRequest]
    ) -> tuple[Tensor, ...]:
        ctx.save_for_backward(margin)
        ctx.labels, ctx.valid, ctx.requests = labels, valid, requests
        sums = torch.zeros(2, len(requests), len(margin), dtype=torch.float64)
        space = Workspace(margin, BLOCK)
        for block in _blocks(margin, labels, valid, space):
            at = block.errors(space)
            for number, (function, weights) in enumerate(requests):
                values = function.value(at)
                if weights is not None:
                    values = values * weights[block.place]
                sums[1, number, block.sample] += torch.dot(values, block.foreground)
                if function not in FOREGROUND_ONLY:
                    sums[0, number, block.sample] += torch.dot(values, block.background)
        background, foreground = sums.to(margin.dtype)
        return (*background.unbind(0), *foreground.unbind(0))

    @staticmethod
    @torch.autograd.function.once_differentiable
    def backward(ctx: Any, *gradients: Tensor | None) -> tuple[Tensor, None, None, None]:
        (margin,) = ctx.saved_tensors
        requests = ctx.requests
        result = torch.empty_like(margin)
        factors = [[0.0] * len(margin) if given is None else given.tolist() for given in gradients]
        space = Workspace(margin, BLOCK)
        for block in _blocks(margin, ctx.labels, ctx.valid, space):
            at, slot = block.errors(space), result.view(-1)[block.place]
            for number, (function, weights) in enumerate(requests):
                wrong = 0.0 if function in FOREGROUND_ONLY else factors[number][block.sample]
                missed = factors[number + len(requests)][block.sample]
                share = torch.mul(block.background, wrong, out=space.take("share", len(slot)))
                share.add_(block.foreground, alpha=-missed)
                if weights is not None:
                    share.mul_(weights[block.place])
                if number == 0:
                    torch.mul(function.slope(at), share, out=slot)
                else:
                    slot.addcmul_(function.slope(at), share)
        return result, None, None, None


def _blocks(margin: Tensor, labels: Tensor, valid: Tensor | None, space: Workspace) -> Iterator[_Block]:
    flat, numbers = margin.view(-1), labels.reshape(-1)
    counted = None if valid is None else valid.reshape(-1)
    voxels = margin[0].numel()
    for sample in range(len(margin)):
        for start in range(sample * voxels, (sample + 1) * voxels, BLOCK):
            place = slice(start, min(start + BLOCK, (sample + 1) * voxels))
            length = place.stop - start
            foreground = space.take("foreground", length).copy_(numbers[place])
            background = torch.sub(1, foreground, out=space.take("background", length))
            if counted is not None:
                foreground.mul_(counted[place])
                background.mul_(counted[place])
            yield _Block(sample, place, foreground, background, flat[place])


def dense_sums(
    margin: Tensor, labels: Tensor, valid: Tensor | None, requests: Sequence[DenseRequest]
) -> tuple[tuple[Tensor, ...], tuple[Tensor, ...]]:
    """Background and foreground sums (B,) of each request for margins and 0/1 labels (B, *S) on the CPU."""
    sums = _DenseSums.apply(margin.contiguous(), labels, valid, tuple(requests))
    return sums[: len(requests)], sums[len(requests) :]
