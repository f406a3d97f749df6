"""The detection table on the screen: sorting, filtering, and which columns are shown."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from enum import Enum
from typing import Any

import qt
from slicer.i18n import tr as _

from SlicerLossSegLib.lesion_row import COLUMNS, LesionRow, Verdict, cell, shown

_SORT_ROLE = qt.Qt.UserRole + 1
_ROW_HEIGHT = 22
_SORT_ARROW = 14
"""Width in pixels."""


class Filter(Enum):
    """Which lesions are listed."""

    ALL = "All"
    MISSED = "Missed"
    FALSE = "False positives"
    SMALL = "Smallest third"
    OPEN = "Unreviewed"


class _Proxy(qt.QSortFilterProxyModel):
    """Lists the rows that `accepts` takes; `accepts` gets the row's place in the source model."""

    accepts: Callable[[int], bool] = staticmethod(lambda place: True)

    def filterAcceptsRow(self, place: int, parent: Any) -> bool:
        return self.accepts(place)


class LesionList:
    """Rows of lesions in a table view.

    Args:
        on_chosen: called with the key of the lesion that the person went to, None when there is none.
    """

    def __init__(self, view: Any, on_chosen: Callable[[str | None], None]) -> None:
        self._view, self._on_chosen = view, on_chosen
        self._rows: list[LesionRow] = []
        self._filter = Filter.ALL
        self._small_below = math.inf
        self._quiet = False
        self._model = qt.QStandardItemModel()
        self._proxy = _Proxy()
        self._proxy.accepts = self._accepts
        self._proxy.setSourceModel(self._model)
        self._proxy.setSortRole(_SORT_ROLE)
        self._model.setHorizontalHeaderLabels([column.head(_(column.title)) for column in COLUMNS])
        for place, column in enumerate(COLUMNS):
            self._model.horizontalHeaderItem(place).setToolTip(_(column.tip))
        view.setModel(self._proxy)
        view.setSelectionBehavior(qt.QAbstractItemView.SelectRows)
        view.setSelectionMode(qt.QAbstractItemView.SingleSelection)
        view.setEditTriggers(qt.QAbstractItemView.NoEditTriggers)
        view.setAlternatingRowColors(True)
        view.setSortingEnabled(True)
        view.sortByColumn(0, qt.Qt.AscendingOrder)
        self._vertical = view.verticalHeader()
        self._vertical.setVisible(False)
        self._vertical.setMinimumSectionSize(_ROW_HEIGHT)
        self._vertical.setDefaultSectionSize(_ROW_HEIGHT)
        self._horizontal = view.horizontalHeader()
        self._horizontal.setStretchLastSection(False)
        self._horizontal.setHighlightSections(False)
        for place, column in enumerate(COLUMNS):
            view.setColumnHidden(place, not column.shown)
        self._selection = view.selectionModel()
        self._selection.connect("currentRowChanged(QModelIndex,QModelIndex)", self._moved)

    @property
    def keys(self) -> list[str]:
        """Of the listed lesions, in the order in which they are listed."""
        return [self._rows[self._source(place)].key for place in range(self._proxy.rowCount())]

    @property
    def has_rows(self) -> bool:
        """Whether any lesion is listed."""
        return bool(self._proxy.rowCount())

    @property
    def current(self) -> str | None:
        """Key of the lesion that the person is at."""
        index = self._view.currentIndex()
        return self._rows[self._proxy.mapToSource(index).row()].key if index.isValid() else None

    def show(self, rows: Sequence[LesionRow]) -> None:
        """List other rows, or the same ones with other values; the person stays at the lesion where they were."""
        current, rows = self.current, list(rows)
        self._quiet = True
        if [row.key for row in rows] == [row.key for row in self._rows]:
            changed = [place for place, new in enumerate(rows) if repr(self._rows[place]) != repr(new)]
            for place in changed:
                self._write(place, rows[place])
            self._rows = rows
            if changed:
                self._fit_columns()
        else:
            self._fill(rows)
        self._measure()
        self._proxy.invalidateFilter()
        if current is not None and current in self.keys:
            self.go_to(current)
        self._quiet = False

    def choose_filter(self, chosen: Filter) -> None:
        self._filter = chosen
        self._proxy.invalidateFilter()

    def show_column(self, key: str, on: bool) -> None:
        self._view.setColumnHidden([column.key for column in COLUMNS].index(key), not on)

    def show_outcomes(self, on: bool) -> None:
        """Without a reference the column has nothing to say."""
        self.show_column("outcome", on)

    def go_to(self, key: str) -> None:
        """Make a listed lesion the current one."""
        if key in self.keys:
            self._view.selectRow(self.keys.index(key))

    def step(self, by: int) -> None:
        """Go to the next (1) or previous (-1) listed lesion; stay at the ends."""
        keys = self.keys
        if not keys:
            return
        current = self.current
        place = keys.index(current) + by if current in keys else (0 if by > 0 else len(keys) - 1)
        self._view.selectRow(min(max(place, 0), len(keys) - 1))

    def _fill(self, rows: list[LesionRow]) -> None:
        # Sorting is off meanwhile: a row that is written cell by cell would move under the hand that writes it.
        self._view.setSortingEnabled(False)
        self._rows = []
        self._model.setRowCount(0)
        self._rows = rows
        for row in rows:
            self._model.appendRow([self._item(row, column) for column in COLUMNS])
        self._view.setSortingEnabled(True)
        self._fit_columns()

    def _fit_columns(self) -> None:
        """As narrow as the cells and titles allow.

        A header keeps room for a sort arrow, as wide as its text is high, in each of its columns; here only the first
        has it.
        """
        for place, column in enumerate(COLUMNS):
            arrow = 0 if place == 0 else 2 * _SORT_ARROW if column.unit else _SORT_ARROW
            title = self._horizontal.sectionSizeHint(place) - arrow
            self._view.setColumnWidth(place, max(self._view.sizeHintForColumn(place), title))

    def _write(self, place: int, row: LesionRow) -> None:
        for column, described in enumerate(COLUMNS):
            self._dress(self._model.item(place, column), row, described)

    def _item(self, row: LesionRow, column: Any) -> Any:
        item = qt.QStandardItem()
        self._dress(item, row, column)
        return item

    def _dress(self, item: Any, row: LesionRow, column: Any) -> None:
        value = cell(row, column.key)
        if not row.is_lesion and column.key not in ("number", "outcome"):
            text = ""
        else:
            text = shown(_(value) if isinstance(value, str) and value else value, column.decimals)
        item.setText(text)
        # Undefined comes before every number.
        undefined = isinstance(value, float) and not math.isfinite(value)
        item.setData(-1e300 if undefined else value, _SORT_ROLE)
        if not isinstance(value, str):
            item.setTextAlignment(qt.Qt.AlignRight | qt.Qt.AlignVCenter)
        font = item.font()
        font.setStrikeOut(row.verdict is Verdict.REJECTED)
        item.setFont(font)

    def _measure(self) -> None:
        volumes = sorted(row.volume_mm3 for row in self._rows if row.is_lesion)
        self._small_below = volumes[(len(volumes) - 1) // 3] if volumes else math.inf

    def _accepts(self, place: int) -> bool:
        if place >= len(self._rows):
            return True
        row = self._rows[place]
        return {
            Filter.ALL: True,
            Filter.MISSED: row.outcome == "missed",
            Filter.FALSE: row.outcome == "false positive",
            Filter.SMALL: row.is_lesion and row.volume_mm3 <= self._small_below,
            Filter.OPEN: row.can_be_judged and row.verdict is Verdict.OPEN,
        }[self._filter]

    def _source(self, place: int) -> int:
        return int(self._proxy.mapToSource(self._proxy.index(place, 0)).row())

    def _moved(self, current: Any, previous: Any) -> None:
        if not self._quiet:
            self._on_chosen(self.current)
