"""Running average of the weights along one run (exponential, with a warm-up so that early steps do not linger)."""

from __future__ import annotations

import copy

import torch
from torch import nn


class AveragedWeights:
    """An exponential moving average of a network's parameters; float32 whatever the network computes in.

    The decay of step n is min(decay, (1 + n) / (10 + n)), so that short runs are averaged over their last tenth
    rather than over their beginning.
    """

    def __init__(self, network: nn.Module, decay: float) -> None:
        self.network = copy.deepcopy(network).eval().requires_grad_(False)
        self._decay = decay

    @torch.no_grad()
    def update(self, network: nn.Module, step: int) -> None:
        """Take in the parameters after optimizer step `step`, counted from 1."""
        decay = min(self._decay, (1 + step) / (10 + step))
        own = [*self.network.parameters(), *self.network.buffers()]
        new = [*network.parameters(), *network.buffers()]
        floating = [(a, b.detach()) for a, b in zip(own, new, strict=True) if a.is_floating_point()]
        torch._foreach_lerp_([a for a, _ in floating], [b for _, b in floating], 1 - decay)
        for a, b in zip(own, new, strict=True):
            if not a.is_floating_point():
                a.copy_(b)
