"""Distances between the surfaces of two masks, from lists of their voxels."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import product

import numpy as np
from scipy.spatial import cKDTree

from lossseg.components import Components, places

_FACES = [step for step in product((-1, 0, 1), repeat=3) if sum(map(abs, step)) == 1]
_EDGES = [step for step in product((-1, 0, 1), repeat=3) if sum(map(abs, step)) == 2]


@dataclass(frozen=True)
class SurfaceMeasures:
    """How far two surfaces lie apart; NaN where a mask is empty, or has no boundary because it fills the volume.

    Attributes:
        hd95: mm, the greater of the 95th percentiles of the two directed distances. The boundary is made of the voxels
            with a background voxel, or the end of the volume, across a face (MONAI's `compute_hausdorff_distance`).
        hd95_adam: mm, as the ADAM challenge's evaluation has it: the boundary is the mask without its erosion by a ball
            of radius 1 (SimpleITK), which are the 19 voxels of the 18-neighbourhood, and the end of the volume is no
            background.
        assd: mm, the mean over both directed distances together, with the boundary of `hd95`.
        surface_dice: in [0, 1], the share of boundary voxels that lie within the tolerance of the other boundary, with
            the boundary of `hd95` (Nikolov et al. 2018, by voxels instead of areas); 0 when one mask is empty.
    """

    hd95: float
    hd95_adam: float
    assd: float
    surface_dice: float


class Surface:
    """The voxels of a mask and which of them are its boundary, plain and after ADAM.

    Attributes:
        voxels: (n,) int64, flat C-order indices, ascending.
        plain: (n,) bool: the boundary of `SurfaceMeasures.hd95`.
        adam: (n,) bool: that of `SurfaceMeasures.hd95_adam`.
        points: (n, 3) z, y, x in mm.
    """

    def __init__(self, mask: Components, spacing: Sequence[float]) -> None:
        """Args: mask: all components of a mask (z, y, x). spacing: (z, y, x) mm."""
        coordinates = mask.coordinates()
        self.voxels = mask.voxels
        self.plain, self.adam = _boundaries(mask, coordinates)
        self.points = coordinates * np.asarray(spacing, float)

    def distances(self, other: Surface) -> tuple[np.ndarray, np.ndarray]:
        """From each boundary voxel to the nearest of the other mask, in mm: plain (n,) and after ADAM (m,)."""
        place = places(self.voxels, other.voxels)
        outside = place < 0
        plain, adam = np.zeros(len(self.voxels)), np.zeros(len(self.voxels))
        # Seen from outside, the nearest voxel of a mask has background across a face: it is on either boundary.
        inner = ~outside & self.plain
        inner[inner] = ~other.plain[place[inner]]
        asked = outside & (self.plain | self.adam) | inner
        plain[asked] = _nearest(self.points[asked], other.points[other.plain])
        adam[outside] = plain[outside]
        inner = ~outside & self.adam
        inner[inner] = ~other.adam[place[inner]]
        adam[inner] = _nearest(self.points[inner], other.points[other.adam])
        return plain[self.plain], adam[self.adam]


def surface_measures(reference: Surface, prediction: Surface, tolerance_mm: float = 1.0) -> SurfaceMeasures:
    """Compare the surfaces of two masks of one shape.

    Args:
        reference: of a mask.
        prediction: of another one.
        tolerance_mm: within which surfaces agree, in mm; the limit belongs to it.
    """
    if not len(reference.voxels) or not len(prediction.voxels):
        either = len(reference.voxels) or len(prediction.voxels)
        return SurfaceMeasures(math.nan, math.nan, math.nan, 0.0 if either else math.nan)
    there, back = prediction.distances(reference), reference.distances(prediction)
    plain = np.concatenate((there[0], back[0]))
    return SurfaceMeasures(
        hd95=_greater_percentile(there[0], back[0]),
        hd95_adam=_greater_percentile(there[1], back[1]),
        assd=float(plain.mean()),
        surface_dice=float(np.count_nonzero(plain <= tolerance_mm) / len(plain)),
    )


def _boundaries(mask: Components, coordinates: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    depth, height, width = mask.shape
    # A slice, a row and a voxel more at either end: no step leads out of this list.
    margin = (height + 1) * width + 1
    present = np.zeros(depth * height * width + 2 * margin, bool)
    place = mask.voxels + margin
    present[place] = True
    ends = ((coordinates == 0) | (coordinates == np.array(mask.shape) - 1)).any(axis=1)
    some_at_end = bool(ends.any())

    def with_neighbour(chosen: np.ndarray, step: tuple[int, ...]) -> np.ndarray:
        """Those of the chosen voxels whose neighbour belongs to the mask or lies beyond the volume."""
        there = present[place[chosen] + ((step[0] * height + step[1]) * width + step[2])]
        if some_at_end:
            at_end = np.flatnonzero(ends[chosen])
            neighbour = coordinates[chosen[at_end]] + step
            # Beyond the volume the flat index means another row: what it says there does not count.
            there[at_end] |= ((neighbour < 0) | (neighbour >= mask.shape)).any(axis=1)
        return chosen[there]

    inner = np.arange(len(place))
    for step in _FACES:
        inner = with_neighbour(inner, step)
    plain = np.ones(len(place), bool)
    plain[inner[~ends[inner]]] = False
    for step in _EDGES:
        inner = with_neighbour(inner, step)
    adam = np.ones(len(place), bool)
    adam[inner] = False
    return plain, adam


def _greater_percentile(there: np.ndarray, back: np.ndarray) -> float:
    """The greater of the 95th percentiles of two directed distances; NaN unless there are both."""
    if not len(there) or not len(back):
        return math.nan
    return max(float(np.percentile(there, 95)), float(np.percentile(back, 95)))


def _nearest(points: np.ndarray, targets: np.ndarray) -> np.ndarray:
    if not len(points) or not len(targets):
        return np.full(len(points), math.inf)
    distance: np.ndarray = cKDTree(targets, leafsize=32, balanced_tree=False).query(points)[0]
    return distance
