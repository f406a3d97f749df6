"""The table of the loss inspector: a row per lesion, a column per loss, in each cell a share of the gradient."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import qt
from slicer.i18n import tr as _

from SlicerLossSegLib.inspector import Component, Kind, LossAnswer, LossFigures
from SlicerLossSegLib.loss_ticks import short

_SORT_ROLE = qt.Qt.UserRole + 1
_PLACE_ROLE = qt.Qt.UserRole + 2
_FIRST_LOSS = 2
_ROW_PIXELS, _HEAD_PIXELS = 22, 62
_MOST_ROWS = 12
"""Rows that are seen without scrolling."""


class ShareTable:
    """A table view of an answer.

    Args:
        on_chosen: called with the component of the row that the person clicked or went to.
    """

    def __init__(self, view: Any, on_chosen: Callable[[Component], None]) -> None:
        self._view, self._on_chosen = view, on_chosen
        self._answer: LossAnswer | None = None
        self._model = qt.QStandardItemModel()
        self._model.setSortRole(_SORT_ROLE)
        view.setModel(self._model)
        view.setEditTriggers(qt.QAbstractItemView.NoEditTriggers)
        view.setSelectionBehavior(qt.QAbstractItemView.SelectRows)
        view.setSelectionMode(qt.QAbstractItemView.SingleSelection)
        self._rows = view.verticalHeader()
        self._rows.setVisible(False)
        self._rows.setMinimumSectionSize(_ROW_PIXELS)
        self._rows.setDefaultSectionSize(_ROW_PIXELS)
        self._columns = view.horizontalHeader()
        # Bold heads of the chosen row would need more room than there is.
        self._columns.setHighlightSections(False)
        # Kept: a temporary's connection would die with it.
        self._selection = view.selectionModel()
        self._selection.connect("currentRowChanged(QModelIndex,QModelIndex)", self._moved)

    @property
    def answer(self) -> LossAnswer | None:
        return self._answer

    def show(self, answer: LossAnswer | None) -> None:
        """Show an answer; None empties the table. The chosen row stays chosen."""
        chosen = self._chosen()
        self._answer = None
        self._view.setSortingEnabled(False)
        self._model.clear()
        rows = len(answer.components) if answer is not None else 0
        self._view.setMinimumHeight(_HEAD_PIXELS + _ROW_PIXELS * min(max(rows, 3), _MOST_ROWS))
        self._view.setMaximumHeight(_HEAD_PIXELS + _ROW_PIXELS * max(rows, 3))
        if answer is None:
            return
        self._model.setHorizontalHeaderLabels(
            [_("Part"), _("mm³"), *(f"{short(loss.expression)}\n{_value(loss.value)}" for loss in answer.losses)]
        )
        for column, loss in enumerate(answer.losses, _FIRST_LOSS):
            self._model.horizontalHeaderItem(column).setToolTip(_loss_tip(loss))
        for place, component in enumerate(answer.components):
            self._model.appendRow(self._cells(place, component, answer))
        self._answer = answer
        self._view.setSortingEnabled(True)
        self._view.sortByColumn(0, qt.Qt.AscendingOrder)
        self._view.resizeColumnsToContents()
        self._choose(chosen)

    def text(self, row: int, column: int) -> str:
        """What a cell shows, rows as they are sorted."""
        return str(self._model.item(row, column).text())

    def sort_by_volume(self) -> None:
        """The largest first, as a click on the column's head does."""
        self._view.sortByColumn(1, qt.Qt.DescendingOrder)

    def go_to(self, row: int) -> None:
        self._view.selectRow(row)

    def _cells(self, place: int, component: Component, answer: LossAnswer) -> list[Any]:
        # False positives may be many, and tiny: they come last.
        order = {Kind.LESION: 0, Kind.BACKGROUND: 1, Kind.FALSE_POSITIVE: 2}[component.kind] * 1e6 + component.number
        first = _item(component.title, order, place)
        first.setToolTip(_part_tip(component))
        volume = component.volume_mm3
        cells = [first, _number_item(volume, 1 if volume < 100 else 0, place)]
        for loss in answer.losses:
            share = component.shares.get(loss.expression, math.nan)
            if not math.isfinite(loss.value):
                share = math.nan
            cell = _number_item(100 * share, 1, place)
            cell.setToolTip(_share_tip(component, loss, share))
            cells.append(cell)
        return cells

    def _moved(self, current: Any, previous: Any) -> None:
        component = self._chosen()
        if component is not None:
            self._on_chosen(component)

    def _chosen(self) -> Component | None:
        if self._answer is None:
            return None
        index = self._view.currentIndex()
        if not index.isValid():
            return None
        item = self._model.item(index.row(), 0)
        return None if item is None else self._answer.components[int(item.data(_PLACE_ROLE))]

    def _choose(self, wanted: Component | None) -> None:
        assert self._answer is not None
        for row in range(self._model.rowCount()):
            component = self._answer.components[int(self._model.item(row, 0).data(_PLACE_ROLE))]
            if wanted is not None and (component.kind, component.number) == (wanted.kind, wanted.number):
                before = self._selection.blockSignals(True)
                self._view.selectRow(row)
                self._selection.blockSignals(before)


def _item(text: str, sort: float, place: int) -> Any:
    item = qt.QStandardItem(text)
    item.setData(sort, _SORT_ROLE)
    item.setData(place, _PLACE_ROLE)
    return item


def _number_item(value: float, decimals: int, place: int) -> Any:
    defined = math.isfinite(value)
    # Undefined comes before every number.
    item = _item(f"{value:.{decimals}f}" if defined else _("n/a"), value if defined else -1e300, place)
    item.setTextAlignment(qt.Qt.AlignRight | qt.Qt.AlignVCenter)
    return item


def _value(value: float) -> str:
    return f"{value:.3g}" if math.isfinite(value) else _("n/a")


def _loss_tip(loss: LossFigures) -> str:
    if loss.error:
        return f"{loss.expression}<br>{loss.error}"
    lines = (
        loss.expression,
        _("Value: {value}").format(value=_value(loss.value)),
        _("Sum of the gradient's magnitudes: {sum}").format(sum=_value(loss.gradient)),
        _("Below: share of it in %."),
    )
    return "<br>".join(lines)


def _part_tip(component: Component) -> str:
    words = {
        Kind.LESION: _("A lesion of the reference, {n} voxels."),
        Kind.FALSE_POSITIVE: _("A predicted component that overlaps no lesion of the reference, {n} voxels."),
        Kind.BACKGROUND: _("All voxels that are in no lesion and in no false positive, {n} voxels."),
    }
    return words[component.kind].format(n=component.voxels)


def _share_tip(component: Component, loss: LossFigures, share: float) -> str:
    if not math.isfinite(share):
        return loss.error or _("Not computed.")
    return _("{part}: {share:.2f} % of the gradient of {loss}").format(
        part=component.title, share=100 * share, loss=loss.expression
    )
