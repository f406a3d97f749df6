"""What runs a network on a batch of windows: one small interface, so that another engine can take torch's place."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import nullcontext
from enum import StrEnum
from itertools import product
from typing import Protocol

import torch
from torch import nn

from lossseg.inference.device import reduced_precision
from lossseg.model import Model


class Precision(StrEnum):
    AUTO = "auto"
    """16 bits where the device is fast in them (see `device.reduced_precision`), else 32."""
    FULL = "full"
    """32 bits everywhere."""


class Backend(Protocol):
    """A network, ready to compute."""

    def run(self, windows: torch.Tensor) -> torch.Tensor:
        """Logits (n, K, z, y, x), floating point of any width and on any device, of windows (n, C, z, y, x) float32."""
        ...


BackendFactory = Callable[[Model, torch.device, Precision], Backend]


class TorchBackend:
    """Runs `network`, an `nn.Module` in eval mode, on `device`; `autocast` names the 16-bit type or None."""

    def __init__(
        self,
        network: nn.Module,
        device: torch.device,
        autocast: torch.dtype | None = None,
        *,
        channels_last: bool = False,
    ) -> None:
        self._device, self._autocast = device, autocast
        self._layout = torch.channels_last_3d if channels_last else torch.contiguous_format
        self._network = network.to(device)
        if channels_last:
            # nn.Module.to knows the keyword, its type stub only the two-dimensional layouts.
            self._network = self._network.to(memory_format=self._layout)  # type: ignore[call-overload]

    @torch.inference_mode()
    def run(self, windows: torch.Tensor) -> torch.Tensor:
        windows = windows.to(self._device, non_blocking=True, memory_format=self._layout)
        with torch.autocast(self._device.type, self._autocast) if self._autocast else nullcontext():
            logits: torch.Tensor = self._network(windows)
        return logits


def torch_backend(model: Model, device: torch.device, precision: Precision) -> Backend:
    """The model's network on torch: the default `BackendFactory`."""
    autocast = reduced_precision(device) if precision is Precision.AUTO else None
    return TorchBackend(model.network(), device, autocast, channels_last=device.type == "cuda")


class Mirrored:
    """Test-time augmentation: the mean of the logits over all eight mirrorings of the three spatial axes.

    `check` is called between two mirrorings, so that a cancel is answered within one forward pass.
    """

    def __init__(self, backend: Backend, check: Callable[[], None] = lambda: None) -> None:
        self._backend, self._check = backend, check

    @torch.inference_mode()
    def run(self, windows: torch.Tensor) -> torch.Tensor:
        total: torch.Tensor | None = None
        for chosen in product((False, True), repeat=3):
            axes = [axis for axis, flipped in zip((2, 3, 4), chosen, strict=True) if flipped]
            logits = self._backend.run(windows.flip(axes)).float().flip(axes)
            total = logits if total is None else total.add_(logits)
            self._check()
        assert total is not None
        return total.div_(8)
