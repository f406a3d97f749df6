"""What studies are tested with: settings that train in seconds, and a listener that keeps everything and may pause."""

from __future__ import annotations

from pathlib import Path

from training_fakes import TINY

from lossseg.reporting import Silent
from lossseg.studies.conditions import StudySettings
from lossseg.training import TrainingSettings

LOSSES = ("dice + ce", "dice + topk(k=0.1)")
NAMES = ("dice_ce", "dice_topk_k_0.1")


def settings(*losses: str, **changed) -> StudySettings:
    training = TrainingSettings(**(TINY | {"epochs": 1, "iterations": 10, "folds": 2} | changed.pop("training", {})))
    return StudySettings(losses or LOSSES, training, pictures=2, **changed)


class Listener(Silent):
    """Keeps what a study reports; pauses after a number of training steps in all."""

    def __init__(self, pause_after: int | None = None) -> None:
        self.metrics: list[tuple[str, str, int, float]] = []
        self.stages: list[tuple[str, int, int, float | None]] = []
        self.files: list[tuple[str, Path]] = []
        self.warnings: list[str] = []
        self.steps, self._pause_after = 0, pause_after
        super().__init__(lambda: self._pause_after is not None and self.steps >= self._pause_after)

    def progress(self, stage: str, done: int, total: int, eta_s: float | None = None) -> None:
        super().progress(stage, done, total, eta_s)
        self.stages.append((stage, done, total, eta_s))

    def metric(self, name: str, step: int, value: float, series: str = "") -> None:
        self.metrics.append((series, name, step, value))
        self.steps += name == "loss"

    def artifact(self, kind: str, path: Path) -> None:
        self.files.append((kind, Path(path)))

    def warning(self, message: str, hint: str = "") -> None:
        self.warnings.append(message)
