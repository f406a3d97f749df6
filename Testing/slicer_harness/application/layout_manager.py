"""slicer.app.layoutManager(): layouts of the real vtkMRMLLayoutLogic, views of the real displayable managers."""

import slicer

from ..binding import Property, QtCore, QtWidgets, Signal
from ..stand_ins import stand_in
from ..views.four_up import SLICE_VIEWS, THREE_D_VIEW, four_up


class _RenderedView(QtWidgets.QWidget):
    """A view's widget; it is never shown, `_view` draws off screen."""

    _in_designer_ = False

    def __init__(self, view):
        super().__init__()
        self._view = view

    def forceRender(self) -> None:
        self._view.window.Render()

    def scheduleRender(self) -> None:
        """Views are drawn when a test asks for it."""

    def renderWindow(self):
        return self._view.window


@stand_in
class qMRMLSliceView(_RenderedView):
    def mrmlSliceNode(self):
        return self._view.node


@stand_in
class qMRMLThreeDView(_RenderedView):
    def mrmlViewNode(self):
        return self._view.node

    def resetFocalPoint(self) -> None:
        self._view.centre()

    def resetCamera(self) -> None:
        self._view.fit()


class _ViewWidget(QtWidgets.QWidget):
    _in_designer_ = False

    def __init__(self, view, widget_class: type):
        super().__init__()
        self._view, self._widget = view, widget_class(view)

    def __getattr__(self, name: str):
        advice = "; a test renders with slicer_harness.views.view(name).render()" if name == "view" else ""
        raise AttributeError(f"{type(self).__name__} has no attribute named '{name}'{advice}")


@stand_in
class qMRMLSliceWidget(_ViewWidget):
    def sliceView(self):
        return self._widget

    def sliceLogic(self):
        return self._view.logic

    def mrmlSliceNode(self):
        return self._view.node

    def fitSliceToBackground(self) -> None:
        self._view.fit()


@stand_in
class qMRMLThreeDWidget(_ViewWidget):
    def threeDView(self):
        return self._widget

    def mrmlViewNode(self):
        return self._view.node


@stand_in
class qSlicerLayoutManager(QtCore.QObject):
    layoutChanged = Signal(int)
    _signals_ = {"layoutChanged(int)": "layoutChanged"}

    def __init__(self, application_logic, scene):
        super().__init__()
        self._application_logic = application_logic
        self._layout_logic = slicer.vtkMRMLLayoutLogic()
        self._layout_logic.SetMRMLScene(scene)
        self._layout_logic.GetLayoutNode().SetViewArrangement(slicer.vtkMRMLLayoutNode.SlicerLayoutFourUpView)
        self._views = four_up(application_logic, scene)
        self._slice_widgets = {name: qMRMLSliceWidget(self._views[name], qMRMLSliceView) for name in SLICE_VIEWS}
        self._three_d_widget = qMRMLThreeDWidget(self._views[THREE_D_VIEW], qMRMLThreeDView)
        self._plot_widgets: dict[str, object] = {}

    # ------------------------------------------------------------------------------------------ layouts
    def layoutLogic(self):
        return self._layout_logic

    def setLayout(self, layout: int) -> None:
        if layout != self.layout:
            self._layout_logic.GetLayoutNode().SetViewArrangement(layout)
            self.layoutChanged.emit(layout)

    layout = Property(
        int,
        lambda self: self._layout_logic.GetLayoutNode().GetViewArrangement(),
        lambda self, layout: self.setLayout(layout),
    )

    # ------------------------------------------------------------------------------------------ views
    def mrmlSliceLogics(self):
        return self._application_logic.GetSliceLogics()

    def mrmlViewLogics(self):
        return self._application_logic.GetViewLogics()

    def sliceViewNames(self) -> tuple[str, ...]:
        return tuple(self._slice_widgets)

    def sliceWidget(self, name: str):
        return self._slice_widgets.get(name)

    threeDViewCount = Property(int, lambda self: 1)
    tableViewCount = Property(int, lambda self: 0)

    def threeDWidget(self, index: int):
        return self._three_d_widget if index == 0 else None

    def resetSliceViews(self) -> None:
        for name in self._slice_widgets:
            self._views[name].fit()

    def resetThreeDViews(self) -> None:
        self._views[THREE_D_VIEW].centre()

    # ------------------------------------------------------------------------------------------ plots
    def _plot_nodes(self) -> list:
        return slicer.util.getNodesByClass("vtkMRMLPlotViewNode")

    plotViewCount = Property(
        int, lambda self: len(self._plot_nodes())
    )  # every plot view node of the scene, as in Slicer

    def plotWidget(self, index: int):
        node = self._plot_nodes()[index]
        widget = self._plot_widgets.get(node.GetID())
        if widget is None or widget.mrmlPlotViewNode() is not node:
            widget = slicer.qMRMLPlotWidget()
            widget.setMRMLScene(slicer.mrmlScene)
            widget.setMRMLPlotViewNode(node)
            self._plot_widgets[node.GetID()] = widget
        return widget
