"""Writing a volume so that the file is complete or absent."""

from __future__ import annotations

import errno
from pathlib import Path

import numpy as np
import SimpleITK as sitk

from lossseg.errors import InputError
from lossseg.files import atomic
from lossseg.images.completeness import is_complete
from lossseg.images.formats import IMAGE_ENDINGS, image_ending
from lossseg.images.geometry import Geometry
from lossseg.images.itk import quiet

_STORED_AS = {np.dtype(np.bool_): np.uint8, np.dtype(np.float16): np.float32}
_SINGLE_FILE_ENDINGS = tuple(ending for ending in IMAGE_ENDINGS if ending != ".mhd")


def write_volume(path: Path | str, array: np.ndarray, geometry: Geometry, *, compress: bool = True) -> None:
    """Writes `array` (z, y, x), compressed where the format can be unless told not to; an existing file is replaced.

    The type of the values is kept; bool becomes uint8 and float16 becomes float32, which the formats can hold.

    Raises:
        InputError: an ending that is none of `.nii.gz`, `.nii`, `.nrrd`, `.mha`; or no permission.
        DiskFull: no room; nothing half-written is left.
        ValueError: `array` has not the size of `geometry`.
    """
    path = Path(path)
    if image_ending(path) not in _SINGLE_FILE_ENDINGS:
        raise InputError(
            f"{path} cannot be written in the format its name asks for.",
            f"Choose a name that ends in {', '.join(_SINGLE_FILE_ENDINGS)}.",
        )
    if array.shape != tuple(geometry.size):
        raise ValueError(f"array of shape {array.shape} for a grid of size {geometry.size}")
    stored = np.ascontiguousarray(array, dtype=_STORED_AS.get(array.dtype, array.dtype))
    image = geometry.apply_to(sitk.GetImageFromArray(stored))
    with atomic(path) as beside:
        # Opening the file here raises the system's own error (no permission, name too long), which ITK would hide.
        beside.touch()
        if not _written(image, beside, compress):
            raise OSError(errno.ENOSPC, "the file was not written completely")


def _written(image: sitk.Image, path: Path, compress: bool) -> bool:
    reader = sitk.ImageFileReader()
    reader.SetFileName(str(path))
    try:
        with quiet():
            sitk.WriteImage(image, str(path), useCompression=compress and image_ending(path) != ".nii")
            reader.ReadImageInformation()
            return is_complete(path, reader)
    except RuntimeError:
        return False
