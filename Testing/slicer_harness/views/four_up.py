"""The four views that the application opens with."""

import vtk

from .slice_view import SliceView
from .three_d_view import ThreeDView
from .view import View

SLICE_VIEWS = ("Red", "Green", "Yellow")
THREE_D_VIEW = "1"


def four_up(application_logic, scene, size: tuple[int, int] = (400, 400)) -> dict[str, View]:
    """View name -> view, for the view nodes that the layout has put into the scene."""
    if application_logic.GetSliceLogics() is None:
        application_logic.SetSliceLogics(vtk.vtkCollection())
    if application_logic.GetViewLogics() is None:
        application_logic.SetViewLogics(vtk.vtkCollection())
    views: dict[str, View] = {}
    for name in SLICE_VIEWS:
        views[name] = SliceView(scene.GetSingletonNode(name, "vtkMRMLSliceNode"), application_logic, scene, size)
    three_d_node = scene.GetSingletonNode(THREE_D_VIEW, "vtkMRMLViewNode")
    views[THREE_D_VIEW] = ThreeDView(three_d_node, application_logic, scene, size)
    return views
