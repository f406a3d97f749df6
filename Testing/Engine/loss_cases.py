"""Logits and targets for the tests of losses, and the most naive way from logits to probabilities."""

from __future__ import annotations

import torch
from torch import Tensor

from lossseg.losses import build

SHAPES = {"3D": (4, 5, 6), "2D": (9, 11)}


def case(
    channels: int,
    *,
    shape: tuple[int, ...] = (4, 5, 6),
    share: float = 0.5,
    batch: int = 2,
    seed: int = 0,
) -> tuple[Tensor, Tensor]:
    """Logits (B, C, *S) in float64 and a target (B, 1, *S) with about that share of foreground and every class.

    One foreground class of up to 3 % is summed by its places, more of it by all voxels.
    """
    generator = torch.Generator().manual_seed(seed)
    logits = 3 * torch.randn(batch, channels, *shape, generator=generator, dtype=torch.float64)
    classes = torch.randint(1, max(channels, 2), (batch, 1, *shape), generator=generator)
    target = classes * (torch.rand(batch, 1, *shape, generator=generator) < share)
    for number in range(1, max(channels, 2)):
        target[:, 0].reshape(batch, -1)[:, 7 * number] = number
    return logits, target


def probabilities(logits: Tensor) -> Tensor:
    """(B, C, *S) with the background first, also for a single foreground logit."""
    if logits.shape[1] == 1:
        p = 1 / (1 + torch.exp(-logits))
        return torch.cat([1 - p, p], 1)
    return torch.exp(logits) / torch.exp(logits).sum(1, keepdim=True)


def one_hot(logits: Tensor, target: Tensor) -> tuple[Tensor, Tensor]:
    """p and y of all classes, (B, C, N) with the background first."""
    p = probabilities(logits)
    y = torch.stack([target[:, 0] == number for number in range(p.shape[1])], 1).to(p)
    return p.flatten(2), y.flatten(2)


def value(expression: str, logits: Tensor, target: Tensor) -> float:
    return build(expression, classes=max(logits.shape[1], 2))(logits, target).item()
