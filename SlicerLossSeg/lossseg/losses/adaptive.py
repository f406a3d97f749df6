"""Sums of losses whose weights follow the course of training."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import torch
from torch import Tensor, nn

from lossseg.losses.batch import Batch
from lossseg.losses.loss import Loss, implements
from lossseg.losses.reduction import Reduction
from lossseg.losses.slopes import forward_difference

# Keeps a ratio finite where a loss or all slopes vanish.
TINY = 1e-8


class Adaptive(Loss):
    """The sum of the losses inside, each times a weight that is updated after every step of training.

    The weights of a step come from the steps before it, and no gradient flows through them. They change only while
    the module trains (`train()`), and are kept in buffers, so that a resumed training goes on with them. Values that
    are not finite are not learned from.
    """

    weights: Tensor

    def __init__(self, *inside: Loss, classes: int) -> None:
        super().__init__(*inside, classes=classes)
        self.register_buffer("weights", torch.ones(len(inside), dtype=torch.float64))

    def value(self, batch: Batch, reduction: Reduction) -> Tensor:
        values = torch.stack([inner.value(batch, reduction) for inner in self.children_inside()])
        weights = self.weights.to(values)
        if self.training and self.observing:
            seen = values.detach().double()
            if bool(torch.isfinite(seen).all()):
                weights = self.follow(seen).to(values)
        elif not self.training:
            weights = self.at_rest().to(values)
        return (weights * values).sum()

    def follow(self, values: Tensor) -> Tensor:
        """Takes notice of this step's values (n,) and returns the weights (n,) that this step uses."""
        raise NotImplementedError

    def at_rest(self) -> Tensor:
        """The weights (n,) outside of training."""
        return self.weights

    def own_learned(self) -> dict[str, float]:
        return {
            f"weight_{inner.expression}": float(weight)
            for inner, weight in zip(self.children_inside(), self.weights, strict=True)
        }


@implements("softadapt")
class SoftAdapt(Adaptive):
    """Weights by the recent slopes of the losses: the one that falls least gets most (Heydari et al. 2019).

    w_k = exp(b (s_k - max s)) / sum over all, s_k being the finite-difference slope of loss k over the last `history`
    values, of the highest order that they allow. `variant`:

    - `plain`: as above.
    - `weighted`: each exponential times the mean of the loss's last values, so that large losses count more.
    - `normalized`: slopes divided by the sum of their absolute values. (The published code divides by their signed
      sum, which is negative as long as the losses fall: then the order of the weights turns around.)

    As in the published code the weights sum to 1; here they are multiplied by the number of losses, so that equal
    weights give the plain sum. `every` values are gathered between two updates.
    """

    recent: Tensor
    count: Tensor

    def __init__(self, *inside: Loss, classes: int, beta: float, variant: str, history: float, every: float) -> None:
        super().__init__(*inside, classes=classes)
        self.beta, self.variant, self.history, self.every = beta, variant, int(history), int(every)
        self.register_buffer("recent", torch.zeros(self.history, len(inside), dtype=torch.float64))
        self.register_buffer("count", torch.zeros((), dtype=torch.int64))

    def follow(self, values: Tensor) -> Tensor:
        before = self.weights.clone()
        self.recent.copy_(torch.cat([self.recent[1:], values[None].to(self.recent)]))
        self.count += 1
        if self.count >= self.history and int(self.count) % self.every == 0:
            shares = softadapt_shares(self.recent, self.beta, self.variant)
            self.weights.copy_(shares * len(shares))
        return before


def softadapt_shares(recent: Tensor, beta: float, variant: str) -> Tensor:
    """The shares (n,) for the last values of n losses, `recent` (history, n) with the oldest first; they sum to 1."""
    slopes = forward_difference(recent)
    if variant == "normalized":
        slopes = slopes / (slopes.abs().sum() + TINY)
    exponentials = torch.exp(beta * (slopes - slopes.max()))
    if variant == "weighted":
        exponentials = exponentials * recent.mean(0)
    return exponentials / (exponentials.sum() + TINY)


