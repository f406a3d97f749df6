"""Live curves of a training in Slicer's own plots: a table and a series per curve, a chart per unit."""

from __future__ import annotations

import json
from collections.abc import Iterable
from contextlib import suppress
from enum import Enum
from pathlib import Path
from typing import Any

import numpy as np
import qt
import slicer
from slicer.i18n import tr as _

from lossseg.jobs.events import Metric

INTERVAL_MS = 400
"""Between two updates of the plots."""

_MOST_POINTS = 1000
_ATTRIBUTE = "LossSeg.curve"
_COLORS = ((0.12, 0.47, 0.71), (0.84, 0.37, 0.0), (0.17, 0.63, 0.17), (0.58, 0.40, 0.74), (0.55, 0.34, 0.29))
_AVERAGED = "validation (averaged)"


class Chart(Enum):
    """What is plotted together; one chart per unit, for all curves of a chart share an axis."""

    LOSS = "Loss"
    SCORES = "Validation"
    LEARNED = "Learned values"


_SCORES = {"dice": "Dice", "recall": "recall", "small_recall": "recall of small lesions", "precision": "precision"}


class TrainingCurves:
    """Takes the points of a training in and writes them into the scene a few times per second."""

    def __init__(self) -> None:
        self._points: dict[tuple[Chart, str], list[tuple[int, float]]] = {}
        self._strides: dict[tuple[Chart, str], int] = {}
        self._seen: dict[tuple[Chart, str], int] = {}
        self._dirty: set[tuple[Chart, str]] = set()
        self._charts: dict[Chart, Any] = {}
        self._tables: dict[tuple[Chart, str], Any] = {}
        self._layout_before: int | None = None
        self._timer = qt.QTimer()
        self._timer.setInterval(INTERVAL_MS)
        self._timer.connect("timeout()", self.write)

    def start(self, past: Iterable[Metric] = ()) -> None:
        """Begin the curves of another training; `past` are the points before an interruption."""
        self.remove()
        for metric in past:
            self.add(metric)
        self._timer.start()

    def stop(self) -> None:
        """The training is over: what came last is written, the plots stay."""
        self._timer.stop()
        self.write()

    def add(self, metric: Metric) -> None:
        """Take in a point. Undefined values and those that belong to no chart are left out."""
        place = _place(metric)
        if place is None or metric.value is None:
            return
        chart, name = place
        key, number = (chart, name), 2
        while (chart, f"{name} ({number})") in self._points:
            key, number = (chart, f"{name} ({number})"), number + 1
        # Each fold begins at step 0 again.
        if key in self._points and self._points[key][-1][0] > metric.step:
            key = chart, f"{name} ({number})"
        self._seen[key] = self._seen.get(key, -1) + 1
        stride = self._strides.setdefault(key, 1)
        points = self._points.setdefault(key, [])
        if self._seen[key] % stride:
            return
        points.append((metric.step, float(metric.value)))
        if len(points) >= _MOST_POINTS:
            self._points[key] = points[::2]
            self._strides[key] = 2 * stride
        self._dirty.add(key)

    @property
    def charts(self) -> list[Chart]:
        """Those that have a point."""
        return [chart for chart in Chart if any(key[0] is chart for key in self._points)]

    def node(self, chart: Chart) -> Any | None:
        """The chart's vtkMRMLPlotChartNode."""
        node = self._charts.get(chart)
        return node if node is not None and node.GetScene() is not None else None

    def write(self) -> None:
        """Bring the scene up to date."""
        for key in [key for key in self._points if key in self._dirty]:
            points = self._points[key]
            table = self._tables.get(key)
            if table is None or table.GetScene() is None:
                table = self._make(key)
            steps, values = np.array(points, float).reshape(-1, 2).T
            with slicer.util.NodeModify(table):
                slicer.util.updateTableFromArray(table, [steps, values], [_("step"), _(key[1])])
        self._dirty.clear()

    @property
    def is_shown(self) -> bool:
        return self._layout_before is not None

    def show(self, chart: Chart) -> None:
        """Show a chart in Slicer's plot layout; the present layout comes back with `hide`."""
        self.write()
        node, manager = self.node(chart), slicer.app.layoutManager()
        if node is None or manager is None:
            return
        if self._layout_before is None:
            self._layout_before = manager.layout
        slicer.modules.plots.logic().ShowChartInLayout(node)

    def hide(self) -> None:
        """Bring back the layout that was there before `show`."""
        manager = slicer.app.layoutManager()
        if manager is not None and self._layout_before is not None:
            manager.setLayout(self._layout_before)
        self._layout_before = None

    def remove(self) -> None:
        """Take the curves out of the scene."""
        self._timer.stop()
        self.hide()
        for node in (*self._tables.values(), *self._charts.values()):
            if node.GetScene() is None:
                continue
            for series in _series(node):
                slicer.mrmlScene.RemoveNode(series)
            slicer.mrmlScene.RemoveNode(node)
        self.forget()

    def forget(self) -> None:
        """The scene goes away, and the nodes with it."""
        self._timer.stop()
        self._layout_before = None
        for known in (self._points, self._strides, self._seen, self._charts, self._tables):
            known.clear()
        self._dirty.clear()

    def _make(self, key: tuple[Chart, str]) -> Any:
        chart, name = key
        scene = slicer.mrmlScene
        node = self.node(chart)
        if node is None:
            node = scene.AddNewNodeByClass("vtkMRMLPlotChartNode", f"{_('Training')}: {_(chart.value)}")
            node.SetTitle(_(chart.value))
            node.SetXAxisTitle(_("step"))
            node.SetAttribute(_ATTRIBUTE, chart.name)
            if chart is Chart.SCORES:
                node.SetYAxisRangeAuto(False)
                node.SetYAxisRange(0.0, 1.0)
            self._charts[chart] = node
        table = scene.AddNewNodeByClass("vtkMRMLTableNode", f"{_('Training')}: {_(name)}")
        table.SetAttribute(_ATTRIBUTE, chart.name)
        self._tables[key] = table
        slicer.util.updateTableFromArray(table, [np.zeros(0), np.zeros(0)], [_("step"), _(name)])
        series = scene.AddNewNodeByClass("vtkMRMLPlotSeriesNode", _(name))
        series.SetAndObserveTableNodeID(table.GetID())
        series.SetXColumnName(_("step"))
        series.SetYColumnName(_(name))
        series.SetPlotType(slicer.vtkMRMLPlotSeriesNode.PlotTypeScatter)
        few = chart is Chart.SCORES
        series.SetMarkerStyle(
            slicer.vtkMRMLPlotSeriesNode.MarkerStyleCircle if few else slicer.vtkMRMLPlotSeriesNode.MarkerStyleNone
        )
        series.SetColor(*_COLORS[node.GetNumberOfPlotSeriesNodes() % len(_COLORS)])
        node.AddAndObservePlotSeriesNodeID(series.GetID())
        return table


def past(models: Path) -> list[Metric]:
    """The points that runs below a folder have kept in their history.jsonl."""
    found = []
    for path in sorted(models.glob("**/history.jsonl")):
        for line in path.read_text(encoding="utf-8").splitlines():
            # The last line may be half written: the engine was killed.
            with suppress(ValueError, KeyError, TypeError):
                record = json.loads(line)
                found.append(
                    Metric(record["name"], int(record["step"]), record["value"], str(record.get("series", "")))
                )
    return found


def _place(metric: Metric) -> tuple[Chart, str] | None:
    if metric.name == "loss":
        return Chart.LOSS, "training loss"
    if metric.series.endswith(_AVERAGED) and metric.name in _SCORES:
        return Chart.SCORES, _SCORES[metric.name]
    if metric.series.endswith("learned"):
        return Chart.LEARNED, metric.name
    return None


def _series(node: Any) -> list[Any]:
    if not node.IsA("vtkMRMLPlotChartNode"):
        return []
    return [node.GetNthPlotSeriesNode(place) for place in range(node.GetNumberOfPlotSeriesNodes())]
