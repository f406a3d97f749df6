"""A found loss drawn against others: its shape for background and foreground, and which of the two pulls harder."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import torch

from lossseg.evaluation.figure_style import COLOURS, DASHES, SOFT, blank, encode, styled
from lossseg.files import atomic
from lossseg.losses import Loss, build

if TYPE_CHECKING:
    from matplotlib.axes import Axes

SIZE, BALL = 24, 3
"""A cube of 24 voxels a side with one ball of 3 voxels' radius: 123 of 13,824 voxels."""

_POINTS = 60
_LOW, _HIGH, _RIGHT = 0.005, 0.995, 0.005


@dataclass(frozen=True)
class Curves:
    """One loss over the error probability of the voxels of one truth, those of the other being nearly right.

    Attributes:
        error: (M,) from 0.005 to 0.995.
        background, foreground: (M,) the loss less its first value, over its largest deviation from that.
        pull: (M,) gradient of a foreground voxel's logit over that of a background voxel, both of that error.
    """

    error: np.ndarray
    background: np.ndarray
    foreground: np.ndarray
    pull: np.ndarray


def curves(loss: Loss) -> Curves:
    """The curves of a loss for one foreground class."""
    axes = torch.meshgrid(*[torch.arange(SIZE) - SIZE // 2] * 3, indexing="ij")
    truth = (torch.stack(axes).square().sum(0) <= BALL**2)[None, None]
    target = truth.to(torch.uint8)
    errors = torch.linspace(_LOW, _HIGH, _POINTS, dtype=torch.float64)
    right = torch.tensor(_RIGHT, dtype=torch.float64)

    def value(background: torch.Tensor, foreground: torch.Tensor) -> tuple[float, torch.Tensor]:
        logits = torch.where(truth, torch.logit(1 - foreground), torch.logit(background)).requires_grad_()
        result = loss(logits, target)
        (gradient,) = torch.autograd.grad(result, logits)
        return float(result.detach()), gradient.abs()

    below = np.array([value(error, right)[0] for error in errors])
    above = np.array([value(right, error)[0] for error in errors])
    pulls = []
    for error in errors:
        gradient = value(error, error)[1]
        least = max(float(gradient[~truth].mean()), 1e-30)
        pulls.append(float(gradient[truth].mean()) / least)
    return Curves(errors.numpy(), _shape(below), _shape(above), np.array(pulls))


def write_curves(path: Path, losses: Mapping[str, str], spacing: tuple[float, ...] | None = None) -> Path:
    """Draw expressions by their titles into a PNG.

    Raises:
        MissingDependency: matplotlib is not installed.
    """
    with styled("loss curves"):
        figure, (background, foreground, pull) = blank(11, 3.6, 1, 3)
        for number, (title, expression) in enumerate(losses.items()):
            loss = build(expression)
            loss.spacing = spacing
            found = curves(loss)
            look: dict[str, Any] = {"color": COLOURS[number], "linestyle": DASHES[number], "label": title}
            background.plot(found.error, found.background, **look)
            foreground.plot(found.error, found.foreground, **look)
            pull.plot(found.error, found.pull, **look)
        _label(background, "Background voxels", "loss, scaled")
        _label(foreground, "Foreground voxels", "loss, scaled")
        _label(pull, "Pull of a foreground voxel", "times that of a background voxel")
        pull.set_yscale("log")
        pull.axhline(1, color=SOFT, linewidth=0.8, zorder=0)
        foreground.legend(loc="upper left")
        data = encode(figure, "png")
    with atomic(path) as beside:
        beside.write_bytes(data)
    return path


def _label(axes: Axes, title: str, value: str) -> None:
    axes.set_title(title)
    axes.set_xlabel("probability of the wrong class")
    axes.set_ylabel(value)
    axes.set_xlim(0, 1)


def _shape(values: np.ndarray) -> np.ndarray:
    moved = values - values[0]
    largest = np.abs(moved).max()
    return moved / largest if largest > 0 else moved
