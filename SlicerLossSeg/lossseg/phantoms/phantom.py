"""What a phantom is, and the grid it is drawn on."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

import cc3d
import numpy as np

from lossseg.errors import InputError
from lossseg.images import Geometry

_SMALLEST_SIDE = 16


@dataclass(frozen=True)
class Phantom:
    """A made-up volume with its truth.

    `image` (z, y, x) float32 with integer values as a scanner stores them, `label` (z, y, x) uint8, `lesion_voxels` the
    sizes in voxels of all 26-connected components of each label value, in ascending order, and `organ` (z, y, x) bool
    where the kind of phantom has one (the lungs).
    """

    image: np.ndarray
    label: np.ndarray
    geometry: Geometry
    lesion_voxels: tuple[int, ...]
    organ: np.ndarray | None = None


@dataclass(frozen=True)
class Grid:
    """A grid of `size` (z, y, x) voxels of `spacing` (z, y, x) mm; positions on it are (z, y, x) mm from voxel 0."""

    size: tuple[int, int, int]
    spacing: tuple[float, float, float]

    def __post_init__(self) -> None:
        if min(self.size) < _SMALLEST_SIDE:
            raise InputError(
                f"A phantom of {'x'.join(map(str, self.size))} voxels is too small.",
                f"Ask for {_SMALLEST_SIDE} or more voxels along each axis.",
            )
        if min(self.spacing) <= 0:
            raise InputError(f"The spacing {self.spacing} mm is not positive.", "Give three lengths in mm.")

    @cached_property
    def extent(self) -> np.ndarray:
        """Lengths (3,) of the sides in mm."""
        return np.asarray(self.size) * np.asarray(self.spacing)

    @cached_property
    def softness(self) -> float:
        """The width in mm over which an edge is blurred by partial volume: a voxel's mean side."""
        return float(np.mean(self.spacing))

    def axes(self, box: tuple[slice, slice, slice] | None = None) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """Positions in mm along z (n, 1, 1), y (1, n, 1) and x (1, 1, n), of the whole grid or of a box in it."""
        spans = box or tuple(slice(0, n) for n in self.size)
        z, y, x = (
            np.arange(span.start, span.stop, dtype=np.float32) * np.float32(side)
            for span, side in zip(spans, self.spacing, strict=True)
        )
        return z[:, None, None], y[None, :, None], x[None, None, :]

    def box(self, low: np.ndarray, high: np.ndarray, margin: int = 1) -> tuple[slice, slice, slice]:
        """The voxels between two corners in mm, `margin` voxels wider, cut at the grid's border."""
        starts = np.floor(low / self.spacing).astype(int) - margin
        stops = np.ceil(high / self.spacing).astype(int) + margin + 1
        z, y, x = (
            slice(max(int(a), 0), max(min(int(b), n), 0)) for a, b, n in zip(starts, stops, self.size, strict=True)
        )
        return z, y, x

    def coverage(self, distance: np.ndarray) -> np.ndarray:
        """How much of each voxel lies in a body, 0 to 1, from the signed distance to its surface in mm."""
        return np.clip(np.float32(0.5) - distance / np.float32(self.softness), 0, 1)

    def geometry(self) -> Geometry:
        """The grid centred in patient space, axes along those of the patient."""
        x, y, z = (-(self.extent - self.spacing) / 2)[::-1].tolist()
        return Geometry(self.size, self.spacing, (x, y, z))


def component_sizes(label: np.ndarray) -> tuple[int, ...]:
    """The sizes in voxels of the 26-connected components of each label value, ascending."""
    # cc3d treats each value as a component of its own when labels are not binary.
    components = cc3d.connected_components(label, connectivity=26)
    return tuple(sorted(np.bincount(components.ravel())[1:].tolist()))
