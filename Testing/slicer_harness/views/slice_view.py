"""A slice view: vtkMRMLSliceLogic's image with the overlays of the 2D displayable managers."""

import numpy as np
import slicer
import vtk

from .view import View


class SliceView(View):
    MANAGERS = (
        "vtkMRMLVolumeGlyphSliceDisplayableManager",
        "vtkMRMLModelSliceDisplayableManager",
        "vtkMRMLSegmentationsDisplayableManager2D",
        "vtkMRMLMarkupsDisplayableManager",
        "vtkMRMLRulerDisplayableManager",
        "vtkMRMLOrientationMarkerDisplayableManager",
        "vtkMRMLCrosshairDisplayableManager",
        "vtkMRMLColorLegendDisplayableManager",
    )

    def __init__(self, node, application_logic, scene, size: tuple[int, int]):
        factory = slicer.vtkMRMLSliceViewDisplayableManagerFactory.GetInstance()
        super().__init__(node, factory, application_logic, size)
        self.renderer.GetActiveCamera().ParallelProjectionOn()
        self.logic = slicer.vtkMRMLSliceLogic()
        self.logic.SetMRMLApplicationLogic(application_logic)
        application_logic.GetSliceLogics().AddItem(self.logic)
        self.logic.SetMRMLScene(scene)
        self.logic.SetSliceNode(node)
        self.group.SetMRMLDisplayableNode(self.node)
        self.mapper = vtk.vtkImageMapper()
        self.mapper.SetColorWindow(255)
        self.mapper.SetColorLevel(127.5)
        self.actor = vtk.vtkActor2D()
        self.actor.SetMapper(self.mapper)
        self.actor.GetProperty().SetDisplayLocationToBackground()
        self.renderer.AddViewProp(self.actor)
        self.logic.ResizeSliceNode(*size)

    def resize(self, width: int, height: int) -> None:
        super().resize(width, height)
        self.logic.ResizeSliceNode(width, height)

    def fit(self) -> None:
        self.logic.FitSliceToBackground()
        self.logic.SnapSliceOffsetToIJK()

    def render(self) -> np.ndarray:
        port = self.logic.GetImageDataConnection()
        self.actor.SetVisibility(bool(port))
        if port:
            self.mapper.SetInputConnection(port)
        return super().render()
