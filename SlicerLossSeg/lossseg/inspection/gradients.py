"""The value of a loss on a whole volume and its gradient with respect to each foreground logit."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from lossseg.errors import InputError
from lossseg.losses import build

# A block of voxels fits into the cache of a core, and its float32 sum loses nothing that counts.
_BLOCK = 1 << 19


@dataclass(frozen=True, eq=False)
class Gradient:
    """What one loss says.

    Attributes:
        value: of the loss.
        slopes: (z, y, x), dL/dz of each foreground logit z.
        total: the sum of |dL/dz| over all voxels.
    """

    value: float
    slopes: Tensor
    total: float


def gradient(
    expression: str,
    logits: Tensor,
    target: Tensor,
    maps: Callable[[frozenset[str]], Mapping[str, Tensor]],
    spacing: Sequence[float],
) -> Gradient:
    """What a loss says of a prediction. Adaptive and learned losses are in the state in which training begins.

    Args:
        expression: the loss, see `lossseg.losses`.
        logits: (1, 1, z, y, x) foreground logits that ask for a gradient.
        target: (1, 1, z, y, x) of 0 and 1, integer.
        maps: gives the maps of those names, (1, channels, z, y, x) each.
        spacing: (z, y, x) mm.

    Raises:
        InputError: the expression is none, or the loss or its gradient is not finite here.
    """
    loss = build(expression, classes=2)
    loss.spacing = tuple(float(side) for side in spacing)
    with loss.unobserved():
        value = loss(logits, target, maps(loss.required_maps))
    slopes = torch.autograd.grad(value, logits, allow_unused=True)[0] if value.requires_grad else None
    slopes = torch.zeros_like(logits) if slopes is None else slopes
    found = Gradient(float(value.detach()), slopes[0, 0], _absolute_sum(slopes))
    if not math.isfinite(found.value) or not math.isfinite(found.total):
        what = "value" if not math.isfinite(found.value) else "gradient"
        raise InputError(f"{expression} has no finite {what} here.", "Try another loss, or a smaller shift.")
    return found


def _absolute_sum(values: Tensor) -> float:
    flat = values.detach().reshape(-1)
    room = flat.new_empty(min(_BLOCK, len(flat)))
    return math.fsum(float(torch.abs(block, out=room[: len(block)]).sum()) for block in flat.split(_BLOCK))
