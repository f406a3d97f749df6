"""Flat places of a tensor, and sums over the voxels there."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import torch
from torch import Tensor

from lossseg.losses.quantities import Errors
from lossseg.losses.voxel_functions import VoxelFunction

# Voxels worked on together, so that what is computed of them takes little memory.
_BLOCK = 1 << 17


def places(mask: Tensor) -> Tensor:
    """Flat places, ascending, where a mask (M,) is True."""
    if mask.device.type == "cpu":
        return torch.from_numpy(np.flatnonzero(mask.numpy()))
    return torch.nonzero(mask)[:, 0]


class _SumsAt(torch.autograd.Function):
    @staticmethod
    def forward(
        ctx: Any, margins: Tensor, labels: Tensor, function: VoxelFunction, listed: Sequence[Tensor]
    ) -> tuple[Tensor, ...]:
        ctx.save_for_backward(margins)
        ctx.labels, ctx.function, ctx.listed = labels, function, listed
        flat = margins.reshape(-1)
        sums = []
        for one in listed:
            total = torch.zeros((), dtype=torch.float64, device=flat.device)
            for some in one.split(_BLOCK):
                total += function.total(Errors(flat[some] * _signs(labels, some, flat)))
            sums.append(total.to(flat.dtype))
        return tuple(sums)

    @staticmethod
    @torch.autograd.function.once_differentiable
    def backward(ctx: Any, *gradients: Tensor) -> tuple[Tensor, None, None, None]:
        (margins,) = ctx.saved_tensors
        flat, result = margins.reshape(-1), torch.zeros_like(margins, memory_format=torch.contiguous_format)
        for one, gradient in zip(ctx.listed, gradients, strict=True):
            for some in one.split(_BLOCK):
                signs = _signs(ctx.labels, some, flat)
                slope = ctx.function.slope(Errors(flat[some] * signs))
                result.view(-1)[some] = signs.mul_(slope).mul_(gradient)
        return result, None, None, None


def _signs(labels: Tensor, some: Tensor, like: Tensor) -> Tensor:
    return 1 - 2 * labels.reshape(-1)[some].to(like.dtype)


def sums_at(margins: Tensor, labels: Tensor, function: VoxelFunction, listed: Sequence[Tensor]) -> tuple[Tensor, ...]:
    """For each list the sum of a voxel function over the voxels at its flat places, none of which is listed twice.

    Args:
        margins: logits of the foreground (B, *S).
        labels: (B, *S), 0 or 1.
    """
    return _SumsAt.apply(margins, labels, function, tuple(listed))
