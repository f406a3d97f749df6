"""Slice and 3D views of the real MRML displayable managers, rendered off screen."""

import slicer

from .pictures import application_picture, panel_picture
from .view import View


def view(name: str) -> View:
    """The slice view "Red", "Green" or "Yellow", or the 3D view "1": `view("Red").render()` is its picture."""
    return slicer.app.layoutManager()._views[name]


__all__ = ["View", "application_picture", "panel_picture", "view"]
