"""The training set on the screen: its cases with their states, and what the data look like."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import qt
from slicer.i18n import tr as _

from lossseg.errors import Cancelled, InputError
from SlicerLossSegLib.dataset_view import CaseRow, DatasetView, Progress, short
from SlicerLossSegLib.text_table import ROW_PIXELS, TextRow, TextTable

_TITLES = ("Case", "Lesions", "Smallest", "For", "State", "By", "When")
_TIPS = {1: "Number of lesions.", 2: "Volume of the smallest lesion in mm³.", 3: "Trained on, or held out to judge by."}
_FOLDS = {"train": "training", "validation": "validation", "": "training"}
_POLL_MS = 200
_QUIET_TICKS = 5
_HEAD, _MOST_ROWS = 44, 6
"""Pixels of the header with a scroll bar, and how many rows are seen at once."""


class DatasetList:
    """The widgets of the training set in TrainPanel.ui.

    Args:
        on_change: called when the dataset, what is known of it, or the selected case changed.

    Attributes:
        view: what is known of the dataset; `is_current` says whether that is what `refresh` was called for.
        problem: why the dataset cannot be used, in a sentence; empty when it can.
    """

    def __init__(self, ui: Any, logic: Any, on_change: Callable[[], None]) -> None:
        self._ui, self._logic, self._on_change = ui, logic, on_change
        self.view = DatasetView()
        self.problem = ""
        self.is_current = False
        self._progress: Progress | None = None
        self._asked = self._ticks = 0
        self._chosen = ""
        self._set_up_widgets()
        ui.caseTable.connect("itemSelectionChanged()", self._selected)
        ui.stopLookingButton.connect("clicked()", self.stop_looking)
        self.show()

    @property
    def is_looking(self) -> bool:
        return self._progress is not None

    @property
    def selected(self) -> CaseRow | None:
        place = self._table.selected
        return self.view.rows[place] if place is not None and place < len(self.view.rows) else None

    def select(self, name: str) -> None:
        self._ui.caseTable.selectRow(self.view.names.index(name))
        self._chosen = name

    def refresh(self) -> None:
        """List the cases anew and look at those that changed, beside the GUI thread."""
        self.stop_looking()
        self._asked += 1
        asked, self.is_current = self._asked, False

        def listed(view: DatasetView) -> None:
            if asked == self._asked:
                self.problem = ""
                self.view = _with_what_is_known(view, self.view)
                self.show()
                self._look(view, asked)

        def failed(error: Exception) -> None:
            if asked == self._asked:
                self.view, self.problem, self.is_current = DatasetView(), sentence(error), True
                self.show()

        self._logic.start_listing(listed, failed)

    def stop_looking(self) -> None:
        """Take no more time for looking at voxels; what was found is kept in the cache."""
        if self._progress is not None:
            self._progress.stop()
            self._progress = None
        self._poll.stop()
        self._show_looking()

    # --- showing -----------------------------------------------------------------------------------------------

    def show(self) -> None:
        """Bring the widgets up to date."""
        rows, chosen = self.view.rows, self._chosen
        self._table.show([_text_row(row) for row in rows])
        self._ui.caseTable.setFixedHeight(_HEAD + ROW_PIXELS * min(max(len(rows), 2), _MOST_ROWS))
        if chosen in self.view.names:
            self.select(chosen)
        note = self.view.looks or self.view.warning
        if not rows:
            note = _(
                "The training set has no case yet. Review a result and press Add to training set, or add one below."
            )
        self._ui.looksLabel.text = self.problem or note
        self._ui.looksLabel.visible = bool(self._ui.looksLabel.text)
        self._ui.casesButton.text = _("Training set ({n})").format(n=len(rows)) if rows else _("Training set")
        self._show_looking()
        self._on_change()

    def _selected(self) -> None:
        row = self.selected
        self._chosen = row.name if row is not None else ""
        self._on_change()

    def release(self) -> None:
        self.stop_looking()
        self._asked += 1

    def _tick(self) -> None:
        self._ticks += 1
        self._show_looking()

    def _show_looking(self) -> None:
        progress, ui = self._progress, self._ui
        # What takes less than a second needs no bar.
        ui.lookingBar.visible = ui.stopLookingButton.visible = progress is not None and self._ticks >= _QUIET_TICKS
        if progress is not None and progress.total:
            ui.lookingBar.value = 1000 * progress.done // progress.total
            ui.lookingBar.setFormat(
                _("Looking at the cases, {done} of {total}").format(done=progress.done, total=progress.total)
            )

    # --- construction ------------------------------------------------------------------------------------------

    def _set_up_widgets(self) -> None:
        self._table = TextTable(self._ui.caseTable, _TITLES, _TIPS, numbers=(1, 2))
        self._poll = qt.QTimer()
        self._poll.setInterval(_POLL_MS)
        self._poll.connect("timeout()", self._tick)

    # --- work --------------------------------------------------------------------------------------------------

    def _look(self, view: DatasetView, asked: int) -> None:
        def over(measured: DatasetView | None, problem: str) -> None:
            if asked != self._asked:
                return
            self._progress = None
            self._poll.stop()
            if measured is not None:
                self.view = measured
            self.problem, self.is_current = problem, True
            self.show()

        def failed(error: Exception) -> None:
            over(None, "" if isinstance(error, Cancelled) else sentence(error))

        self._progress = self._logic.start_measuring(view, lambda measured: over(measured, ""), failed)
        self._ticks = 0
        self._poll.start()
        self._show_looking()


def _text_row(row: CaseRow) -> TextRow:
    smallest = row.smallest_mm3
    texts = (
        row.name,
        "" if row.lesions is None else str(row.lesions),
        "" if smallest is None or math.isnan(smallest) else short(smallest),
        _(_FOLDS.get(row.fold, "fold {n}")).format(n=row.fold),
        _("cannot be read") if row.problem else row.state,
        row.by,
        row.when,
    )
    return TextRow(texts, row.problem or row.name)


def _with_what_is_known(new: DatasetView, old: DatasetView) -> DatasetView:
    """The new list shows what was measured before until it is measured again."""
    known = {row.name: row for row in old.rows}
    rows = tuple(
        replace(row, lesions=known[row.name].lesions, smallest_mm3=known[row.name].smallest_mm3)
        if row.name in known
        else row
        for row in new.rows
    )
    return replace(new, rows=rows, looks=old.looks, suggestion=old.suggestion)


def sentence(error: Exception) -> str:
    if isinstance(error, InputError):
        return f"{error.message} {error.hint}".strip()
    if isinstance(error, ImportError):
        return _("Packages that look at images are missing. Press Set up.")
    return str(error)
