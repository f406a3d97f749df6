"""Tables, plots and the segment editor."""

import numpy as np
import qt
import slicer

from probes.asking import plain, probe, spin
from probes.nodes import make_segmentation, make_volume


def make_plot(rows=10, series=2):
    t = slicer.mrmlScene.AddNewNodeByClass("vtkMRMLTableNode", "PT")
    slicer.util.updateTableFromArray(
        t, tuple(np.arange(rows) * (k + 1.0) for k in range(series + 1)), ["x"] + [f"y{k}" for k in range(series)]
    )
    ch = slicer.mrmlScene.AddNewNodeByClass("vtkMRMLPlotChartNode", "CH")
    for k in range(series):
        p = slicer.mrmlScene.AddNewNodeByClass("vtkMRMLPlotSeriesNode", f"s{k}")
        p.SetAndObserveTableNodeID(t.GetID())
        p.SetXColumnName("x")
        p.SetYColumnName(f"y{k}")
        p.SetPlotType(p.PlotTypeScatter)
        p.SetMarkerStyle(p.MarkerStyleNone)
        p.SetColor(1, 0.2 * k, 0)
        ch.AddAndObservePlotSeriesNodeID(p.GetID())
    return (t, ch)


@probe
def m_table_view():
    t = slicer.mrmlScene.AddNewNodeByClass("vtkMRMLTableNode")
    slicer.util.updateTableFromArray(t, (np.array([3.0, 1.0, 2.0]), np.array([10.0, 9.0, 100.0])), ["a", "b"])
    w = slicer.qMRMLTableView()
    w.setMRMLScene(slicer.mrmlScene)
    w.setMRMLTableNode(t)
    m = w.model()
    return [
        m.rowCount(),
        m.columnCount(),
        plain(w.mrmlTableNode()),
        [m.headerData(c, qt.Qt.Horizontal) for c in range(m.columnCount())],
        m.index(0, 0).data(),
        m.className(),
    ]


@probe
def m_table_view_first_row_locked():
    t = slicer.mrmlScene.AddNewNodeByClass("vtkMRMLTableNode")
    slicer.util.updateTableFromArray(t, (np.array([3.0, 1.0]),), ["a"])
    t.SetUseColumnTitleAsColumnHeader(True)
    t.SetColumnTitle("a", "Volume")
    t.SetColumnUnitLabel("a", "mm3")
    w = slicer.qMRMLTableView()
    w.setMRMLScene(slicer.mrmlScene)
    w.setMRMLTableNode(t)
    w.firstRowLocked = True
    m = w.model()
    return [m.rowCount(), m.headerData(0, qt.Qt.Horizontal), m.index(0, 0).data()]


@probe
def m_table_view_selection():
    t = slicer.mrmlScene.AddNewNodeByClass("vtkMRMLTableNode")
    slicer.util.updateTableFromArray(t, (np.array([3.0, 1.0]),), ["a"])
    w = slicer.qMRMLTableView()
    w.setMRMLScene(slicer.mrmlScene)
    w.setMRMLTableNode(t)
    got = []
    w.connect("selectionChanged()", lambda: got.append(1))
    w.selectionBehavior = qt.QAbstractItemView.SelectRows
    w.selectRow(1)
    return [len(got) > 0, [i.row() for i in w.selectionModel().selectedRows()]]


@probe
def m_table_view_sort():
    t = slicer.mrmlScene.AddNewNodeByClass("vtkMRMLTableNode")
    slicer.util.updateTableFromArray(t, (np.array([10.0, 9.0, 100.0]),), ["a"])
    w = slicer.qMRMLTableView()
    w.setMRMLScene(slicer.mrmlScene)
    w.setMRMLTableNode(t)
    w.sortingEnabled = True
    w.sortByColumn(0, qt.Qt.AscendingOrder)
    m = w.model()
    return [m.index(r, 0).data() for r in range(3)]


@probe
def m_segment_editor_widget():
    v = make_volume()
    s = make_segmentation(v)
    n = slicer.mrmlScene.AddNewNodeByClass("vtkMRMLSegmentEditorNode")
    w = slicer.qMRMLSegmentEditorWidget()
    w.setMRMLScene(slicer.mrmlScene)
    w.setMRMLSegmentEditorNode(n)
    w.setSegmentationNode(s)
    w.setSourceVolumeNode(v)
    w.setCurrentSegmentID("seg1")
    w.setActiveEffectByName("Paint")
    e = w.activeEffect()
    r = [
        w.segmentationNode() == s,
        w.sourceVolumeNode() == v,
        w.currentSegmentID(),
        e.name if e else None,
        "Erase" in [str(x) for x in w.availableEffectNames()],
    ]
    w.setActiveEffect(None)
    w.uninstallKeyboardShortcuts()
    w.setMRMLScene(None)
    return r


@probe
def m_segment_editor_selectors():
    w = slicer.qMRMLSegmentEditorWidget()
    w.setMRMLScene(slicer.mrmlScene)
    w.setSegmentationNodeSelectorVisible(False)
    w.setSourceVolumeNodeSelectorVisible(False)
    w.setSwitchToSegmentationsButtonVisible(False)
    w.setEffectNameOrder(["Paint", "Erase", "Islands"])
    w.unorderedEffectsVisible = False
    r = [w.segmentationNodeSelectorVisible, w.unorderedEffectsVisible]
    w.setMRMLScene(None)
    return r


@probe
def m_plot_show_in_layout():
    _t, ch = make_plot()
    lm = slicer.app.layoutManager()
    was = lm.layout
    slicer.modules.plots.logic().ShowChartInLayout(ch)
    spin(50)
    r = [
        lm.plotViewCount,
        lm.layout != was,
        lm.plotWidget(0).mrmlPlotViewNode().GetPlotChartNodeID() == ch.GetID(),
        lm.plotWidget(0).className(),
    ]
    lm.setLayout(was)
    return r


@probe
def m_plot_view_in_code():
    _t, ch = make_plot()
    n = slicer.mrmlScene.AddNewNodeByClass("vtkMRMLPlotViewNode", "LossSeg")
    w = slicer.qMRMLPlotWidget()
    w.setMRMLScene(slicer.mrmlScene)
    w.setMRMLPlotViewNode(n)
    n.SetPlotChartNodeID(ch.GetID())
    w.resize(400, 250)
    w.show()
    spin(50)
    r = [
        w.plotView().className(),
        w.mrmlPlotViewNode() == n,
        w.plotController() is not None if hasattr(w, "plotController") else None,
    ]
    w.hide()
    w.setMRMLScene(None)
    return r


@probe
def m_plot_view_only():
    _t, ch = make_plot()
    n = slicer.mrmlScene.AddNewNodeByClass("vtkMRMLPlotViewNode", "LossSeg")
    w = slicer.qMRMLPlotView()
    w.setMRMLScene(slicer.mrmlScene)
    w.setMRMLPlotViewNode(n)
    n.SetPlotChartNodeID(ch.GetID())
    w.resize(400, 250)
    w.show()
    spin(50)
    w.fitToContent()
    r = [
        w.className(),
        n.GetPlotChartNodeID() == ch.GetID(),
        [m for m in ("fitToContent", "saveAsSVG", "scheduleRender", "forceRender") if hasattr(w, m)],
    ]
    w.hide()
    w.setMRMLScene(None)
    return r


@probe
def m_plot_view_node_unowned_by_layout():
    lm = slicer.app.layoutManager()
    a = lm.plotViewCount
    slicer.mrmlScene.AddNewNodeByClass("vtkMRMLPlotViewNode", "LossSeg")
    spin(20)
    return lm.plotViewCount - a
