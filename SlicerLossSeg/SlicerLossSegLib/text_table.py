"""A table widget as rows of texts, dense and not editable."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import qt
from slicer.i18n import tr as _

ROW_PIXELS = 22


@dataclass(frozen=True)
class TextRow:
    """One row.

    Attributes:
        texts: one per column.
        tip: shown when the mouse rests on the row.
        bold: for rows that are to be seen first.
    """

    texts: tuple[str, ...]
    tip: str = ""
    bold: bool = False


class TextTable:
    """Fills a QTableWidget.

    Cells are written through the widget's own model, which makes the items: one that Python made would be deleted under
    its hand when the table shrinks.

    Args:
        titles: of the columns, to be translated.
        tips: of columns by their place.
        numbers: places of the columns that hold numbers; they are flush right.
    """

    def __init__(
        self, widget: Any, titles: Sequence[str], tips: Mapping[int, str] | None = None, numbers: Sequence[int] = ()
    ) -> None:
        self.widget, self._numbers = widget, frozenset(numbers)
        self._model = widget.model()
        self._selection = widget.selectionModel()
        self._vertical, self._horizontal = widget.verticalHeader(), widget.horizontalHeader()
        widget.setColumnCount(len(titles))
        widget.setHorizontalHeaderLabels([_(title) for title in titles])
        for column, tip in (tips or {}).items():
            self._model.setHeaderData(column, qt.Qt.Horizontal, _(tip), qt.Qt.ToolTipRole)
        self._vertical.setVisible(False)
        self._vertical.setMinimumSectionSize(ROW_PIXELS)
        self._vertical.setDefaultSectionSize(ROW_PIXELS)
        widget.setEditTriggers(qt.QAbstractItemView.NoEditTriggers)
        widget.setSelectionBehavior(qt.QAbstractItemView.SelectRows)
        widget.setSelectionMode(qt.QAbstractItemView.SingleSelection)

    @property
    def selected(self) -> int | None:
        """Place of the selected row."""
        rows = self._selection.selectedRows()
        return int(rows[0].row()) if rows else None

    def show(self, rows: Sequence[TextRow]) -> None:
        """Show other rows; nobody is told of a change of the selection."""
        before = self.widget.blockSignals(True)
        self.widget.setRowCount(len(rows))
        plain, bold = qt.QFont(self.widget.font), qt.QFont(self.widget.font)
        bold.setBold(True)
        for place, row in enumerate(rows):
            for column, text in enumerate(row.texts):
                index = self._model.index(place, column)
                self._model.setData(index, text, qt.Qt.DisplayRole)
                self._model.setData(index, row.tip, qt.Qt.ToolTipRole)
                self._model.setData(index, bold if row.bold else plain, qt.Qt.FontRole)
                if column in self._numbers:
                    self._model.setData(index, qt.Qt.AlignRight | qt.Qt.AlignVCenter, qt.Qt.TextAlignmentRole)
        self.widget.resizeColumnsToContents()
        self._horizontal.setStretchLastSection(True)
        self.widget.blockSignals(before)
