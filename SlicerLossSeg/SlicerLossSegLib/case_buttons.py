"""What a person does with a case of the training set: open, correct, hold out, remove, bring back."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

from slicer.i18n import tr as _

from lossseg.errors import LossSegError
from SlicerLossSegLib import views
from SlicerLossSegLib.dataset_list import DatasetList, sentence
from SlicerLossSegLib.scene_case import opened


class CaseButtons:
    """The buttons below the list of cases in TrainPanel.ui; they work on the selected case.

    Args:
        cases: the list.
        on_change: called when a case is begun to be read or written, and when that is done.
    """

    def __init__(self, ui: Any, logic: Any, cases: DatasetList, on_change: Callable[[], None]) -> None:
        self._ui, self._logic, self._list, self._on_change = ui, logic, cases, on_change
        self._busy = False
        self._removed: list[Path] = []
        ui.openCaseButton.connect("clicked()", self.open_case)
        ui.saveLabelButton.connect("clicked()", self.save_label)
        ui.validationButton.connect("clicked()", self.switch_validation)
        ui.removeCaseButton.connect("clicked()", self.remove)
        ui.undoRemoveButton.connect("clicked()", self.undo_remove)
        self.say("")
        self.refresh()

    @property
    def is_busy(self) -> bool:
        """Whether a case is being read or written."""
        return self._busy

    def forget_undo(self) -> None:
        """Another study was chosen."""
        self._removed.clear()

    def forget_scene(self) -> None:
        """Nobody waits for a case any more."""
        self._busy = False
        self.refresh()

    def open_case(self) -> None:
        row = self._list.selected
        if row is None or self._busy:
            return
        volumes, segmentation = opened(row.name, self._logic.study.dataset_folder)
        if volumes and segmentation is not None:
            views.show_volume(volumes[0])
            return
        self._begin()

        def loaded(found: tuple[list[Any], Any]) -> None:
            views.show_volume(found[0][0])
            self._end("")

        self._try(lambda: self._logic.start_opening(row.name, loaded, self._failed))

    def save_label(self) -> None:
        row = self._list.selected
        if row is None or self._busy:
            return
        self._begin()
        note = _("The label of {name} was replaced; the former one is kept in the bin.").format(name=row.name)
        self._try(lambda: self._logic.start_replacing(row.name, lambda kept: self._changed(note), self._failed))

    def remove(self) -> None:
        row = self._list.selected
        if row is None or self._busy:
            return

        def act() -> None:
            self._removed.append(self._logic.remove(row.name))
            self._changed(_("{name} was moved to the study's bin. Undo brings it back.").format(name=row.name))

        self._try(act)

    def undo_remove(self) -> None:
        if not self._removed or self._busy:
            return

        def act() -> None:
            name = self._logic.restore(self._removed[-1])
            self._removed.pop()
            self._changed(_("{name} is back.").format(name=name))

        self._try(act)

    def switch_validation(self) -> None:
        """Hold the selected case out, or train on it again."""
        row = self._list.selected
        if row is None or self._busy:
            return
        held = [name for name in self._list.view.validation if name != row.name]
        if row.fold != "validation":
            held.append(row.name)

        def act() -> None:
            self._logic.mark_validation(held)
            self._changed("")

        self._try(act)

    def refresh(self) -> None:
        """Which buttons can be pressed, and if not, why."""
        row, ui = self._list.selected, self._ui
        wait = _("A case is being read or written.")
        reason = wait if self._busy else "" if row else _("Select a case.")
        is_open = row is not None and opened(row.name, self._logic.study.dataset_folder)[1] is not None
        held = row is not None and row.fold == "validation"
        ui.validationButton.text = _("Train on") if held else _("Hold out")
        for button, problem, tip in (
            (ui.openCaseButton, reason, _("Load the selected case into the scene, or show it.")),
            (
                ui.saveLabelButton,
                reason or ("" if is_open else _("Open the case first.")),
                _("Write the segmentation of the opened case back; the former label is kept in the study's bin."),
            ),
            (
                ui.validationButton,
                reason,
                _("Train on the selected case.")
                if held
                else _("Judge networks by the selected case instead of training on it."),
            ),
            (ui.removeCaseButton, reason, _("Move the selected case to the study's bin; Undo brings it back.")),
            (
                ui.undoRemoveButton,
                wait if self._busy else "" if self._removed else _("Nothing was removed."),
                _("Bring back the case that was removed last."),
            ),
        ):
            button.enabled, button.toolTip = not problem, problem or tip

    def say(self, text: str) -> None:
        self._ui.casesNote.text = text
        self._ui.casesNote.visible = bool(text)

    def _begin(self) -> None:
        self._busy = True
        self.say("")
        self.refresh()

    def _end(self, note: str) -> None:
        self._busy = False
        self.say(note)
        self.refresh()
        self._on_change()

    def _changed(self, note: str) -> None:
        self._end(note)
        self._list.refresh()

    def _failed(self, error: Exception) -> None:
        self._end(sentence(error))

    def _try(self, act: Callable[[], None]) -> None:
        try:
            act()
        except (LossSegError, OSError, ImportError) as error:
            self._failed(error)
