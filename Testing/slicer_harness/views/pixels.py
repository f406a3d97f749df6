"""Pictures of a render window, as arrays and as QImages."""

import numpy as np
import vtk
from vtk.util.numpy_support import vtk_to_numpy

from ..binding import QtGui


def grab(window: vtk.vtkRenderWindow) -> np.ndarray:
    """uint8 (height, width, 3), first row at the top."""
    capture = vtk.vtkWindowToImageFilter()
    capture.SetInput(window)
    capture.ReadFrontBufferOff()
    capture.Update()
    image = capture.GetOutput()
    width, height, _ = image.GetDimensions()
    pixels = vtk_to_numpy(image.GetPointData().GetScalars()).reshape(height, width, -1)
    return np.ascontiguousarray(pixels[::-1])


def to_qimage(pixels: np.ndarray) -> QtGui.QImage:
    """A QImage that owns its pixels, from uint8 (height, width, 3)."""
    height, width, _ = pixels.shape
    return QtGui.QImage(pixels.tobytes(), width, height, 3 * width, QtGui.QImage.Format.Format_RGB888).copy()
