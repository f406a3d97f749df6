"""Phantoms of time-of-flight MR angiography with saccular aneurysms."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from lossseg.phantoms.blobs import Shape, Usual, has_room, is_close, place_lesions, radius_of
from lossseg.phantoms.phantom import Grid, Phantom, component_sizes
from lossseg.phantoms.texture import grain, smooth_noise
from lossseg.phantoms.vessels import Ellipsoid, Root, Site, Tree, draw, grow

_USUAL = Usual("An aneurysm", count=(1, 3), voxels=(5, 4000))
_TRIES = 150
_NOISE = 8.0


def tof_mra(
    size: tuple[int, int, int] = (96, 96, 96),
    spacing: tuple[float, float, float] = (0.5, 0.4, 0.4),
    seed: int = 0,
    aneurysms: int | Sequence[int] | None = None,
) -> Phantom:
    """A TOF-MRA-like volume: a dark brain on a zero background, bright vessel trees, aneurysms as bright as vessels.

    The brain is an uneven ellipsoid of non-zero intensity (about 45 to 110); vessels (about 200 to 300) branch from
    three roots at the base with partial volume at their walls; an aneurysm is an ellipsoid on a wall, mostly at a
    bifurcation, so it differs from vessels by shape alone. Rician noise.

    Args:
        size: (z, y, x) voxels, at least 16 each.
        spacing: (z, y, x) mm.
        seed: the same seed and arguments give the same voxels.
        aneurysms: the voxel counts, or how many of random size (log-uniform from 5 to 4000 voxels, at most 0.4 % of
            the volume), or None for one to three (fewer in a small volume). An empty list gives none.

    Returns:
        A phantom with label 1 for aneurysms. Each has the asked number of voxels to within 25 %, is one 26-connected
        component and lies apart from the others; `lesion_voxels` are the true numbers.

    Raises:
        InputError: the volume is too small, at all or for an aneurysm that is asked for.
    """
    grid = Grid(size, spacing)
    rng = np.random.default_rng(seed)
    brain = Ellipsoid(grid.extent / 2, 0.46 * grid.extent)
    trees = _vessels(rng, grid, brain)
    distance, calibre = draw(grid, [segment for tree in trees for segment in tree.segments])
    label = np.zeros(size, np.uint8)
    drawn = (distance, calibre, label)
    place_lesions(rng, grid, aneurysms, _USUAL, lambda voxels: _add_aneurysm(rng, grid, brain, trees, drawn, voxels))
    image = _image(rng, grid, brain, distance, calibre)
    return Phantom(image, label, grid.geometry(), component_sizes(label))


def _vessels(rng: np.random.Generator, grid: Grid, brain: Ellipsoid) -> list[Tree]:
    """Two carotids and a basilar artery that enter at the base (low z) and turn outwards."""
    thickest = float(np.clip(0.03 * grid.extent.min(), 2 * grid.softness, 2.0))
    thinnest = max(0.3, 0.65 * grid.softness)
    trees = []
    for forward, sideward in ((0.12, -0.3), (0.12, 0.3), (-0.25, 0.0)):
        offset = np.array([-0.8, -forward, sideward]) * brain.semiaxes + rng.normal(0, 0.02, 3) * grid.extent
        direction = np.array([1.0, -1.2 * forward, 1.6 * sideward]) + rng.normal(0, 0.15, 3)
        radius = thickest * rng.uniform(0.8, 1.0)
        trees.append(grow(rng, Root(brain.centre + offset, direction, radius), brain, thinnest))
    return trees


def _add_aneurysm(
    rng: np.random.Generator,
    grid: Grid,
    brain: Ellipsoid,
    trees: Sequence[Tree],
    drawn: tuple[np.ndarray, np.ndarray, np.ndarray],
    voxels: int,
) -> bool:
    """Draws one aneurysm into the distances, calibres and labels that are `drawn`; False where there is no room."""
    distance, calibre, label = drawn
    radius = radius_of(voxels, grid)
    bifurcations = [site for tree in trees for site in tree.bifurcations]
    walls = [site for tree in trees for site in tree.walls]
    likely = [_fit_for(radius, bifurcations)] * 6 + [_fit_for(radius, walls)]
    for attempt in range(_TRIES):
        # Thin vessels carry a sac only where nothing else does.
        sites = likely[int(rng.integers(len(likely)))] if attempt < 0.7 * _TRIES else bifurcations + walls
        if not sites:
            continue
        site = sites[int(rng.integers(len(sites)))]
        sac = _sac(rng, grid, distance, site, voxels)
        if sac is None:
            continue
        box, depth, mask = sac
        if brain.depth(site.point + site.outward * 2 * radius) > 0.95 or not has_room(label, box, mask):
            continue
        label[box][mask] = 1
        inside = depth < distance[box]
        calibre[box][inside] = np.maximum(calibre[box][inside], site.radius)
        distance[box] = np.minimum(distance[box], depth)
        return True
    return False


def _fit_for(radius: float, sites: list[Site]) -> list[Site]:
    """The sites on vessels thick enough to carry a sac of that radius; the thickest ones where none is."""
    ordered = sorted(sites, key=lambda site: -site.radius)
    fit = [site for site in ordered if site.radius >= 0.4 * radius]
    return fit if len(fit) >= 5 else ordered[:5]


def _sac(
    rng: np.random.Generator, grid: Grid, distance: np.ndarray, site: Site, voxels: int
) -> tuple[tuple[slice, slice, slice], np.ndarray, np.ndarray] | None:
    """A sac on a wall: its box, its signed distance (mm) there and its voxels, which end where the vessel begins."""
    shape = Shape.random(rng, 0.2)
    outward = site.outward + rng.normal(0, 0.25, 3)
    outward /= np.linalg.norm(outward)
    neck = rng.uniform(0.55, 0.8)
    low, high = 0.6 * radius_of(voxels, grid), 2.0 * radius_of(voxels, grid)
    for _ in range(16):
        radius = (low + high) / 2
        centre = site.point + outward * (site.radius + neck * radius)
        box = grid.box(centre - 1.5 * radius, centre + 1.5 * radius, margin=2)
        if any(span.stop <= span.start for span in box):
            return None
        depth = shape.distance(grid, box, centre, radius)
        # A voxel in both belongs to the one it lies deeper in: a twig that crosses a sac leaves no hole in it.
        mask = (depth < 0) & (depth < distance[box])
        found = int(np.count_nonzero(mask))
        if found == voxels:
            break
        low, high = (radius, high) if found < voxels else (low, radius)
    return (box, depth, mask) if is_close(found, voxels) and found else None


def _image(
    rng: np.random.Generator, grid: Grid, brain: Ellipsoid, distance: np.ndarray, calibre: np.ndarray
) -> np.ndarray:
    z, y, x = grid.axes()
    across = float(grid.extent.min())
    offsets = [
        ((axis - c) / s).astype(np.float32) for axis, c, s in zip((z, y, x), brain.centre, brain.semiaxes, strict=True)
    ]
    depth = np.sqrt(sum(offset**2 for offset in offsets)) + 0.02 * smooth_noise(rng, grid, across / 6)
    head = depth < 1.04
    fluid = 1 / (1 + np.exp(-6 * (smooth_noise(rng, grid, across / 5) - 1.1)))
    folds = np.exp(-((smooth_noise(rng, grid, across / 14) / 0.25) ** 2)) * np.clip((depth - 0.55) * 3, 0, 1)
    tissue = 92 + 5 * smooth_noise(rng, grid, across / 10) - 40 * fluid - 28 * folds
    # Blood saturates on its way up and in slow, narrow vessels, so these are darker.
    inflow = 1.08 - 0.25 * z / np.float32(grid.extent[0])
    blood = 285 * inflow * (0.62 + 0.38 * np.clip(calibre / 1.2, 0, 1)) + 8 * grain(rng, grid, (1.5, 1.5, 1.5))
    covered = grid.coverage(distance)
    coil = 1 + 0.1 * smooth_noise(rng, grid, across / 2)
    signal = coil * (tissue * (1 - covered) + blood * covered)
    noise = rng.standard_normal((2, *grid.size), dtype=np.float32) * np.float32(_NOISE)
    image = np.sqrt((signal + noise[0]) ** 2 + noise[1] ** 2)
    return np.where(head, np.maximum(np.rint(image), 1), 0).astype(np.float32)
