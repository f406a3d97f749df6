"""The voxels that err most, found without sorting and without a copy of the logits."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from lossseg.losses.picking import places

# A prime, so that the sample falls into step with no axis, and how many more than expected are looked at.
_STRIDE, _SLACK = 61, 1.15


@dataclass(frozen=True)
class ErrorMargins:
    """The error margin of the true class of every voxel of a batch, without gradient.

    Attributes:
        values: (M,) error margins, or the margins of the foreground where `labels` say what is foreground.
        labels: (M,) 0 or 1, None if the values are error margins already.
        foreground: flat places where the labels are 1.
        valid: (M,) False where a voxel does not count; None if all do.
    """

    values: Tensor
    labels: Tensor | None = None
    foreground: Tensor | None = None
    valid: Tensor | None = None

    def at(self, places: Tensor) -> Tensor:
        """Error margins at flat places."""
        values = self.values[places]
        return values if self.labels is None else values * (1 - 2 * self.labels[places].to(values.dtype))

    def above(self, bound: float) -> Tensor:
        """Flat places, ascending, of the voxels that count and whose error margin is above a bound."""
        # Numpy compares many times as fast as torch does on a CPU.
        on_cpu = self.values.device.type == "cpu"
        mask = torch.from_numpy(self.values.numpy() > bound) if on_cpu else self.values > bound
        if self.foreground is not None:
            mask[self.foreground] = self.at(self.foreground) > bound
        return places(mask if self.valid is None else mask.logical_and_(self.valid))

    def all(self) -> Tensor:
        """Flat places, ascending, of the voxels that count."""
        if self.valid is not None:
            return places(self.valid)
        return torch.arange(len(self.values), device=self.values.device)

    def sample(self) -> Tensor:
        """Every 61st of the values, to guess a bound by."""
        return self.values[::_STRIDE].contiguous()


@dataclass(frozen=True)
class Hard:
    """Flat places of the voxels that count.

    Attributes:
        above: those that count as one voxel each.
        tied: those that are equal to the least of them, each of which counts as `share` of a voxel, above 0 to 1.
    """

    above: Tensor
    tied: Tensor | None = None
    share: float = 1.0

    @property
    def count(self) -> float:
        return len(self.above) + (0 if self.tied is None else self.share * len(self.tied))


def hardest(errors: ErrorMargins, count: int) -> Hard:
    """The `count` voxels that err most. Of no voxels there are none."""
    # The cross-entropy rises with the error margin, so the hardest voxels are found without computing it.
    listed = _candidates(errors, count)
    if not count:
        return Hard(listed)
    values = errors.at(listed)
    threshold = _largest(values, count)
    above, tied = listed[values > threshold], listed[values == threshold]
    return Hard(above, tied, (count - len(above)) / len(tied))


def _candidates(errors: ErrorMargins, count: int) -> Tensor:
    """Places among which the `count` largest values are: those above a bound that a sample suggests."""
    if not count:
        return errors.above(float("inf"))
    sample = errors.sample()
    expected = int(_SLACK * count / _STRIDE) + _STRIDE
    if expected < len(sample):
        # Above a number is not below the next smaller one.
        bound = torch.nextafter(_largest(sample, expected), sample.new_tensor(float("-inf")))
        found = errors.above(float(bound))
        if len(found) >= count:
            return found
    return errors.all()


def _largest(values: Tensor, count: int) -> Tensor:
    """The `count`-th largest value, without sorting."""
    if values.device.type == "cpu":
        place = values.numel() - count
        return torch.from_numpy(np.partition(values.numpy(), place)[place : place + 1])
    return torch.topk(values, count, sorted=False).values.min()
