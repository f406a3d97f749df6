"""The bin of a study: what is taken out of the dataset is moved there and can be put back; nothing is deleted.

STUDY/bin/TIME-NAME/ holds the files as they lay in the dataset (imagesTr, labelsTr) and `bin.json`, which says what
they are. It is written before the first file moves, so that a removal that was cut off can still be put back.
"""

from __future__ import annotations

import shutil
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Literal

import numpy as np

from lossseg.dataset.cases import LABELS, training_cases
from lossseg.dataset.checks import require_known_labels, require_same_grid
from lossseg.dataset.clock import Clock, in_file_name, iso, utc_now
from lossseg.dataset.description import read_description, write_description
from lossseg.errors import InputError
from lossseg.files import atomic, read_json, translate, write_json
from lossseg.images import Volume, read_volume, write_volume

_RECORD = "bin.json"
_FORMAT = 1


@dataclass(frozen=True)
class Binned:
    """Something in the bin.

    Attributes:
        folder: where it lies.
        name: of the case.
        kind: a whole case that was removed, or a label that another one took the place of.
        time: UTC, ISO 8601.
        files: relative to the dataset and to `folder`.
    """

    folder: Path
    name: str
    kind: Literal["case", "label"]
    time: str
    files: tuple[Path, ...]


def remove_case(dataset_folder: Path | str, name: str, bin_folder: Path | str, *, clock: Clock = utc_now) -> Binned:
    """Move a case's images and label into the bin, and count the cases of the dataset anew.

    Raises:
        InputError: there is no such case, or no permission; the case stays then.
    """
    dataset = Path(dataset_folder)
    paths = _files_of(dataset, name)
    binned = _entry(Path(bin_folder), name, "case", [path.relative_to(dataset) for path in paths], clock)
    _move([(path, binned.folder / path.relative_to(dataset)) for path in paths])
    count_cases(dataset)
    return binned


def restore_case(dataset_folder: Path | str, binned: Binned | Path | str) -> str:
    """Move a removed case from the bin back into the dataset, and count the cases anew; returns its name.

    Raises:
        InputError: nothing restorable lies there; it is a label (`restore_label`); or the dataset has a case of that
            name again: nothing is overwritten.
    """
    dataset, entry = Path(dataset_folder), _binned(binned)
    if entry.kind != "case":
        raise InputError(f"{entry.folder} holds a label, not a case.", "Put it back as the label of its case.")
    # A move that was cut off has left the other files where they go anyway.
    here = [file for file in entry.files if (entry.folder / file).exists()]
    taken = [dataset / file for file in here if (dataset / file).exists()]
    if taken:
        raise InputError(f"{taken[0]} exists already.", f"Remove the case {entry.name} first; then put this one back.")
    lost = [file for file in entry.files if file not in here and not (dataset / file).exists()]
    if lost or not here:
        raise InputError(
            f"{entry.folder} does not hold {(lost or list(entry.files))[0]} any more.", "It was put back or moved away."
        )
    _move([(entry.folder / file, dataset / file) for file in here])
    count_cases(dataset)
    _discard(entry.folder)
    return entry.name


def replace_label(
    dataset_folder: Path | str, name: str, label: Volume, bin_folder: Path | str, *, clock: Clock = utc_now
) -> Binned:
    """Give a case another label; the former one is copied into the bin first.

    Args:
        label: integers (z, y, x) on the grid of the case's images, values that the dataset names.

    Returns:
        The former label in the bin.

    Raises:
        InputError: there is no such case, another grid, an unknown label value, no permission; the label stays then.
        DiskFull: no room; the label stays.
    """
    dataset = Path(dataset_folder)
    description = read_description(dataset)
    image, *_, present = _files_of(dataset, name)
    where = f"The new label of the case {name}"
    require_same_grid(where, label.geometry, image, read_volume(image).geometry)
    values = np.unique(label.array)
    if values.size and (values.min() < 0 or np.any(values != values.astype(np.uint16))):
        raise InputError(f"{where} has values that are no labels.", "Give integers from 0 on.")
    require_known_labels(np.bincount(values.astype(np.int64)), description.values, where)
    former = _keep_label(dataset, name, present, Path(bin_folder), clock)
    array = label.array.astype(np.uint8 if label.array.max(initial=0) <= 255 else np.uint16)
    write_volume(present, array, label.geometry)
    return former


