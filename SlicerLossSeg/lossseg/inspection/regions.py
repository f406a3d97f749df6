"""The parts of a volume among which a gradient is shared out: lesions, false positives, and all the rest."""

from __future__ import annotations

from dataclasses import dataclass, replace
from enum import StrEnum

import numpy as np

from lossseg.components import Components
from lossseg.evaluation.matching import match
from lossseg.evaluation.shape import centroids
from lossseg.inspection.volumes import Prediction, Reference

MOST_FALSE_POSITIVES = 200
"""So many are told apart, the largest; a network that has learnt nothing yet makes thousands."""


class Kind(StrEnum):
    """What a region is."""

    LESION = "lesion"
    FALSE_POSITIVE = "false_positive"
    BACKGROUND = "background"


@dataclass(frozen=True)
class Region:
    """One row of the inspector's table.

    Attributes:
        kind: what it is.
        number: 1, 2, ... within its kind, in the order of their first voxels.
        voxels: size in voxels.
        volume_mm3: size in mm3.
        centroid_ras: mean position of its voxels, RAS in mm; None where it is no single component.
        components: how many it stands for: 1, more for all small false positives together, 0 for the background.
        found: a predicted component shares a voxel with this lesion; None for what is no lesion.
    """

    kind: Kind
    number: int
    voxels: int
    volume_mm3: float
    centroid_ras: tuple[float, float, float] | None
    components: int = 1
    found: bool | None = None


@dataclass(frozen=True, eq=False)
class Regions:
    """All regions of a volume, and which voxels are theirs; the background's are those of no other.

    Attributes:
        rows: lesions, then false positives, then the background.
        places: (n,) int64: flat C-order indices of the voxels of all regions but the background.
        owner: (n,) int64: the place in `rows` of the region that each belongs to.
    """

    rows: tuple[Region, ...]
    places: np.ndarray
    owner: np.ndarray

    @property
    def nbytes(self) -> int:
        return self.places.nbytes + self.owner.nbytes

    def sums(self, values: np.ndarray, total: float) -> np.ndarray:
        """(rows,) float64: the sum of |values| over each region.

        Args:
            values: (n,), those at `places`.
            total: the sum of absolute values over the whole volume.
        """
        # Without any voxel numpy counts in whole numbers.
        sums = np.bincount(self.owner, np.abs(values, dtype=np.float64), len(self.rows)).astype(np.float64)
        # The total is rounded, so that its rest may fall below nothing where there is no pull at the background.
        sums[-1] = max(total - float(sums.sum()), 0.0)
        return sums


def regions_of(prediction: Prediction, reference: Reference) -> Regions:
    """The reference's lesions, the predicted components that share no voxel with any of them, and the background.

    What a component that overlaps a lesion has besides it is background. Of more than `MOST_FALSE_POSITIVES` false
    positives the smaller ones are one region.
    """
    lesions = reference.lesions
    matches = match(lesions, prediction.components)
    false = prediction.components.subset(matches.false_positive)
    place, told_apart = _placed(false)
    rows = [
        replace(row, found=bool(found))
        for row, found in zip(_rows(Kind.LESION, lesions, reference), matches.found, strict=True)
    ]
    rows += _rows(Kind.FALSE_POSITIVE, false.subset(told_apart), reference)
    if not told_apart.all():
        voxels = int(false.sizes[~told_apart].sum())
        together = int(np.count_nonzero(~told_apart))
        number = int(np.count_nonzero(told_apart)) + 1
        rows.append(
            Region(Kind.FALSE_POSITIVE, number, voxels, voxels * reference.geometry.voxel_volume, None, together)
        )
    rest = reference.target.size - len(lesions.voxels) - len(false.voxels)
    rows.append(Region(Kind.BACKGROUND, 1, rest, rest * reference.geometry.voxel_volume, None, 0))
    return Regions(
        tuple(rows),
        np.concatenate((lesions.voxels, false.voxels)),
        np.concatenate((lesions.labels.astype(np.int64) - 1, lesions.count + place[false.labels - 1])),
    )


def _placed(false: Components) -> tuple[np.ndarray, np.ndarray]:
    """The place of each component among the rows of its kind, and which have a row of their own."""
    apart = np.ones(false.count, bool)
    if false.count > MOST_FALSE_POSITIVES:
        apart[np.argsort(-false.sizes, kind="stable")[MOST_FALSE_POSITIVES:]] = False
    return np.where(apart, np.cumsum(apart) - 1, MOST_FALSE_POSITIVES), apart


def _rows(kind: Kind, found: Components, reference: Reference) -> list[Region]:
    affine, volume = reference.geometry.affine, reference.geometry.voxel_volume
    # Without any component there is nothing to take a mean of.
    centres = centroids(found)[:, ::-1] if found.count else np.zeros((0, 3))
    positions = centres @ affine[:3, :3].T + affine[:3, 3]
    return [
        Region(kind, number, int(size), int(size) * volume, (float(r), float(a), float(s)))
        for number, (size, (r, a, s)) in enumerate(zip(found.sizes, positions, strict=True), start=1)
    ]
