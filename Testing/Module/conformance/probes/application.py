"""Views, layouts, the application."""

import slicer

from probes.asking import plain, probe


@probe
def app_properties():
    return [
        type(slicer.app.temporaryPath).__name__,
        type(slicer.app.applicationVersion).__name__,
        type(slicer.app.slicerHome).__name__,
        type(slicer.app.majorVersion).__name__,
        slicer.app.mainApplicationName if hasattr(slicer.app, "mainApplicationName") else None,
    ]


@probe
def app_temporaryPath_call():
    return slicer.app.temporaryPath()


@probe
def app_testingEnabled():
    return slicer.app.testingEnabled()


@probe
def m_jump():
    slicer.modules.markups.logic().JumpSlicesToLocation(5.0, 6.0, 7.0, True)
    n = slicer.app.layoutManager().sliceWidget("Red").mrmlSliceNode()
    return round(n.GetSliceOffset(), 3)


@probe
def m_jump_view():
    a = slicer.vtkMRMLSliceNode
    a.JumpAllSlices(slicer.mrmlScene, 1.0, 2.0, 3.0, slicer.vtkMRMLSliceNode.CenteredJumpSlice)
    n = slicer.app.layoutManager().sliceWidget("Red").mrmlSliceNode()
    m = n.GetSliceToRAS()
    return [round(m.GetElement(i, 3), 3) for i in range(3)]


@probe
def m_slice_offset():
    n = slicer.app.layoutManager().sliceWidget("Green").mrmlSliceNode()
    n.SetSliceOffset(12.5)
    return n.GetSliceOffset()


@probe
def m_center_3d():
    v = slicer.app.layoutManager().threeDWidget(0).threeDView()
    c = (
        slicer.modules.cameras.logic().GetViewActiveCameraNode(
            slicer.app.layoutManager().threeDWidget(0).mrmlViewNode()
        )
        if hasattr(slicer.modules, "cameras")
        else None
    )
    v.resetFocalPoint()
    return [plain(c), v.className() if hasattr(v, "className") else None]


@probe
def m_camera_focal():
    c = slicer.modules.cameras.logic().GetViewActiveCameraNode(
        slicer.app.layoutManager().threeDWidget(0).mrmlViewNode()
    )
    c.SetFocalPoint(1, 2, 3)
    return list(c.GetFocalPoint())


@probe
def m_layout_ids():
    L = slicer.vtkMRMLLayoutNode
    return {
        k: getattr(L, k)
        for k in (
            "SlicerLayoutFourUpView",
            "SlicerLayoutConventionalView",
            "SlicerLayoutFourUpPlotView",
            "SlicerLayoutConventionalPlotView",
            "SlicerLayoutFourUpTableView",
            "SlicerLayoutUserView",
            "SlicerLayoutOneUp3DView",
            "SlicerLayoutFourUpPlotTableView",
        )
        if hasattr(L, k)
    }


@probe
def m_layout_set_restore():
    lm = slicer.app.layoutManager()
    was = lm.layout
    lm.setLayout(slicer.vtkMRMLLayoutNode.SlicerLayoutFourUpView)
    a = lm.layout
    lm.setLayout(was)
    return [a, lm.layout == was, type(was).__name__]


@probe
def m_layout_custom():
    properties = {"orientation": "Axial", "viewlabel": "R", "viewcolor": "#F34A33"}
    inside = "".join(f'<property name="{k}" action="default">{v}</property>' for k, v in properties.items())
    view = f'<view class="vtkMRMLSliceNode" singletontag="Red">{inside}</view>'
    x = f'<layout type="vertical"><item>{view}</item></layout>'
    lm = slicer.app.layoutManager()
    was = lm.layout
    n = lm.layoutLogic().GetLayoutNode()
    ok = n.AddLayoutDescription(7501, x)
    ok2 = n.IsLayoutDescription(7501)
    lm.setLayout(7501)
    a = lm.layout
    lm.setLayout(was)
    return [ok, ok2, a]


@probe
def m_layout_signal():
    lm = slicer.app.layoutManager()
    got = []

    def f(i):
        got.append(i)

    ok = lm.connect("layoutChanged(int)", f)
    was = lm.layout
    lm.setLayout(6 if was != 6 else 3)
    lm.setLayout(was)
    lm.disconnect("layoutChanged(int)", f)
    return [ok, len(got)]


@probe
def m_layout_manager_names():
    lm = slicer.app.layoutManager()
    return [sorted(lm.sliceViewNames()), lm.threeDViewCount, lm.tableViewCount, plain(lm.sliceWidget("Nope"))]


@probe
def app_module_names():
    return [
        hasattr(slicer.modules, n)
        for n in (
            "segmentations",
            "markups",
            "plots",
            "tables",
            "volumes",
            "sequences",
            "terminologies",
            "cameras",
            "data",
            "nope",
        )
    ]
