"""Bringing a place of the body into all views."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import slicer


def jump(position: Sequence[float]) -> None:
    """Centre all slice views on a position, RAS in mm, and turn the 3D views about it."""
    right, anterior, superior = position
    slicer.modules.markups.logic().JumpSlicesToLocation(right, anterior, superior, True)
    cameras = slicer.modules.cameras.logic()
    for view in slicer.util.getNodesByClass("vtkMRMLViewNode"):
        camera = cameras.GetViewActiveCameraNode(view)
        if camera is not None:
            camera.SetFocalPoint(right, anterior, superior)


def show_volume(volume: Any) -> None:
    """Show a volume in the slice views if another one is there now."""
    if slicer.app.layoutManager() is None or volume is None:
        return
    shown = {node.GetBackgroundVolumeID() for node in slicer.util.getNodesByClass("vtkMRMLSliceCompositeNode")}
    if volume.GetID() not in shown:
        slicer.util.setSliceViewerLayers(background=volume, fit=True)
