"""Preprocessed cases on disk, read by memory map, so that memory does not grow with the number of cases.

A case's folder holds `image.npy` (C, z, y, x) float32, `label.npy` (z, y, x), and its lesions as `voxels.npy`
(flat voxel indices, lesion after lesion) with `offsets.npy` (where each lesion begins, one more at the end): the
sampler picks a lesion and a voxel of it without touching the label. Maps that a loss needs of the whole volume lie
beside them as `map_NAME.npy`, see `lossseg.preprocessing.maps`.
"""

from __future__ import annotations

import hashlib
import json
import os
import shutil
import tempfile
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from lossseg.components import find
from lossseg.dataset import Case, Dataset
from lossseg.errors import InputError
from lossseg.files import read_json, translate
from lossseg.images import Geometry, Volume, read_label
from lossseg.preprocessing.cached_image import write_image
from lossseg.preprocessing.case import prepare_label
from lossseg.preprocessing.plan import Plan
from lossseg.reporting import Reporter, Silent, Stage

_FORMAT = 1


@dataclass(frozen=True)
class CachedCase:
    """A preprocessed case on disk; every property opens a memory map, none reads the whole file.

    Attributes:
        lesions: number of lesions (connected components of each label, 26-connectivity).
        padding: per channel the value that stands for "nothing there".
    """

    name: str
    folder: Path
    lesions: int
    padding: tuple[float, ...]

    def image(self) -> np.ndarray:
        """(C, z, y, x) float32."""
        return np.load(self.folder / "image.npy", mmap_mode="r")

    def label(self) -> np.ndarray:
        """(z, y, x) unsigned; voxels to ignore have the value after the last class, see `counted`."""
        return np.load(self.folder / "label.npy", mmap_mode="r")

    def lesion_voxels(self, lesion: int) -> np.ndarray:
        """Flat indices into (z, y, x) of the voxels of lesion 0 <= `lesion` < `lesions`."""
        offsets = np.load(self.folder / "offsets.npy", mmap_mode="r")
        voxels = np.load(self.folder / "voxels.npy", mmap_mode="r")
        return voxels[offsets[lesion] : offsets[lesion + 1]]

    def map_file(self, name: str) -> Path:
        """Where the whole volume's map of that name lies once `prepare_maps` has made it."""
        return self.folder / f"map_{name}.npy"

    def map(self, name: str) -> np.ndarray:
        """(channels, z, y, x) float32: the whole volume's map of that name."""
        return np.load(self.map_file(name), mmap_mode="r")


@dataclass(frozen=True)
class PreparedCases:
    """The preprocessed cases of a dataset under one plan's grid, by name."""

    folder: Path
    cases: dict[str, CachedCase]

    def __getitem__(self, name: str) -> CachedCase:
        return self.cases[name]


def prepare_dataset(
    dataset: Dataset, plan: Plan, cache: Path, *, names: Sequence[str] | None = None, reporter: Reporter | None = None
) -> PreparedCases:
    """Preprocess the annotated cases of `dataset` into `cache`; what is there and current is not made again.

    A case is current when the plan's grid and its files' sizes and times are those of the cached copy.

    Raises:
        InputError: a case cannot be read or the cache cannot be written.
        DiskFull: no room; cases finished before stay.
    """
    reporter = reporter or Silent()
    folder = cache / _digest(plan.grid() | {"labels": plan.labels})
    chosen = [case for case in dataset.cases if case.label is not None and (names is None or case.name in names)]
    stage = Stage(reporter, "preprocess", len(chosen))
    cases: dict[str, CachedCase] = {}
    for case in chosen:
        target, stamp = folder / case.name, _stamp(case)
        record = _record(target)
        if record is None or record["source"] != stamp:
            record = _write(case, plan, target, stamp, dataset.ignore)
        cases[case.name] = CachedCase(case.name, target, int(record["lesions"]), tuple(record["padding"]))
        stage.advance()
    return PreparedCases(folder, cases)


