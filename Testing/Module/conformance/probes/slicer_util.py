"""slicer.util."""

import pathlib

import numpy as np
import slicer
import vtk

from probes.asking import TEMPORARY, plain, probe, until
from probes.nodes import make_segmentation, make_volume


@probe
def m_util_addVolumeFromArray():
    v = slicer.util.addVolumeFromArray(np.zeros((3, 4, 5), np.float32), name="X")
    return [
        v.GetName(),
        v.GetImageData().GetDimensions(),
        plain(v),
        v.GetDisplayNode() is not None,
        slicer.util.arrayFromVolume(v).dtype.name,
    ]


@probe
def m_util_addVolume_bool():
    v = slicer.util.addVolumeFromArray(np.zeros((3, 4, 5), bool))
    return slicer.util.arrayFromVolume(v).dtype.name


@probe
def m_util_addVolume_float16():
    v = slicer.util.addVolumeFromArray(np.zeros((3, 4, 5), np.float16))
    return slicer.util.arrayFromVolume(v).dtype.name


@probe
def m_util_addVolume_label():
    v = slicer.util.addVolumeFromArray(
        np.zeros((3, 4, 5), np.uint8), nodeClassName="vtkMRMLLabelMapVolumeNode", ijkToRAS=np.diag([2.0, 2.0, 3.0, 1.0])
    )
    return [plain(v), list(v.GetSpacing())]


@probe
def m_util_updateVolume():
    v = make_volume(3)
    slicer.util.updateVolumeFromArray(v, np.ones((2, 3, 4), np.int16))
    a = slicer.util.arrayFromVolume(v)
    a[0, 0, 0] = 7
    slicer.util.arrayFromVolumeModified(v)
    return [list(slicer.util.arrayFromVolume(v).shape), int(slicer.util.arrayFromVolume(v)[0, 0, 0])]


@probe
def m_util_arrayFromVolume_empty():
    return slicer.util.arrayFromVolume(slicer.mrmlScene.AddNewNodeByClass("vtkMRMLScalarVolumeNode"))


@probe
def m_util_segment_array():
    v = make_volume()
    s = make_segmentation(v)
    a = slicer.util.arrayFromSegmentBinaryLabelmap(s, "seg0", v)
    return [list(a.shape), int(a.sum()), a.dtype.name]


@probe
def m_util_segment_array_no_reference():
    v = make_volume()
    s = make_segmentation(v)
    return list(slicer.util.arrayFromSegmentBinaryLabelmap(s, "seg0").shape)


@probe
def m_util_segment_array_unknown():
    v = make_volume()
    s = make_segmentation(v)
    return slicer.util.arrayFromSegmentBinaryLabelmap(s, "nope", v)


@probe
def m_util_segment_update_bool():
    v = make_volume()
    s = make_segmentation(v, 1)
    slicer.util.updateSegmentBinaryLabelmapFromArray(np.ones((20, 20, 20), bool), s, "seg0", v)
    return int(slicer.util.arrayFromSegmentBinaryLabelmap(s, "seg0", v).sum())


@probe
def m_util_table():
    t = slicer.mrmlScene.AddNewNodeByClass("vtkMRMLTableNode")
    slicer.util.updateTableFromArray(t, np.ones((4, 2)), ["a", "b"])
    return [t.GetNumberOfRows(), t.GetNumberOfColumns(), t.GetColumnName(1)]


@probe
def m_util_table_strings():
    t = slicer.mrmlScene.AddNewNodeByClass("vtkMRMLTableNode")
    slicer.util.updateTableFromArray(t, [np.array(["x", "y"])], ["a"])
    return t.GetCellText(0, 0)


@probe
def m_util_getNode():
    v = make_volume(name="Abc")
    return [
        slicer.util.getNode("Abc") == v,
        slicer.util.getNode("A*") == v,
        len(slicer.util.getNodesByClass("vtkMRMLScalarVolumeNode")),
    ]


@probe
def m_util_getNode_missing():
    return slicer.util.getNode("missing")


@probe
def m_util_setSliceViewerLayers():
    v, w = (make_volume(), make_volume(name="W"))
    slicer.util.setSliceViewerLayers(background=v, foreground=w, foregroundOpacity=0.4, label=None, fit=True)
    c = slicer.app.layoutManager().sliceWidget("Red").sliceLogic().GetSliceCompositeNode()
    return [c.GetBackgroundVolumeID() == v.GetID(), c.GetForegroundVolumeID() == w.GetID(), c.GetForegroundOpacity()]


@probe
def m_util_setSliceViewerLayers_keep():
    v, w = (make_volume(), make_volume(name="W"))
    slicer.util.setSliceViewerLayers(background=v)
    slicer.util.setSliceViewerLayers(foreground=w)
    c = slicer.app.layoutManager().sliceWidget("Red").sliceLogic().GetSliceCompositeNode()
    return [c.GetBackgroundVolumeID() == v.GetID(), c.GetForegroundVolumeID() == w.GetID()]


@probe
def util_tryWithErrorDisplay():
    with slicer.util.tryWithErrorDisplay("Failed.", waitCursor=True):
        raise ValueError("boom")
    return "swallowed"


