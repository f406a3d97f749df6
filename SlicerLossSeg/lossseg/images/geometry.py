"""Where the voxels of a volume lie in space."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np
import SimpleITK as sitk

IDENTITY = (1.0, 0.0, 0.0, 0.0, 1.0, 0.0, 0.0, 0.0, 1.0)


@dataclass(frozen=True)
class Geometry:
    """The grid of a 3D volume.

    `size` (z, y, x) in voxels and `spacing` (z, y, x) in mm follow the order of arrays; `origin` (x, y, z) in mm and
    `direction` (3 x 3, row-major) are in the LPS system, as ITK gives them.
    """

    size: tuple[int, int, int]
    spacing: tuple[float, float, float]
    origin: tuple[float, float, float] = (0.0, 0.0, 0.0)
    direction: tuple[float, ...] = IDENTITY

    @classmethod
    def of_image(cls, image: sitk.Image) -> Geometry:
        """The grid of a 3D SimpleITK image."""
        (nx, ny, nz), (sx, sy, sz) = image.GetSize(), image.GetSpacing()
        x, y, z = image.GetOrigin()
        return cls((nz, ny, nx), (sz, sy, sx), (x, y, z), tuple(image.GetDirection()))

    def apply_to(self, image: sitk.Image) -> sitk.Image:
        """The same image with this grid's spacing, origin and direction."""
        image.SetSpacing(tuple(float(side) for side in self.spacing[::-1]))
        image.SetOrigin(tuple(float(coordinate) for coordinate in self.origin))
        image.SetDirection(tuple(float(cosine) for cosine in self.direction))
        return image

    @property
    def affine(self) -> np.ndarray:
        """(4, 4) float64: maps the voxel index (x, y, z, 1) to RAS mm, like a NIfTI affine or Slicer's IJKToRAS."""
        lps = np.eye(4)
        lps[:3, :3] = np.reshape(self.direction, (3, 3)) * np.asarray(self.spacing[::-1])
        lps[:3, 3] = self.origin
        return np.asarray(np.diag([-1.0, -1.0, 1.0, 1.0]) @ lps)

    @property
    def voxel_volume(self) -> float:
        """Volume of one voxel in mm3."""
        return float(np.prod(self.spacing))

    def matches(self, other: Geometry, tolerance: float = 1e-3) -> bool:
        """Whether both grids are the same grid; see `difference` for what `tolerance` means."""
        return not self._differences(other, tolerance)

    def difference(self, other: Geometry, tolerance: float = 1e-3) -> str:
        """What differs, in words ("size 10x20x30 against 10x20x31"), or "" for the same grid.

        Sizes must be equal. The spacing may differ by the fraction `tolerance`, a direction cosine by `tolerance`, the
        origin by ten times `tolerance` of the smallest voxel side: what writing and reading again in another format
        can cost, and less than anything one would see.
        """
        return "; ".join(self._differences(other, tolerance))

    def _differences(self, other: Geometry, tolerance: float) -> list[str]:
        found = []
        if tuple(self.size) != tuple(other.size):
            found.append(f"size {_words(self.size, 'x')} against {_words(other.size, 'x')}")
        if not np.allclose(self.spacing, other.spacing, rtol=tolerance, atol=0):
            found.append(f"spacing {_words(self.spacing, 'x')} mm against {_words(other.spacing, 'x')} mm")
        if not np.allclose(self.origin, other.origin, rtol=0, atol=10 * tolerance * min(self.spacing)):
            found.append(f"origin ({_words(self.origin)}) mm against ({_words(other.origin)}) mm")
        if not np.allclose(self.direction, other.direction, rtol=0, atol=tolerance):
            found.append(f"direction ({_words(self.direction)}) against ({_words(other.direction)})")
        return found


@dataclass(frozen=True)
class Volume:
    """Voxels `array` (z, y, x) on the grid `geometry`; `path` says which file or folder they came from, if any."""

    array: np.ndarray
    geometry: Geometry
    path: Path | None = None


def _words(values: tuple[float, ...], separator: str = ", ") -> str:
    return separator.join(f"{value:.6g}" for value in values)
