"""What a person asks for when a network is to be trained."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import Enum
from pathlib import Path
from typing import Any

from SlicerLossSegLib.study import Study


class HoldOut(Enum):
    """Which cases a network is judged by."""

    MARKED = "Cases marked for validation"
    FOLDS = "Each case once (folds)"


@dataclass(frozen=True)
class TrainingRequest:
    """What is to be trained.

    Attributes:
        loss: a loss expression.
        start_from: model folder to fine-tune; None for a new network.
        rival: model folder to compare the new model with; None for no comparison.
        minutes, epochs: the budget of each network; give one.
        hold_out: marked cases, or all in `folds` folds.
        share: of the cases that are marked for validation when none is marked yet.
        settings: further parameters of the engine's job `train`, by their names.
    """

    loss: str = "dice + ce"
    start_from: Path | None = None
    rival: Path | None = None
    minutes: float | None = None
    epochs: int | None = None
    hold_out: HoldOut = HoldOut.MARKED
    share: float = 0.2
    folds: int = 5
    seed: int = 0
    device: str = "auto"
    settings: Mapping[str, Any] = field(default_factory=dict)

    def parameters(self, study: Study, out: Path, splits: Path | None) -> dict[str, Any]:
        """As parameters of the job `train`; `splits` names the cases that are held out."""
        chosen: dict[str, Any] = {
            "dataset": study.dataset_folder.resolve(),
            "out": out,
            "loss": self.loss,
            "seed": self.seed,
            "device": self.device,
            "cache": (study.folder / "cache").resolve(),
            **({"minutes": self.minutes} if self.minutes is not None else {"epochs": self.epochs or 1}),
            **({"start_from": self.start_from.resolve()} if self.start_from is not None else {}),
            **self.settings,
        }
        if self.hold_out is HoldOut.FOLDS:
            return {**chosen, "cross_validate": True, "folds": self.folds}
        return {**chosen, "splits": splits, "fold": 0}
