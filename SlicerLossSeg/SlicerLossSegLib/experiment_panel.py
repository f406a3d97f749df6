"""An experiment on the screen: choose losses, let them run, see who won."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import qt
from slicer.i18n import tr as _

from lossseg.errors import InputError
from lossseg.studies.state import StudyRun
from SlicerLossSegLib.experiment import Experiment, ExperimentRequest
from SlicerLossSegLib.experiment_paper import ExperimentPaper
from SlicerLossSegLib.experiment_results import ExperimentResults
from SlicerLossSegLib.experiment_tables import cost, duration, show_runs
from SlicerLossSegLib.experiment_task import ExperimentTask, remaining
from SlicerLossSegLib.interaction import Interaction
from SlicerLossSegLib.jobs import State
from SlicerLossSegLib.loss_ticks import LossTicks
from SlicerLossSegLib.parameters import BudgetUnit, Parameters
from SlicerLossSegLib.result_view import ResultView


class ExperimentPanel:
    """The section Experiment of ComparePanel.ui.

    Args:
        on_change: called when another experiment was chosen or one of its runs changed.

    Attributes:
        settings: further parameters of the engine's job `study`, for scripts.
    """

    def __init__(self, ui: Any, logic: Any, interaction: Interaction, on_change: Callable[[], None]) -> None:
        self.ui, self._logic, self._interaction, self._on_change = ui, logic, interaction, on_change
        self._parameters: Parameters | None = None
        self.settings: dict[str, Any] = {}
        self.task: ExperimentTask | None = None
        self._experiments: list[Experiment] = []
        self._runs: tuple[StudyRun, ...] = ()
        self._finished = self._switching = False
        self._cases, self._problem, self._details = 0, "", ""
        self.losses = LossTicks(
            ui.experimentLossList,
            ui.experimentOwnEdit,
            ui.experimentAddButton,
            ui.experimentOwnLabel,
            self._losses_changed,
        )
        self.paper = ExperimentPaper(ui, self.losses, self._losses_changed)
        for unit in BudgetUnit:
            ui.budgetCombo.addItem(_(unit.value), unit.name)
        self.results = ResultView(ui)
        for button in (ui.experimentButton, ui.reportButton):
            button.setMinimumWidth(1)
        ui.experimentCombo.setSizeAdjustPolicy(qt.QComboBox.AdjustToMinimumContentsLengthWithIcon)
        ui.experimentBar.setRange(0, 1000)
        self._show_error("")
        self._connect()

    # --- from outside ------------------------------------------------------------------------------------------

    @property
    def chosen(self) -> Experiment | None:
        """The experiment that is shown; None for one that is still to be begun."""
        place = self.ui.experimentCombo.currentIndex - 1
        return self._experiments[place] if 0 <= place < len(self._experiments) else None

    @property
    def runs(self) -> tuple[StudyRun, ...]:
        """Of the experiment that is shown."""
        return self._runs

    def set_parameters(self, parameters: Parameters | None) -> None:
        """Follow other parameters, whose own widgets are connected already; None while there is no scene."""
        self._parameters = None
        self.paper.set_parameters(parameters)
        if parameters is None:
            self.results.clear_plots()
            return
        self.losses.tick(parameters.experiment_losses.splitlines())
        self.ui.budgetCombo.setCurrentIndex(list(BudgetUnit).index(parameters.experiment_unit))
        self._parameters = parameters
        # Opening the module must not wait for the dataset; it is looked at when the tab is shown.
        self._list()

    def catch_up(self) -> None:
        """The tab is shown, or the study is another one: look at its dataset and its experiments."""
        self._count_cases()
        self._list()

    def _list(self) -> None:
        """List the experiments anew; the one that was shown stays, else an unfinished one is offered."""
        before = self.chosen
        was_new = before is None and bool(self._experiments)
        self._experiments = self._logic.experiments.list()
        self._switching = True
        combo = self.ui.experimentCombo
        combo.clear()
        combo.addItem(_("New"))
        for experiment in self._experiments:
            combo.addItem(experiment.title)
        if before in self._experiments:
            combo.setCurrentIndex(1 + self._experiments.index(before))
        elif not was_new and self._experiments and not self._experiments[0].is_finished:
            combo.setCurrentIndex(1)
        self._switching = False
        self._show_chosen()

    def release(self) -> None:
        if self.task is not None:
            self.task.on_change = self.task.on_runs = self.task.on_end = lambda task: None
        self.set_parameters(None)
        self.results.release()

    # --- work --------------------------------------------------------------------------------------------------

    def start_or_pause(self) -> None:
        if self.task is not None:
            self.task.pause()
            self.refresh()
            return
        self._show_error("")
        try:
            experiment = self.chosen or self._logic.experiments.begin(self.request())
            self.task = self._logic.experiments.start(
                experiment, on_change=self._job_changed, on_runs=self._runs_changed, on_end=self._ended
            )
        except InputError as error:
            self._show_error(f"{error.message} {error.hint}")
            self.refresh()
            return
        if self.task.is_over:
            self.task = None
        self.catch_up()
        self.ui.experimentCombo.setCurrentIndex(1 + self._experiments.index(experiment))
        self.refresh()

    def request(self) -> ExperimentRequest:
        """What the widgets say."""
        ui = self.ui
        budget = float(ui.budgetSpin.value)
        in_minutes = list(BudgetUnit)[max(0, ui.budgetCombo.currentIndex)] is BudgetUnit.MINUTES
        return ExperimentRequest(
            losses=self.losses.ticked,
            folds=int(ui.foldsSpin.value),
            minutes=budget if in_minutes else None,
            epochs=None if in_minutes else max(1, round(budget)),
            device=self._parameters.device if self._parameters is not None else "auto",
            settings={**self.paper.settings, **self.settings},
        )

    def open_report(self) -> None:
        if self.chosen is not None:
            self._interaction.open_file(self.chosen.report)

    # --- what is shown -----------------------------------------------------------------------------------------

    def refresh(self) -> None:
        """Whether the buttons can be pressed, and if not, why."""
        ui, shown = self.ui, self.chosen
        own = self.task is not None and self.task.experiment == shown
        reason = "" if own else self._reason()
        unfinished = shown is not None and not self._finished
        ui.experimentButton.text = _("Pause") if own else _("Continue") if unfinished else _("Start")
        ui.experimentButton.enabled = not reason and not (own and self._is_pausing)
        ready = (
            _("Save a checkpoint and stop; Continue goes on from there.")
            if own
            else _("Train every loss on every fold, one after the other. Nothing of the study is overwritten.")
        )
        ui.experimentButton.toolTip = reason or ready
        has_report = shown is not None and shown.report.exists()
        ui.reportButton.enabled = has_report
        ui.reportButton.toolTip = (
            _("Open the whole report in the browser.") if has_report else _("There is a report when a run is finished.")
        )
        only_new = (ui.experimentLossList, ui.experimentOwnEdit, ui.experimentAddButton, ui.foldsLabel, ui.foldsSpin)
        for widget in (*only_new, ui.budgetLabel, ui.budgetSpin, ui.budgetCombo, ui.experimentCostLabel):
            widget.visible = shown is None
        self.paper.show(shown is None)
        ui.experimentBar.visible = own
        ui.runTable.visible = bool(self._runs)
        ui.experimentCostLabel.text = cost(self.request())
        ui.experimentDataLabel.text = self._problem or _("{n} annotated cases in the study's dataset.").format(
            n=self._cases
        )

    @property
    def _is_pausing(self) -> bool:
        return self.task is not None and self.task.job.state is State.CANCELLING

    def _show_chosen(self) -> None:
        shown = self.chosen
        self._runs, results = (), None
        try:
            self._runs = shown.runs if shown is not None else ()
            self._finished = shown is not None and shown.is_finished
            if shown is not None and shown.results.exists():
                results = ExperimentResults.read(shown.results)
        except InputError as error:
            self._show_error(f"{error.message} {error.hint}")
        self._show_table()
        self.results.show(results, with_plots=self._parameters is not None)
        self.refresh()
        self._on_change()

    def _show_table(self) -> None:
        own = self.task is not None and self.task.experiment == self.chosen
        left: dict[str, float] = {}
        if own and self.task is not None:
            left = remaining(self._runs, self.task.job.progress)
        show_runs(self.ui.runTable, self._runs, own, left)

    def _reason(self) -> str:
        """Why nothing can be started now; empty when it can."""
        if not self._logic.set_up.is_ready:
            return _("Press Set up first: packages that the engine needs are missing.")
        if self.task is not None:
            return _("Another experiment is running; pause it first.")
        if self.chosen is not None:
            return _("This experiment is finished. Choose New for another one.") if self._finished else ""
        if self._problem:
            return self._problem
        if not self.losses.ticked:
            return _("Tick two or more losses.")
        folds = int(self.ui.foldsSpin.value)
        if self._cases < folds:
            return _("{folds} folds need as many annotated cases; the dataset has {n}.").format(
                folds=folds, n=self._cases
            )
        return ""

    def _count_cases(self) -> None:
        self._problem = ""
        try:
            self._cases = self._logic.experiments.annotated()
        except InputError as error:
            self._cases, self._problem = 0, f"{error.message} {error.hint}".strip()

    def _show_error(self, sentence: str, details: str = "") -> None:
        self.ui.experimentErrorLabel.text = sentence.strip()
        self.ui.experimentErrorLabel.visible = bool(sentence)
        self.ui.experimentDetailsButton.visible = bool(details)
        self._details = details

    # --- what the engine says ----------------------------------------------------------------------------------

    def _job_changed(self, task: ExperimentTask) -> None:
        bar, progress = self.ui.experimentBar, task.job.progress
        if task.job.state is State.RUNNING and progress is not None and progress.total > 0:
            bar.value = int(1000 * progress.done / progress.total)
            left = duration(progress.eta_s)
            bar.setFormat(", ".join(filter(None, (progress.stage, left and _("{time} left").format(time=left)))))
        elif not task.job.state.is_over:
            texts = {State.WAITING: _("Waiting for another job"), State.CANCELLING: _("Saving a checkpoint")}
            bar.value = 0
            bar.setFormat(texts.get(task.job.state, _("Starting the engine")))
            self.refresh()

    def _runs_changed(self, task: ExperimentTask) -> None:
        if task.experiment == self.chosen:
            self._show_chosen()

    def _ended(self, task: ExperimentTask) -> None:
        self.task = None
        job = task.job
        if job.state is State.FAILED and job.failure is not None:
            self._show_error(f"{job.failure.message} {job.failure.hint}", job.log_tail)
        self.catch_up()

    # --- what the person does ----------------------------------------------------------------------------------

    def _connect(self) -> None:
        ui = self.ui
        ui.experimentButton.connect("clicked()", self.start_or_pause)
        ui.reportButton.connect("clicked()", self.open_report)
        ui.experimentDetailsButton.connect("clicked()", self._show_details)
        ui.experimentCombo.connect("currentIndexChanged(int)", self._experiment_chosen)
        ui.foldsSpin.connect("valueChanged(int)", self._number_changed)
        ui.budgetSpin.connect("valueChanged(double)", self._number_changed)
        ui.budgetCombo.connect("currentIndexChanged(int)", self._unit_chosen)

    def _experiment_chosen(self, index: int) -> None:
        if not self._switching:
            self._show_error("")
            self._show_chosen()

    def _losses_changed(self) -> None:
        if self._parameters is not None:
            self._parameters.experiment_losses = "\n".join(self.losses.ticked)
        self.refresh()

    def _number_changed(self, value: Any) -> None:
        self.refresh()

    def _unit_chosen(self, index: int) -> None:
        if self._parameters is not None and index >= 0:
            self._parameters.experiment_unit = list(BudgetUnit)[index]
        self.refresh()

    def _show_details(self) -> None:
        self._interaction.tell_error(self.ui.experimentErrorLabel.text, "", self._details)
