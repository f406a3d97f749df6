"""Training what a loss itself learns, beside the network."""

from __future__ import annotations

import torch

from lossseg.losses import Loss
from lossseg.training import checkpoint as checkpoints
from lossseg.training.checkpoint import Tensors


class LossOptimizer:
    """Adam over a loss's `parameter_groups`, each with its own learning rate, which stays; nothing without any.

    It is no part of the network's optimizer: a loss has a few numbers, whose gradients neither count among the
    network's when those are clipped nor follow its schedule, and which know no weight decay.
    """

    def __init__(self, loss: Loss) -> None:
        groups = loss.parameter_groups()
        self._adam = torch.optim.Adam(groups) if groups else None

    def zero_grad(self) -> None:
        if self._adam is not None:
            self._adam.zero_grad(set_to_none=True)

    def step(self, scaler: torch.amp.GradScaler) -> None:
        """One step on the gradients of a scaled loss; none if this batch asked the parameters for nothing."""
        if self._adam is None:
            return
        if any(parameter.grad is not None for group in self._adam.param_groups for parameter in group["params"]):
            scaler.step(self._adam)

    def tensors(self) -> Tensors:
        """Its state, for a checkpoint."""
        return {} if self._adam is None else checkpoints.optimizer_tensors(self._adam)

    def restore(self, tensors: Tensors) -> None:
        """Put back what `tensors` gave."""
        if self._adam is not None:
            checkpoints.restore_optimizer(self._adam, tensors)