@probe
def util_tryWithErrorDisplay_show_false():
    with slicer.util.tryWithErrorDisplay("Failed.", show=False):
        raise ValueError("boom")


@probe
def util_confirm():
    return [
        slicer.util.confirmYesNoDisplay("x?"),
        slicer.util.confirmOkCancelDisplay("x?"),
        slicer.util.confirmRetryCloseDisplay("x?"),
    ]


@probe
def util_info_error():
    return [
        slicer.util.infoDisplay("x"),
        slicer.util.warningDisplay("x"),
        slicer.util.errorDisplay("x"),
        slicer.util.messageBox("x") is not None,
    ]


@probe
def util_contexts():
    v = slicer.mrmlScene.AddNewNodeByClass("vtkMRMLTextNode")
    n = []
    t = v.AddObserver(vtk.vtkCommand.ModifiedEvent, lambda *a: n.append(1))
    with slicer.util.NodeModify(v):
        v.SetName("a")
        v.SetName("b")
        inside = len(n)
    with slicer.util.RenderBlocker(), slicer.util.WaitCursor():
        pass
    v.RemoveObserver(t)
    return [inside, len(n) > 0]


@probe
def util_settingsValue():
    slicer.app.settings().setValue("LossSeg/b", True)
    return [
        slicer.util.settingsValue("LossSeg/b", False, converter=slicer.util.toBool),
        slicer.util.settingsValue("LossSeg/none", 5),
        slicer.util.settingsValue("LossSeg/none", False, converter=slicer.util.toBool),
    ]


@probe
def util_startupEnvironment():
    e = slicer.util.startupEnvironment()
    return [type(e).__name__, "PATH" in e]


@probe
def util_launch():
    p = slicer.util.launchConsoleProcess(["/bin/sh", "-c", "echo hi; exit 3"])
    p.wait()
    return [type(p).__name__, p.stdout.read(), p.returncode]


@probe
def util_logProcessOutput():
    p = slicer.util.launchConsoleProcess(["/bin/sh", "-c", "echo hi; exit 3"])
    slicer.util.logProcessOutput(p)
    return "ok"


@probe
def util_launch_callback():
    out, done = ([], [])
    slicer.util.launchConsoleProcess(
        ["/bin/sh", "-c", "echo hi; echo ho; exit 3"],
        blocking=False,
        logCallback=out.append,
        completedCallback=lambda *a: done.append(plain(a)),
    )
    until(lambda: done, 3000)
    return [out, done]


@probe
def util_status():
    return [
        slicer.util.showStatusMessage("hello", 500),
        slicer.util.mainWindow() is not None and slicer.util.mainWindow().statusBar().currentMessage(),
    ]


@probe
def util_mainWindow():
    return [slicer.util.mainWindow() is None, plain(slicer.util.mainWindow())]


@probe
def util_toBool():
    return [slicer.util.toBool(x) for x in ("true", "false", "True", 1, 0, "1", "0")]


@probe
def util_tempDirectory():
    d = slicer.util.tempDirectory()
    return pathlib.Path(d).is_dir()


@probe
def m_util_load_missing():
    return slicer.util.loadVolume("/no/such.nrrd")


@probe
def m_util_save_load_segmentation():
    v = make_volume()
    s = make_segmentation(v)
    f = str(TEMPORARY / "s.seg.nrrd")
    a = slicer.util.saveNode(s, f)
    t = slicer.util.loadSegmentation(f)
    return [a, t.GetName(), t.GetSegmentation().GetNumberOfSegments(), t.GetSegmentation().GetNthSegment(1).GetName()]


@probe
def m_util_save_table_csv():
    t = slicer.mrmlScene.AddNewNodeByClass("vtkMRMLTableNode")
    slicer.util.updateTableFromArray(t, np.ones((2, 2)), ["a", "b"])
    f = str(TEMPORARY / "t.csv")
    r = slicer.util.saveNode(t, f)
    return [r, open(f).read()]


@probe
def m_util_scene_mrb():
    make_volume(name="Keep")
    f = str(TEMPORARY / "sc.mrb")
    a = slicer.util.saveScene(f)
    slicer.mrmlScene.Clear(0)
    slicer.util.loadScene(f)
    return [a, slicer.util.getNode("Keep").GetName()]


@probe
def util_selectModule():
    slicer.util.selectModule("Volumes")
    a = slicer.util.selectedModule()
    slicer.util.selectModule("Data")
    return [a, slicer.util.selectedModule()]


@probe
def util_selectModule_missing():
    return slicer.util.selectModule("NoSuchModule")


@probe
def util_getModule():
    return [
        slicer.util.getModule("Volumes").name,
        slicer.util.getModuleLogic("Volumes").GetClassName(),
        slicer.util.modulePath("SampleData") != "",
    ]


@probe
def util_module_missing():
    return slicer.util.getModule("NoSuchModule")


@probe
def testing_util():
    return [slicer.app.testingEnabled(), slicer.util.confirmYesNoDisplay("x")]
