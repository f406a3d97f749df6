"""Ellipsoidal lesions of a wanted number of voxels: how many, how large, of which shape, and where there is room."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import cc3d
import numpy as np
from scipy.spatial.transform import Rotation

from lossseg.errors import InputError
from lossseg.phantoms.phantom import Grid

TOLERANCE = 0.25
_GAP = 2
_LARGEST_SHARE = 0.004
_VOXELS_PER_LESION = 4000


@dataclass(frozen=True)
class Usual:
    """What lesions of a kind are like: `name`, `count` (fewest, most) and size in `voxels` (smallest, largest)."""

    name: str
    count: tuple[int, int]
    voxels: tuple[int, int]


def place_lesions(
    rng: np.random.Generator,
    grid: Grid,
    wanted: int | Sequence[int] | None,
    usual: Usual,
    place: Callable[[int], bool],
) -> None:
    """Calls `place(voxels)` for each lesion, largest first since these need the most room.

    Args:
        wanted: the voxel counts themselves; or how many lesions of log-uniform random size; or None for a random number
            that is usual, at most one per 4000 voxels of the volume. A random size is at most 0.4 % of the volume and
            is halved while it does not fit.
        place: draws a lesion and says whether it found room.

    Raises:
        InputError: a size below 1, or no room.
    """
    smallest = None
    if wanted is None or isinstance(wanted, int):
        smallest, largest = usual.voxels
        number = int(rng.integers(usual.count[0], usual.count[1] + 1)) if wanted is None else wanted
        if wanted is None:
            number = min(number, max(int(np.prod(grid.size)) // _VOXELS_PER_LESION, 1))
        largest = max(min(largest, int(_LARGEST_SHARE * np.prod(grid.size))), smallest)
        sizes = np.rint(np.exp(rng.uniform(np.log(smallest), np.log(largest), number))).astype(int).tolist()
    else:
        sizes = [int(size) for size in wanted]
    for size in sorted(sizes, reverse=True):
        if size < 1:
            raise InputError(f"{usual.name} of {size} voxels is asked for.", "Ask for 1 voxel or more.")
        while not place(size):
            if smallest is None or size <= smallest:
                raise InputError(
                    f"There is no room for {usual.name.lower()} of {size} voxels in a volume of "
                    f"{'x'.join(map(str, grid.size))}.",
                    "Ask for fewer or smaller ones, or for a larger volume.",
                )
            size = max(size // 2, smallest)


@dataclass(frozen=True)
class Shape:
    """An ellipsoid without size: `axes` (3, 3) rows are its unit axes, `ratios` (3,) its relative semi-axes."""

    axes: np.ndarray
    ratios: np.ndarray

    @classmethod
    def random(cls, rng: np.random.Generator, unevenness: float) -> Shape:
        """Semi-axes from 1 - `unevenness` to 1 + `unevenness`, of product 1, turned at random."""
        ratios = rng.uniform(1 - unevenness, 1 + unevenness, 3)
        return cls(Rotation.from_quat(rng.normal(size=4)).as_matrix(), ratios / np.prod(ratios) ** (1 / 3))

    def distance(self, grid: Grid, box: tuple[slice, slice, slice], centre: np.ndarray, radius: float) -> np.ndarray:
        """The signed distance in mm to the surface, about, on the voxels of `box`; `radius` is the mean one in mm."""
        offsets = [axis - np.float32(value) for axis, value in zip(grid.axes(box), centre, strict=True)]
        square = sum(
            (sum(offset * np.float32(part) for offset, part in zip(offsets, axis, strict=True)) / np.float32(ratio))
            ** 2
            for axis, ratio in zip(self.axes, self.ratios, strict=True)
        )
        return np.asarray(np.sqrt(square) - radius, np.float32)


def radius_of(voxels: int, grid: Grid) -> float:
    """The radius in mm of a ball of that many voxels."""
    return float((3 * voxels * np.prod(grid.spacing) / (4 * np.pi)) ** (1 / 3))


def has_room(label: np.ndarray, box: tuple[slice, slice, slice], mask: np.ndarray) -> bool:
    """Whether `mask` (on `box`) is one 26-connected piece, away from the grid's border and from every other lesion."""
    where = np.nonzero(mask)
    lows = [span.start + int(index.min()) for span, index in zip(box, where, strict=True)]
    highs = [span.start + int(index.max()) for span, index in zip(box, where, strict=True)]
    if any(low < 1 or high > n - 2 for low, high, n in zip(lows, highs, label.shape, strict=True)):
        return False
    around = tuple(slice(max(low - _GAP, 0), high + _GAP + 1) for low, high in zip(lows, highs, strict=True))
    if label[around].any():
        return False
    return int(cc3d.connected_components(mask.astype(np.uint8), connectivity=26).max()) == 1


def is_close(voxels: int, wanted: int) -> bool:
    """Whether a lesion's size is within `TOLERANCE` of the wanted one."""
    return abs(voxels - wanted) <= max(TOLERANCE * wanted, 0.5)
