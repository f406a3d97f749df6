"""What the losses sum over voxels, as functions of one number: how much a voxel errs.

The error margin e of a voxel is the logit of the probability that it is wrong: the foreground logit m where the target
is background, -m where it is foreground. Every function here is 0 (or is only used on foreground) where e = -inf, so
that a voxel can be left out of a sum. Slopes are written out, for they stay finite where automatic ones do not and
need no saved tensors.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from dataclasses import dataclass
from typing import Any, ClassVar

import torch
from torch import Tensor

from lossseg.losses.quantities import Errors


class VoxelFunction(ABC):
    """A function of the error margin and its derivative. Equal functions must compare equal, as sums are shared.

    Attributes:
        of_error: it can be computed from the probability of the wrong class alone, without loss of small values.
    """

    of_error: ClassVar[bool] = False

    @abstractmethod
    def value(self, at: Errors) -> Tensor:
        """h(e)."""

    @abstractmethod
    def slope(self, at: Errors) -> Tensor:
        """dh / de."""

    def total(self, at: Errors) -> Tensor:
        """The sum of h(e) over voxels in one row."""
        return self.value(at).sum()

    def scaled_slope(self, at: Errors, factor: float, out: Tensor) -> Tensor:
        """dh / de times a number, written to `out`."""
        return torch.mul(self.slope(at), factor, out=out)


@dataclass(frozen=True)
class Error(VoxelFunction):
    """q, the probability of the wrong class: on background the false positive part, on foreground the missed one."""

    of_error: ClassVar[bool] = True

    def value(self, at: Errors) -> Tensor:
        return at.error

    def slope(self, at: Errors) -> Tensor:
        return torch.addcmul(at.error, at.error, at.error, value=-1, out=at.room("slope"))

    def scaled_slope(self, at: Errors, factor: float, out: Tensor) -> Tensor:
        factors = at.error.new_tensor(factor).expand_as(at.error)
        return torch.ops.aten.sigmoid_backward.grad_input(factors, at.error, grad_input=out)


@dataclass(frozen=True)
class SquaredError(VoxelFunction):
    """q^2."""

    of_error: ClassVar[bool] = True

    def value(self, at: Errors) -> Tensor:
        return torch.square(at.error, out=at.room("value"))

    def slope(self, at: Errors) -> Tensor:
        return torch.mul(at.error, at.complement, out=at.room("slope")).mul_(at.error).mul_(2)


@dataclass(frozen=True)
class Truth(VoxelFunction):
    """1 - q, the probability of the right class. Not 0 where nothing is wrong: ask for its foreground only."""

    of_error: ClassVar[bool] = True

    def value(self, at: Errors) -> Tensor:
        return at.truth

    def slope(self, at: Errors) -> Tensor:
        return -at.truth * at.error


@dataclass(frozen=True)
class SquaredTruth(VoxelFunction):
    """(1 - q)^2; foreground only, as `Truth`."""

    of_error: ClassVar[bool] = True

    def value(self, at: Errors) -> Tensor:
        return at.truth.square()

    def slope(self, at: Errors) -> Tensor:
        return -2 * at.truth.square() * at.error


@dataclass(frozen=True)
class CrossEntropyError(VoxelFunction):
    """-log(1 - q)."""

    def value(self, at: Errors) -> Tensor:
        return at.cross_entropy

    def slope(self, at: Errors) -> Tensor:
        return at.error

    def total(self, at: Errors) -> Tensor:
        return at.total_cross_entropy()


@dataclass(frozen=True)
class FocalError(VoxelFunction):
    """-q^gamma log(1 - q), gamma >= 0."""

    gamma: float

    def value(self, at: Errors) -> Tensor:
        return self._negative(at).neg_()

    def total(self, at: Errors) -> Tensor:
        return -self._negative(at).sum()

    def _negative(self, at: Errors) -> Tensor:
        power = torch.pow(at.error, self.gamma, out=at.room("value"))
        return torch.mul(power, at.log_truth, out=at.room("value"))

    def slope(self, at: Errors) -> Tensor:
        inner = torch.addcmul(at.error, at.complement, at.log_truth, value=-self.gamma, out=at.room("slope"))
        return torch.mul(torch.pow(at.error, self.gamma, out=at.room("value")), inner, out=at.room("slope"))


ERROR, SQUARED_ERROR, TRUTH, SQUARED_TRUTH = Error(), SquaredError(), Truth(), SquaredTruth()
CROSS_ENTROPY = CrossEntropyError()
# A function whose background sum nobody may ask for, for it does not vanish where voxels are left out.
FOREGROUND_ONLY: frozenset[VoxelFunction] = frozenset({TRUTH, SQUARED_TRUTH})


class _Apply(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, margin: Tensor, function: VoxelFunction) -> Tensor:
        ctx.save_for_backward(margin)
        ctx.function = function
        return function.value(Errors(margin))

    @staticmethod
    @torch.autograd.function.once_differentiable
    def backward(ctx: Any, gradient: Tensor) -> tuple[Tensor, None]:
        (margin,) = ctx.saved_tensors
        return gradient * ctx.function.slope(Errors(margin)), None


def apply(function: VoxelFunction, margin: Tensor) -> Tensor:
    """h(e) of every voxel, of the margin's shape, with the slope as written out."""
    return _Apply.apply(margin, function)


@dataclass(frozen=True)
class PoweredCrossEntropy(VoxelFunction):
    """(-log(1 - q))^gamma, gamma > 0."""

    gamma: float

    def value(self, at: Errors) -> Tensor:
        # The floor keeps an automatic slope finite where the prediction is exactly right, which is 0 all the same.
        return torch.where(at.cross_entropy > 0, self._floored(at).pow(self.gamma), torch.zeros_like(at.cross_entropy))

    def slope(self, at: Errors) -> Tensor:
        # gamma ce^gamma (q / ce): the ratio tends to 1 where gamma ce^(gamma - 1) alone tends to infinity.
        floored = self._floored(at)
        ratio = torch.div(at.error, floored, out=at.room("slope"))
        return ratio.mul_(torch.pow(floored, self.gamma, out=at.room("value"))).mul_(self.gamma)

    def _floored(self, at: Errors) -> Tensor:
        least = torch.finfo(at.cross_entropy.dtype).tiny
        return torch.clamp_min(at.cross_entropy, least, out=at.room("value"))
