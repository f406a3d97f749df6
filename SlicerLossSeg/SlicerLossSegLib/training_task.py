"""One training from start to comparison: the engine's jobs one after the other, and how a person ends them early."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from enum import Enum
from pathlib import Path
from typing import Any

from slicer.i18n import tr as _

from lossseg.errors import ErrorKind, InputError
from lossseg.files import write_json
from lossseg.jobs.events import Failed, Metric
from SlicerLossSegLib.jobs import Job, JobQueue, State
from SlicerLossSegLib.training_run import TrainingRun


class Phase(Enum):
    """Where a training is."""

    TRAINING = "training"
    STOPPING = "stopping"
    KEEPING = "keeping"
    COMPARING = "comparing"
    OVER = "over"


@dataclass(eq=False)
class TrainingTask:
    """Trains, or goes on with, a run; then compares the new model with its rival, lesion by lesion.

    Attributes:
        job: the engine's job of the present phase; at the end the last one, which tells how it went. None when there
            was nothing to do.
        comparison: the summary of the job `compare`, None without one.
        on_change: called when the phase, the job's state or its progress changed.
        on_end: called once, when everything is over.
    """

    run: TrainingRun
    queue: JobQueue
    on_change: Callable[[TrainingTask], None] = lambda task: None
    on_metric: Callable[[Metric], None] = lambda metric: None
    on_log: Callable[[str], None] = lambda line: None
    on_end: Callable[[TrainingTask], None] = lambda task: None
    phase: Phase = Phase.OVER
    comparison: dict[str, Any] | None = None
    failure: Failed | None = None
    job: Job | None = field(init=False, default=None)
    _keep: bool = field(init=False, default=False)

    def start(self) -> TrainingTask:
        """Train; go on where the run was interrupted; or only compare, when it is trained already.

        Raises:
            InputError: the run's files are damaged.
        """
        if self.run.is_trained:
            self._compare()
        else:
            self._train(finish=False)
        return self

    def finish(self) -> TrainingTask:
        """Make the model of what an interrupted run has learned so far.

        Raises:
            InputError: the run's files are damaged.
        """
        self._train(finish=True)
        return self

    def stop(self) -> None:
        """End the training now and keep the best weights so far."""
        if self.phase is Phase.TRAINING and self.job is not None:
            self._keep = True
            self.phase = Phase.STOPPING
            self.queue.cancel(self.job)
        elif self.phase is Phase.COMPARING:
            self.cancel()

    def cancel(self) -> None:
        """End what runs. A training stays as it is and can be continued; a comparison is left out."""
        self._keep = False
        if self.job is not None:
            self.queue.cancel(self.job)

    @property
    def was_cancelled(self) -> bool:
        return self.phase is Phase.OVER and self.job_state is State.CANCELLED

    @property
    def job_state(self) -> State | None:
        return self.job.state if self.job is not None else None

    def _train(self, finish: bool) -> None:
        continued = self.run.model_folder.exists() or finish
        parameters = self.run.resumed(finish) if continued else self.run.parameters
        self.phase = Phase.KEEPING if finish else Phase.TRAINING
        self._add(Job("train", parameters, self.run.folder, on_end=self._trained))

    def _compare(self) -> None:
        rival = self.run.rival
        if rival is None or not rival.exists():
            self._over()
            return
        models = self.run.models
        new = models[0] if len(models) == 1 else _ensemble(models, self.run.folder / "ensemble.json")
        parameters = {
            "old": rival,
            "new": new,
            "dataset": Path(self.run.parameters["dataset"]),
            "out": _unused(self.run.folder / "comparison"),
            "device": self.run.parameters.get("device", "auto"),
        }
        self.phase = Phase.COMPARING
        self._add(Job("compare", parameters, self.run.folder / "compare-job", on_end=self._compared))

    def _add(self, job: Job) -> None:
        job.keep_folder = True
        job.on_change = lambda changed: self.on_change(self)
        job.on_log, job.on_metric = self.on_log, self.on_metric
        self.job = job
        self.queue.add(job)

    def _trained(self, job: Job) -> None:
        if job.state is State.CANCELLED and self._keep:
            self._keep = False
            if self.run.has_learned:
                self._go_on(lambda: self._train(finish=True))
                return
            self.failure = Failed(
                ErrorKind.INPUT, _("Nothing was learned yet, so there is no model."), _("Train for longer.")
            )
        if job.state is State.FINISHED and self.run.models:
            if self.phase is Phase.KEEPING:
                self.run = self.run.stopped()
            self._go_on(self._compare)
            return
        self.failure = self.failure or job.failure
        self._over()

    def _compared(self, job: Job) -> None:
        self.comparison = dict(job.summary) if job.state is State.FINISHED else None
        self.failure = job.failure
        self._over()

    def _go_on(self, step: Callable[[], None]) -> None:
        try:
            step()
        except InputError as error:
            self.failure = Failed(error.kind, error.message, error.hint)
            self._over()

    def _over(self) -> None:
        self.phase = Phase.OVER
        self.on_change(self)
        self.on_end(self)


def _ensemble(models: list[Path], path: Path) -> Path:
    members = [{"path": str(model), "weight": 1.0} for model in models]
    write_json(path, {"format": 1, "members": members, "chosen": "All folds of a training."})
    return path


def _unused(folder: Path) -> Path:
    number, free = 1, folder
    while free.exists():
        number += 1
        free = folder.with_name(f"{folder.name}-{number}")
    return free
