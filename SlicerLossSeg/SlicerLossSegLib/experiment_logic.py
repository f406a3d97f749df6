"""Beginning experiments, going on with them, and listing them: for scripts and for the tab Compare."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import qt
from slicer.i18n import tr as _

from lossseg.errors import InputError
from SlicerLossSegLib import engine, failures
from SlicerLossSegLib.experiment import ENDING, TIME, Experiment, ExperimentRequest
from SlicerLossSegLib.experiment_task import ExperimentTask
from SlicerLossSegLib.jobs import JobQueue, State
from SlicerLossSegLib.study import Study


class ExperimentLogic:
    """Begins experiments, goes on with them, and lists them.

    Args:
        current_study: returns the study folder that is chosen now.
        queue: that trainings have; experiments wait for their turn in it.
    """

    def __init__(self, current_study: Callable[[], Study], queue: JobQueue) -> None:
        self._current_study, self._queue = current_study, queue

    def list(self) -> list[Experiment]:
        """The study's experiments that can be read, the newest first."""
        found = []
        for folder in sorted((self._current_study().folder / "runs").glob(f"*{ENDING}"), reverse=True):
            experiment = Experiment(folder)
            try:
                if experiment.losses and experiment.runs is not None:
                    found.append(experiment)
            except InputError:
                continue
        return found

    def annotated(self) -> int:
        """How many cases of the study's dataset are annotated; 0 without a dataset.

        Raises:
            InputError: the dataset is damaged.
        """
        folder = self._current_study().dataset_folder
        if not (folder / "dataset.json").exists():
            return 0
        from lossseg.dataset import open_dataset

        return sum(case.label is not None for case in open_dataset(folder).cases)

    def begin(self, request: ExperimentRequest) -> Experiment:
        """Make the folder of a new experiment; nothing is trained yet.

        Raises:
            InputError: too few losses or cases, or the study folder may not be written to.
        """
        if not request.losses:
            raise InputError(_("No loss is ticked."), _("Tick two or more to compare."))
        cases = self.annotated()
        if cases < request.folds:
            raise InputError(
                _("The dataset has {n} annotated cases, fewer than the {folds} folds.").format(
                    n=cases, folds=request.folds
                ),
                _("Add cases to the training set, or choose fewer folds."),
            )
        study = self._current_study()
        folder = _new_folder(study.folder / "runs")
        experiment = Experiment(folder)
        budget = {"minutes": request.minutes} if request.minutes is not None else {"epochs": request.epochs or 1}
        engine.write_job(
            folder,
            "study",
            {
                "dataset": study.dataset_folder.resolve(),
                "out": experiment.out,
                "losses": request.losses,
                "folds": request.folds,
                "seed": request.seed,
                "device": request.device,
                "cache": (study.folder / "cache").resolve(),
                **budget,
                **request.settings,
            },
        )
        return experiment

    def start(self, experiment: Experiment, **callbacks: Any) -> ExperimentTask:
        """Do the runs that are left, and come back at once.

        Args:
            callbacks: on_change, on_runs, on_log, on_end: see `ExperimentTask`.

        Raises:
            InputError: the experiment's files are damaged.
        """
        return ExperimentTask(experiment, self._queue, **callbacks).start()

    def run(self, experiment: Experiment) -> dict[str, Any]:
        """As `start`, and wait; Slicer's window stays alive meanwhile.

        Returns:
            The summary of the job `study`.

        Raises:
            LossSegError: of the kind that the engine reported, with a sentence and a hint.
        """
        loop = qt.QEventLoop()
        task = self.start(experiment, on_end=lambda ended: loop.quit())
        if not task.is_over:
            loop.exec_()
        if task.job.state is not State.FINISHED:
            raise failures.of_job(task.job)
        return task.job.summary


def _new_folder(runs: Path) -> Path:
    stem, number = datetime.now(UTC).strftime(TIME), 0
    while True:
        folder = (runs / f"{stem}{f'-{number}' if number else ''}{ENDING}").resolve()
        try:
            folder.mkdir(parents=True)
            return folder
        except FileExistsError:
            number += 1
        except OSError as error:
            raise InputError(
                _("{folder} cannot be made.").format(folder=folder), _("Choose another study folder.")
            ) from error