def restore_label(
    dataset_folder: Path | str, binned: Binned | Path | str, bin_folder: Path | str, *, clock: Clock = utc_now
) -> Binned:
    """Put a former label back in its place; the present one is copied into the bin first, and returned.

    Raises:
        InputError: it is no label, its case is not in the dataset, or its file is gone.
    """
    dataset, entry = Path(dataset_folder), _binned(binned)
    source = entry.folder / entry.files[0]
    if entry.kind != "label" or not source.exists():
        raise InputError(f"{entry.folder} holds no label.", "Choose another entry of the bin.")
    present = _files_of(dataset, entry.name)[-1]
    kept = _keep_label(dataset, entry.name, present, Path(bin_folder), clock)
    _copy(source, present)
    return kept


def list_bin(bin_folder: Path | str) -> tuple[Binned, ...]:
    """What lies in the bin, the newest first; what cannot be read is left out."""
    folder = Path(bin_folder)
    entries = []
    for path in sorted(folder.iterdir()) if folder.is_dir() else []:
        try:
            entries.append(_binned(path))
        except InputError:
            continue
    kept = [entry for entry in entries if any((entry.folder / file).exists() for file in entry.files)]
    return tuple(sorted(kept, key=lambda entry: (entry.time, entry.folder.name), reverse=True))


def count_cases(dataset_folder: Path | str) -> int:
    """Write the number of training cases into `dataset.json`, as after files were copied in by hand; returns it.

    Raises:
        InputError: no dataset, or a case without all of its files.
    """
    folder = Path(dataset_folder)
    description = read_description(folder)
    count = len(training_cases(folder, description))
    if description.cases != count:
        write_description(folder, replace(description, cases=count))
    return count


def _files_of(dataset: Path, name: str) -> list[Path]:
    """The images of a case in the order of their channels, then its label."""
    for case in training_cases(dataset, read_description(dataset)):
        if case.name == name and case.label is not None:
            return [*case.images, case.label]
    raise InputError(f"The dataset {dataset} has no case {name}.", "Check the name.")


def _keep_label(dataset: Path, name: str, label: Path, bin_folder: Path, clock: Clock) -> Binned:
    entry = _entry(bin_folder, name, "label", [Path(LABELS) / label.name], clock)
    _copy(label, entry.folder / entry.files[0])
    return entry


def _entry(bin_folder: Path, name: str, kind: Literal["case", "label"], files: Sequence[Path], clock: Clock) -> Binned:
    """A new folder in the bin with its record; no file is in it yet."""
    moment = clock()
    stem, number = f"{in_file_name(moment)}-{name}", 1
    try:
        bin_folder.mkdir(parents=True, exist_ok=True)
        while True:
            folder = bin_folder / (stem if number == 1 else f"{stem}-{number}")
            try:
                folder.mkdir()
                break
            except FileExistsError:
                number += 1
    except OSError as error:
        raise translate(error, bin_folder / stem) from error
    content = {
        "format": _FORMAT,
        "case": name,
        "kind": kind,
        "time": iso(moment),
        "files": [file.as_posix() for file in files],
    }
    write_json(folder / _RECORD, content)
    return Binned(folder, name, kind, iso(moment), tuple(files))


def _binned(where: Binned | Path | str) -> Binned:
    if isinstance(where, Binned):
        return where
    folder = Path(where)
    value: Any = read_json(folder / _RECORD)
    try:
        files = tuple(Path(file) for file in value["files"])
        if value["kind"] not in ("case", "label") or not files or any(_leads_away(file) for file in files):
            raise ValueError(value["kind"])
        return Binned(folder, str(value["case"]), value["kind"], str(value["time"]), files)
    except (KeyError, TypeError, ValueError) as error:
        raise InputError(f"{folder / _RECORD} cannot be read.", "Move the files back by hand.") from error


def _leads_away(file: Path) -> bool:
    return file.is_absolute() or ".." in file.parts


def _move(pairs: Sequence[tuple[Path, Path]]) -> None:
    """Move all files or none: what was moved goes back when one cannot be."""
    done: list[tuple[Path, Path]] = []
    try:
        for source, target in pairs:
            target.parent.mkdir(parents=True, exist_ok=True)
            shutil.move(source, target)
            done.append((source, target))
    except OSError as error:
        for source, target in reversed(done):
            shutil.move(target, source)
        raise translate(error, target) from error


def _copy(source: Path, target: Path) -> None:
    with atomic(target) as beside:
        shutil.copyfile(source, beside)


def _discard(folder: Path) -> None:
    """Remove an entry of the bin that holds nothing but its record any more."""
    left = [path for path in folder.rglob("*") if path.is_file() and path != folder / _RECORD]
    if not left:
        shutil.rmtree(folder, ignore_errors=True)
