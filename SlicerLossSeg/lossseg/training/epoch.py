"""What is gathered over an epoch, for adaptive losses to go by."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from torch import Tensor


class Epoch:
    """The losses and the validation measures of the epoch so far."""

    def __init__(self) -> None:
        self._sum: Tensor | float = 0.0
        self._steps = 0
        self._measures: dict[str, float] = {}

    def add(self, loss: Tensor) -> None:
        """Take in the loss of a step; it stays on its device, so that nothing waits for it."""
        self._sum = self._sum + loss.detach()
        self._steps += 1

    def judged(self, measures: Mapping[str, float]) -> None:
        """Take in the defined measures of a validation; a later one in the same epoch takes its place."""
        self._measures = dict(measures)

    def metrics(self) -> dict[str, float]:
        """For `Loss.end_epoch`: the mean training loss as "loss", and by name the measures of a validation if any."""
        return {"loss": float(self._sum) / max(self._steps, 1), **self._measures}

    def to_json(self) -> dict[str, Any]:
        return {"sum": float(self._sum), "steps": self._steps, "measures": self._measures}

    @classmethod
    def from_json(cls, value: Mapping[str, Any]) -> Epoch:
        """The epoch that `to_json` gave, to the last bit."""
        epoch = cls()
        epoch._sum, epoch._steps, epoch._measures = value["sum"], value["steps"], dict(value["measures"])
        return epoch
