"""Keeps the table of a result in step with its segmentation and reference, beside the GUI thread."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from slicer.i18n import tr as _

from lossseg.errors import LossSegError
from SlicerLossSegLib import segmentation_io
from SlicerLossSegLib.interaction import Interaction
from SlicerLossSegLib.lesion_table import LesionTable, Role


class Upkeep:
    """One table is looked at anew at a time; `busy` meanwhile.

    Args:
        on_change: called when something was done, or could not be.
    """

    def __init__(self, logic: Any, interaction: Interaction, on_change: Callable[[], None]) -> None:
        self._logic, self._interaction, self._on_change = logic, interaction, on_change
        self._seen: dict[tuple[str, str], Any] = {}
        self.busy = False

    def forget(self) -> None:
        """The scene goes away."""
        self._seen.clear()
        self.busy = False

    def note(self, table: LesionTable) -> None:
        """The table is in step with its segmentation as it is now."""
        self._seen[_key(table)] = _state(table)

    def begin(self, table: LesionTable) -> None:
        """A table that was not seen before counts as in step."""
        if _key(table) not in self._seen:
            self.note(table)

    def catch_up(self, table: LesionTable | None) -> bool:
        """Measure a table anew if its segmentation was changed elsewhere or another reference was chosen meanwhile.

        Returns:
            Whether that was begun.
        """
        if table is None or self.busy or not table.is_segmented or table.linked(Role.SEGMENTATION) is None:
            return False
        changed = _state(table) != self._seen.get(_key(table))
        if not changed and (not table.frame or table.is_compared):
            return False
        self.recompute(table)
        return True

    def recompute(self, table: LesionTable) -> None:
        """Find and measure the lesions anew."""
        work = self._logic.start_recomputing
        self._start(table, lambda: work(table, lambda: self._done(table), self._failed(table)))

    def measure(self, table: LesionTable) -> None:
        """Bring the measures of the case up to date after a verdict; the person goes on meanwhile."""
        try:
            self._logic.start_measuring(table, self._on_change, self._failed(table))
        except (LossSegError, ImportError) as error:
            self._failed(table)(error)

    def add_to_training_set(self, table: LesionTable, done: Callable[[str], None]) -> None:
        def added(name: str) -> None:
            self.busy = False
            done(name)

        self._start(table, lambda: self._logic.start_adding(table, added, self._failed(table)))

    def _start(self, table: LesionTable, work: Callable[[], None]) -> None:
        self.busy = True
        self._on_change()
        try:
            work()
        except (LossSegError, ImportError) as error:
            self._failed(table)(error)

    def _done(self, table: LesionTable) -> None:
        self.busy = False
        self.note(table)
        self._on_change()

    def _failed(self, table: LesionTable) -> Callable[[Exception], None]:
        def failed(error: Exception) -> None:
            # What cannot be measured now is not tried again before it changes.
            self.note(table)
            table.note_compared()
            self._tell(error)

        return failed

    def _tell(self, error: Exception) -> None:
        self.busy = False
        self._on_change()
        if isinstance(error, ImportError):
            self._interaction.tell_error(_("Packages that measure lesions are missing."), _("Press Set up."))
        else:
            self._interaction.tell_error(str(error))


def _key(table: LesionTable) -> tuple[str, str]:
    return table.node.GetID() or "", table.frame


def _state(table: LesionTable) -> Any:
    segmentation = table.linked(Role.SEGMENTATION)
    return segmentation_io.state(segmentation) if segmentation is not None else None
