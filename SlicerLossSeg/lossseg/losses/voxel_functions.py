"""What the losses sum over voxels, as functions of one number: how much a voxel errs.

The error margin e of a voxel is the logit of the probability that it is wrong: the foreground logit m where the target
is background, -m where it is foreground. Every function here is 0 (or is only used on foreground) where e = -inf, so
that a voxel can be left out of a sum. Slopes are written out, for they stay finite where automatic ones do not and
need no saved tensors.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from dataclasses import dataclass
from functools import cached_property
from typing import Any, ClassVar

import torch
from torch import Tensor

_FLOOR = 1e-12


class Workspace:
    """Memory for the quantities of one block of voxels after another, so that none is asked of the system."""

    def __init__(self, like: Tensor, voxels: int) -> None:
        self._like, self._voxels = like, voxels
        self._held: dict[str, Tensor] = {}

    def take(self, name: str, voxels: int) -> Tensor:
        if name not in self._held:
            self._held[name] = self._like.new_empty(self._voxels)
        return self._held[name][:voxels]


class Errors:
    """The quantities that voxel functions share at the error margins e, any shape, each computed at most once.

    Args:
        margin: the error margins.
        left_out: flat places whose error and cross-entropy are taken as 0.
        space: where the quantities are kept; they hold until the next block takes the same space. None: in new memory.
        error: the error where it is known already, 0 at the places that are left out.
    """

    def __init__(
        self,
        margin: Tensor,
        left_out: Tensor | None = None,
        space: Workspace | None = None,
        error: Tensor | None = None,
    ) -> None:
        self._margin, self._left_out, self._space = margin, left_out, space
        if error is not None:
            self.__dict__["error"] = error

    def room(self, name: str) -> Tensor | None:
        """Where to write a quantity of that name, to be given as `out`."""
        return None if self._space is None else self._space.take(name, len(self._margin))

    @cached_property
    def error(self) -> Tensor:
        """Probability of the wrong class, 0 to 1."""
        return self._without(torch.sigmoid(self._margin, out=self.room("error")))

    @cached_property
    def truth(self) -> Tensor:
        """Probability of the right class; not 1 - error, which loses its small values."""
        return torch.sigmoid(-self._margin)

    @cached_property
    def cross_entropy(self) -> Tensor:
        """-log of the probability of the right class, softplus(e) = max(e, 0) - log(1 - min(q, 1 - q))."""
        logarithm = torch.neg(self._lesser, out=self.room("logarithm")).log1p_()
        return torch.sub(self._surplus, logarithm, out=self.room("logarithm"))

    def total_cross_entropy(self) -> Tensor:
        """The sum of `cross_entropy`, with a quarter of the logarithms: those of the products of four factors.

        1 - a with a = min(q, 1 - q) is at least 1/2, so a product of four of them is at least 1/16, and 1 minus it is
        made of sums and products of the a alone: a + b - a b is exact for the small ones that nearly all of them are.
        """
        least, whole = self._lesser, self._margin.numel() // 4 * 4
        total = self._surplus.sum() - torch.log1p(-least[whole:]).sum()
        least, space = least[:whole], self.room("logarithm")
        for half in (whole // 2, whole // 4):
            one, other = least.chunk(2)
            out = None if space is None else space[half : 2 * half]
            least = torch.add(one, other, out=out).addcmul_(one, other, value=-1)
        return total - least.neg_().log1p_().sum()

    @cached_property
    def _lesser(self) -> Tensor:
        return torch.minimum(self.error, self.complement, out=self.room("lesser"))

    @cached_property
    def complement(self) -> Tensor:
        """1 - error, which has lost the small values of `truth`."""
        return torch.sub(1, self.error, out=self.room("complement"))

    @cached_property
    def _surplus(self) -> Tensor:
        return self._without(torch.clamp_min(self._margin, 0, out=self.room("surplus")))

    def _without(self, values: Tensor) -> Tensor:
        return values if self._left_out is None else values.index_fill_(0, self._left_out, 0)


class GivenErrors(Errors):
    """The same where error or cross-entropy are known otherwise and with their own gradient, any shape."""

    def __init__(self, *, error: Tensor | None = None, cross_entropy: Tensor | None = None) -> None:
        known = error if error is not None else cross_entropy
        assert known is not None
        super().__init__(known)
        if error is None and cross_entropy is not None:
            # The floor keeps the slope of a power below 1 finite where the prediction is exactly right.
            error = (-torch.expm1(-cross_entropy)).clamp_min(_FLOOR)
        assert error is not None
        self.__dict__ |= {"error": error, "truth": 1 - error}
        if cross_entropy is not None:
            self.__dict__["cross_entropy"] = cross_entropy


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


@dataclass(frozen=True)
class Error(VoxelFunction):
    """q, the probability of the wrong class: on background the false positive part, on foreground the missed one."""

    of_error: ClassVar[bool] = True

    def value(self, at: Errors) -> Tensor:
        return at.error

    def slope(self, at: Errors) -> Tensor:
        return torch.addcmul(at.error, at.error, at.error, value=-1, out=at.room("slope"))


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
        power = torch.pow(at.error, self.gamma, out=at.room("value"))
        return torch.mul(power, at.cross_entropy, out=at.room("value"))

    def slope(self, at: Errors) -> Tensor:
        inner = torch.addcmul(at.error, at.complement, at.cross_entropy, value=self.gamma, out=at.room("slope"))
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