def _write(case: Case, plan: Plan, target: Path, stamp: list[Any], ignore: int | None) -> dict[str, Any]:
    assert case.label is not None
    beside: Path | None = None
    try:
        target.parent.mkdir(parents=True, exist_ok=True)
        beside = Path(tempfile.mkdtemp(prefix=f".{case.name}-", dir=target.parent))
        image = write_image(case, plan, target, stamp[:-1], beside / "image.npy")
        label = _checked_label(case.label, case, plan, image.prepared.geometry, ignore)
        array = prepare_label(label, image.prepared, plan)
        del label
        np.save(beside / "label.npy", array)
        voxels, offsets = lesion_index(counted(array, plan.classes))
        np.save(beside / "voxels.npy", voxels)
        np.save(beside / "offsets.npy", offsets)
        facts = {"lesions": len(offsets) - 1, "padding": image.prepared.padding, "image": image.facts}
        record = {"format": _FORMAT, "source": stamp, **facts}
        (beside / "case.json").write_text(json.dumps(record), encoding="utf-8")
        _put(beside, target, record)
    except OSError as error:
        raise translate(error, target) from error
    finally:
        if beside is not None and beside.exists():
            shutil.rmtree(beside)
    return record


def _checked_label(path: Path, case: Case, plan: Plan, image: Geometry, ignore: int | None) -> Volume:
    label = read_label(path)
    if not label.geometry.matches(image):
        raise InputError(
            f"{path} lies on another grid than {case.images[0]}: {label.geometry.difference(image)}.",
            "Resample the label to the image's grid.",
        )
    if label.array.max(initial=0) >= plan.classes + (ignore is not None):
        raise InputError(
            f"{path} holds label {int(label.array.max())}, but dataset.json names 0 to {plan.classes - 1}.",
            "Correct the label file or dataset.json.",
        )
    return label


def _put(made: Path, target: Path, record: dict[str, Any]) -> None:
    """Move a case to its place, unless another process has put the same there meanwhile, who may be reading it."""
    record = json.loads(json.dumps(record))
    while _record(target) != record:
        aside = made.with_name(f"{made.name}-old")
        with suppress(FileNotFoundError):
            os.replace(target, aside)
        try:
            os.replace(made, target)
        except OSError:
            if not target.exists():
                raise
        finally:
            shutil.rmtree(aside, ignore_errors=True)


def counted(label: np.ndarray, classes: int) -> np.ndarray:
    """A label with the voxels to ignore, whose value is the number of classes, as background."""
    return np.where(label < classes, label, 0).astype(label.dtype) if label.max(initial=0) >= classes else label


def lesion_index(label: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Flat voxel indices of all lesions, lesion after lesion, and where each begins (int64, one more at the end)."""
    voxels: list[np.ndarray] = []
    sizes: list[int] = []
    values = np.unique(label)
    for value in values[values > 0]:
        # A list of the foreground: numbers for all voxels would take four times the label's memory.
        found = find(label == value)
        voxels.append(found.voxels if found.count == 1 else found.voxels[found.by_component])
        sizes += found.sizes.tolist()
    offsets = np.concatenate([[0], np.cumsum(sizes)]).astype(np.int64)
    return (np.concatenate(voxels) if voxels else np.zeros(0, np.int64)), offsets


def _record(target: Path) -> dict[str, Any] | None:
    path = target / "case.json"
    if not path.exists():
        return None
    record = read_json(path)
    return record if isinstance(record, dict) and record.get("format") == _FORMAT else None


def _stamp(case: Case) -> list[Any]:
    assert case.label is not None
    stamp: list[Any] = []
    for path in (*case.images, case.label):
        if not path.exists():
            raise InputError(f"{path} does not exist.", "Restore the file or remove the case.")
        facts = path.stat()
        stamp.append([path.name, facts.st_size, facts.st_mtime_ns])
    return stamp


def _digest(value: dict[str, Any]) -> str:
    return hashlib.sha256(json.dumps(value, sort_keys=True).encode()).hexdigest()[:12]
