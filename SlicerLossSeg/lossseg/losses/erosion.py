"""Successive soft erosions of an error map and their gradient, in the memory of a few maps of one sample."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor

from lossseg.losses.quantities import Errors
from lossseg.losses.voxel_functions import SQUARED_ERROR

THRESHOLD = 0.5


def eroded_sums(errors: Tensor, erosions: int, alpha: float, rescale: bool, valid: Tensor | None = None) -> Tensor:
    """S_k k^alpha S(E_k) for k = 1..erosions, with E_0 the squared error q^2 and E_k = erode(E_{k-1}).

    One erosion is the mean over a voxel and its face neighbours (0 beyond the border) less 0.5, or 0 where that is
    negative: the soft threshold of Karimi & Salcudean. With `rescale` the map of each sample is then brought to [0, 1]
    by its lowest and highest value, as the public ports do. Without, at most 0.5 is left after the first erosion and
    nothing after the second.

    Args:
        errors: error margins of one class, (B, *S).
        erosions: how often to erode, at least 1.
        alpha: power of the number of erosions.
        rescale: see above.
        valid: False where a voxel must not count, (B, *S).

    Returns:
        (B,), with a gradient in the error margins.
    """
    return _ErodedSums.apply(errors, erosions, alpha, rescale, valid)


@dataclass(frozen=True)
class _Eroded:
    """A map after one erosion.

    Attributes:
        values: what lies within the box of all values above 0.
        box: that box in the map before.
        low: what was subtracted to rescale.
        spread: what was divided by to rescale.
        rescaled: whether that was done.
    """

    values: Tensor
    box: tuple[slice, ...]
    low: float
    spread: float
    rescaled: bool


class _ErodedSums(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, errors: Tensor, erosions: int, alpha: float, rescale: bool, valid: Tensor | None) -> Tensor:
        ctx.save_for_backward(errors)
        ctx.settings = erosions, alpha, rescale, valid
        sums = torch.zeros(len(errors), dtype=torch.float64, device=errors.device)
        for number in range(len(errors)):
            for k, eroded in enumerate(_erosions(_squared(errors, valid, number), erosions, rescale), start=1):
                sums[number] += k**alpha * eroded.values.sum(dtype=torch.float64)
        return sums.to(errors.dtype)

    @staticmethod
    @torch.autograd.function.once_differentiable
    def backward(ctx: Any, gradient: Tensor) -> tuple[Tensor, None, None, None, None]:
        (errors,) = ctx.saved_tensors
        erosions, alpha, rescale, valid = ctx.settings
        result = torch.zeros_like(errors)
        for number, factor in enumerate(gradient.tolist()):
            steps = list(_erosions(_squared(errors, valid, number), erosions, rescale))
            shapes = [errors.shape[1:], *(eroded.values.shape for eroded in steps)]
            pull: Tensor | None = None
            for k in range(len(steps), 0, -1):
                eroded = steps.pop()
                direct = torch.full_like(eroded.values, factor * k**alpha)
                pull = _back(eroded, direct if pull is None else pull.add_(direct), shapes[k - 1])
            if pull is not None:
                slope = SQUARED_ERROR.slope(Errors(errors[number]))
                torch.mul(pull, slope, out=result[number])
                if valid is not None:
                    result[number].masked_fill_(~valid[number], 0)
        return result, None, None, None, None


def _squared(errors: Tensor, valid: Tensor | None, number: int) -> Tensor:
    squared = SQUARED_ERROR.value(Errors(errors[number]))
    return squared if valid is None else squared.masked_fill_(~valid[number], 0)


def _erosions(values: Tensor, erosions: int, rescale: bool) -> Iterator[_Eroded]:
    """The maps after one erosion after another, until nothing is left."""
    whole = True
    for _ in range(erosions):
        values = _neighbourhood_mean(values).sub_(THRESHOLD).clamp_min_(0)
        high = float(values.max())
        # Beyond the box of what is left everything is 0.
        low = float(values.min()) if whole else 0.0
        if high == 0:
            return
        rescaled = rescale and high > low
        if rescaled:
            values.sub_(low).div_(high - low)
        # While nothing has fallen to 0 the lowest voxels have a gradient too: they stay.
        box = tuple(slice(0, side) for side in values.shape) if low > 0 else _box(values)
        whole = whole and low > 0
        values = values[box].clone()
        yield _Eroded(values, box, low, high - low, rescaled)


def _back(eroded: _Eroded, pull: Tensor, shape: torch.Size) -> Tensor:
    """The gradient in the map before, of that shape, from the gradient in an eroded map, which it overwrites."""
    values = eroded.values
    if eroded.rescaled:
        pull.div_(eroded.spread)
        at_high, at_low = values == 1, values == 0
        to_high = (pull * values).sum() / at_high.sum()
        to_low = (pull * (1 - values)).sum() / at_low.sum().clamp_min(1)
        pull.sub_(at_high * to_high)
        if eroded.low > 0:
            pull.sub_(at_low * to_low)
    if eroded.low == 0:
        pull.mul_(values > 0)
    before = pull.new_zeros(shape)
    before[eroded.box] = pull
    # The mean's matrix is symmetric.
    return _neighbourhood_mean(before)


def _neighbourhood_mean(values: Tensor) -> Tensor:
    total = values.clone()
    for axis, side in enumerate(values.shape):
        low, high = (axis, 0, side - 1), (axis, 1, side - 1)
        total.narrow(*high).add_(values.narrow(*low))
        total.narrow(*low).add_(values.narrow(*high))
    return total.div_(2 * values.ndim + 1)


def _box(values: Tensor) -> tuple[slice, ...]:
    filled = values > 0
    spans = []
    for axis in range(values.ndim):
        others = tuple(other for other in range(values.ndim) if other != axis)
        places = torch.nonzero(filled.any(dim=others))
        spans.append(slice(int(places[0]), int(places[-1]) + 1))
    return tuple(spans)
