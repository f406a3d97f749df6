"""The rows of the detection table."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import TypeVar

import numpy as np

from lossseg.components import Components
from lossseg.evaluation.listed import ListedProbability, values_at
from lossseg.evaluation.shape import shapes

T = TypeVar("T")


class Outcome(StrEnum):
    """What became of a lesion when prediction and reference were compared."""

    FOUND = "found"
    MISSED = "missed"
    FALSE_POSITIVE = "false_positive"
    UNMATCHED = "unmatched"

    @property
    def in_reference(self) -> bool:
        """The row describes a lesion of the reference."""
        return self in (Outcome.FOUND, Outcome.MISSED)

    @property
    def words(self) -> str:
        """The outcome as a person reads it; a lesion without a reference to compare with has none."""
        return "" if self is Outcome.UNMATCHED else self.value.replace("_", " ")


class Relation(StrEnum):
    """How the lesions of the reference and the predicted components lie on each other, by any overlap.

    SINGLE: at most one component overlaps the lesion, and no other lesion.
    MERGED: a component on it overlaps another lesion too.
    SPLIT: several components overlap it.
    MERGED_AND_SPLIT: both.
    """

    SINGLE = "single"
    MERGED = "merged"
    SPLIT = "split"
    MERGED_AND_SPLIT = "merged_and_split"

    @classmethod
    def of(cls, merged: bool, split: bool) -> Relation:
        if merged:
            return cls.MERGED_AND_SPLIT if split else cls.MERGED
        return cls.SPLIT if split else cls.SINGLE


@dataclass(frozen=True)
class Lesion:
    """One lesion: a connected component of the reference (found, missed) or of the prediction (the other outcomes).

    Attributes:
        number: 1, 2, ... within a case: reference lesions first, then false positives.
        outcome: found, missed, false positive, or unmatched when there was no reference.
        voxels: size in voxels.
        volume_mm3: size in mm3.
        diameter_mm: longest diameter in mm (maximum Feret diameter), see `shape.diameters`.
        centroid_ras: mean position of the voxels, RAS in mm.
        confidence_mean: mean probability, in [0, 1], over the component matched to a found lesion, or over the lesion
            itself when it is a false positive or unmatched. NaN when missed or without probabilities.
        confidence_max: the highest probability of the same voxels.
        overlap: Dice with the matched predicted component, in [0, 1]; 0 for a missed lesion or a false positive, NaN
            when unmatched.
        label: the class in the label volume.
        axial_long_mm: the longest diameter within one axial slice, in mm, see `axes.axial_axes`.
        axial_short_mm: the longest one perpendicular to it in that slice, in mm.
        confidence_p95: 95th percentile of the probability of the same voxels as `confidence_mean`.
        box_first: z, y, x in voxels, from 0, of the first corner of the bounding box.
        box_last: of the opposite corner, which belongs to the box.
        at_border: it touches the border of the volume and may be cut off.
        relation: whether components merge it with other lesions or split it; of a predicted row, single.
        parts: predicted components that overlap it; 0 for a predicted row.
        merged_with: numbers of the other reference lesions that share a component with it.
    """

    number: int
    outcome: Outcome
    voxels: int
    volume_mm3: float
    diameter_mm: float
    centroid_ras: tuple[float, float, float]
    confidence_mean: float
    confidence_max: float
    overlap: float
    label: int = 1
    axial_long_mm: float = math.nan
    axial_short_mm: float = math.nan
    confidence_p95: float = math.nan
    box_first: tuple[int, int, int] = (0, 0, 0)
    box_last: tuple[int, int, int] = (0, 0, 0)
    at_border: bool = False
    relation: Relation = Relation.SINGLE
    parts: int = 0
    merged_with: tuple[int, ...] = ()


@dataclass(frozen=True, eq=False)
class Space:
    """Where voxels lie.

    Attributes:
        spacing: (z, y, x) mm.
        affine: (4, 4), maps the voxel index (x, y, z, 1) to RAS mm.
    """

    spacing: tuple[float, float, float]
    affine: np.ndarray

    @property
    def axial(self) -> int:
        """The array axis (0 is z) that lies closest to the patient's long axis, across axial slices."""
        along = np.abs(self.affine[2, 2::-1]) / np.linalg.norm(self.affine[:3, 2::-1], axis=0)
        return int(along.argmax())


def describe(
    components: Components,
    outcomes: Sequence[Outcome],
    confidence: np.ndarray,
    overlap: np.ndarray,
    space: Space,
    label: int,
) -> list[Lesion]:
    """One row per component, not numbered yet (0).

    Args:
        components: count of them.
        outcomes: one per component.
        confidence: (count, 3): mean, highest and 95th percentile.
        overlap: (count,).
        space: of the volume.
        label: the class.
    """
    shape = shapes(components, space.spacing, space.axial)
    index = np.column_stack((shape.centroid[:, ::-1], np.ones(components.count)))
    position = index @ space.affine.T
    sizes = components.sizes
    millimetres = sizes * math.prod(space.spacing)
    return [
        Lesion(
            number=0,
            outcome=outcomes[i],
            voxels=int(sizes[i]),
            volume_mm3=float(millimetres[i]),
            diameter_mm=float(shape.diameter_mm[i]),
            centroid_ras=_three(position[i].tolist()),
            confidence_mean=float(confidence[i, 0]),
            confidence_max=float(confidence[i, 1]),
            overlap=float(overlap[i]),
            label=label,
            axial_long_mm=float(shape.axial_long_mm[i]),
            axial_short_mm=float(shape.axial_short_mm[i]),
            confidence_p95=float(confidence[i, 2]),
            box_first=_three(shape.first[i].tolist()),
            box_last=_three(shape.last[i].tolist()),
            at_border=bool(shape.at_border[i]),
        )
        for i in range(components.count)
    ]


def confidences(components: Components, probability: np.ndarray | ListedProbability | None) -> np.ndarray:
    """(count, 3) float64: mean, highest and 95th percentile of the probability (z, y, x) over each component.

    The percentile is linear between voxels. NaN without probabilities.
    """
    if probability is None:
        return np.full((components.count, 3), math.nan)
    values = values_at(probability, components.voxels).astype(np.float64)
    means = np.bincount(components.labels, values, components.count + 1)[1:] / components.sizes
    ordered = values[np.lexsort((values, components.labels))]
    place = 0.95 * (components.sizes - 1)
    below = np.floor(place).astype(np.int64)
    above = np.minimum(below + 1, components.sizes - 1)
    low, high = ordered[components.starts + below], ordered[components.starts + above]
    return np.column_stack(
        (means, ordered[components.starts + components.sizes - 1], low + (place - below) * (high - low))
    )


def _three(values: Sequence[T]) -> tuple[T, T, T]:
    first, second, third = values[:3]
    return first, second, third
