"""Checking the voxels of a case against its dataset."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from lossseg.dataset.cases import Case, Dataset
from lossseg.errors import InputError
from lossseg.images import Geometry, Volume, read_label, read_volume
from lossseg.reporting import Reporter, Stage


@dataclass(frozen=True)
class CaseCheck:
    """A sound case: voxels per foreground label, `empty` where there are none (allowed in training), its grid."""

    name: str
    foreground_voxels: dict[str, int]
    empty: bool
    geometry: Geometry


def check_case(case: Case, dataset: Dataset) -> CaseCheck:
    """Reads all files of a case, one after the other.

    Raises:
        InputError: a file that `read_volume` or `read_label` refuses; an image with one and the same value everywhere
            (all zero, say); channels or label on different grids; a label value that the dataset does not name; no
            label file.
    """
    if case.label is None:
        raise InputError(f"The case {case.name} has no label.", "Add its label file.")
    geometry = None
    for path in case.images:
        volume = read_volume(path)
        require_contrast(volume)
        geometry = geometry or volume.geometry
        require_same_grid(path, volume.geometry, case.images[0], geometry)
    label = read_label(case.label)
    if geometry is None:
        raise InputError(f"The case {case.name} has no images.", "Add its image files.")
    require_same_grid(case.label, label.geometry, case.images[0], geometry)
    counts = np.bincount(label.array.ravel(), minlength=len(dataset.values))
    require_known_labels(counts, dataset.values, case.label)
    voxels = {name: int(counts[value]) for name, value in dataset.foreground.items()}
    return CaseCheck(case.name, voxels, not any(voxels.values()), geometry)


def check_cases(dataset: Dataset, reporter: Reporter) -> tuple[CaseCheck, ...]:
    """`check_case` on every case; warns of empty labels with their number and raises at the first unusable case."""
    stage = Stage(reporter, "check", len(dataset.cases))
    checks = []
    for case in dataset.cases:
        checks.append(check_case(case, dataset))
        stage.advance()
    empty = [check.name for check in checks if check.empty]
    if empty:
        reporter.warning(f"{len(empty)} of {len(checks)} labels are empty: {', '.join(empty)}.", "Is that right?")
    return tuple(checks)


def require_contrast(volume: Volume) -> None:
    """Raises `InputError` when all voxels of an image have the same value."""
    lowest = volume.array.min()
    if lowest == volume.array.max():
        raise InputError(
            f"{volume.path} has the value {lowest:g} in every voxel.", "Export the image again, or leave out the case."
        )


def require_same_grid(path: Path | str, geometry: Geometry, first: Path | str, expected: Geometry) -> None:
    """Raises `InputError` when `path` lies on another grid than `first`."""
    if not geometry.matches(expected):
        raise InputError(
            f"{path} lies on another grid than {first}: {geometry.difference(expected)}.",
            "Resample it to that grid (a label by nearest neighbour), or export both again.",
        )


def require_known_labels(counts: Sequence[int] | np.ndarray, labels: dict[str, int], path: Path | str) -> None:
    """Raises `InputError` when a label value occurs (`counts[value]` > 0) that `labels` does not name."""
    unknown = [str(value) for value in np.flatnonzero(counts) if value not in labels.values()]
    if unknown:
        raise InputError(
            f"{path} has voxels of label {', '.join(unknown)}, which the dataset does not name.",
            f"Known are {', '.join(f'{value} ({name})' for name, value in labels.items())}: correct the label file, "
            "or name the label in dataset.json.",
        )
