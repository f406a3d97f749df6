"""Trainings that were interrupted, or whose outcome nobody has decided about: continue, keep, or discard."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from slicer.i18n import tr as _

from lossseg.errors import LossSegError
from SlicerLossSegLib.interaction import Interaction
from SlicerLossSegLib.training_run import TrainingRun


class InterruptedRow:
    """The widgets of `interruptedBox` in TrainPanel.ui; they show the newest of those trainings.

    Args:
        go_on: continues a run, or compares one that is trained.
        finish: makes a model of what a run has learned so far.
        on_change: called when a run was discarded.
    """

    def __init__(
        self,
        ui: Any,
        logic: Any,
        interaction: Interaction,
        go_on: Callable[[TrainingRun], None],
        finish: Callable[[TrainingRun], None],
        on_change: Callable[[], None],
    ) -> None:
        self._ui, self._logic, self._interaction = ui, logic, interaction
        self._go_on, self._finish, self._on_change = go_on, finish, on_change
        self._runs: list[TrainingRun] = []
        ui.continueButton.connect("clicked()", lambda: self._with_run(self._go_on))
        ui.keepButton.connect("clicked()", lambda: self._with_run(self._finish))
        ui.discardButton.connect("clicked()", lambda: self._with_run(self._discard))
        self.refresh(False)

    @property
    def run(self) -> TrainingRun | None:
        """The one that is shown."""
        return self._runs[0] if self._runs else None

    def look(self, hidden: TrainingRun | None = None) -> None:
        """Look for such trainings in the study; `hidden` is shown elsewhere."""
        try:
            found = self._logic.undecided()
        except OSError:
            found = []
        self._runs = [run for run in found if hidden is None or run.folder != hidden.folder]

    def refresh(self, is_running: bool) -> None:
        """Bring the widgets up to date; while something is trained none can be continued."""
        ui, run = self._ui, self.run
        ui.interruptedBox.visible = run is not None and not is_running
        if run is None:
            return
        trained = _is_trained(run)
        more = _(" ({n} older ones)").format(n=len(self._runs) - 1) if len(self._runs) > 1 else ""
        if trained:
            text = _("A trained model waits for your decision: {title}{more}").format(title=run.title, more=more)
            ui.continueButton.text = _("Compare")
            ui.continueButton.toolTip = _("Compare it with the old model, then decide.")
        else:
            text = _("A training was interrupted: {title}{more}").format(title=run.title, more=more)
            ui.continueButton.text = _("Continue")
            ui.continueButton.toolTip = _("Go on where it was interrupted.")
        ui.interruptedLabel.text = text
        ui.keepButton.visible = not trained
        ui.keepButton.enabled = run.has_learned
        ui.keepButton.toolTip = (
            _("Make a model of the best weights so far, without more training.")
            if run.has_learned
            else _("It has learned nothing yet.")
        )
        ui.discardButton.toolTip = _("Move it to the study's bin.")

    def _with_run(self, act: Callable[[TrainingRun], None]) -> None:
        if self.run is not None:
            act(self.run)

    def _discard(self, run: TrainingRun) -> None:
        try:
            self._logic.discard(run)
        except (LossSegError, OSError) as error:
            self._interaction.tell_error(str(error))
        self.look()
        self._on_change()


def _is_trained(run: TrainingRun) -> bool:
    try:
        return run.is_trained
    except LossSegError:
        return False
