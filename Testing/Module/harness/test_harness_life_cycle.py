"""A module from loading to its end."""

import shutil
import sys

import pytest
import qt
import slicer
from sample_module import write_module

import slicer_harness


def test_module_is_described(sample):
    description = slicer.modules.sample
    assert (description.name, description.title, list(description.categories)) == (
        "Sample",
        "A title",
        ["Segmentation"],
    )
    assert slicer.util.getModule("Sample") is description
    with pytest.raises(AttributeError):
        description.titel = "x"
    with pytest.raises(AttributeError):
        description.name = "x"


def test_order_of_the_life_cycle(sample):
    sample.CALLS.clear()
    widget = slicer_harness.create_widget(sample)
    assert (widget.entered_in_setup, widget.parent.isEntered) == (False, True)
    assert slicer.modules.SampleWidget is widget
    assert slicer.util.getModuleWidget("Sample") is widget
    slicer_harness.close_widget(widget)
    assert sample.CALLS == ["setup", "enter", "exit", "cleanup"]


def test_reload_takes_the_file_anew_without_exit_and_enter(tmp_path):
    path = write_module(tmp_path, "Renewed")
    module, _instance = slicer_harness.load_module(path)
    widget = slicer_harness.create_widget(module)
    path.write_text(path.read_text(encoding="utf-8") + "\nRELOADED = True\n", encoding="utf-8")
    widget.onReload()
    again = sys.modules["Renewed"]
    assert again.RELOADED
    assert again.CALLS == ["setup"]
    assert module.CALLS == ["setup", "enter", "cleanup"]
    assert type(slicer.modules.RenewedWidget) is again.RenewedWidget
    slicer_harness.close_widget(slicer.modules.RenewedWidget)
    assert again.CALLS == ["setup", "exit", "cleanup"]


def test_self_test_of_the_module_runs(sample):
    sample.CALLS.clear()
    slicer.selfTests["Sample"]()
    assert sample.CALLS == ["test_one"]


def test_a_person_is_left_alone():
    documents = qt.QStandardPaths.writableLocation(qt.QStandardPaths.DocumentsLocation)
    for path in (documents, qt.QSettings().fileName(), slicer.app.slicerUserSettingsFilePath):
        assert "slicer-harness-user-" in path


def test_python_slicer_is_this_interpreter():
    process = qt.QProcess()
    process.start(shutil.which("PythonSlicer"), ["-c", "import sys; print(sys.prefix)"])
    assert process.waitForFinished(20000)
    assert process.readAllStandardOutput().data().decode().strip() == sys.prefix


def test_scene_survives_the_way_through_a_file(tmp_path):
    node = slicer.mrmlScene.AddNewNodeByClass("vtkMRMLTextNode", "kept")
    node.SetText("words")
    assert slicer.util.saveScene(str(tmp_path / "s.mrb"))
    slicer.mrmlScene.Clear(0)
    slicer.util.loadScene(str(tmp_path / "s.mrb"))
    assert slicer.util.getNode("kept").GetText() == "words"


def test_subject_hierarchy_follows_the_scene(tmp_path):
    scene = slicer.mrmlScene

    def item(node):
        tree = slicer.vtkMRMLSubjectHierarchyNode.GetSubjectHierarchyNode(scene)
        return tree.GetItemByDataNode(node)

    table = scene.AddNewNodeByClass("vtkMRMLTableNode", "T")
    assert item(table) > 0
    table.SetHideFromEditors(True)
    scene.RemoveNode(table)
    kept = scene.AddNewNodeByClass("vtkMRMLTableNode", "K")
    tree = slicer.vtkMRMLSubjectHierarchyNode.GetSubjectHierarchyNode(scene)
    folder = tree.CreateFolderItem(tree.GetSceneItemID(), "F")
    tree.SetItemParent(item(kept), folder)
    assert slicer.util.saveScene(str(tmp_path / "s.mrb"))
    scene.Clear(0)
    slicer.util.loadScene(str(tmp_path / "s.mrb"))
    again = slicer.util.getNode("K")
    tree = slicer.vtkMRMLSubjectHierarchyNode.GetSubjectHierarchyNode(scene)
    assert tree.GetItemName(tree.GetItemParent(item(again))) == "F"
