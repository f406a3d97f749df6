"""qMRMLPlotWidget and qMRMLPlotView: a real vtkMRMLPlotChartNode drawn by VTK's chart classes."""

import vtk

from ..binding import QtGui, QtWidgets
from ..stand_ins import stand_in
from ..views.plot_image import plot_image
from .observation import Observations, is_alive
from .scene_widgets import WithScene, qMRMLWidget

BAR = 24  # pixels of the controller above the plot


@stand_in
class qMRMLPlotView(WithScene, QtWidgets.QWidget):
    """Drawn anew when the chart, a series or a table changes, at the next paint event."""

    _in_designer_ = False

    def __init__(self, parent=None):
        super().__init__(parent)
        self._node, self._image = None, None
        self._observed, self._chart_observed = Observations(), Observations()

    def setMRMLPlotViewNode(self, node) -> None:
        self._observed.clear()
        self._node = node
        if node is not None:
            self._observed.add(node, vtk.vtkCommand.ModifiedEvent, lambda *event: is_alive(self) and self._outdated())
        self._outdated()

    def _outdated(self) -> None:
        self._chart_observed.clear()
        chart = self._node.GetPlotChartNode() if self._node else None
        if chart is not None:
            series = [chart.GetNthPlotSeriesNode(i) for i in range(chart.GetNumberOfPlotSeriesNodes())]
            tables = [one.GetTableNode() for one in series if one is not None]
            for node in (chart, *series, *tables):
                if node is not None:
                    self._chart_observed.add(
                        node, vtk.vtkCommand.ModifiedEvent, lambda *event: is_alive(self) and self._outdated()
                    )
        self.fitToContent()

    def fitToContent(self) -> None:
        self._image = None
        self.update()

    def paintEvent(self, event) -> None:
        painter = QtGui.QPainter(self)
        painter.fillRect(self.rect, QtGui.QColor("white"))
        chart = self._node.GetPlotChartNode() if self._node else None
        if chart is not None:
            size = (self.width, self.height)
            if self._image is None or (self._image.width(), self._image.height()) != size:
                self._image = plot_image(chart, *size)
            painter.drawImage(0, 0, self._image)
        painter.end()


@stand_in
class qMRMLPlotViewControllerWidget(qMRMLWidget):
    """The bar above the plot, empty here."""

    def __init__(self, parent=None):
        super().__init__(parent)
        self.setFixedHeight(BAR)
        self._node = None

    def mrmlPlotViewNode(self):
        return self._node

    def setMRMLPlotViewNode(self, node) -> None:
        self._node = node


@stand_in
class qMRMLPlotWidget(qMRMLWidget):
    def __init__(self, parent=None):
        super().__init__(parent)
        self._view, self._controller = qMRMLPlotView(), qMRMLPlotViewControllerWidget()
        column = QtWidgets.QVBoxLayout(self)
        column.setContentsMargins(0, 0, 0, 0)
        column.setSpacing(0)
        column.addWidget(self._controller)
        column.addWidget(self._view, 1)

    def plotView(self):
        return self._view

    def plotController(self):
        return self._controller

    def setMRMLPlotViewNode(self, node) -> None:
        self._view.setMRMLPlotViewNode(node)
        self._controller.setMRMLPlotViewNode(node)

    def mrmlPlotViewNode(self):
        return self._controller.mrmlPlotViewNode()
