"""Calling ITK without its chatter, and its voxels without a copy."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

import numpy as np
import SimpleITK as sitk

NARROW = frozenset({sitk.sitkInt8, sitk.sitkUInt8, sitk.sitkInt16, sitk.sitkUInt16})
"""Types of which float32 holds every value and takes more memory."""


@contextmanager
def quiet() -> Iterator[None]:
    """Keeps ITK's warnings off the terminal: what matters of them is raised as an error of our own."""
    shown = sitk.ProcessObject.GetGlobalWarningDisplay()
    sitk.ProcessObject.SetGlobalWarningDisplay(False)
    try:
        yield
    finally:
        sitk.ProcessObject.SetGlobalWarningDisplay(shown)


def shared_array(image: sitk.Image) -> np.ndarray:
    """The voxels (z, y, x) of `image` themselves, read-only; they live as long as the array."""
    return np.asarray(_Owner(image))


class _Owner:
    """NumPy's view of an image does not keep the image; an array that is made of this one does."""

    def __init__(self, image: sitk.Image) -> None:
        self._image = image
        self.__array_interface__ = sitk.GetArrayViewFromImage(image).__array_interface__
