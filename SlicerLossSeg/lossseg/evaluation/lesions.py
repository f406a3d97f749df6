"""The rows of the detection table."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from enum import StrEnum

import numpy as np

from lossseg.components import Components
from lossseg.evaluation.shape import centroids, diameters


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


@dataclass(frozen=True)
class Lesion:
    """One lesion: a connected component of the reference (found, missed) or of the prediction (the other outcomes).

    Attributes:
        number: 1, 2, ... within a case: reference lesions first, then false positives.
        outcome: found, missed, false positive, or unmatched when there was no reference.
        voxels: size in voxels.
        volume_mm3: size in mm3.
        diameter_mm: longest diameter in mm, see `shape.diameters`.
        centroid_ras: mean position of the voxels, RAS in mm.
        confidence_mean: mean probability, in [0, 1], over the component matched to a found lesion, or over the lesion
            itself when it is a false positive or unmatched. NaN when missed or without probabilities.
        confidence_max: the highest probability of the same voxels.
        overlap: Dice with the matched predicted component, in (0, 1]; 0 for a missed lesion or a false positive, NaN
            when unmatched.
        label: the class in the label volume.
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
    def voxel_volume(self) -> float:
        """mm3."""
        return math.prod(self.spacing)


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
        confidence: (count, 2): mean and highest probability.
        overlap: (count,).
        space: of the volume.
        label: the class.
    """
    index = np.column_stack((centroids(components)[:, ::-1], np.ones(components.count)))
    position = index @ space.affine.T
    longest = diameters(components, space.spacing)
    sizes = components.sizes
    return [
        Lesion(
            number=0,
            outcome=outcomes[i],
            voxels=int(sizes[i]),
            volume_mm3=float(sizes[i] * space.voxel_volume),
            diameter_mm=float(longest[i]),
            centroid_ras=(float(position[i, 0]), float(position[i, 1]), float(position[i, 2])),
            confidence_mean=float(confidence[i, 0]),
            confidence_max=float(confidence[i, 1]),
            overlap=float(overlap[i]),
            label=label,
        )
        for i in range(components.count)
    ]


def confidences(components: Components, probability: np.ndarray | None) -> np.ndarray:
    """(count, 2) float64: mean and highest probability over each component; NaN without probabilities (z, y, x)."""
    if probability is None:
        return np.full((components.count, 2), math.nan)
    values = probability.reshape(-1)[components.voxels].astype(np.float64)
    means = np.bincount(components.labels, values, components.count + 1)[1:] / components.sizes
    return np.column_stack((means, highest(components, values)))


def highest(components: Components, values: np.ndarray) -> np.ndarray:
    """(count,) the highest of the voxels' values, (n,) in the order of `components.voxels`, over each component."""
    most = np.full(components.count + 1, -math.inf)
    np.maximum.at(most, components.labels, values)
    return most[1:]
