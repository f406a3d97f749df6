"""The tab Train: the training set, the loss, a training with its curves, and whether its model is used."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

from slicer.i18n import tr as _

from lossseg.errors import LossSegError
from SlicerLossSegLib.add_case_form import AddCaseForm
from SlicerLossSegLib.case_buttons import CaseButtons
from SlicerLossSegLib.dataset_list import DatasetList
from SlicerLossSegLib.interaction import Interaction
from SlicerLossSegLib.interrupted_row import InterruptedRow
from SlicerLossSegLib.job_display import JobDisplay
from SlicerLossSegLib.jobs import State
from SlicerLossSegLib.loop_history import LoopHistory
from SlicerLossSegLib.loss_chooser import LossChooser
from SlicerLossSegLib.next_case_row import NextCaseRow
from SlicerLossSegLib.outcome import Outcome
from SlicerLossSegLib.paper_start import PaperStart
from SlicerLossSegLib.parameters import Parameters
from SlicerLossSegLib.study import ModelCard
from SlicerLossSegLib.training_curves import past
from SlicerLossSegLib.training_curves_row import CurvesRow
from SlicerLossSegLib.training_form import TrainingForm, used_last
from SlicerLossSegLib.training_run import TrainingRun
from SlicerLossSegLib.training_task import Phase, TrainingTask


class TrainPanel:
    """The widgets of TrainPanel.ui and what they do.

    Args:
        ui: the widgets by name.
        ticked: returns the models that are ticked in the tab Segment.
        on_models: called with the names of new models of the study.
        on_volumes: called with volumes that were loaded to be segmented and corrected.
    """

    def __init__(
        self,
        ui: Any,
        logic: Any,
        interaction: Interaction,
        ticked: Callable[[], Sequence[ModelCard]],
        on_models: Callable[[list[str]], None],
        on_volumes: Callable[[Sequence[Any]], None],
    ) -> None:
        self.ui, self._logic, self._interaction = ui, logic, interaction
        self._training, self._on_models = logic.training, on_models
        self._parameters: Parameters | None = None
        self._tag: int | None = None
        self._task: TrainingTask | None = None
        self._is_made = False
        self._rounds: Sequence[Any] = ()
        self.settings: dict[str, Any] = {}
        cases = self._training.cases
        self.display = JobDisplay(ui, interaction)
        self.curves = CurvesRow(ui)
        self.loss = LossChooser(ui, self.refresh)
        self.paper = PaperStart(ui.startNote, self.loss)
        self.form = TrainingForm(ui, self.refresh, self.paper.choose)
        self.outcome = Outcome(ui, self._training, interaction, self._decided)
        self.history = LoopHistory(ui.historyTable)
        self.interrupted = InterruptedRow(ui, self._training, interaction, self._go_on, self._finish, self.refresh)
        self.dataset = DatasetList(ui, cases, self._dataset_changed)
        self.case_buttons = CaseButtons(ui, cases, self.dataset, self.refresh)
        self.add_form = AddCaseForm(ui, cases, lambda: self.dataset.view, self._case_added)
        self.next_case = NextCaseRow(ui, self._training, interaction, ticked, self._not_ready, on_volumes)
        self._is_made = True
        ui.trainButton.connect("clicked()", self.train_or_stop)
        ui.cancelTrainingButton.connect("clicked()", self.cancel)
        self.refresh()

    # --- from outside ------------------------------------------------------------------------------------------

    def set_parameters(self, parameters: Parameters | None) -> None:
        """Connect the widgets to other parameters; None takes them away."""
        if self._parameters is not None and self._tag is not None:
            self._parameters.disconnectGui(self._tag)
        self._parameters = None
        if parameters is not None:
            self._tag = parameters.connectGui(self.ui)
            self._parameters = parameters
        self.form.set_parameters(parameters)
        self.refresh()

    def enter(self) -> None:
        """The tab is shown: the dataset or the models may have been changed elsewhere."""
        self.show_models()
        self._read_rounds()
        self._look_for_interrupted()
        self.dataset.refresh()
        self.add_form.refresh()
        self.refresh()

    def leave(self) -> None:
        """The tab or the module is left; a training goes on."""
        self.dataset.stop_looking()

    def show_models(self) -> None:
        """List the study's models anew."""
        self.form.show_models(self._logic.study.models(), used_last(self._rounds))

    def study_changed(self) -> None:
        """Another study folder was chosen."""
        self.case_buttons.forget_undo()
        self.enter()

    def show_devices(self, devices: list[tuple[str, str]]) -> None:
        self.form.show_devices(devices)

    def forget_scene(self) -> None:
        """The scene goes away: curves and opened cases go with it."""
        self.curves.forget()
        self.case_buttons.forget_scene()
        self.add_form.forget_scene()
        self.next_case.forget_scene()
        self.outcome.forget_scene()

    def release(self) -> None:
        self.set_parameters(None)
        self.dataset.release()
        self.display.stop()
        self.curves.release()

    @property
    def task(self) -> TrainingTask | None:
        """The training that runs, None when none does."""
        return self._task

    def refresh(self) -> None:
        """Whether the buttons can be pressed, and if not, why."""
        if not self._is_made:
            return
        ui, task = self.ui, self._task
        running = task is not None
        training = running and task.phase is Phase.TRAINING
        reason = "" if running else self._reason()
        ui.trainButton.text = _("Stop") if running else _("Train")
        ui.trainButton.enabled = training if running else not reason
        if running:
            tip = _("End the training now and keep the best weights so far.") if training else self._phase_text()
        else:
            tip = reason or _("Train, then compare the new model with the old one. Nothing is used or overwritten.")
        ui.trainButton.toolTip = tip
        ui.cancelTrainingButton.visible = running
        ui.cancelTrainingButton.enabled = running and task.job_state is not State.CANCELLING
        if running and task.phase is Phase.COMPARING:
            ui.cancelTrainingButton.toolTip = _("Leave out the comparison; the new model stays.")
        else:
            ui.cancelTrainingButton.toolTip = _("Interrupt the training; it can be continued later.")
        ui.progressBar.visible = running
        self.paper.show(self.form.paper)
        self.interrupted.refresh(running)
        self.outcome.refresh()
        self.next_case.refresh()

    # --- training ----------------------------------------------------------------------------------------------

    def train_or_stop(self) -> None:
        if self._task is not None:
            self._task.stop()
            self.refresh()
            return
        request = self.form.request(self.loss.expression, self.settings)
        self._start(lambda callbacks: self._training.start_training(request, **callbacks))

    def cancel(self) -> None:
        """Interrupt the training, or leave out the comparison."""
        if self._task is not None:
            self._task.cancel()
            self.refresh()

    def _go_on(self, run: TrainingRun) -> None:
        self._start(lambda callbacks: self._training.continue_training(run, **callbacks), run.model_folder)

    def _finish(self, run: TrainingRun) -> None:
        self._start(lambda callbacks: self._training.finish_training(run, **callbacks), run.model_folder)

    def _start(self, start: Callable[[dict[str, Any]], TrainingTask], before: Path | None = None) -> None:
        self.display.begin()
        self.outcome.hide()
        self.curves.start(past(before) if before is not None else ())
        callbacks = {
            "on_change": self._changed,
            "on_metric": self.curves.add,
            "on_log": self.display.log,
            "on_end": self._ended,
        }
        try:
            task = start(callbacks)
        except (LossSegError, OSError) as error:
            self.display.show_error(str(error))
            self.display.stop()
            self.curves.stop()
        else:
            self._task = None if task.phase is Phase.OVER else task
        self.dataset.refresh()
        self._look_for_interrupted()
        self.refresh()

    def _changed(self, task: TrainingTask) -> None:
        text = self._phase_text() if self._task is task else ""
        if task.job is not None:
            self.display.progress(task.job, dict.fromkeys((State.CANCELLING, State.RUNNING), text) if text else {})
        self.refresh()

    def _phase_text(self) -> str:
        task = self._task
        texts = {
            Phase.TRAINING: _("Getting ready"),
            Phase.STOPPING: _("Stopping"),
            Phase.KEEPING: _("Keeping the best weights so far"),
            Phase.COMPARING: _("Comparing with the old model"),
        }
        if task is None:
            return ""
        return _("Interrupting") if task.job_state is State.CANCELLING else texts.get(task.phase, "")

    def _ended(self, task: TrainingTask) -> None:
        self._task = None
        if task.job is not None:
            self.display.end(task.job)
        else:
            self.display.stop()
        self.curves.stop()
        if task.failure is not None:
            details = task.job.log_tail if task.job is not None else ""
            self.display.show_error(task.failure.message, task.failure.hint, details)
        if task.run.models and task.run.is_trained:
            self.outcome.show(task, [card.name for card in self._logic.study.models()])
        elif task.was_cancelled:
            self.display.show_result(_("Interrupted. It can be continued, above."))
        self._look_for_interrupted()
        self.dataset.refresh()
        self.refresh()

    def _decided(self, names: list[str]) -> None:
        """The person used the new model (its names) or kept the old one (none)."""
        self.show_models()
        self._read_rounds()
        self._look_for_interrupted()
        if names:
            self._on_models(names)

    # --- the other parts ---------------------------------------------------------------------------------------

    def _look_for_interrupted(self) -> None:
        waiting = self.outcome.task
        self.interrupted.look(hidden=waiting.run if waiting is not None else None)

    def _case_added(self, name: str) -> None:
        self.case_buttons.say(_("{name} was added. Nothing was trained.").format(name=name))
        self.dataset.refresh()

    def _dataset_changed(self) -> None:
        if not self._is_made:
            return
        view = self.dataset.view
        note = _("A loss is suggested once the training set has lesions.") if view.is_measured else ""
        self.loss.show_advice(view.suggestion, note)
        self.add_form.refresh()
        self.case_buttons.refresh()
        self.refresh()

    def _read_rounds(self) -> None:
        def read(rounds: Sequence[Any]) -> None:
            self._rounds = rounds
            self.history.show(rounds)
            self.show_models()

        def failed(error: Exception) -> None:
            # Without the engine's packages nothing was trained here.
            if not isinstance(error, ImportError):
                self.display.show_error(str(error))

        self._training.start_reading_rounds(read, failed)

    def _not_ready(self) -> str:
        if not self._logic.set_up.is_ready:
            return _("Press Set up first: packages that the engine needs are missing.")
        return ""

    def _reason(self) -> str:
        """Why nothing can be trained now; empty when it can."""
        view = self.dataset.view
        problem = self._not_ready() or self.dataset.problem
        if problem:
            return problem
        if not view.rows or view.channels is None or view.labels is None:
            return _("The training set has no case yet.")
        broken = next((row for row in view.rows if row.problem), None)
        if broken is not None:
            return broken.problem
        if self.case_buttons.is_busy:
            return _("A case is being read or written.")
        if self.loss.problem:
            return self.loss.problem
        return self.form.reason(view.channels, view.labels, len(view.rows))
