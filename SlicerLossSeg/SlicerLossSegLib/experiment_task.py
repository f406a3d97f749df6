"""An experiment at work in the engine, and how long it will take."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

from lossseg.jobs.events import Progress
from lossseg.studies.state import RunState, StudyRun
from SlicerLossSegLib.experiment import Experiment
from SlicerLossSegLib.jobs import Job, JobQueue


@dataclass(eq=False)
class ExperimentTask:
    """An experiment at work.

    Attributes:
        on_change: called when the job's state or progress changed.
        on_runs: called when the state of a run changed: the state file is to be read again.
        on_end: called once, when the job is over; `job` tells how.
    """

    experiment: Experiment
    queue: JobQueue
    on_change: Callable[[ExperimentTask], None] = lambda task: None
    on_runs: Callable[[ExperimentTask], None] = lambda task: None
    on_log: Callable[[str], None] = lambda line: None
    on_end: Callable[[ExperimentTask], None] = lambda task: None
    job: Job = field(init=False)
    _heard: int = field(init=False, default=0)

    def start(self) -> ExperimentTask:
        """Begin the experiment, or go on with it: what is finished is not repeated.

        Raises:
            InputError: its job.json is damaged.
        """
        self.job = Job(
            "study",
            self.experiment.parameters,
            self.experiment.folder,
            on_change=self._changed,
            on_log=self.on_log,
            on_end=lambda job: self.on_end(self),
            keep_folder=True,
        )
        self.queue.add(self.job)
        return self

    def pause(self) -> None:
        """Stop after a checkpoint was saved; `start` of another task goes on."""
        self.queue.cancel(self.job)

    @property
    def is_over(self) -> bool:
        return self.job.state.is_over

    def _changed(self, job: Job) -> None:
        if len(job.artifacts) != self._heard:
            new, self._heard = job.artifacts[self._heard :], len(job.artifacts)
            if any(one.kind in ("study", "results") for one in new):
                self.on_runs(self)
        self.on_change(self)


def remaining(runs: Sequence[StudyRun], progress: Progress | None) -> dict[str, float]:
    """Seconds that the runs which are not over will take, by key; empty while nobody knows.

    The engine tells how far all runs are together. Of those at work at the same time each is taken to be as far.
    """
    if progress is None or progress.eta_s is None or progress.total <= progress.done or not runs:
        return {}
    each = progress.total / len(runs)
    over = sum(run.state in (RunState.FINISHED, RunState.FAILED) for run in runs)
    at_work = sum(run.state is RunState.RUNNING for run in runs)
    begun = min(max(progress.done - over * each, 0.0) / max(at_work, 1), each)
    pace = progress.eta_s / (progress.total - progress.done) * max(at_work, 1)
    return {
        run.key: pace * (each - begun if run.state is RunState.RUNNING else each)
        for run in runs
        if run.state in (RunState.WAITING, RunState.RUNNING)
    }
