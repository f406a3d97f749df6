"""A loss for a network that answers at several resolutions."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from contextlib import nullcontext

import torch
from torch import Tensor, nn

from lossseg.errors import InputError
from lossseg.losses.loss import Loss
from lossseg.weights import MAPS


class DeepSupervision(nn.Module):
    """The weighted sum of one loss over the outputs of a network at several resolutions, as nnU-Net.

    Level i weighs 1 / 2^i; with more than one level the last, coarsest one weighs 0 and is not computed; the weights
    sum to 1. The target is brought to each resolution by the nearest voxel, in which a lesion smaller than the
    coarse voxels may vanish. Maps go the same way; the inverse weights are then scaled so that they sum to the number
    of voxels of the level again. Adaptive terms learn from the finest level only and weigh the others alike.

    Args:
        loss: the loss at each level.
        levels: number of outputs; None takes whatever number comes.
    """

    def __init__(self, loss: Loss, levels: int | None = None) -> None:
        super().__init__()
        self.loss, self.levels = loss, levels
        if levels is not None:
            level_weights(levels)

    def forward(self, outputs: Sequence[Tensor], target: Tensor, maps: Mapping[str, Tensor] | None = None) -> Tensor:
        """The loss of `outputs`, (B, C, *S_i) with the finest first, against one target (B, 1, *S_0) and its maps.

        Raises:
            InputError: another number of outputs than levels, or what the loss at a level raises.
        """
        if self.levels is not None and len(outputs) != self.levels:
            raise InputError(
                f"Deep supervision got {len(outputs)} outputs for {self.levels} levels.",
                "Build it with the number of outputs of the network.",
            )
        values: list[Tensor] = []
        for output, weight in zip(outputs, level_weights(len(outputs)), strict=True):
            if weight:
                size = output.shape[2:]
                coarse = {name: coarsen_map(name, fine, size) for name, fine in (maps or {}).items()}
                factors = [old / new for old, new in zip(target.shape[2:], size, strict=True)]
                with self.loss.unobserved() if values else nullcontext(), self.loss.coarser(factors):
                    values.append(weight * self.loss(output, nearest(target, size), coarse))
        return torch.stack(values).sum()


def level_weights(levels: int) -> tuple[float, ...]:
    """1 / 2^i with the last one 0 (if there are several), scaled to the sum 1.

    Raises:
        InputError: no level.
    """
    if levels < 1:
        raise InputError(f"Deep supervision needs at least one level, not {levels}.", "Give the number of outputs.")
    raw = [0.5**level for level in range(levels)]
    if levels > 1:
        raw[-1] = 0.0
    return tuple(weight / sum(raw) for weight in raw)


def nearest(values: Tensor, size: Sequence[int]) -> Tensor:
    """`values` (B, C, *S) at the spatial `size`, each voxel taking the value at its centre; any data type."""
    if tuple(values.shape[2:]) == tuple(size):
        return values
    for axis, (old, new) in enumerate(zip(values.shape[2:], size, strict=True), start=2):
        if old % new == 0:
            step = old // new
            values = values[(slice(None),) * axis + (slice(step // 2, None, step),)]
        else:
            centres = (torch.arange(new, dtype=torch.float64) + 0.5) * (old / new)
            values = values.index_select(axis, centres.long().to(values.device))
    return values.contiguous()


def coarsen_map(name: str, values: Tensor, size: Sequence[int]) -> Tensor:
    """A loader's map (B, channels, *S) at a coarser `size`; one whose sum is the number of voxels keeps to that."""
    if tuple(values.shape[2:]) == tuple(size):
        return values
    coarse = nearest(values, size)
    if name in MAPS and MAPS[name].sums_to_voxels:
        coarse = coarse / coarse.mean(dim=tuple(range(1, coarse.ndim)), keepdim=True)
    return coarse
