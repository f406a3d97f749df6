"""Phantoms of chest CT with lung nodules of uneven size."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from scipy.ndimage import binary_erosion

from lossseg.phantoms.blobs import Shape, Usual, has_room, place_lesions, radius_of
from lossseg.phantoms.phantom import Grid, Phantom, component_sizes
from lossseg.phantoms.texture import grain, smooth_noise
from lossseg.phantoms.vessels import Ellipsoid, Root, draw, grow

_USUAL = Usual("A nodule", count=(5, 12), voxels=(20, 3000))
_TRIES = 200
_AIR, _LUNG, _FAT, _MUSCLE, _BLOOD, _MARROW, _CORTEX = -1000.0, -850.0, -100.0, 45.0, 40.0, 180.0, 650.0


def chest_ct(
    size: tuple[int, int, int] = (96, 96, 96),
    spacing: tuple[float, float, float] = (1.25, 0.8, 0.8),
    seed: int = 0,
    nodules: int | Sequence[int] | None = None,
) -> Phantom:
    """A chest-CT-like volume in HU: body, two lungs (about -850 HU) with vessels, and nodules in them.

    The anatomy is scaled to the volume. Nodules are lumpy ellipsoids, most solid (about 20 HU), some of ground glass
    (about -450 HU); some touch the pleura or a vessel.

    Args:
        size: (z, y, x) voxels, at least 16 each.
        spacing: (z, y, x) mm.
        seed: the same seed and arguments give the same voxels.
        nodules: the voxel counts, or how many of random size (log-uniform from 20 to 3000 voxels, at most 0.4 % of
            the volume), or None for five to twelve (fewer in a small volume). An empty list gives none.

    Returns:
        A phantom with label 1 for nodules and the lungs (vessels and nodules included) as `organ`. Each nodule has
        exactly the asked number of voxels, is one 26-connected component and lies apart from the others.

    Raises:
        InputError: the volume is too small, at all or for a nodule that is asked for.
    """
    grid = Grid(size, spacing)
    rng = np.random.default_rng(seed)
    sides = [_lung(grid, sideward) for sideward in (-1, 1)]
    edge = smooth_noise(rng, grid, float(grid.extent.min()) / 6)
    lungs = np.minimum(*(_distance(grid, side) for side in sides)) + np.float32(0.012 * grid.extent.min()) * edge
    organ = lungs < 0
    thickest = float(np.clip(0.02 * grid.extent.min(), grid.softness, 4.0))
    trees = [
        grow(rng, root, side, 0.35 * grid.softness)
        for side, inward in zip(sides, (-1, 1), strict=True)
        for root in _hilum(side, inward, thickest)
    ]
    vessels, _ = draw(grid, [segment for tree in trees for segment in tree.segments])
    image = _body(rng, grid, lungs)
    blood = grid.coverage(vessels) * grid.coverage(lungs)
    image = image * (1 - blood) + _BLOOD * blood
    label = np.zeros(size, np.uint8)
    place_lesions(rng, grid, nodules, _USUAL, lambda voxels: _add_nodule(rng, grid, organ, label, image, voxels))
    image += 18 * grain(rng, grid, (0.5, 0.6, 0.6))
    image = np.clip(np.rint(image), -1024, 3071).astype(np.float32)
    return Phantom(image, label, grid.geometry(), component_sizes(label), organ)


def _lung(grid: Grid, sideward: int) -> Ellipsoid:
    centre = grid.extent * [0.5, 0.5, 0.5 + 0.22 * sideward]
    return Ellipsoid(centre, grid.extent * [0.56, 0.33, 0.17])


def _hilum(lung: Ellipsoid, outward: int, radius: float) -> list[Root]:
    """Where vessels enter a lung, towards its upper, lower and front part; `outward` is the sign of x away from it."""
    point = lung.centre + np.array([0.0, 0.1, -0.8 * outward]) * lung.semiaxes
    return [Root(point, np.array(way), radius) for way in ([0.8, 0, outward], [-0.8, 0.2, outward], [0, -0.6, outward])]


def _distance(grid: Grid, region: Ellipsoid) -> np.ndarray:
    """The signed distance in mm to an ellipsoid's surface, about."""
    offsets = [
        ((axis - c) / s).astype(np.float32)
        for axis, c, s in zip(grid.axes(), region.centre, region.semiaxes, strict=True)
    ]
    return (np.sqrt(sum(offset**2 for offset in offsets)) - 1) * np.float32(region.semiaxes.min())


