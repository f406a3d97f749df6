"""The two tables of an experiment: its runs, live, and at the end the figures of each loss."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Any

import qt
from slicer.i18n import tr as _

from lossseg.studies.state import RunState, StudyRun
from SlicerLossSegLib.experiment import ExperimentRequest
from SlicerLossSegLib.experiment_results import ExperimentResults
from SlicerLossSegLib.loss_ticks import short

_ROW_PIXELS = 22
_HEAD_PIXELS = 30
_MOST_ROWS = 14


def show_runs(table: Any, runs: Sequence[StudyRun], is_at_work: bool, left: Mapping[str, float]) -> None:
    """A row per run.

    Args:
        is_at_work: whether the engine works on the experiment; else a run that is under way was interrupted.
        left: seconds that are left, by key.
    """
    _prepare(table, [_("Loss"), _("Fold"), _("State"), _("Dice"), _("Small"), _("Time"), _("Left")], len(runs))
    for place, run in enumerate(runs):
        cells = (
            short(run.loss, 22),
            str(run.fold),
            _state(run, is_at_work),
            ratio(run.scores.get("dice")),
            ratio(run.scores.get("small_recall")),
            duration(run.seconds),
            duration(left.get(run.key)),
        )
        for column, text in enumerate(cells):
            item = qt.QTableWidgetItem(text)
            item.setToolTip(run.sentence or f"{run.loss}, {run.key}")
            if column not in (0, 2):
                item.setTextAlignment(qt.Qt.AlignRight | qt.Qt.AlignVCenter)
            table.setItem(place, column, item)
    table.horizontalHeaderItem(4).setToolTip(_("Recall of the smallest third of the lesions."))
    table.horizontalHeaderItem(5).setToolTip(_("Time that the training took."))
    table.resizeColumnsToContents()


def show_results(table: Any, results: ExperimentResults | None) -> None:
    """A row per figure, a column per loss; the best value of a row has a star."""
    rows = results.rows if results is not None else ()
    losses = results.losses if results is not None else ()
    _prepare(table, [_("Figure"), *(short(loss) for loss in losses)], len(rows))
    for column, loss in enumerate(losses, 1):
        table.horizontalHeaderItem(column).setToolTip(loss)
    for place, row in enumerate(rows):
        head = qt.QTableWidgetItem(row.title)
        head.setToolTip(row.tip)
        table.setItem(place, 0, head)
        for column, loss in enumerate(losses, 1):
            item = qt.QTableWidgetItem(row.text(loss))
            item.setTextAlignment(qt.Qt.AlignRight | qt.Qt.AlignVCenter)
            item.setToolTip(_tip(row.tip, (row.intervals or {}).get(loss), row.decimals))
            font = item.font()
            font.setBold(loss in row.best)
            item.setFont(font)
            table.setItem(place, column, item)
    table.resizeColumnsToContents()


def duration(seconds: float | None) -> str:
    """Such as "42 s", "3 min" or "2 h 05"; empty when unknown."""
    if seconds is None or not math.isfinite(seconds):
        return ""
    if seconds < 100:
        return _("{n} s").format(n=round(seconds))
    minutes = round(seconds / 60)
    if minutes < 100:
        return _("{n} min").format(n=minutes)
    return _("{hours} h {minutes:02d}").format(hours=minutes // 60, minutes=minutes % 60)


def cost(request: ExperimentRequest) -> str:
    """How many runs an experiment is, and how long they take where their budget is a time."""
    losses = len(request.losses)
    runs = _("{losses} × {folds} folds: {runs} runs").format(
        losses=_("1 loss") if losses == 1 else _("{n} losses").format(n=losses), folds=request.folds, runs=request.runs
    )
    if request.minutes is None:
        return f"{runs}."
    return _("{runs}, {time} in all.").format(runs=runs, time=duration(60 * request.minutes * request.runs))


def _prepare(table: Any, titles: list[str], rows: int) -> None:
    table.clear()
    table.setColumnCount(len(titles))
    table.setHorizontalHeaderLabels(titles)
    table.setRowCount(rows)
    header = table.verticalHeader()
    header.setVisible(False)
    header.setMinimumSectionSize(_ROW_PIXELS)
    header.setDefaultSectionSize(_ROW_PIXELS)
    table.setEditTriggers(qt.QAbstractItemView.NoEditTriggers)
    table.setSelectionBehavior(qt.QAbstractItemView.SelectRows)
    # With room for a horizontal scroll bar.
    table.setMinimumHeight(_HEAD_PIXELS + _ROW_PIXELS * (1 + min(rows, _MOST_ROWS)))
    table.setMaximumHeight(_HEAD_PIXELS + _ROW_PIXELS * (1 + rows))


def _state(run: StudyRun, is_at_work: bool) -> str:
    if run.state is RunState.RUNNING and not is_at_work:
        return _("paused")
    words = {
        RunState.WAITING: _("waiting"),
        RunState.RUNNING: _("running"),
        RunState.FINISHED: _("finished"),
        RunState.FAILED: _("failed"),
    }
    return words[run.state]


def ratio(value: float | None) -> str:
    """Three decimals; empty when unknown."""
    return f"{value:.3f}" if value is not None and math.isfinite(value) else ""


def _tip(tip: str, interval: tuple[float, float] | None, decimals: int) -> str:
    if interval is None:
        return tip
    low, high = (f"{end:.{decimals}f}" for end in interval)
    return f"{tip}<br>{_('95 % confidence band: {low} to {high}').format(low=low, high=high)}"
