"""Parameters that training finds together with the weights of the network."""

from __future__ import annotations

import math

import torch
from torch import Tensor, nn

from lossseg.errors import InputError


class Balance(nn.Module):
    """Two weights that sum to 1, by a softmax of two logits (Chanti et al. 2020), each at least `low`.

    The gradient of the published form (low = 0) always takes from the weight of the larger error, so that it falls to
    0 and that error is no longer seen: with a large learning rate everything becomes foreground. The bound keeps both
    errors in the loss.

    Attributes:
        logits: (2,), both 0 at first: the weights are 0.5.
    """

    def __init__(self, low: float) -> None:
        super().__init__()
        self.low = low
        self.logits = nn.Parameter(torch.zeros(2))

    def forward(self) -> Tensor:
        """(2,), the two weights."""
        return self.low + (1 - 2 * self.low) * torch.softmax(self.logits, 0)


class Bounded(nn.Module):
    """One number between two bounds, by a sigmoid of one logit.

    Attributes:
        logit: scalar.
    """

    def __init__(self, start: float, low: float, high: float) -> None:
        super().__init__()
        if not low < start < high:
            raise InputError(f"A number between {low:g} and {high:g} cannot start at {start:g}.", "Start within them.")
        self.low, self.high = low, high
        self.logit = nn.Parameter(torch.tensor(math.log((start - low) / (high - start))))

    def forward(self) -> Tensor:
        """Scalar, the number."""
        return self.low + (self.high - self.low) * torch.sigmoid(self.logit)
