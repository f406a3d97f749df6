"""A 3D view with the 3D displayable managers."""

import slicer
import vtk

from .view import View


class ThreeDView(View):
    MANAGERS = (
        "vtkMRMLCameraDisplayableManager",
        "vtkMRMLViewDisplayableManager",
        "vtkMRMLModelDisplayableManager",
        "vtkMRMLThreeDReformatDisplayableManager",
        "vtkMRMLSegmentationsDisplayableManager3D",
        "vtkMRMLMarkupsDisplayableManager",
        "vtkMRMLVolumeRenderingDisplayableManager",
        "vtkMRMLOrientationMarkerDisplayableManager",
    )

    def __init__(self, node, application_logic, scene, size: tuple[int, int]):
        factory = slicer.vtkMRMLThreeDViewDisplayableManagerFactory.GetInstance()
        super().__init__(node, factory, application_logic, size)
        self.logic = slicer.vtkMRMLViewLogic()
        self.logic.SetName(node.GetLayoutName())  # by its name it finds the view node and its camera
        self.logic.SetMRMLApplicationLogic(application_logic)
        application_logic.GetViewLogics().AddItem(self.logic)
        self.logic.SetMRMLScene(scene)
        self.group.SetMRMLDisplayableNode(self.node)

    def centre(self) -> None:
        """Turn about the middle of what is shown, at the same distance; the box fits it afterwards, as in Slicer."""
        bounds = self._bounds()
        if vtk.vtkMath.AreBoundsInitialized(bounds):
            camera = self.renderer.GetActiveCamera()
            middle = [(low + high) / 2 for low, high in zip(bounds[::2], bounds[1::2], strict=True)]
            shift = [new - old for new, old in zip(middle, camera.GetFocalPoint(), strict=True)]
            camera.SetPosition([old + d for old, d in zip(camera.GetPosition(), shift, strict=True)])
            camera.SetFocalPoint(middle)
        self.node.InvokeEvent(slicer.vtkMRMLViewNode.ResetFocalPointRequestedEvent)
        self.renderer.ResetCameraClippingRange()

    def fit(self) -> None:
        """Show everything, as large as it goes."""
        self.centre()
        bounds = self._bounds()
        if vtk.vtkMath.AreBoundsInitialized(bounds):
            self.renderer.ResetCamera(bounds)

    def _bounds(self) -> tuple[float, ...]:
        """Of what is shown, without the box and its letters."""
        shown = self.node.GetBoxVisible(), self.node.GetAxisLabelsVisible()
        self.node.SetBoxVisible(False)
        self.node.SetAxisLabelsVisible(False)
        bounds = self.renderer.ComputeVisiblePropBounds()
        self.node.SetBoxVisible(shown[0])
        self.node.SetAxisLabelsVisible(shown[1])
        return bounds
