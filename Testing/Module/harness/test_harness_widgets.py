"""Behaviour of stand-ins that no probe of Slicer asked for, taken from the sources of CTK and Slicer."""

import ctk
import numpy as np
import pytest
import qt
import slicer

from slicer_harness import user
from slicer_harness.binding import QtGui, shiboken


def test_collapsed_children_stay_hidden_and_come_back_unless_hidden_on_purpose(panel):
    panel.ui.hidden.visible = False
    panel.parent.show()
    slicer.app.processEvents()
    assert not panel.ui.shown.visible
    panel.ui.options.collapsed = False
    assert panel.ui.shown.visible
    assert not panel.ui.hidden.visible
    panel.ui.options.collapsed = True
    panel.ui.hidden.visible = True
    assert not panel.ui.hidden.visible
    panel.ui.options.collapsed = False
    assert panel.ui.hidden.visible


def test_an_event_that_the_binding_takes_for_a_deleted_model_item_is_not_touched():
    box = ctk.ctkCollapsibleGroupBox()
    child = qt.QLabel("inside", box)
    model = QtGui.QStandardItemModel()
    model.setHorizontalHeaderLabels(["Lesion"])
    item = model.horizontalHeaderItem(0)
    assert shiboken.isValid(item)
    assert not box._children.eventFilter(child, item)
    assert not shiboken.isValid(item)


def test_collapsed_group_box_takes_little_room():
    box = ctk.ctkCollapsibleGroupBox()
    inside = qt.QVBoxLayout(box)
    inside.addWidget(qt.QPlainTextEdit())
    box.show()
    slicer.app.processEvents()
    box.collapsed = True
    assert box.maximumHeight < 60
    box.collapsed = False
    assert box.maximumHeight > 10000


def test_path_edit_is_silent_when_it_is_cleared():
    edit, paths, valid = ctk.ctkPathLineEdit(), [], []
    edit.connect("currentPathChanged(QString)", paths.append)
    edit.connect("validInputChanged(bool)", valid.append)
    edit.currentPath = "/a"
    edit.currentPath = ""
    edit.nameFilters = ["Model (*.json *.txt)"]
    edit.currentPath = "/a.png"
    edit.currentPath = "/a.json"
    assert paths == ["/a", "/a.json"]
    assert valid == [True, False, True]


def test_step_that_slicer_would_not_take():
    slider = ctk.ctkSliderWidget()
    slider.maximum = 1
    with pytest.raises(ValueError, match="out of bounds"):
        slider.singleStep = 5


def test_directory_button_tells_a_change_once(tmp_path):
    button, changed, selected = ctk.ctkDirectoryButton(), [], []
    button.connect("directoryChanged(QString)", changed.append)
    button.connect("directorySelected(QString)", selected.append)
    button.directory = str(tmp_path)
    button.directory = str(tmp_path)
    assert changed == [str(tmp_path)]
    assert selected == [str(tmp_path)] * 2


@pytest.fixture
def editor():
    """A segment editor on one empty segment of a volume of 4 x 5 x 6 voxels."""
    volume = slicer.util.addVolumeFromArray(np.zeros((4, 5, 6), np.float32))
    segmentation = slicer.mrmlScene.AddNewNodeByClass("vtkMRMLSegmentationNode")
    segmentation.SetReferenceImageGeometryParameterFromVolumeNode(volume)
    segmentation.GetSegmentation().AddEmptySegment("a", "a")
    made = slicer.qMRMLSegmentEditorWidget()
    made.setMRMLScene(slicer.mrmlScene)
    made.setMRMLSegmentEditorNode(slicer.mrmlScene.AddNewNodeByClass("vtkMRMLSegmentEditorNode"))
    made.setSegmentationNode(segmentation)
    made.setSourceVolumeNode(volume)
    yield made
    made.setMRMLScene(None)


def test_painting_needs_an_effect_and_can_be_undone(editor):
    mask = np.zeros((4, 5, 6), bool)
    mask[1:3, 2, 2] = True

    def voxels():
        segmentation, volume = editor.segmentationNode(), editor.sourceVolumeNode()
        return int(slicer.util.arrayFromSegmentBinaryLabelmap(segmentation, "a", volume).sum())

    assert editor.currentSegmentID() == "a"
    with pytest.raises(RuntimeError, match="no effect"):
        user.paint(editor, mask)
    editor.setActiveEffectByName("Paint")
    user.paint(editor, mask)
    assert voxels() == 2
    user.paint(editor, mask & (np.arange(4) == 1)[:, None, None], erase=True)
    assert voxels() == 1
    editor.undo()
    assert voxels() == 2
    editor.setActiveEffect(None)
    assert user.calls(editor)[-2:] == [("setActiveEffect", "Paint"), ("setActiveEffect", None)]


def test_editor_without_its_node_refuses():
    editor = slicer.qMRMLSegmentEditorWidget()
    with pytest.raises(RuntimeError, match="setMRMLSegmentEditorNode"):
        editor.setSegmentationNode(None)


def test_plot_is_drawn_anew_when_its_table_changes():
    scene = slicer.mrmlScene
    table, series, chart, view = (
        scene.AddNewNodeByClass(f"vtkMRML{kind}Node") for kind in ("Table", "PlotSeries", "PlotChart", "PlotView")
    )
    slicer.util.updateTableFromArray(table, (np.arange(5.0), np.zeros(5)), ["x", "y"])
    series.SetAndObserveTableNodeID(table.GetID())
    series.SetXColumnName("x")
    series.SetYColumnName("y")
    series.SetPlotType(series.PlotTypeScatter)
    series.SetColor(1, 0, 0)
    chart.AddAndObservePlotSeriesNodeID(series.GetID())
    chart.SetLegendVisibility(False)
    view.SetPlotChartNodeID(chart.GetID())
    widget = slicer.qMRMLPlotWidget()
    widget.setMRMLScene(scene)
    widget.setMRMLPlotViewNode(view)
    widget.resize(300, 200)
    before = widget.grab().toImage()
    slicer.util.arrayFromTableColumn(table, "y")[:] = [0, 3, 1, 4, 2]
    slicer.util.arrayFromTableColumnModified(table, "y")
    after = widget.grab().toImage()
    assert before != after
    widget.setMRMLScene(None)
