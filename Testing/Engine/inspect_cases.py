"""Small phantoms for the tests of the loss inspector, and its sums written once more in the most naive way."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from scipy import ndimage
from torch import Tensor

from lossseg.images import Geometry, write_volume

SIZE = (20, 24, 28)
GEOMETRY = Geometry(SIZE, (1.5, 0.8, 0.9), (10.0, -20.0, 30.0))
LARGE, SMALL, FALSE = (slice(4, 12),) * 3, (slice(14, 16),) * 3, (slice(1, 3), slice(18, 21), slice(20, 24))
"""Boxes: lesions of 512 and 8 voxels, and a false positive of 24."""


@dataclass(frozen=True)
class Files:
    prediction: Path
    reference: Path


def target() -> np.ndarray:
    truth = np.zeros(SIZE, np.uint8)
    truth[LARGE] = truth[SMALL] = 1
    return truth


def logits(seed: int = 0) -> np.ndarray:
    """Noise, both lesions found, one false positive."""
    values = np.random.default_rng(seed).normal(-5.0, 1.0, SIZE)
    values[target() > 0] += 6.0
    values[FALSE] = 1.5
    return values.astype(np.float32)


def equally_sure(inside: float = 0.6, outside: float = 0.01) -> np.ndarray:
    """Probabilities: all lesion voxels have the same, and so have all others."""
    return np.where(target() > 0, inside, outside).astype(np.float32)


def write(folder: Path, prediction: np.ndarray, reference: np.ndarray | None = None, ending: str = ".nrrd") -> Files:
    files = Files(folder / f"prediction{ending}", folder / f"reference{ending}")
    write_volume(files.prediction, prediction, GEOMETRY)
    write_volume(files.reference, target() if reference is None else reference, GEOMETRY)
    return files


def weighted_dice(z: Tensor, y: Tensor, w: Tensor, smooth: float) -> Tensor:
    p = 1 / (1 + torch.exp(-z))
    return 1 - (2 * (w * p * y).sum() + smooth) / ((w * p).sum() + (w * y).sum() + smooth)


def cross_entropy(z: Tensor, y: Tensor) -> Tensor:
    p = 1 / (1 + torch.exp(-z))
    return -(y * torch.log(p) + (1 - y) * torch.log(1 - p))


def inverse_weights(truth: np.ndarray) -> np.ndarray:
    """Eq. (1) of Shirokikh et al. 2020: N / (M |L_j|), the background being one of the M components."""
    parts, count = ndimage.label(truth, np.ones((3, 3, 3)))
    sizes = np.bincount(parts.reshape(-1))
    return truth.size / ((count + 1) * sizes[parts])


def blob_dice(z: Tensor, y: Tensor, truth: np.ndarray, smooth: float) -> Tensor:
    """The mean over lesions of the Dice loss without the voxels of the other lesions (Kofler et al. 2022)."""
    parts, count = ndimage.label(truth, np.ones((3, 3, 3)))
    values = []
    for number in range(1, count + 1):
        kept = torch.from_numpy((parts == 0) | (parts == number))
        values.append(weighted_dice(z[kept], y[kept], torch.ones_like(z[kept]), smooth))
    return torch.stack(values).mean()


def signed_distance(truth: np.ndarray) -> np.ndarray:
    """phi of Kervadec et al. 2019: the distance to the lesions outside, -(depth - 1) inside, in mm."""
    outside = ndimage.distance_transform_edt(truth == 0, GEOMETRY.spacing)
    inside = ndimage.distance_transform_edt(truth, GEOMETRY.spacing)
    return outside - (inside - 1) * (truth > 0)


def naive(expression: str, z: Tensor, truth: np.ndarray) -> Tensor:
    """The loss of float64 logits (z, y, x), each written out anew over all voxels."""
    y = torch.from_numpy(truth.astype(np.float64))
    if expression == "dice":
        return weighted_dice(z, y, torch.ones_like(z), 1e-5)
    if expression == "dice + ce":
        return naive("dice", z, truth) + cross_entropy(z, y).mean()
    if expression == "focal(gamma=3, alpha=0.25)":
        p = 1 / (1 + torch.exp(-z))
        wrong = y * (1 - p) + (1 - y) * p
        return ((0.25 * y + 0.75 * (1 - y)) * wrong**3 * cross_entropy(z, y)).mean()
    if expression == "topk(k=0.1)":
        return torch.topk(cross_entropy(z, y).reshape(-1), int(0.1 * truth.size)).values.mean()
    if expression == "iw(dice)":
        return weighted_dice(z, y, torch.from_numpy(inverse_weights(truth)), 0.0)
    if expression == "blob(dice)":
        return blob_dice(z, y, truth, 1e-5)
    assert expression == "boundary"
    return (torch.from_numpy(signed_distance(truth)) / (1 + torch.exp(-z))).mean()


NAIVE = ("dice", "dice + ce", "focal(gamma=3, alpha=0.25)", "topk(k=0.1)", "iw(dice)", "blob(dice)", "boundary")


def naive_shares(
    expression: str, values: np.ndarray, truth: np.ndarray, shift: float
) -> tuple[float, np.ndarray, float, list[float]]:
    """Value, gradient, sum of its absolute values, and the shares of lesions, false positives and background."""
    z = torch.from_numpy(values.astype(np.float64) + shift).requires_grad_()
    value = naive(expression, z, truth)
    value.backward()
    slopes = z.grad.numpy()
    pull = np.abs(slopes)
    lesions, count = ndimage.label(truth, np.ones((3, 3, 3)))
    parts, found = ndimage.label(values > 0, np.ones((3, 3, 3)))
    false = [number for number in range(1, found + 1) if not truth[parts == number].any()]
    sums = [pull[lesions == number].sum() for number in range(1, count + 1)]
    sums += [pull[parts == number].sum() for number in false]
    sums.append(pull.sum() - sum(sums))
    return value.item(), slopes, float(pull.sum()), [one / pull.sum() for one in sums]
