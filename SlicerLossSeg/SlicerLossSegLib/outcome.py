"""The end of a training: what the new model gained and lost, and whether it is used."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

from slicer.i18n import tr as _

from lossseg.errors import LossSegError
from SlicerLossSegLib.interaction import Interaction
from SlicerLossSegLib.rival_table import RivalTable, headline, measures_line
from SlicerLossSegLib.scene_case import opened
from SlicerLossSegLib.study import ModelCard
from SlicerLossSegLib.training_form import model_name
from SlicerLossSegLib.training_logic import new_scores
from SlicerLossSegLib.training_task import TrainingTask


class Outcome:
    """The widgets of `outcomeBox` in TrainPanel.ui.

    Args:
        on_decided: called with the names of the new models when they are used, with none when the old one is kept.
    """

    def __init__(self, ui: Any, logic: Any, interaction: Interaction, on_decided: Callable[[list[str]], None]) -> None:
        self._ui, self._logic, self._interaction, self._on_decided = ui, logic, interaction, on_decided
        self._task: TrainingTask | None = None
        self._taken: list[str] = []
        self._busy = False
        self.table = RivalTable(ui, lambda name: opened(name, logic.study.dataset_folder)[0])
        ui.useButton.connect("clicked()", self.use)
        ui.keepOldButton.connect("clicked()", self.keep_old)
        ui.modelNameEdit.connect("textChanged(QString)", lambda text: self.refresh())
        self.hide()

    @property
    def task(self) -> TrainingTask | None:
        """The training whose outcome waits for a decision."""
        return self._task

    def show(self, task: TrainingTask, taken: Sequence[str]) -> None:
        """Show what came of a training.

        Args:
            taken: names of the study's models.
        """
        self._task, self._taken = task, list(taken)
        ui = self._ui
        ui.outcomeBox.visible = True
        ui.modelNameEdit.text = model_name(task.run.loss, self._taken)
        self.table.show(task.comparison)
        if task.comparison is not None:
            ui.outcomeLabel.text = headline(task.comparison)
        else:
            ui.outcomeLabel.text = _("The network is trained. There is no old model to compare it with.")
            if task.run.rival is not None:
                ui.outcomeLabel.text = _("The network is trained. It was not compared with the old model.")
            ui.outcomeMeasures.text = measures_line({"new": new_scores(task)})
            ui.outcomeMeasures.visible = True
        self._set_waiting(True)

    def hide(self) -> None:
        self._task = None
        self.table.show(None)
        self._ui.outcomeBox.visible = False

    def refresh(self) -> None:
        """Whether the model can be used under the name, and if not, why."""
        ui = self._ui
        name = str(ui.modelNameEdit.text).strip()
        reason = "" if name else _("Give the new model a name.")
        if name in self._taken or any(other.startswith(f"{name}/") for other in self._taken):
            reason = _("The study has a model {name} already.").format(name=name)
        if self._busy:
            reason = _("The model is being copied.")
        ui.useButton.enabled, ui.keepOldButton.enabled = not reason, not self._busy
        ui.useButton.toolTip = reason or _("Put the new model into the study. The old one stays there too.")
        ui.keepOldButton.toolTip = _("Leave the study's models as they are. The new one stays in its run.")

    def use(self) -> None:
        task = self._task
        if task is None or self._busy:
            return
        self._set_busy(True)
        self._logic.start_using(task, str(self._ui.modelNameEdit.text).strip(), self._used, self._not_used)

    def forget_scene(self) -> None:
        """Nobody waits for the copy of a model any more; a decision that was taken stays."""
        if self._busy:
            self._busy = False
            self.hide()

    def _used(self, cards: Sequence[ModelCard]) -> None:
        self._set_busy(False)
        names = ", ".join(card.name for card in cards)
        self._decide(_("In the study now, and ticked in Segment: {names}.").format(names=names))
        self._on_decided([card.name for card in cards])

    def _not_used(self, error: Exception) -> None:
        self._set_busy(False)
        self._interaction.tell_error(str(error))

    def _set_busy(self, on: bool) -> None:
        self._busy = on
        self.refresh()

    def keep_old(self) -> None:
        task = self._task
        if task is None:
            return
        try:
            self._logic.keep_old(task)
        except (LossSegError, OSError) as error:
            self._interaction.tell_error(str(error))
            return
        self._decide(_("The old model stays in use."))
        self._on_decided([])

    def _decide(self, text: str) -> None:
        self._task = None
        self._set_waiting(False)
        self._ui.outcomeLabel.text = f"{text} {self._ui.outcomeLabel.text}"

    def _set_waiting(self, on: bool) -> None:
        ui = self._ui
        for widget in (ui.useButton, ui.keepOldButton, ui.modelNameLabel, ui.modelNameEdit):
            widget.visible = on
        self.refresh()
