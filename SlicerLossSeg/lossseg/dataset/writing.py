"""Making a dataset folder and adding cases to it."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path

import numpy as np

from lossseg.dataset.cases import IMAGES, LABELS, UNSEEN, Case, Dataset, image_files
from lossseg.dataset.checks import require_known_labels, require_same_grid
from lossseg.dataset.description import (
    FILE,
    Description,
    checked_ending,
    checked_values,
    read_description,
    write_description,
)
from lossseg.errors import InputError
from lossseg.images import Volume, write_volume

_NAME = re.compile(r"[^\s./\\:*?\"<>|][^/\\:*?\"<>|]*")


def create_dataset(
    folder: Path | str,
    name: str,
    channels: Sequence[str],
    labels: Mapping[str, int],
    file_ending: str = ".nii.gz",
) -> Dataset:
    """Makes an empty dataset: `dataset.json` and the folders for images and labels.

    Args:
        channels: names in the order of their numbers; "CT" chooses CT intensities when a plan is made.
        labels: background 0 and consecutive integers after it; one named "ignore" has the highest.

    Raises:
        InputError: there is a dataset already; no channels; labels that are not consecutive; an unknown ending; or
            no permission.
    """
    folder = Path(folder)
    if (folder / FILE).exists():
        raise InputError(f"{folder} holds a dataset already.", "Choose another folder.")
    if not channels:
        raise InputError(f"No channels are named for the dataset {name}.", "Name one at least.")
    ending = checked_ending(file_ending, f"The dataset {name}")
    named, ignore = checked_values(labels, f"The dataset {name}")
    description = Description(name, tuple(channels), named, ending, 0, ignore=ignore)
    # The description first: it answers for a folder that cannot be made or written to.
    write_description(folder, description)
    for part in (IMAGES, LABELS):
        (folder / part).mkdir(exist_ok=True)
    return Dataset(folder, name, description.channels, description.labels, ending, (), ignore=ignore)


def add_case(dataset_folder: Path | str, name: str, volumes: Sequence[Volume], label: Volume | None) -> Case:
    """Writes a case: into imagesTr and labelsTr, counting it in `dataset.json`; without a label into imagesTs.

    Existing files are never overwritten, and a case that cannot be written completely leaves nothing behind.

    Args:
        volumes: one image per channel, all on one grid, values kept as they are.
        label: integers (z, y, x) on the same grid, values that the dataset names.

    Raises:
        InputError: a name that is no file name or is taken; another number of channels; different grids; unknown label
            values; no permission.
        DiskFull: no room.
    """
    folder = Path(dataset_folder)
    description = read_description(folder)
    if not _NAME.fullmatch(name):
        raise InputError(f"{name!r} cannot be the name of a case.", "Use letters, digits, - and _.")
    if len(volumes) != len(description.channels):
        raise InputError(
            f"The case {name} has {len(volumes)} channels, the dataset {folder} has {len(description.channels)}.",
            f"Give {', '.join(description.channels)}, in this order.",
        )
    _require_consistent(name, volumes, label, description)
    ending = description.file_ending
    images = [
        folder / (IMAGES if label else UNSEEN) / f"{name}_{channel:04d}{ending}" for channel in range(len(volumes))
    ]
    target = folder / LABELS / f"{name}{ending}" if label else None
    for path in [*images, target] if target else images:
        if path.exists():
            raise InputError(f"{path} exists already.", "Choose another name for the case.")
    with _all_or_nothing([*images, target] if target else images):
        for path, volume in zip(images, volumes, strict=True):
            write_volume(path, volume.array, volume.geometry)
        if label and target:
            array = label.array.astype(np.uint8 if label.array.max() <= 255 else np.uint16)
            write_volume(target, array, label.geometry)
            write_description(folder, replace(description, cases=len(image_files(folder / LABELS))))
    return Case(name, tuple(images), target)


def _require_consistent(name: str, volumes: Sequence[Volume], label: Volume | None, description: Description) -> None:
    first = volumes[0].geometry
    for channel, volume in enumerate(volumes):
        require_same_grid(f"Channel {channel} of the case {name}", volume.geometry, "channel 0", first)
    if label is None:
        return
    require_same_grid(f"The label of the case {name}", label.geometry, "its image", first)
    values = np.unique(label.array)
    if values.min() < 0 or np.any(values != values.astype(np.uint16)):
        raise InputError(f"The label of the case {name} has values that are no labels.", "Give integers from 0 on.")
    counts = np.bincount(values.astype(np.int64))
    require_known_labels(counts, description.values, f"The label of the case {name}")


@contextmanager
def _all_or_nothing(paths: Sequence[Path]) -> Iterator[None]:
    try:
        yield
    except BaseException:
        for path in paths:
            path.unlink(missing_ok=True)
        raise
