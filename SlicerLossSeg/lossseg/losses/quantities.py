"""What the voxel functions share at the error margins of some voxels, each computed at most once."""

from __future__ import annotations

from functools import cached_property

import numpy as np
import torch
from torch import Tensor

_FLOOR = 1e-12
# Share of a block's voxels that may be treated one by one before treating all alike costs less.
_FEW = 1 / 16


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
        """-log of the probability of the right class."""
        return torch.neg(self.log_truth, out=self.room("cross_entropy"))

    @cached_property
    def log_truth(self) -> Tensor:
        """Log of the probability of the right class, -softplus(e) = log(1 - min(q, 1 - q)) - max(e, 0)."""
        wrong = self._wrong
        if wrong is None:
            logarithm = torch.neg(self._lesser, out=self.room("logarithm")).log1p_()
            return torch.sub(logarithm, self._surplus, out=self.room("logarithm"))
        logarithm = torch.neg(self.error, out=self.room("logarithm")).log1p_()
        return logarithm.index_copy_(0, wrong, -_of_wrong(self._margin[wrong]))

    def total_cross_entropy(self) -> Tensor:
        """The sum of `cross_entropy`, with a quarter of the logarithms: those of the products of four factors.

        1 - a with a = min(q, 1 - q) is at least 1/2, so a product of four of them is at least 1/16, and 1 minus it is
        made of sums and products of the a alone: a + b - a b is exact for the small ones that nearly all of them are.
        """
        wrong = self._wrong
        if wrong is None:
            return self._surplus.sum() - self._sum_of_logarithms(self._lesser)
        known = self.error[wrong]
        self.error.index_fill_(0, wrong, 0)
        total = _of_wrong(self._margin[wrong]).sum() - self._sum_of_logarithms(self.error)
        self.error.index_copy_(0, wrong, known)
        return total

    def _sum_of_logarithms(self, least: Tensor) -> Tensor:
        """The sum of log(1 - a) over a (M,) of at most 1/2."""
        whole = len(least) // 4 * 4
        rest = torch.log1p(-least[whole:]).sum()
        least, space = least[:whole], self.room("logarithm")
        for half in (whole // 2, whole // 4):
            one, other = least.chunk(2)
            out = None if space is None else space[half : 2 * half]
            least = torch.add(one, other, out=out).addcmul_(one, other, value=-1)
        return rest + least.neg_().log1p_().sum()

    @cached_property
    def _wrong(self) -> Tensor | None:
        """Places in a block whose error is above 1/2; None where they are many, or there is no block."""
        if self._space is None:
            return None
        listed = np.flatnonzero(self.error.numpy() > 0.5)
        return torch.from_numpy(listed) if len(listed) <= _FEW * len(self._margin) else None

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
            self.__dict__ |= {"cross_entropy": cross_entropy, "log_truth": -cross_entropy}


def _of_wrong(margin: Tensor) -> Tensor:
    """softplus(e) of margins above 0."""
    return margin + torch.exp(-margin).log1p_()
