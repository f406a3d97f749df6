"""Reading images and label maps, with a clear error for what cannot be used."""

from __future__ import annotations

import os
from collections.abc import Set
from pathlib import Path

import numpy as np
import SimpleITK as sitk

from lossseg.errors import InputError
from lossseg.images import dicom
from lossseg.images.completeness import is_complete
from lossseg.images.formats import IMAGE_ENDINGS, image_ending
from lossseg.images.geometry import Geometry, Volume
from lossseg.images.itk import NARROW, quiet, shared_array
from lossseg.images.nifti import apart, non_finite_voxels

_HIGHEST_LABEL = 65535


def read_volume(path: Path | str, *, lean: bool = False) -> Volume:
    """The image in a file (`IMAGE_ENDINGS`) or in a folder with one DICOM series.

    Args:
        lean: take as little memory as the image allows: integers of up to 16 bits keep their type, and the array is
            read-only.

    Returns:
        A volume with `array` (z, y, x) float32. A volume of one slice is one.

    Raises:
        InputError: no such file, no image, truncated, 2D, 4D, RGB or complex, NaN or infinite voxels; or a folder with
            no DICOM series, with several, or with slices missing.
    """
    path = Path(path)
    narrow = NARROW if lean else frozenset()
    image = dicom.read_series(path, narrow) if path.is_dir() else _read_file(path, sitk.sitkFloat32, narrow)
    array = shared_array(image) if lean else sitk.GetArrayFromImage(image)
    volume = Volume(array, Geometry.of_image(image), path)
    if array.dtype.kind == "f":
        finite = sum(int(np.count_nonzero(np.isfinite(plane))) for plane in array)
        _require_none_broken(path, array.size - finite)
    return volume


def read_label(path: Path | str) -> Volume:
    """The label map in a file.

    Returns:
        A volume with `array` (z, y, x) uint8, or uint16 where a label is above 255.

    Raises:
        InputError: as `read_volume`, and for values that are no integers from 0 to 65535.
    """
    path = Path(path)
    if path.is_dir():
        raise InputError(f"{path} is a folder, not a label map.", f"Give a file that ends in {_endings()}.")
    image = _read_file(path, sitk.sitkUnknown)
    return Volume(_as_labels(sitk.GetArrayViewFromImage(image), path), Geometry.of_image(image), path)


def _read_file(path: Path, pixel_type: int, kept: Set[int] = frozenset()) -> sitk.Image:
    """The image as `pixel_type`, or in its own type where that is one of `kept`."""
    _require_readable(path)
    reader = sitk.ImageFileReader()
    try:
        with quiet(), apart(path) as file:
            reader.SetFileName(str(file))
            reader.ReadImageInformation()
            require_scalar_3d(path, reader)
            if not is_complete(path, reader):
                raise InputError(
                    f"{path} is truncated: it holds fewer voxels than its header says.",
                    "Copy or export the file again.",
                )
            if image_ending(path) in (".nii", ".nii.gz"):
                _require_none_broken(path, non_finite_voxels(path, reader))
            if reader.GetPixelID() not in kept:
                reader.SetOutputPixelType(pixel_type)
            return reader.Execute()
    except RuntimeError as error:
        if "orthonormal" in str(error):
            raise InputError(
                f"{path} has a sheared grid: the axes in its header are not at right angles.",
                "Resample it to a regular grid, or correct its header.",
            ) from error
        raise InputError(
            f"{path} cannot be read as an image.", "It may be damaged or in another format than its name says."
        ) from error


def _require_readable(path: Path) -> None:
    if not path.exists():
        raise InputError(f"{path} does not exist.", "Check the path.")
    if not image_ending(path):
        hint = "Give the folder of its DICOM series" if path.suffix.lower() in (".dcm", ".ima") else "Convert it"
        raise InputError(f"{path} is in no known image format.", f"{hint}, or give a file that ends in {_endings()}.")
    if not os.access(path, os.R_OK):
        raise InputError(f"{path} cannot be read: no permission.", "Change the file's permissions.")


def require_scalar_3d(path: Path, image: sitk.Image | sitk.ImageFileReader) -> None:
    """Raises `InputError` unless `image` (or what a reader knows of it) is one scalar 3D volume."""
    dimension, parts = image.GetDimension(), image.GetNumberOfComponents()
    if dimension == 2:
        raise InputError(f"{path} is a 2D image.", "Give a volume of several slices.")
    if dimension > 3:
        raise InputError(f"{path} is a {dimension}D image.", "Give a 3D volume, and each channel as a separate file.")
    if "complex" in sitk.GetPixelIDValueAsString(image.GetPixelID()):
        raise InputError(f"{path} holds complex numbers.", "Give its magnitude image.")
    if parts > 1:
        raise InputError(
            f"{path} holds {parts} values per voxel (colour or vectors).", "Give each channel as a separate file."
        )


def _require_none_broken(path: Path, broken: int) -> None:
    if broken:
        raise InputError(
            f"{path} has {broken} voxels that are NaN or infinite.",
            "Replace them (by 0, say) or export the image again.",
        )


def _as_labels(array: np.ndarray, path: Path) -> np.ndarray:
    if array.dtype.kind == "f":
        odd = array[array != np.rint(array)]
        if odd.size:
            raise InputError(
                f"{path} is no label map: {odd.size} voxels hold values that are no integers, such as {odd[0]:g}.",
                "Give the segmentation, not an image or a probability; resample labels by nearest neighbour.",
            )
    low, high = array.min(), array.max()
    if low < 0 or high > _HIGHEST_LABEL:
        raise InputError(
            f"{path} has the label {low if low < 0 else high:.0f}.", f"Labels are from 0 to {_HIGHEST_LABEL}."
        )
    return array.astype(np.uint8 if high <= 255 else np.uint16)


def _endings() -> str:
    return ", ".join(IMAGE_ENDINGS)
