"""Distances to the surface of a prediction, kept in little memory."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from lossseg.losses.batch import Batch
from lossseg.losses.derived import DerivedWeights
from lossseg.weights import distance_field

_LARGEST = 2**16 - 1


@dataclass(frozen=True)
class PredictedDistance:
    """Distance of each voxel to the surface of the prediction, where the foreground logit is above 0.

    Attributes:
        squared: (B, *S) squared distances, in mm^2 as floating-point numbers, or as the bits of whole numbers of
            16 bits: where the spacing is the same along all axes, squared distances are such numbers in its square.
        unit: mm^2 that the number 1 stands for.
    """

    squared: Tensor
    unit: float

    @staticmethod
    @torch.no_grad()
    def of(batch: Batch, margin: Tensor) -> PredictedDistance:
        """Of foreground logits (B, *S), by a distance transform of each sample on the CPU."""
        steps = set(batch.spacing or (1.0,))
        unit, extent = min(steps) ** 2, sum((length - 1) ** 2 for length in margin.shape[1:])
        whole = len(steps) == 1 and extent <= _LARGEST
        squared = torch.empty_like(margin, dtype=torch.int16 if whole else margin.dtype)
        for number, logits in enumerate(margin):
            inside = logits > 0 if batch.valid is None else (logits > 0) & batch.valid[number]
            field = torch.from_numpy(distance_field(inside.cpu().numpy(), batch.spacing)).square_()
            if whole:
                _write_bits(field.div_(unit).round_(), squared[number])
            else:
                squared[number] = field
        return PredictedDistance(squared, unit if whole else 1.0)

    def beside(self, target: Tensor, alpha: float) -> DerivedWeights:
        """The weights d_y^alpha + d^alpha, with distances d_y (B, *S) to the target's surface in mm."""

        def weights(distance: Tensor, squared: Tensor) -> Tensor:
            if squared.dtype == torch.int16:
                squared = squared.to(torch.int32).bitwise_and_(_LARGEST)
            own = squared.to(distance.dtype, copy=True).mul_(self.unit)
            return own.pow_(alpha / 2).add_(distance.pow(alpha))

        return DerivedWeights(weights, target, self.squared)


def _write_bits(numbers: Tensor, out: Tensor) -> None:
    """Whole numbers up to 65535 as 16 bits, written to an int16 tensor of any device."""
    bits = out.numpy() if out.device.type == "cpu" else np.empty(out.shape, np.int16)
    np.copyto(bits.view(np.uint16), numbers.numpy(), casting="unsafe")
    if out.device.type != "cpu":
        out.copy_(torch.from_numpy(bits))
