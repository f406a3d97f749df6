"""A made-up task on which losses can be searched in seconds: rare bright squares in noise, with wrong labels."""

from __future__ import annotations

import torch
from torch import nn

from lossseg.studies.learned.proxy import Patches, Proxy

SIDE = 16


def patches(count: int, seed: int, *, wrong: float = 0.35) -> Patches:
    """Images with one square of 3 or 4 pixels a side; that share of its pixels lacks its label."""
    generator = torch.Generator().manual_seed(seed)
    truth = torch.zeros(count, 1, SIDE, SIDE)
    for number in range(count):
        side = int(torch.randint(3, 5, (1,), generator=generator))
        y, x = torch.randint(0, SIDE - side, (2,), generator=generator).tolist()
        truth[number, 0, y : y + side, x : x + side] = 1
    images = 1.2 * truth + torch.randn(truth.shape, generator=generator)
    dropped = torch.rand(truth.shape, generator=generator) < wrong
    return Patches(images, torch.where(dropped, torch.zeros_like(truth), truth).to(torch.uint8))


def toy(steps: int = 60, **changed) -> Proxy:
    """A single convolution; training labels are wrong, those that judge are right."""
    return Proxy(
        network=lambda: nn.Conv2d(1, 1, 5, padding=2),
        training=patches(32, 1),
        validation=patches(32, 2, wrong=0),
        test=patches(64, 3, wrong=0),
        steps=steps,
        batch=8,
        rate=0.05,
        **changed,
    )
