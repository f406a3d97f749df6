"""The training cases of a dataset folder."""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from lossseg.dataset.description import FILE, Description, all_values, read_description
from lossseg.errors import InputError
from lossseg.images import image_ending

IMAGES, LABELS, UNSEEN = "imagesTr", "labelsTr", "imagesTs"
_CHANNEL_FILE = re.compile(r"(?P<case>.+)_(?P<channel>\d{4})")


@dataclass(frozen=True)
class Case:
    """One case: its name, its image file per channel (or one DICOM folder per channel), its label file if any."""

    name: str
    images: tuple[Path, ...]
    label: Path | None


@dataclass(frozen=True)
class Dataset:
    """A dataset in nnU-Net v2's raw layout; `labels` holds background 0 first, then consecutive integers.

    `ignore` is the label of voxels that count neither for nor against anything, the value after the last of `labels`;
    None without one.
    """

    folder: Path
    name: str
    channels: tuple[str, ...]
    labels: dict[str, int]
    file_ending: str
    cases: tuple[Case, ...]
    extra: dict[str, Any] = field(default_factory=dict)
    ignore: int | None = None

    @property
    def values(self) -> dict[str, int]:
        """Every label that a voxel may have, the one to ignore among them."""
        return all_values(self.labels, self.ignore)

    @property
    def foreground(self) -> dict[str, int]:
        """The labels without the background."""
        return {name: value for name, value in self.labels.items() if value}


def open_dataset(folder: Path | str) -> Dataset:
    """The dataset in `folder`, its training cases sorted by name. No voxel is read: `check_case` does that.

    Raises:
        InputError: as `read_description`; no cases; a channel or a label file is missing; files of several formats;
            file names without a channel number; another number of cases than numTraining says.
    """
    folder = Path(folder)
    description = read_description(folder)
    cases = training_cases(folder, description)
    if not cases:
        raise InputError(
            f"{folder} has no training cases.",
            f"Put images into {IMAGES} as CASE_0000{description.file_ending} and labels into {LABELS} as "
            f"CASE{description.file_ending}.",
        )
    if description.cases not in (None, len(cases)):
        raise InputError(
            f"{folder / FILE} says numTraining {description.cases}, but there are {len(cases)} cases.",
            f"Copy the missing cases, or set numTraining to {len(cases)}.",
        )
    return Dataset(
        folder,
        description.name,
        description.channels,
        description.labels,
        description.file_ending,
        cases,
        description.extra,
        description.ignore,
    )


def training_cases(folder: Path, description: Description) -> tuple[Case, ...]:
    """The cases in imagesTr and labelsTr, sorted by name; there may be none.

    Raises:
        InputError: a channel or a label file is missing; files of several formats or without a channel number.
    """
    images = channel_files(folder / IMAGES, description)
    labels = _label_files(folder / LABELS, description)
    names = sorted(set(images) | set(labels))
    return tuple(_case(name, images.get(name, {}), labels, folder, description) for name in names)


def split_channel(name: str) -> tuple[str, int] | None:
    """("CASE", 1) for the file name "CASE_0001" without its ending, None where no channel number ends it."""
    match = _CHANNEL_FILE.fullmatch(name)
    return (match["case"], int(match["channel"])) if match else None


def image_files(folder: Path) -> list[Path]:
    """The files in `folder` whose names end as images do, sorted; hidden files are none."""
    if not folder.is_dir():
        return []
    return sorted(
        file for file in folder.iterdir() if file.is_file() and not file.name.startswith(".") and image_ending(file)
    )


def channel_files(folder: Path, description: Description) -> dict[str, dict[int, Path]]:
    """Case name → channel number → file, for a folder such as imagesTr."""
    found: dict[str, dict[int, Path]] = {}
    for file in _of_one_format(folder, description):
        parts = split_channel(file.name.removesuffix(description.file_ending))
        if parts is None:
            raise InputError(
                f"{file} has no channel number in its name.",
                f"Rename it to {file.name.removesuffix(description.file_ending)}_0000{description.file_ending}.",
            )
        name, channel = parts
        if channel >= len(description.channels):
            raise InputError(
                f"{file} is channel {channel}, but {FILE} names {len(description.channels)} channels.",
                f"Number channels from 0000, or name channel {channel} in {FILE}.",
            )
        found.setdefault(name, {})[channel] = file
    return found


def _label_files(folder: Path, description: Description) -> dict[str, Path]:
    return {file.name.removesuffix(description.file_ending): file for file in _of_one_format(folder, description)}


def _of_one_format(folder: Path, description: Description) -> list[Path]:
    files = image_files(folder)
    # ".nii.gz" is no ".nii": the whole ending of each file counts.
    other = [file for file in files if image_ending(file) != description.file_ending]
    if other:
        raise InputError(
            f"{other[0]} does not end in {description.file_ending} as {FILE} says ({len(other)} such files).",
            "Convert the files to one format, or correct file_ending.",
        )
    return files


def _case(name: str, images: dict[int, Path], labels: dict[str, Path], folder: Path, description: Description) -> Case:
    for channel, title in enumerate(description.channels):
        if channel not in images:
            wanted = folder / IMAGES / f"{name}_{channel:04d}{description.file_ending}"
            raise InputError(
                f"The case {name} lacks channel {channel} ({title}): {wanted} does not exist.",
                "Add the file, or remove the case's other files.",
            )
    if name not in labels:
        wanted = folder / LABELS / f"{name}{description.file_ending}"
        raise InputError(
            f"The case {name} has no label: {wanted} does not exist.",
            f"Add the label, or move the case's images to {UNSEEN}.",
        )
    return Case(name, tuple(images[channel] for channel in sorted(images)), labels[name])
