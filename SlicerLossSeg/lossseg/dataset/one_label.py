"""A dataset of one label of another dataset, for a binary model of it."""

from __future__ import annotations

import os
import shutil
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path

import numpy as np

from lossseg.dataset.cases import IMAGES, LABELS, Dataset, open_dataset
from lossseg.dataset.description import FILE, Description, write_description
from lossseg.errors import InputError
from lossseg.files import translate
from lossseg.images import read_label, write_volume
from lossseg.reporting import Reporter, Silent, Stage


def of_one_label(dataset: Dataset, name: str, folder: Path, reporter: Reporter | None = None) -> Dataset:
    """The annotated cases of `dataset` with the label `name` as 1, all others as background, written to `folder`.

    Voxels to ignore stay so. Images are links to the files of `dataset`, or copies where the file system has no links.
    What is there and not older than its source is not made again.

    Raises:
        InputError: there is no such label, a label file cannot be read, or `folder` cannot be written to.
        DiskFull, Cancelled: cases finished before stay; without its description `folder` is no dataset.
    """
    if name not in dataset.foreground:
        raise InputError(f"{dataset.folder} has no label {name}.", f"Its labels are {', '.join(dataset.foreground)}.")
    value, folder = dataset.labels[name], Path(folder)
    cases = [case for case in dataset.cases if case.label is not None]
    stage = Stage(reporter or Silent(), f"label {name}", len(cases))
    for case in cases:
        assert case.label is not None
        target = folder / LABELS / case.label.name
        try:
            for part in (IMAGES, LABELS):
                (folder / part).mkdir(parents=True, exist_ok=True)
            for image in case.images:
                _link(image.absolute(), folder / IMAGES / image.name)
        except OSError as error:
            raise translate(error, target) from error
        if not _is_current(target, case.label):
            label = read_label(case.label)
            write_volume(target, _reduced(label.array, value, dataset.ignore), label.geometry)
        stage.advance()
    labels, ignore = {"background": 0, name: 1}, None if dataset.ignore is None else 2
    description = Description(
        f"{dataset.name}: {name}", dataset.channels, labels, dataset.file_ending, len(cases), ignore=ignore
    )
    if not (folder / FILE).exists():
        write_description(folder, description)
    return open_dataset(folder)


def _reduced(label: np.ndarray, value: int, ignore: int | None) -> np.ndarray:
    made = np.asarray(label == value).view(np.uint8)
    if ignore is not None:
        made[label == ignore] = 2
    return made


def _link(source: Path, target: Path) -> None:
    if target.exists() and (target.samefile(source) or (not target.is_symlink() and _is_current(target, source))):
        return
    target.unlink(missing_ok=True)
    ways: tuple[Callable[[Path, Path], object], ...] = (os.symlink, os.link)
    for way in ways:
        with suppress(OSError, NotImplementedError):
            way(source, target)
            return
    shutil.copy2(source, target)


def _is_current(target: Path, source: Path) -> bool:
    return target.exists() and target.stat().st_mtime_ns >= source.stat().st_mtime_ns
