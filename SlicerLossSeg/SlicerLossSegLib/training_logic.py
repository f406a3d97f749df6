"""Trainings and rounds of the correction loop, without widgets: for scripts and for the tab Train."""

from __future__ import annotations

import shutil
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import qt
from slicer.i18n import tr as _

from lossseg.errors import InputError
from SlicerLossSegLib import case_changes, study, training_run
from SlicerLossSegLib.case_logic import CaseLogic
from SlicerLossSegLib.jobs import Job, JobQueue, State
from SlicerLossSegLib.next_case import NextCase, Order, next_case_job, read_images, show_next
from SlicerLossSegLib.study import ModelCard, Study
from SlicerLossSegLib.training_request import TrainingRequest
from SlicerLossSegLib.training_run import Decision, TrainingRun
from SlicerLossSegLib.training_task import TrainingTask
from SlicerLossSegLib.volumes import short_folder
from SlicerLossSegLib.worker import Workers

GRACE_MS = 60_000
"""How long a training may take to save what it has: a step without a graphics card takes seconds."""

Done = Callable[[Any], None]
Failed = Callable[[Exception], None]


class TrainingLogic:
    """What the tab Train does. Trainings have a queue of their own: a volume can be segmented meanwhile.

    Args:
        current_study: returns the study folder that is chosen now.

    Attributes:
        cases: the training set.
    """

    def __init__(self, current_study: Callable[[], Study]) -> None:
        self._current_study = current_study
        self.jobs = JobQueue(grace_ms=GRACE_MS)
        self._tasks: list[TrainingTask] = []
        self._workers = Workers()
        self.cases = CaseLogic(current_study)

    @property
    def study(self) -> Study:
        return self._current_study()

    # --- training ----------------------------------------------------------------------------------------------

    def train(self, request: TrainingRequest, **callbacks: Any) -> TrainingTask:
        """Train and compare, and wait for it; Slicer's window stays alive meanwhile. Nothing is used yet.

        Returns:
            The task, with `run.models` and `comparison`.

        Raises:
            InputError: the training set or the request cannot be used, or the engine said why it failed.
        """
        return self._wait(lambda end: self.start_training(request, on_end=end, **callbacks))

    def start_training(self, request: TrainingRequest, **callbacks: Any) -> TrainingTask:
        """Train, then compare with `request.rival`, and come back at once.

        Args:
            callbacks: on_change, on_metric, on_log, on_end: see `TrainingTask`.

        Raises:
            InputError: too few cases, or the study folder may not be written to.
        """
        run = TrainingRun.create(self.study, request, case_changes.who())
        return self._task(run, callbacks).start()

    def undecided(self) -> list[TrainingRun]:
        """Trainings that were interrupted, or whose outcome nobody has decided about; the newest first."""
        running = {task.run.folder for task in self._tasks}
        return [run for run in training_run.undecided(self.study) if run.folder not in running]

    def continue_training(self, run: TrainingRun, **callbacks: Any) -> TrainingTask:
        """Go on with an interrupted training, or only compare one that is trained.

        Raises:
            InputError: its files are damaged.
        """
        return self._task(run, callbacks).start()

    def finish_training(self, run: TrainingRun, **callbacks: Any) -> TrainingTask:
        """Make the model of what an interrupted training has learned so far.

        Raises:
            InputError: its files are damaged, or it has learned nothing.
        """
        if not run.has_learned:
            raise InputError(
                _("The training {title} has learned nothing yet.").format(title=run.title), _("Continue or discard it.")
            )
        return self._task(run, callbacks).finish()

    def discard(self, run: TrainingRun) -> Path:
        """Move a training to the study's bin; returns where it lies then."""
        bin_folder = self.study.folder / case_changes.BIN / "runs"
        bin_folder.mkdir(parents=True, exist_ok=True)
        return Path(shutil.move(run.folder, bin_folder / run.folder.name))

    def use(self, task: TrainingTask, name: str) -> list[ModelCard]:
        """Put the new model into the study under a name; the old one stays. Leaves a line in the study's history.

        Raises:
            InputError: there is such a model already, or the name is no file name.
        """
        run = task.run
        # The person may have chosen another study meanwhile.
        current = Study(run.study_folder)
        if not name or Path(name).name != name or name.startswith("."):
            raise InputError(
                _("{name} is no name for a model.").format(name=name or '""'), _("Use letters, digits, - and _.")
            )
        models = run.models
        if (current.models_folder / name).exists():
            raise InputError(_("The study has a model {name} already.").format(name=name), _("Choose another name."))
        if len(models) == 1:
            cards = [current.add_model(models[0], name)]
        else:
            cards = [current.add_model(model, f"{name}/{model.name}") for model in models]
            study.ensemble_of_study(cards, current.ensembles_folder / f"{name}.json", _("All folds of a training."))
        task.run = run.decided(Decision.USED)
        self._note_round(task, f"models/{name}", used=True)
        return cards

    def start_using(self, task: TrainingTask, name: str, done: Done, failed: Failed) -> None:
        """As `use`, beside the GUI thread: weights may be large."""
        self._workers.start(lambda: self.use(task, name), done, failed)

    def keep_old(self, task: TrainingTask) -> None:
        """Leave the study's models as they are. The new one stays in its run; the history says that it is not used."""
        task.run = task.run.decided(Decision.KEPT_OLD)
        model = task.run.model_folder
        self._note_round(task, model.relative_to(task.run.study_folder).as_posix(), used=False)

    def rounds(self) -> Sequence[Any]:
        """The study's history, see `lossseg.dataset.Round`.

        Raises:
            InputError: the file of the history is damaged.
        """
        from lossseg.dataset import read_rounds

        return read_rounds(self.study.folder)

    def start_reading_rounds(self, done: Done, failed: Failed) -> None:
        """As `rounds`, beside the GUI thread."""
        self._workers.start(self.rounds, done, failed)

    # --- next case ---------------------------------------------------------------------------------------------

    def start_next_case(
        self,
        folder: Path,
        models: Sequence[ModelCard],
        done: Callable[[NextCase], None],
        failed: Failed,
        *,
        by: Order = Order.AUTOMATIC,
        on_change: Done = lambda job: None,
    ) -> Job:
        """Ask which volume of a folder to correct next, and load it; `done` gets what was chosen and why.

        Raises:
            InputError: no model is given.
        """
        job_folder = short_folder("next")

        def ended(job: Job) -> None:
            shutil.rmtree(job_folder, ignore_errors=True)
            if job.state is State.FINISHED:
                chosen = NextCase.of(job.summary)
                if chosen.images:
                    self._workers.start(
                        lambda: read_images(chosen), lambda found: done(show_next(chosen, found)), failed
                    )
                else:
                    done(chosen)
            elif job.failure is not None:
                failed(InputError(job.failure.message, job.failure.hint))
            else:
                done(NextCase.cancelled())

        job = next_case_job(job_folder, folder, models, self.study.folder, by)
        job.on_end, job.on_change = ended, on_change
        return self.jobs.add(job)

    # --- life cycle --------------------------------------------------------------------------------------------

    def scene_closes(self) -> None:
        """What works ends: a training saves what it has and can be continued."""
        for task in list(self._tasks):
            task.cancel()
        for job in self.jobs.jobs:
            self.jobs.cancel(job)
        self._workers.drop()
        self.cases.drop()

    def close(self) -> None:
        """The module or the application goes away. A training saves what it has and is found again later."""
        self.jobs.close()
        self._workers.drop()
        self.cases.drop()
        self._tasks.clear()

    def _task(self, run: TrainingRun, callbacks: Mapping[str, Any]) -> TrainingTask:
        on_end = callbacks.get("on_end", lambda task: None)

        def ended(task: TrainingTask) -> None:
            if task in self._tasks:
                self._tasks.remove(task)
            on_end(task)

        task = TrainingTask(run, self.jobs, **{**callbacks, "on_end": ended})
        self._tasks.append(task)
        return task

    def _wait(self, start: Callable[[Done], TrainingTask]) -> TrainingTask:
        loop = qt.QEventLoop()
        ended: list[TrainingTask] = []

        def end(task: TrainingTask) -> None:
            ended.append(task)
            loop.quit()

        task = start(end)
        if not ended:
            loop.exec_()
        if task.failure is not None and not task.run.models:
            raise InputError(task.failure.message, task.failure.hint)
        return task

    def _note_round(self, task: TrainingTask, model: str, used: bool) -> None:
        from lossseg.dataset import Round, append_round
        from lossseg.dataset.clock import iso, utc_now

        rival, folder = task.run.rival, task.run.study_folder
        models = Study(folder).models_folder
        previous = str(rival) if rival is not None else None
        if rival is not None and _is_below(rival, models):
            previous = f"models/{rival.resolve().relative_to(models.resolve()).as_posix()}"
        scores = new_scores(task)
        append_round(folder, Round(iso(utc_now()), task.run.learned_from, model, previous, scores, used))


def new_scores(task: TrainingTask) -> dict[str, float | None]:
    """Of the new model on the validation cases: those of the comparison, else those of its training."""
    if task.comparison is not None:
        return dict(task.comparison.get("measures", {}).get("new", {}))
    from lossseg.files import read_json

    models = task.run.models
    return dict(read_json(models[0] / study.MODEL_CARD).get("scores", {})) if models else {}


def _is_below(path: Path, folder: Path) -> bool:
    return path.resolve().is_relative_to(folder.resolve())
