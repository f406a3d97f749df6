"""Array axes in the patient's directions: whatever the storage order, the network sees (S, P, L) axes.

Only permutations and flips: no voxel changes, and the inverse is exact.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from scipy.optimize import linear_sum_assignment

from lossseg.images import Geometry
from lossseg.preprocessing.plan import Plan


@dataclass(frozen=True)
class Orientation:
    """How array axes (z, y, x) of a stored volume become axes nearest to the patient's S, P and L.

    Attributes:
        axes: stored axis for each of the S, P and L axes.
        flips: whether that axis runs against S, P or L.
    """

    axes: tuple[int, int, int]
    flips: tuple[bool, bool, bool]

    @classmethod
    def of(cls, geometry: Geometry) -> Orientation:
        """The orientation of a grid; for an oblique one that of the nearest patient directions."""
        direction = np.asarray(geometry.direction, float).reshape(3, 3)
        # Columns are the x, y, z index directions in LPS; rows here become S, P, L and columns the z, y, x axes.
        components = direction[::-1, ::-1]
        _, stored = linear_sum_assignment(-np.abs(components))
        a, b, c = (int(axis) for axis in stored)
        p, q, r = (bool(components[row, axis] < 0) for row, axis in enumerate(stored))
        return cls((a, b, c), (p, q, r))

    @classmethod
    def of_plan(cls, plan: Plan, geometry: Geometry) -> Orientation:
        """How a volume's axes become those of the plan's grid: (S, P, L), or what another framework trained on."""
        if plan.monai is not None:
            return cls.of_axcodes(plan.monai.axcodes, geometry)
        if plan.nnunet is None:
            return cls.of(geometry)
        axes, flips = (0, 1, 2), (False, False, False)
        if plan.nnunet.canonical:
            patient = cls.of(geometry)
            s, p, r = patient.flips
            axes, flips = patient.axes, (s, not p, not r)
        a, b, c = plan.nnunet.transpose
        return cls((axes[a], axes[b], axes[c]), (flips[a], flips[b], flips[c]))

    @classmethod
    def of_axcodes(cls, axcodes: str, geometry: Geometry) -> Orientation:
        """How a volume's axes become those that three letters such as RAS name; no letters stand for x, y and z."""
        if not axcodes:
            return cls((2, 1, 0), (False, False, False))
        patient = cls.of(geometry)
        (a, p), (b, q), (c, r) = (_along(patient, letter) for letter in axcodes)
        return cls((a, b, c), (p, q, r))

    def apply(self, array: np.ndarray) -> np.ndarray:
        """A view of the stored `array` (z, y, x) along (S, P, L)."""
        return np.flip(array.transpose(self.axes), self._flipped)

    def undo(self, array: np.ndarray) -> np.ndarray:
        """A view of `array` along (S, P, L) in stored order (z, y, x)."""
        return np.flip(array, self._flipped).transpose(np.argsort(self.axes))

    def stored(self, box: Sequence[slice], size: Sequence[int]) -> tuple[slice, slice, slice]:
        """A box of the turned array in stored order (z, y, x), where the stored array has `size`."""
        parts = [slice(0, length) for length in size]
        for part, axis, flip in zip(box, self.axes, self.flips, strict=True):
            last = size[axis]
            parts[axis] = slice(last - part.stop, last - part.start) if flip else part
        return parts[0], parts[1], parts[2]

    @property
    def _flipped(self) -> tuple[int, ...]:
        return tuple(axis for axis, flip in enumerate(self.flips) if flip)

    def spacing(self, geometry: Geometry) -> tuple[float, float, float]:
        """Spacing in mm along (S, P, L)."""
        a, b, c = (geometry.spacing[axis] for axis in self.axes)
        return a, b, c


def _along(patient: Orientation, letter: str) -> tuple[int, bool]:
    """The stored axis along the direction of `letter`, and whether it runs against it."""
    index = next(index for index, pair in enumerate(("SI", "PA", "LR")) if letter in pair)
    return patient.axes[index], patient.flips[index] != (letter in "IAR")
