"""Whether a loss is worth a training at all: one that is not higher where all is wrong than where all is right."""

from __future__ import annotations

import torch

from lossseg.losses import Loss
from lossseg.losses.curves import CurveLoss


def teaches(loss: Loss) -> bool:
    """Whether both curves of a loss, for background and foreground, lie higher at an error of 1 than at 0."""
    assert isinstance(loss, CurveLoss)
    wrong = torch.ones(1)
    return all(float(curve.height(wrong)) > 0 for curve in (loss.background, loss.foreground))
