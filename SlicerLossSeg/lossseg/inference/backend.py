"""What runs a network on a batch of windows: one small interface, so that another engine can take torch's place."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from contextlib import nullcontext
from enum import StrEnum
from itertools import product
from typing import Protocol

import torch
from torch import nn

from lossseg.inference.device import reduced_precision
from lossseg.model import Model
from lossseg.networks.layout import layout


class Precision(StrEnum):
    AUTO = "auto"
    """16 bits where the device is fast in them (see `device.reduced_precision`), else 32."""
    FULL = "full"
    """32 bits everywhere."""
    INT8 = "int8"
    """The larger convolutions in 8 bits, by OpenVINO on the CPU: an approximation, never chosen by itself."""


class Backend(Protocol):
    """A network, ready to compute."""

    def run(self, windows: torch.Tensor) -> torch.Tensor:
        """Logits (n, K, z, y, x), floating point of any width and on any device, of windows (n, C, z, y, x) float32."""
        ...


BackendFactory = Callable[[Model, torch.device, Precision], Backend]


class TorchBackend:
    """Runs `network`, an `nn.Module` in eval mode, on `device`; `autocast` names the 16-bit type or None."""

    def __init__(self, network: nn.Module, device: torch.device, autocast: torch.dtype | None = None) -> None:
        self._device, self._autocast = device, autocast
        self._layout = layout(network, device, training=False)
        # nn.Module.to knows the keyword, its type stub only the two-dimensional layouts.
        self._network = network.to(device).to(memory_format=self._layout)  # type: ignore[call-overload]

    @torch.inference_mode()
    def run(self, windows: torch.Tensor) -> torch.Tensor:
        windows = windows.to(self._device, non_blocking=True, memory_format=self._layout)
        with torch.autocast(self._device.type, self._autocast) if self._autocast else nullcontext():
            logits: torch.Tensor = self._network(windows)
        return logits


def torch_backend(model: Model, device: torch.device, precision: Precision) -> Backend:
    """The model's network on torch: the default `BackendFactory`."""
    autocast = reduced_precision(device) if precision is Precision.AUTO else None
    return TorchBackend(model.network(), device, autocast)


class Mirrored:
    """Test-time augmentation: the mean of the logits over all mirrorings of the spatial `axes`, eight for three.

    `check` is called between two mirrorings, so that a cancel is answered within one forward pass.
    """

    def __init__(
        self, backend: Backend, check: Callable[[], None] = lambda: None, axes: Sequence[int] = (0, 1, 2)
    ) -> None:
        self._backend, self._check, self._axes = backend, check, [axis + 2 for axis in axes]

    @torch.inference_mode()
    def run(self, windows: torch.Tensor) -> torch.Tensor:
        total: torch.Tensor | None = None
        for chosen in product((False, True), repeat=len(self._axes)):
            axes = [axis for axis, flipped in zip(self._axes, chosen, strict=True) if flipped]
            logits = self._backend.run(windows.flip(axes)).float().flip(axes)
            total = logits if total is None else total.add_(logits)
            self._check()
        assert total is not None
        return total.div_(2 ** len(self._axes))
