"""How fast a series of values changes."""

from __future__ import annotations

import math

import torch
from torch import Tensor


def forward_difference(recent: Tensor) -> Tensor:
    """The derivative at the oldest of n equally spaced values, by the difference of order n - 1.

    The formula that is exact for polynomials of degree n - 1 (Fornberg, Math. Comp. 51 (1988) 699-706); for five
    values -25/12, 4, -3, 4/3, -1/4.

    Args:
        recent: (n, k), n >= 2 values of k series, the oldest first.

    Returns:
        (k,) slopes per step.
    """
    order = len(recent) - 1
    coefficients = [-sum(1 / i for i in range(1, order + 1))]
    coefficients += [(-1) ** (i + 1) * math.comb(order, i) / i for i in range(1, order + 1)]
    return torch.tensor(coefficients, dtype=recent.dtype, device=recent.device) @ recent