@implements("cov")
class CovWeighting(Adaptive):
    """Weights by the coefficient of variation of the loss ratios (Groenendijk et al. 2021, CoV-weighting).

    l = L_t / mean(L)_{t-1} for each loss, w = (sigma_l / mean_l) / sum over all, with running means over the whole
    training: a loss that still varies relative to its mean has more to learn. The first two steps weigh alike. As
    published the weights sum to 1 and outside of training the value is the plain sum; here they are multiplied by the
    number of losses, so that equal weights give the plain sum.
    """

    count: Tensor
    mean_value: Tensor
    mean_ratio: Tensor
    spread: Tensor

    def __init__(self, *inside: Loss, classes: int) -> None:
        super().__init__(*inside, classes=classes)
        self.register_buffer("count", torch.zeros((), dtype=torch.int64))
        for name in ("mean_value", "mean_ratio", "spread"):
            self.register_buffer(name, torch.zeros(len(inside), dtype=torch.float64))

    def at_rest(self) -> Tensor:
        return torch.ones_like(self.weights)

    def follow(self, values: Tensor) -> Tensor:
        values = values.to(self.mean_value)
        first = int(self.count) == 0
        ratio = torch.ones_like(values) if first else values / self.mean_value.clamp_min(TINY)
        self.count += 1
        steps = int(self.count)
        if steps > 2:
            variation = (self.spread / (steps - 1) + TINY).sqrt() / self.mean_ratio
            self.weights.copy_(variation / variation.sum() * len(variation))
        self._observe(values, ratio, steps)
        return self.weights.clone()

    def _observe(self, values: Tensor, ratio: Tensor, steps: int) -> None:
        """Welford's running mean and sum of squared deviations."""
        before = ratio - self.mean_ratio
        self.mean_ratio += before / steps
        self.spread += before * (ratio - self.mean_ratio)
        self.mean_value += (values - self.mean_value) / steps


@implements("uncertainty")
class Uncertainty(Loss):
    """sum_k exp(-s_k) L_k + s_k / 2, with one learned s_k = log sigma_k^2 per loss (Kendall et al. 2018).

    This is L / (2 sigma^2) + log sigma with the factor 1/2 of the loss taken into its scale, so that s = 0, where
    training begins, is the plain sum. The s_k are trained by Adam at the rate `lr` and can make the value negative.
    """

    def __init__(self, *inside: Loss, classes: int, lr: float) -> None:
        super().__init__(*inside, classes=classes)
        self.lr = lr
        self.log_variances = nn.Parameter(torch.zeros(len(inside)))

    def value(self, batch: Batch, reduction: Reduction) -> Tensor:
        values = torch.stack([inner.value(batch, reduction) for inner in self.children_inside()])
        logs = self.log_variances.to(values)
        return (torch.exp(-logs) * values + logs / 2).sum()

    def own_learned(self) -> dict[str, float]:
        weights = torch.exp(-self.log_variances.detach())
        return {
            f"weight_{inner.expression}": float(weight)
            for inner, weight in zip(self.children_inside(), weights, strict=True)
        }

    def own_parameters(self) -> list[dict[str, Any]]:
        return [{"params": [self.log_variances], "lr": self.lr}]


@implements("schedule")
class Schedule(Loss):
    """The loss inside times a weight that changes by `step` after every epoch, from `start` to `stop` at most.

    With step 0.01 and start 0.01 it is the weight of the boundary loss in Kervadec et al. 2019, which rises by 0.01
    per epoch.
    """

    epoch: Tensor

    def __init__(self, *inside: Loss, classes: int, start: float, step: float, stop: float) -> None:
        super().__init__(*inside, classes=classes)
        self.start, self.step, self.stop = start, step, stop
        self.register_buffer("epoch", torch.zeros((), dtype=torch.int64))

    @property
    def weight(self) -> float:
        reached = self.start + self.step * int(self.epoch)
        return min(reached, self.stop) if self.step >= 0 else max(reached, self.stop)

    def value(self, batch: Batch, reduction: Reduction) -> Tensor:
        (inner,) = self.children_inside()
        return self.weight * inner.value(batch, reduction)

    def end_epoch(self, metrics: Mapping[str, float]) -> None:
        super().end_epoch(metrics)
        self.epoch += 1

    def own_learned(self) -> dict[str, float]:
        return {"weight": self.weight}
