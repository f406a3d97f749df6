"""Reading a folder that holds one DICOM series."""

from __future__ import annotations

from collections.abc import Set
from pathlib import Path

import numpy as np
import SimpleITK as sitk

from lossseg.errors import InputError
from lossseg.images.itk import quiet

# Slice positions are written with few decimals; a missing slice shows as a step twice as long.
_UNEVEN = 0.1
_DESCRIPTION = "0008|103e"


def holds_series(folder: Path) -> bool:
    """Whether `folder` itself (not its subfolders) holds DICOM images."""
    with quiet():
        return bool(sitk.ImageSeriesReader.GetGDCMSeriesIDs(str(folder)))


def read_series(folder: Path, kept: Set[int] = frozenset()) -> sitk.Image:
    """The one series in `folder`, sorted by position, as a 3D float32 image.

    Where all its slices are of one of the types `kept`, it stays so.

    Raises:
        InputError: no series, several series (listed with their numbers of files), slices missing or unevenly spaced,
            a file that cannot be read, colour images.
    """
    with quiet():
        files = _files_of_one_series(folder)
        reader = sitk.ImageSeriesReader()
        reader.SetFileNames(files)
        try:
            types = _require_even_slices(folder, files)
            reader.SetOutputPixelType(types.pop() if len(types) == 1 and types <= kept else sitk.sitkFloat32)
            return reader.Execute()
        except RuntimeError as error:
            raise InputError(
                f"The DICOM series in {folder} cannot be read.", "A file may be damaged: export the series again."
            ) from error


def _files_of_one_series(folder: Path) -> tuple[str, ...]:
    found = {
        series: sitk.ImageSeriesReader.GetGDCMSeriesFileNames(str(folder), series)
        for series in sitk.ImageSeriesReader.GetGDCMSeriesIDs(str(folder))
    }
    if not found:
        raise InputError(f"{folder} holds no DICOM series.", "Give an image file or a folder with one DICOM series.")
    if len(found) > 1:
        listed = "; ".join(f"{_description(files[0])} ({len(files)} files)" for files in found.values())
        raise InputError(
            f"{folder} holds {len(found)} DICOM series: {listed}.",
            "Put the series you mean into a folder of its own and give that folder.",
        )
    return next(iter(found.values()))


def _description(file: str) -> str:
    reader = _information(file)
    text = reader.GetMetaData(_DESCRIPTION).strip() if reader.HasMetaDataKey(_DESCRIPTION) else ""
    return text or Path(file).name


def _information(file: str) -> sitk.ImageFileReader:
    reader = sitk.ImageFileReader()
    reader.SetFileName(file)
    reader.ReadImageInformation()
    return reader


def _require_even_slices(folder: Path, files: tuple[str, ...]) -> set[int]:
    """The types of the slices' values, when the slices fit each other."""
    from_files = [_information(file) for file in files]
    if any(reader.GetNumberOfComponents() > 1 for reader in from_files):
        raise InputError(f"The DICOM series in {folder} holds colour images.", "Give the original grey-value series.")
    if len({reader.GetSize() for reader in from_files}) > 1:
        raise InputError(f"The DICOM images in {folder} differ in size.", "Give a folder with one axial series.")
    types = {reader.GetPixelID() for reader in from_files}
    if len(from_files) < 3:
        return types
    normal = np.reshape(from_files[0].GetDirection(), (3, 3))[:, 2]
    steps = np.diff([float(np.dot(reader.GetOrigin(), normal)) for reader in from_files])
    usual = float(np.median(steps))
    worst = int(np.argmax(np.abs(steps - usual)))
    if abs(steps[worst] - usual) > _UNEVEN * abs(usual) or usual == 0:
        raise InputError(
            f"The DICOM series in {folder} has slices missing or unevenly spaced: {abs(steps[worst]):.3g} mm between "
            f"{Path(files[worst]).name} and {Path(files[worst + 1]).name}, {abs(usual):.3g} mm elsewhere.",
            "Export the whole series again, without localizers and repeated slices.",
        )
    return types
