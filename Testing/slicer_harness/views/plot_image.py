"""A plot chart node drawn with VTK's chart classes, as Slicer's plot view does."""

import vtk

from ..binding import QtGui
from .pixels import grab, to_qimage


def plot_image(chart_node, width: int, height: int) -> QtGui.QImage:
    """The chart in a picture of this size; series without a table are left out."""
    view = vtk.vtkContextView()
    view.GetRenderWindow().SetOffScreenRendering(1)
    view.GetRenderWindow().SetSize(max(1, width), max(1, height))
    view.GetRenderer().SetBackground(1, 1, 1)
    chart = vtk.vtkChartXY()
    view.GetScene().AddItem(chart)
    if chart_node.GetTitle() and chart_node.GetTitleVisibility():
        chart.SetTitle(chart_node.GetTitle())
    for axis, title, log_scale in (
        (vtk.vtkAxis.LEFT, chart_node.GetYAxisTitle(), chart_node.GetYAxisLogScale()),
        (vtk.vtkAxis.BOTTOM, chart_node.GetXAxisTitle(), chart_node.GetXAxisLogScale()),
    ):
        chart.GetAxis(axis).SetTitle(title or "")
        chart.GetAxis(axis).SetLogScale(bool(log_scale))
    chart.SetShowLegend(chart_node.GetLegendVisibility())
    for i in range(chart_node.GetNumberOfPlotSeriesNodes()):
        _add_series(chart, chart_node.GetNthPlotSeriesNode(i))
    view.Render()
    return to_qimage(grab(view.GetRenderWindow()))


def _add_series(chart: vtk.vtkChartXY, series) -> None:
    if series is None or series.GetTableNode() is None:
        return
    as_line = series.GetPlotType() in (series.PlotTypeScatter, series.PlotTypeLine)
    plot = chart.AddPlot(vtk.vtkChart.LINE if as_line else vtk.vtkChart.BAR)
    plot.SetInputData(series.GetTableNode().GetTable())
    if series.GetXColumnName():
        plot.SetInputArray(0, series.GetXColumnName())
    else:
        plot.SetUseIndexForXSeries(True)
    plot.SetInputArray(1, series.GetYColumnName())
    plot.SetColorF(*series.GetColor())
    plot.SetLabel(series.GetName())
    plot.SetWidth(series.GetLineWidth())
