"""Models whose networks are one line, so that a test knows by hand what prediction must give."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import nn

from lossseg.images import Geometry, Volume
from lossseg.model import Model
from lossseg.preprocessing import ChannelKind, ChannelScheme, Plan


class Pointwise(nn.Module):
    """A network that sees one voxel at a time: a windowed prediction of it must equal a direct one."""

    def __init__(self, function: Callable[[torch.Tensor], torch.Tensor]) -> None:
        super().__init__()
        self.function = function

    def forward(self, windows: torch.Tensor) -> torch.Tensor:
        return self.function(windows)


def linear(slope: float, shift: float = 0.0) -> Pointwise:
    """Two classes; the foreground's logit is slope * (first channel) + shift."""
    return Pointwise(lambda x: torch.cat([torch.zeros_like(x[:, :1]), slope * x[:, :1] + shift], 1))


@dataclass(frozen=True)
class FakeModel(Model):
    """A model without files."""

    net: nn.Module = field(default_factory=lambda: linear(1.0))

    def network(self) -> nn.Module:
        return self.net.eval()


def model(
    net: nn.Module,
    *,
    patch: tuple[int, int, int] = (8, 8, 8),
    spacing: tuple[float, float, float] = (1.0, 1.0, 1.0),
    channels: Sequence[str] = ("MR",),
    labels: dict[str, int] | None = None,
    strides: Sequence[int] = (1, 2),
    kind: ChannelKind = ChannelKind.NONE,
    name: str = "model",
) -> FakeModel:
    plan = Plan(
        channels=tuple(ChannelScheme(channel, kind) for channel in channels),
        spacing=spacing,
        patch=patch,
        batch=2,
        labels=labels or {"background": 0, "lesion": 1},
        network={"strides": list(strides)},
    )
    return FakeModel(Path(name), plan, "dice + ce", net=net)


def volume(array: np.ndarray, **geometry: Any) -> Volume:
    """A volume with 1 mm voxels along the patient's axes (S, P, L), unless `geometry` says otherwise."""
    values = {"spacing": (1.0, 1.0, 1.0)} | geometry
    return Volume(array.astype(np.float32), Geometry(size=array.shape, **values))


def noise(shape: tuple[int, ...], seed: int = 0) -> np.ndarray:
    return np.random.default_rng(seed).normal(size=shape).astype(np.float32)


def sigmoid(values: np.ndarray) -> np.ndarray:
    return 1 / (1 + np.exp(-values.astype(np.float64)))
