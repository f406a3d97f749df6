"""A plot within the panel: the chart, its series and its table are nodes of the scene that are not saved with it."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import slicer
import vtk

HEIGHT = 220
"""Pixels; without a minimum height a plot widget shows only its bar."""

# Okabe and Ito, Color Universal Design (2008), without the yellow that a white ground swallows.
COLORS = (
    (0.00, 0.45, 0.70),
    (0.84, 0.37, 0.00),
    (0.00, 0.62, 0.45),
    (0.80, 0.47, 0.65),
    (0.34, 0.71, 0.91),
    (0.90, 0.62, 0.00),
    (0.25, 0.25, 0.25),
    (0.55, 0.45, 0.20),
)


@dataclass(frozen=True)
class Curve:
    """Points of one series.

    Attributes:
        color: place in `COLORS`, so that a curve and its band look alike.
        thin: a dashed line, as of a confidence band.
    """

    name: str
    x: Sequence[float]
    y: Sequence[float]
    color: int
    thin: bool = False


class PanelChart:
    """A plot widget in a layout of the panel, hidden until it has something to show.

    Args:
        layout: where the widget goes.
        name: of the nodes.
    """

    def __init__(self, layout: Any, name: str, x_title: str, y_title: str) -> None:
        self._name, self._titles = name, (x_title, y_title)
        self._widget = slicer.qMRMLPlotWidget()
        self._widget.setMinimumHeight(HEIGHT)
        self._widget.visible = False
        layout.addWidget(self._widget)
        self._view: Any = None
        self._chart: Any = None
        self._pairs: list[tuple[Any, Any]] = []

    @property
    def chart(self) -> Any | None:
        """The vtkMRMLPlotChartNode, None when nothing is shown."""
        return self._chart if self._chart is not None and self._chart.GetScene() is not None else None

    def show_bars(self, labels: Sequence[str], bars: Sequence[tuple[str, Sequence[float]]]) -> None:
        """Bars side by side: a group for each of `labels`, in it one bar per (name, values)."""
        places = [float(place) for place in range(1, len(labels) + 1)]
        curves = [Curve(name, places, values, color) for color, (name, values) in enumerate(bars)]
        self._show(curves, slicer.vtkMRMLPlotSeriesNode.PlotTypeBar, labels)

    def show_curves(self, curves: Sequence[Curve], log_x: bool = False) -> None:
        """Lines over a common axis."""
        self._show(curves, slicer.vtkMRMLPlotSeriesNode.PlotTypeScatter)
        if self.chart is not None:
            self._chart.SetXAxisLogScale(log_x)

    def clear(self) -> None:
        """Take chart, series and tables out of the scene."""
        self._widget.visible = False
        if self._view is not None and self._view.GetScene() is not None:
            self._view.SetPlotChartNodeID(None)
        for node in (*(one for pair in self._pairs for one in pair), self._chart):
            if node is not None and node.GetScene() is not None:
                slicer.mrmlScene.RemoveNode(node)
        self._pairs, self._chart = [], None

    def release(self) -> None:
        """The panel goes away."""
        self.clear()
        # Before its scene, or the application crashes when it ends.
        self._widget.setMRMLPlotViewNode(None)
        self._widget.setMRMLScene(None)
        if self._view is not None and self._view.GetScene() is not None:
            slicer.mrmlScene.RemoveNode(self._view)
        self._view = None

    def _show(self, curves: Sequence[Curve], kind: int, labels: Sequence[str] = ()) -> None:
        self._prepare(len(curves))
        for (table, series), curve in zip(self._pairs, curves, strict=True):
            _fill(table, curve, labels)
            with slicer.util.NodeModify(series):
                series.SetName(curve.name)
                series.SetPlotType(kind)
                series.SetXColumnName("x")
                series.SetYColumnName("y")
                series.SetLabelColumnName("label" if labels else "")
                series.SetMarkerStyle(series.MarkerStyleNone)
                series.SetLineStyle(series.LineStyleDash if curve.thin else series.LineStyleSolid)
                series.SetLineWidth(1 if curve.thin else 2)
                series.SetColor(*COLORS[curve.color % len(COLORS)])
        self._widget.visible = bool(curves)

    def _prepare(self, count: int) -> None:
        """As many series as are needed, in a chart, in a view."""
        scene = slicer.mrmlScene
        if self._view is None or self._view.GetScene() is None:
            self._view = slicer.vtkMRMLPlotViewNode()
            self._view.SetName(self._name)
            self._view.SetLayoutName(self._name)
            self._view.SetSaveWithScene(False)
            self._view = scene.AddNode(self._view)
            self._widget.setMRMLScene(scene)
            self._widget.setMRMLPlotViewNode(self._view)
            self._widget.plotController().setVisible(False)
        if self.chart is None:
            self._pairs = []
            self._chart = _add("vtkMRMLPlotChartNode", self._name)
            self._chart.SetXAxisTitle(self._titles[0])
            self._chart.SetYAxisTitle(self._titles[1])
            self._chart.SetTitleVisibility(False)
            # The colours are explained beside the plot: a legend would cover it at this size.
            self._chart.SetLegendVisibility(False)
        while len(self._pairs) > count:
            table, series = self._pairs.pop()
            self._chart.RemovePlotSeriesNodeID(series.GetID())
            scene.RemoveNode(series)
            scene.RemoveNode(table)
        while len(self._pairs) < count:
            table, series = _add("vtkMRMLTableNode", self._name), _add("vtkMRMLPlotSeriesNode", self._name)
            series.SetAndObserveTableNodeID(table.GetID())
            self._chart.AddAndObservePlotSeriesNodeID(series.GetID())
            self._pairs.append((table, series))
        if self._view.GetPlotChartNodeID() != self._chart.GetID():
            self._view.SetPlotChartNodeID(self._chart.GetID())


def legend(names: Sequence[str]) -> str:
    """The colours of the series in their order, as rich text."""
    entries = []
    for place, name in enumerate(names):
        red, green, blue = (round(255 * part) for part in COLORS[place % len(COLORS)])
        entries.append(f'<span style="color:#{red:02x}{green:02x}{blue:02x}">■</span>&nbsp;{name}')
    return "&emsp;".join(entries)


def _add(kind: str, name: str) -> Any:
    node = slicer.mrmlScene.AddNewNodeByClass(kind, slicer.mrmlScene.GenerateUniqueName(name))
    node.SetSaveWithScene(False)
    node.SetHideFromEditors(kind != "vtkMRMLPlotChartNode")
    return node


def _fill(node: Any, curve: Curve, labels: Sequence[str]) -> None:
    # What is undefined is left out: it is not 0.
    places = [place for place, value in enumerate(curve.y) if math.isfinite(value)]
    table = vtk.vtkTable()
    for name, values in (("x", curve.x), ("y", curve.y)):
        column = vtk.vtkDoubleArray()
        column.SetName(name)
        for place in places:
            column.InsertNextValue(float(values[place]))
        table.AddColumn(column)
    if labels:
        texts = vtk.vtkStringArray()
        texts.SetName("label")
        for place in places:
            texts.InsertNextValue(labels[place])
        table.AddColumn(texts)
    node.SetAndObserveTable(table)
