"""Random textures, smooth over a given length."""

from __future__ import annotations

import numpy as np
from scipy.ndimage import gaussian_filter

from lossseg.phantoms.phantom import Grid


def smooth_noise(rng: np.random.Generator, grid: Grid, scale: float | tuple[float, float, float]) -> np.ndarray:
    """A random field (z, y, x) float32 of mean 0 and standard deviation 1 that varies over about `scale` mm.

    A cubic B-spline on random coefficients: its cost does not grow with `scale`, as a Gaussian filter's would.
    """
    scales = np.broadcast_to(scale, 3)
    bases = [
        _spline_basis(n, side, float(length)) for n, side, length in zip(grid.size, grid.spacing, scales, strict=True)
    ]
    field = rng.standard_normal([basis.shape[1] for basis in bases], dtype=np.float32)
    for basis in bases:
        # Each step fills one axis and moves it to the end, so after three the axes are in order again.
        field = np.tensordot(field, basis, axes=(0, 1))
    return _standardised(field)


def grain(rng: np.random.Generator, grid: Grid, sigma: tuple[float, float, float]) -> np.ndarray:
    """White noise (z, y, x) float32 blurred by `sigma` (z, y, x) voxels, of mean 0 and standard deviation 1."""
    return _standardised(gaussian_filter(rng.standard_normal(grid.size, dtype=np.float32), sigma))


def _spline_basis(voxels: int, side: float, scale: float) -> np.ndarray:
    position = np.arange(voxels, dtype=np.float32) * np.float32(side / max(scale, side)) + 2
    nodes = np.arange(int(position[-1]) + 3, dtype=np.float32)
    away = np.abs(position[:, None] - nodes)
    near = 2 / 3 - away**2 + away**3 / 2
    far = np.clip(2 - away, 0, None) ** 3 / 6
    return np.where(away < 1, near, far).astype(np.float32)


def _standardised(field: np.ndarray) -> np.ndarray:
    spread = float(field.std())
    return (field - np.float32(field.mean())) / np.float32(spread if spread > 0 else 1)
