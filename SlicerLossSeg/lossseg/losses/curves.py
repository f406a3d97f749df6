"""Losses that are two curves over the probability of the wrong class: one for background, one for foreground voxels."""

from __future__ import annotations

from abc import abstractmethod
from dataclasses import dataclass

import torch
from torch import Tensor

from lossseg.losses.batch import Batch
from lossseg.losses.loss import Loss
from lossseg.losses.quantities import Errors
from lossseg.losses.reduction import Reduction
from lossseg.losses.voxel_functions import VoxelFunction

# Voxels done at once by a curve that needs many intermediate results for each.
_CHUNK = 1 << 14


class Curve(VoxelFunction):
    """A function h(q) of the error probability, less h(0), so that voxels can be left out of a sum."""

    @abstractmethod
    def height(self, error: Tensor) -> Tensor:
        """h(q) - h(0) of any shape."""

    @abstractmethod
    def steepness(self, error: Tensor) -> Tensor:
        """dh / dq."""

    def value(self, at: Errors) -> Tensor:
        return self.height(at.error)

    def slope(self, at: Errors) -> Tensor:
        return self.steepness(at.error) * at.error * (1 - at.error)


@dataclass(frozen=True)
class Cubic(Curve):
    """linear q + square q^2 + cube q^3."""

    linear: float
    square: float
    cube: float

    def height(self, error: Tensor) -> Tensor:
        return error * (self.linear + error * (self.square + error * self.cube))

    def steepness(self, error: Tensor) -> Tensor:
        return self.linear + error * (2 * self.square + error * (3 * self.cube))


class TracedCurve(Curve):
    """A curve whose slope is found by automatic differentiation, piece by piece, so that its memory stays small."""

    @abstractmethod
    def raw(self, error: Tensor) -> Tensor:
        """h(q) of (M,), differentiable; each value depends on its own q only."""

    def height(self, error: Tensor) -> Tensor:
        flat = torch.cat([error.reshape(-1), error.new_zeros(1)])
        with torch.no_grad():
            heights = torch.cat([self.raw(piece) for piece in flat.split(_CHUNK)])
        return (heights[:-1] - heights[-1]).view_as(error)

    def steepness(self, error: Tensor) -> Tensor:
        found = []
        for piece in error.detach().reshape(-1).split(_CHUNK):
            with torch.enable_grad():
                traced = piece.clone().requires_grad_()
                total = self.raw(traced).sum()
                # A curve that is flat by its make has no gradient at all.
                known = torch.autograd.grad(total, traced, allow_unused=True) if total.requires_grad else (None,)
            found.append(torch.zeros_like(piece) if known[0] is None else known[0])
        return torch.cat(found).view_as(error)


class CurveLoss(Loss):
    """Mean over voxels and foreground classes of the curve of the voxel's truth, in "this class or not"."""

    background: Curve
    foreground: Curve

    def __init__(self, background: Curve, foreground: Curve, *, classes: int) -> None:
        super().__init__(classes=classes)
        self.background, self.foreground = background, foreground

    def own_sums(self) -> tuple[VoxelFunction, ...]:
        return tuple(dict.fromkeys((self.background, self.foreground)))

    def value(self, batch: Batch, reduction: Reduction) -> Tensor:
        below = reduction.per_class(self.background).background
        return reduction.mean(below + reduction.per_class(self.foreground).foreground)
