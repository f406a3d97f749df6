"""What the data look like: sizes, spacing, intensities and the imbalance that a loss must cope with."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np

from lossseg.components import find
from lossseg.dataset import Case, Dataset
from lossseg.errors import InputError
from lossseg.images import read_label, read_volume
from lossseg.preprocessing.case import nonzero_box
from lossseg.preprocessing.orientation import Orientation
from lossseg.reporting import Reporter, Silent, Stage

_SAMPLES_PER_CASE = 10_000

Triple = tuple[int, int, int]
Spacing = tuple[float, float, float]


@dataclass(frozen=True)
class CaseFingerprint:
    """Facts of one annotated case.

    Attributes:
        shape: (S, P, L) voxels of the non-zero box.
        spacing: (S, P, L) mm.
        nonzero: share of the whole volume's voxels that are not 0 in some channel, in [0, 1].
        lesions_mm3: volume of each connected component (26-connectivity) of each label, in mm3.
        foreground: share of the non-zero box that is labelled, in [0, 1].
    """

    name: str
    shape: Triple
    spacing: Spacing
    nonzero: float
    lesions_mm3: tuple[float, ...]
    foreground: float


@dataclass(frozen=True)
class Intensities:
    """Of one channel over the foreground of all training cases, in the image's units."""

    percentile_00_5: float
    percentile_99_5: float
    mean: float
    std: float


@dataclass(frozen=True)
class Fingerprint:
    """Facts of a dataset: one entry per case, and intensities per channel."""

    cases: tuple[CaseFingerprint, ...]
    intensities: tuple[Intensities, ...]

    @property
    def empty_cases(self) -> int:
        return sum(not case.lesions_mm3 for case in self.cases)

    @property
    def lesions_mm3(self) -> np.ndarray:
        """Volumes of all lesions of all cases in mm3, smallest first."""
        return np.sort(np.concatenate([np.asarray(case.lesions_mm3, float) for case in self.cases]))

    @property
    def foreground(self) -> float:
        """Median share of labelled voxels over the cases that have any; NaN where none has."""
        shares = [case.foreground for case in self.cases if case.lesions_mm3]
        return float(np.median(shares)) if shares else float("nan")

    def to_json(self) -> dict[str, Any]:
        return {
            "cases": [asdict(case) for case in self.cases],
            "intensities": [asdict(channel) for channel in self.intensities],
        }


def fingerprint(
    dataset: Dataset, *, names: Sequence[str] | None = None, seed: int = 0, reporter: Reporter | None = None
) -> Fingerprint:
    """Read every annotated case of `dataset` once and gather its facts.

    Args:
        names: only these cases.
        seed: of the sampling of at most 10,000 foreground voxels per case.

    Raises:
        InputError: a case cannot be read, or no case is annotated.
    """
    reporter = reporter or Silent()
    chosen = [case for case in dataset.cases if case.label is not None and (names is None or case.name in names)]
    if not chosen:
        raise InputError(f"{dataset.folder} has no annotated case.", "Add labels to labelsTr.")
    generator = np.random.default_rng(seed)
    stage = Stage(reporter, "fingerprint", len(chosen))
    cases: list[CaseFingerprint] = []
    samples: list[list[np.ndarray]] = [[] for _ in dataset.channels]
    for case in chosen:
        facts, foreground = _read(case, dataset.ignore, generator)
        cases.append(facts)
        for channel, values in zip(samples, foreground, strict=True):
            channel.append(values)
        stage.advance()
    return Fingerprint(tuple(cases), tuple(_intensities(np.concatenate(channel)) for channel in samples))


def _read(case: Case, ignore: int | None, generator: np.random.Generator) -> tuple[CaseFingerprint, list[np.ndarray]]:
    volumes = [read_volume(path, lean=True) for path in case.images]
    assert case.label is not None
    label = read_label(case.label)
    geometry = volumes[0].geometry
    if not label.geometry.matches(geometry):
        raise InputError(
            f"{case.label} lies on another grid than {case.images[0]}: {label.geometry.difference(geometry)}.",
            "Resample the label to the image's grid.",
        )
    box = nonzero_box(volumes)
    inside = label.array[box]
    if ignore is not None:
        inside = np.where(inside == ignore, 0, inside)
    sizes: list[float] = []
    values_present = np.unique(inside)
    for value in values_present[values_present > 0]:
        sizes += [n * geometry.voxel_volume for n in find(inside == value).sizes.tolist()]
    # Without any lesion the body stands in for the foreground, so that CT clipping stays defined.
    chosen = np.flatnonzero(inside) if sizes else np.flatnonzero(volumes[0].array[box])
    picked = generator.choice(chosen, min(_SAMPLES_PER_CASE, chosen.size), replace=False)
    orientation = Orientation.of(geometry)
    s, p, r = orientation.apply(inside).shape
    # Plane by plane: a mask of the whole volume would take half of the memory of the volume.
    stacks = zip(*(volume.array for volume in volumes), strict=True)
    filled = sum(int(np.count_nonzero(np.logical_or.reduce(planes))) for planes in stacks)
    facts = CaseFingerprint(
        name=case.name,
        shape=(s, p, r),
        spacing=orientation.spacing(geometry),
        nonzero=filled / volumes[0].array.size,
        lesions_mm3=tuple(sizes),
        foreground=float(np.count_nonzero(inside) / inside.size),
    )
    places = np.unravel_index(picked, inside.shape)
    values = [volume.array[box][places].astype(np.float32) for volume in volumes]
    return facts, values if sizes else [v[:1000] for v in values]


def _intensities(values: np.ndarray) -> Intensities:
    low, high = np.percentile(values, (0.5, 99.5))
    return Intensities(float(low), float(high), float(values.mean(dtype=float)), float(values.std(dtype=float)))
