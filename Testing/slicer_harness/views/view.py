"""What a slice view and a 3D view have in common."""

import numpy as np
import slicer
import vtk

from .pixels import grab


class View:
    """A renderer with the displayable managers of its kind, for a view node of the scene; subclasses add `logic`."""

    MANAGERS: tuple[str, ...] = ()

    def __init__(self, node, factory, application_logic, size: tuple[int, int]):
        self.node = node
        self.renderer = vtk.vtkRenderer()
        self.window = vtk.vtkRenderWindow()
        self.window.SetOffScreenRendering(1)
        self.window.SetMultiSamples(0)
        self.window.SetSize(*size)
        self.window.AddRenderer(self.renderer)
        self.interactor = vtk.vtkRenderWindowInteractor()
        self.interactor.SetRenderWindow(self.window)
        self.interactor.Initialize()
        factory.SetMRMLApplicationLogic(application_logic)
        for manager in self.MANAGERS:
            if hasattr(slicer, manager) and not factory.IsDisplayableManagerRegistered(manager):
                factory.RegisterDisplayableManager(manager)
        self.group = slicer.vtkMRMLDisplayableManagerGroup()
        self.group.SetRenderer(self.renderer)
        self.group.Initialize(factory, self.renderer)

    def resize(self, width: int, height: int) -> None:
        self.window.SetSize(width, height)

    def render(self) -> np.ndarray:
        """uint8 (height, width, 3)."""
        self.window.Render()
        return grab(self.window)
