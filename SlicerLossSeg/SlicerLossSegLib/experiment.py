"""An experiment on disk: losses × folds under equal conditions.

An experiment is a folder STUDY/runs/TIME-study with the engine's job.json, and the engine's output in `study`. All that
is needed to continue it after a crash is there.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from lossseg.studies.state import STATE_FILE, RunState, StudyRun, StudyState
from SlicerLossSegLib.job_record import job_parameters

ENDING = "-study"
TIME = "%Y%m%d-%H%M%S"


@dataclass(frozen=True)
class ExperimentRequest:
    """What is to be compared.

    Attributes:
        losses: expressions.
        minutes, epochs: the budget of each run; give one.
        settings: further parameters of the engine's job `study`, by their names.
    """

    losses: tuple[str, ...]
    folds: int = 3
    minutes: float | None = None
    epochs: int | None = None
    seed: int = 0
    device: str = "auto"
    settings: Mapping[str, Any] = field(default_factory=dict)

    @property
    def runs(self) -> int:
        return len(self.losses) * self.folds


@dataclass(frozen=True)
class Experiment:
    """An experiment on disk."""

    folder: Path

    @property
    def out(self) -> Path:
        """The engine's output."""
        return self.folder / "study"

    @property
    def report(self) -> Path:
        return self.out / "report.html"

    @property
    def results(self) -> Path:
        return self.out / "results.json"

    @property
    def parameters(self) -> dict[str, Any]:
        """Of the engine's job.

        Raises:
            InputError: job.json is missing or damaged.
        """
        return job_parameters(self.folder)

    @property
    def losses(self) -> tuple[str, ...]:
        return tuple(self.parameters.get("losses", ()))

    @property
    def runs(self) -> tuple[StudyRun, ...]:
        """As the engine wrote them last; none before it has begun.

        Raises:
            InputError: the state file is damaged or was written by a newer engine.
        """
        return StudyState.read(self.out).runs if (self.out / STATE_FILE).exists() else ()

    @property
    def is_finished(self) -> bool:
        """Whether every run is finished and the results are there."""
        runs = self.runs
        return bool(runs) and all(run.state is RunState.FINISHED for run in runs) and self.results.exists()

    @property
    def title(self) -> str:
        """When it was begun, local time, and its losses."""
        try:
            begun = datetime.strptime(self.folder.name[: len("yyyymmdd-hhmmss")], TIME).replace(tzinfo=UTC)
            when = begun.astimezone().strftime("%Y-%m-%d %H:%M")
        except ValueError:
            when = self.folder.name.removesuffix(ENDING)
        return f"{when}, {', '.join(self.losses)}"
