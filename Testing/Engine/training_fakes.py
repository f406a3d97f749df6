"""What training is tested with: a small dataset, a listener that keeps everything, a loss that learns and adapts."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from lossseg.dataset import add_case, create_dataset
from lossseg.images import Geometry, Volume
from lossseg.losses import Loss
from lossseg.reporting import Silent

SIZE = (20, 24, 24)
TINY: dict[str, Any] = {"filters": (4, 8, 8), "patch": (16, 16, 16), "batch": 2, "workers": 0, "device": "cpu"}


def blobs(folder: Path) -> Path:
    """A dataset of six small volumes with bright blobs; one of them without any lesion."""
    create_dataset(folder, "Blobs", ("MR",), {"background": 0, "lesion": 1})
    rng = np.random.default_rng(3)
    geometry = Geometry(SIZE, (1.0, 1.0, 1.0), (0.0, 0.0, 0.0), (1.0, 0.0, 0.0, 0.0, 1.0, 0.0, 0.0, 0.0, 1.0))
    for index in range(6):
        image = rng.normal(100, 10, SIZE).astype(np.float32)
        label = np.zeros(SIZE, np.uint8)
        for _ in range(0 if index == 5 else 3):
            z, y, x = (int(rng.integers(2, n - 6)) for n in SIZE)
            label[z : z + 4, y : y + 4, x : x + 4] = 1
        image[label > 0] += 80
        add_case(folder, f"case_{index}", [Volume(image, geometry)], Volume(label, geometry))
    return folder


class Recorder(Silent):
    """Keeps what a run reports; cancels from the given step on."""

    def __init__(self, cancel_at: int | None = None) -> None:
        self.values: dict[tuple[str, str], list[tuple[int, float]]] = {}
        self.step, self._cancel_at = 0, cancel_at
        super().__init__(lambda: self._cancel_at is not None and self.step >= self._cancel_at)

    def metric(self, name: str, step: int, value: float, series: str = "") -> None:
        self.step = max(self.step, step)
        self.values.setdefault((series, name), []).append((step, value))


class Leaning(Loss):
    """factor * mean((p - y)^2) + pull * lean: learns `lean`, and multiplies the buffer `factor` by 0.9 each epoch.

    The gradient of `lean` is `pull` in every step, so that Adam moves it by its learning rate, 0.01, in each.
    """

    def __init__(self, pull: float = 1000.0, needs: frozenset[str] = frozenset()) -> None:
        super().__init__(classes=2)
        self.expression, self._needs, self.pull = "leaning", needs, pull
        self.lean = nn.Parameter(torch.zeros(()))
        self.register_buffer("factor", torch.ones(()))
        self.register_buffer("calls", torch.zeros((), dtype=torch.int64))
        self.values: list[float] = []
        self.ended: list[dict[str, float]] = []

    def forward(self, logits: Tensor, target: Tensor, maps: Mapping[str, Tensor] | None = None) -> Tensor:
        foreground = logits[:, 1:] - logits[:, :1]
        value = self.factor * (torch.sigmoid(foreground.float()) - target).square().mean()
        value = value * (1 + 0.01 * (self.calls % 3)) + self.pull * self.lean
        self.calls += 1
        self.values.append(float(value.detach()))
        return value

    @property
    def own_maps(self) -> frozenset[str]:
        return self._needs

    def own_parameters(self) -> list[dict[str, Any]]:
        return [{"params": [self.lean], "lr": 0.01}]

    def own_learned(self) -> dict[str, float]:
        return {"lean": float(self.lean.detach())}

    def end_epoch(self, metrics: Mapping[str, float]) -> None:
        self.ended.append(dict(metrics))
        self.factor *= 0.9
