"""The image formats the engine reads and writes, told by the file's ending."""

from __future__ import annotations

from pathlib import Path

IMAGE_ENDINGS: tuple[str, ...] = (".nii.gz", ".nii", ".nrrd", ".mha", ".mhd")


def image_ending(path: Path | str) -> str:
    """The image ending of a file name in lower case (".nii.gz"), or "" when it has none of `IMAGE_ENDINGS`."""
    name = Path(path).name.lower()
    return next((ending for ending in IMAGE_ENDINGS if name.endswith(ending) and name != ending), "")


def case_name(path: Path | str) -> str:
    """The file's name without its image ending; the whole name of a folder (a DICOM series)."""
    name = Path(path).name
    ending = image_ending(path)
    return name[: -len(ending)] if ending else name
