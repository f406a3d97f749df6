"""The gradient of a loss laid over the image: what training would raise in red, what it would lower in blue."""

from __future__ import annotations

from typing import Any

import numpy as np
import slicer
from slicer.i18n import tr as _

from SlicerLossSegLib.inspector import GradientMap
from SlicerLossSegLib.lesion_table import KIND
from SlicerLossSegLib.volumes import add_scalar_volume

GRADIENT = "gradient"
"""Value of the attribute `LossSeg.kind` of the volume and of its colours."""

_COLORS = 255
_RAISED = (0.40, 0.00, 0.05), (1.00, 0.62, 0.20)
_LOWERED = (0.00, 0.08, 0.45), (0.35, 0.85, 1.00)
"""Colours of a weak and of a strong gradient where training would raise and lower the logit."""

_UNSEEN = 0.08
"""Share of the colours' end below which nothing is drawn."""

_SEEN_SHARE = 99.5
"""Percentile of the magnitudes above 0 at which the colours end: a few extreme voxels must not hide all others."""


def show(found: GradientMap, opacity: float) -> Any:
    """Put a gradient map into the scene, in place of the one before, and over the image in the slice views.

    Args:
        opacity: 0 to 1.

    Returns:
        The volume node.
    """
    node = volume()
    end = largest(found.array)
    if node is None:
        node = add_scalar_volume(_("Gradient"), found.array, found.grid, window=(-end, end))
        node.SetAttribute(KIND, GRADIENT)
    else:
        with slicer.util.NodeModify(node):
            node.SetIJKToRASMatrix(found.grid.matrix())
            slicer.util.updateVolumeFromArray(node, found.array)
    node.SetName(_("Gradient of {loss}").format(loss=found.expression))
    display = node.GetDisplayNode()
    with slicer.util.NodeModify(display):
        display.SetAutoWindowLevel(False)
        display.SetWindowLevelMinMax(-end, end)
        display.SetInterpolate(False)
        display.SetAndObserveColorNodeID(_colors().GetID())
    if slicer.app.layoutManager() is not None:
        slicer.util.setSliceViewerLayers(foreground=node, foregroundOpacity=opacity)
    return node


def largest(array: np.ndarray) -> float:
    """Where the colours end, above 0."""
    magnitudes = np.abs(array[array != 0])
    return float(np.percentile(magnitudes, _SEEN_SHARE)) if magnitudes.size else 1.0


def set_opacity(opacity: float) -> None:
    """Of the overlay in the slice views where it is shown, 0 to 1."""
    node = volume()
    for composite in slicer.util.getNodesByClass("vtkMRMLSliceCompositeNode"):
        if node is not None and composite.GetForegroundVolumeID() == node.GetID():
            composite.SetForegroundOpacity(opacity)


def hide() -> None:
    """Take the gradient out of the scene and out of the views."""
    for node in _marked("vtkMRMLScalarVolumeNode"):
        for composite in slicer.util.getNodesByClass("vtkMRMLSliceCompositeNode"):
            if composite.GetForegroundVolumeID() == node.GetID():
                composite.SetForegroundVolumeID(None)
        slicer.mrmlScene.RemoveNode(node)


def volume() -> Any | None:
    """The gradient in the scene."""
    found = _marked("vtkMRMLScalarVolumeNode")
    return found[0] if found else None


def _colors() -> Any:
    """From bright over dark red to nothing, and over dark to bright blue: what is weak leaves the image free."""
    known = _marked("vtkMRMLColorTableNode")
    if known:
        return known[0]
    node = slicer.mrmlScene.AddNewNodeByClass("vtkMRMLColorTableNode", "LossSeg gradient")
    node.SetAttribute(KIND, GRADIENT)
    node.SetTypeToUser()
    node.SetNumberOfColors(_COLORS)
    node.SetSaveWithScene(True)
    for place, at in enumerate(np.linspace(-1.0, 1.0, _COLORS).tolist()):
        weak, strong = _RAISED if at < 0 else _LOWERED
        red, green, blue = (one + (other - one) * abs(at) for one, other in zip(weak, strong, strict=True))
        # A volume's colours are either opaque or not there at all.
        node.SetColor(place, f"{at:+.2f}", red, green, blue, 1.0 if abs(at) > _UNSEEN else 0.0)
    return node


def _marked(kind: str) -> list[Any]:
    return [node for node in slicer.util.getNodesByClass(kind) if node.GetAttribute(KIND) == GRADIENT]
