"""Phantoms of 3D ultrasound of three muscles."""

from __future__ import annotations

import cc3d
import numpy as np

from lossseg.phantoms.phantom import Grid, Phantom, component_sizes
from lossseg.phantoms.texture import grain, smooth_noise

MUSCLES = ("soleus", "gastrocnemius_medialis", "gastrocnemius_lateralis")
_CENTRES = ((0.63, 0.5), (0.35, 0.28), (0.37, 0.73))
_RADII = ((0.16, 0.27), (0.14, 0.2), (0.13, 0.18))


def muscle_ultrasound(
    size: tuple[int, int, int] = (128, 96, 96),
    spacing: tuple[float, float, float] = (0.8, 0.5, 0.5),
    seed: int = 0,
) -> Phantom:
    """A 3D-ultrasound-like volume of a calf: three long muscles (labels 1, 2, 3) side by side along z.

    The sound comes from y = 0: bright skin and fat layers, dark striated muscles in bright fasciae, a bone with its
    shadow, signal lost with depth. The envelope is echo strength times Rayleigh-distributed speckle that is correlated
    over a few voxels; the image is its square root, scaled to 0 to 255.

    Args:
        size: (z, y, x) voxels, at least 16 each.
        spacing: (z, y, x) mm.
        seed: the same seed and arguments give the same voxels.

    Returns:
        A phantom with a 26-connected component per muscle.

    Raises:
        InputError: the volume is too small.
    """
    grid = Grid(size, spacing)
    rng = np.random.default_rng(seed)
    radial = [_muscle(rng, grid, centre, radii) for centre, radii in zip(_CENTRES, _RADII, strict=True)]
    depths = np.stack(radial)
    nearest = np.argmin(depths, axis=0)
    nearness = np.min(depths, axis=0)
    label = np.zeros(size, np.uint8)
    for number in range(len(MUSCLES)):
        # Where two muscles press on each other, the rough boundary may cut specks off.
        inside = ((nearness < 1) & (nearest == number)).astype(np.uint8)
        label[cc3d.largest_k(inside, k=1, connectivity=26) > 0] = number + 1
    echo = _echo(rng, grid, label, nearest, nearness)
    speckle = np.hypot(grain(rng, grid, (0.5, 0.5, 0.9)), grain(rng, grid, (0.5, 0.5, 0.9))) / np.float32(
        np.sqrt(np.pi / 2)
    )
    image = np.clip(np.rint(255 * np.sqrt(echo * speckle / 1.6)), 0, 255).astype(np.float32)
    return Phantom(image, label, grid.geometry(), component_sizes(label))


def _muscle(
    rng: np.random.Generator, grid: Grid, centre: tuple[float, float], radii: tuple[float, float]
) -> np.ndarray:
    """The relative distance (z, y, x) from a muscle's axis: below 1 inside."""
    _, y, x = grid.axes()
    height, width = grid.extent[1:]
    along = np.linspace(0, 1, grid.size[0], dtype=np.float32)[:, None, None]
    begin, end = rng.uniform(0.02, 0.1), rng.uniform(0.88, 0.98)
    part = np.clip((along - begin) / (end - begin), 1e-3, 1 - 1e-3)
    belly = np.sin(np.pi * part ** rng.uniform(0.8, 1.25)) ** 0.55
    ends = 1 + 40 * (np.clip(begin - along, 0, None) + np.clip(along - end, 0, None))
    phase, sway = rng.uniform(0, 2 * np.pi, 2), rng.uniform(0.01, 0.035, 2)
    v = centre[0] + rng.normal(0, 0.012) + sway[0] * np.sin(2 * np.pi * along * 0.8 + phase[0])
    u = centre[1] + rng.normal(0, 0.012) + sway[1] * np.sin(2 * np.pi * along * 0.8 + phase[1])
    thickness = np.asarray(radii) * rng.uniform(0.92, 1.08, 2)
    outline = np.sqrt(
        ((y / height - v) / (thickness[0] * belly)) ** 2 + ((x / width - u) / (thickness[1] * belly)) ** 2
    )
    return np.asarray((outline * ends) * (1 + 0.05 * smooth_noise(rng, grid, height / 4)), np.float32)


def _echo(
    rng: np.random.Generator, grid: Grid, label: np.ndarray, nearest: np.ndarray, nearness: np.ndarray
) -> np.ndarray:
    """Mean echo strength (z, y, x) after attenuation."""
    z, y, x = grid.axes()
    height, width = (float(length) for length in grid.extent[1:])
    waves = smooth_noise(rng, grid, height / 5)
    fat_end = 0.13 * height + 0.01 * height * waves
    septa = np.exp(-((np.sin(np.pi * (y + 0.02 * height * waves) / (0.035 * height))) ** 2) / 0.15)
    echo = 0.42 + 0.12 * smooth_noise(rng, grid, (height / 6, height / 30, height / 10))
    echo = np.where(y < fat_end, 0.3 + 0.45 * septa, echo)
    for muscle in (1, 2, 3):
        # Fibres run obliquely along the muscle: bright perimysium between dark bundles.
        tilt = np.deg2rad(rng.uniform(12, 25)) * (1 if muscle != 3 else -1)
        period = rng.uniform(2.2, 3.2) * max(1.0, 2.5 * grid.softness / 2.2)
        across = y * np.cos(tilt) + z * np.sin(tilt) + 0.4 * waves + 0.08 * x
        bundles = 0.1 + 0.03 * muscle + 0.22 * np.exp(-(np.sin(np.pi * across / period) ** 2) / 0.12)
        echo = np.where(label == muscle, bundles, echo)
    # A fascia echoes most where it faces the transducer.
    slope = np.gradient(nearness, grid.spacing[1], axis=1)
    steep = np.sqrt(slope**2 + np.gradient(nearness, grid.spacing[2], axis=2) ** 2) + 1e-4
    wall = np.exp(-(((nearness - 1) / steep / (0.8 * grid.softness + 0.15)) ** 2))
    echo = echo * (1 - wall) + wall * (0.35 + 1.3 * np.abs(slope) / steep)
    skin = np.exp(-(((y - 0.02 * height) / (1.2 * grid.spacing[1])) ** 2))
    bone_top = height * (0.9 + 0.5 * (x / width - 0.42) ** 2) + 0.004 * height * waves
    bone = np.exp(-(((y - bone_top) / (1.5 * grid.spacing[1])) ** 2)) * np.clip(nearness - 1, 0, 0.2) * 5
    echo = np.where(y > bone_top, 0.03, echo) + 1.4 * skin + 1.6 * bone
    return np.asarray(np.clip(echo, 0.01, None) * np.exp(-0.9 * y / height), np.float32)