def _body(rng: np.random.Generator, grid: Grid, lungs: np.ndarray) -> np.ndarray:
    z, y, x = grid.axes()
    depth, height, width = grid.extent
    v, u = (y - height / 2) / height, (x - width / 2) / width
    skin = (np.sqrt((v / 0.44) ** 2 + (u / 0.48) ** 2) - 1) * np.float32(0.44 * min(height, width))
    fat = np.float32(0.05 * min(height, width)) * (1 + 0.25 * smooth_noise(rng, grid, width / 4))
    image = np.full(grid.size, _AIR, np.float32)
    tissue = _MUSCLE + 10 * smooth_noise(rng, grid, width / 12)
    for edge, value in ((skin, _FAT), (skin + fat, tissue)):
        inside = grid.coverage(np.broadcast_to(edge, grid.size))
        image = image * (1 - inside) + value * inside
    # Ribs run obliquely between lungs and skin: a shell cut by slanting planes.
    shell = np.abs(lungs - np.float32(0.045 * min(height, width))) - np.float32(0.016 * min(height, width))
    period = np.float32(depth / 4)
    slant = (z + 0.5 * np.abs(u) * depth + 0.35 * v * depth) % period
    ribs = np.maximum(shell, np.abs(slant - period / 2) - period * np.float32(0.16))
    ribs = np.maximum(ribs, np.float32(0.06 * width) - np.abs(u) * width)
    disc = np.abs(z % period - period / 2) - period * np.float32(0.42)
    spine = np.sqrt((v - 0.3) ** 2 + u**2).astype(np.float32) * min(height, width) - np.float32(
        0.075 * min(height, width)
    )
    for bone in (ribs, np.maximum(np.broadcast_to(spine, grid.size), disc)):
        bone = np.maximum(bone, skin + fat)
        cortex = grid.coverage(bone)
        image = image * (1 - cortex) + _CORTEX * cortex
        marrow = grid.coverage(bone + np.float32(1.3 * grid.softness))
        image = image * (1 - marrow) + _MARROW * marrow
    air = _LUNG + 60 * (v / 0.33) * 0.5 + 22 * smooth_noise(rng, grid, 2.5 * grid.softness)
    inside = grid.coverage(lungs)
    return np.asarray(image * (1 - inside) + air * inside, np.float32)


def _add_nodule(
    rng: np.random.Generator, grid: Grid, organ: np.ndarray, label: np.ndarray, image: np.ndarray, voxels: int
) -> bool:
    """Draws one nodule into `label` and `image`; False where there is no room."""
    if 2 * voxels > np.count_nonzero(organ):
        return False
    radius = radius_of(voxels, grid)
    deep = binary_erosion(organ, iterations=max(1, round(0.6 * radius / grid.softness)))
    allowed = np.argwhere(deep if deep.any() else organ)
    for _ in range(_TRIES if len(allowed) else 0):
        centre = (allowed[int(rng.integers(len(allowed)))] + rng.uniform(-0.5, 0.5, 3)) * grid.spacing
        box = grid.box(centre - 2 * radius, centre + 2 * radius, margin=2)
        depth = Shape.random(rng, 0.3).distance(grid, box, centre, 0.0)
        nz, ny, nx = (max(span.stop - span.start, 16) for span in box)
        part = Grid((nz, ny, nx), grid.spacing)
        lumps = smooth_noise(rng, part, max(0.7 * radius, grid.softness))
        depth = depth + np.float32(0.12 * radius) * lumps[tuple(slice(0, n) for n in depth.shape)]
        candidates = np.where(organ[box], depth, np.inf).ravel()
        if np.count_nonzero(np.isfinite(candidates)) < 2 * voxels:
            continue
        chosen = np.argpartition(candidates, voxels)[:voxels]
        mask = np.zeros(depth.shape, bool)
        mask.flat[chosen] = True
        if not has_room(label, box, mask):
            continue
        label[box][mask] = 1
        surface = depth - np.float32(candidates[chosen].max())
        density = rng.uniform(-550, -350) if rng.random() < 0.2 else rng.uniform(-10, 50)
        inside = grid.coverage(surface) * organ[box]
        image[box] = np.maximum(image[box], image[box] * (1 - inside) + density * inside)
        return True
    return False
