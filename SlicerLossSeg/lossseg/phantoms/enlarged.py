"""Large phantoms at the cost of small ones."""

from __future__ import annotations

import math

import cc3d
import numpy as np

from lossseg.images import Geometry
from lossseg.phantoms.phantom import Phantom

_SLAB = 16
_GRAIN = 0.06


def enlarged(small: Phantom, size: tuple[int, int, int], factor: int, seed: int) -> Phantom:
    """The phantom with each voxel as a block of `factor` voxels along each axis, and new grain on its image.

    Made slab by slab, in the types in which it is written: little more memory is needed than the result takes.

    Args:
        small: of at least `small_size(size, factor)` voxels.
        size: (z, y, x) voxels of the result.
        factor: at least 2.
        seed: of the grain; its strength is 6 % of the image's standard deviation.

    Returns:
        A phantom whose image is int16 and whose spacing is `factor` times finer.
    """
    image, label = np.empty(size, np.int16), np.empty(size, np.uint8)
    strength = _GRAIN * float(small.image.std())
    for first in range(0, size[0], _SLAB):
        slab = slice(first, min(first + _SLAB, size[0]))
        rng = np.random.default_rng((seed, first))
        values = _blocks(small.image, slab, size, factor)
        values += strength * rng.standard_normal(values.shape, dtype=np.float32)
        image[slab] = np.rint(values)
        label[slab] = _blocks(small.label, slab, size, factor)
    z, y, x = (side / factor for side in small.geometry.spacing)
    # The centre of the first block is where the first voxel was.
    origin = tuple(
        start - (factor - 1) / 2 * step for start, step in zip(small.geometry.origin, (x, y, z), strict=True)
    )
    geometry = Geometry(size, (z, y, x), (origin[0], origin[1], origin[2]), small.geometry.direction)
    return Phantom(image, label, geometry, _component_sizes(small.label, size, factor))


def small_size(size: tuple[int, int, int], factor: int) -> tuple[int, int, int]:
    """Voxels (z, y, x) of the phantom to enlarge."""
    z, y, x = (math.ceil(n / factor) for n in size)
    return z, y, x


def _component_sizes(label: np.ndarray, size: tuple[int, int, int], factor: int) -> tuple[int, ...]:
    """Of the result, ascending: blocks at the far borders may be cut."""
    components = cc3d.connected_components(label, connectivity=26)
    z, y, x = (np.bincount(np.arange(n) // factor, minlength=m) for n, m in zip(size, label.shape, strict=True))
    counts = np.bincount(components.ravel(), (z[:, None, None] * y[:, None] * x).ravel())
    return tuple(sorted(int(count) for count in counts[1:] if count))


def _blocks(array: np.ndarray, slab: slice, size: tuple[int, int, int], factor: int) -> np.ndarray:
    z, y, x = (np.arange(low, high) // factor for low, high in ((slab.start, slab.stop), (0, size[1]), (0, size[2])))
    blocks: np.ndarray = array[z][:, y][:, :, x]
    return blocks
