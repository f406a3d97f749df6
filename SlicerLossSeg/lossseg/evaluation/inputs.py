"""Checks that arrays and numbers given to an evaluation are what they have to be, with a sentence when they are not."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import overload

import numpy as np

from lossseg.components import foreground
from lossseg.errors import InputError
from lossseg.evaluation.lesions import Space
from lossseg.evaluation.listed import ListedProbability


def checked_volume(array: np.ndarray, what: str, like: np.ndarray | None = None) -> np.ndarray:
    """The array, when it is 3D and of the shape of `like`.

    Raises:
        InputError: it is not; the message begins with `what`.
    """
    array = np.asarray(array)
    if array.ndim != 3:
        raise InputError(f"{what} has {array.ndim} axes instead of 3.", "Give an array (z, y, x).")
    if like is not None and array.shape != like.shape:
        sizes = " against ".join("x".join(str(n) for n in each.shape) for each in (array, like))
        raise InputError(f"{what} and prediction differ in size: {sizes}.", "Resample one to the grid of the other.")
    return array


def voxels_by_class(array: np.ndarray, what: str) -> dict[int, np.ndarray]:
    """Value to flat C-order indices (ascending) of its voxels, for every value of a label volume but 0.

    Raises:
        InputError: a value that is no whole number or is negative.
    """
    voxels = foreground(array)
    if array.dtype == bool or not len(voxels):
        return {1: voxels} if len(voxels) else {}
    values = array.reshape(-1)[voxels]
    if values.dtype.kind not in "iuf" or (values.dtype.kind == "f" and not np.array_equal(values, np.floor(values))):
        raise InputError(f"{what} holds values that are no whole numbers.", "Give a label volume, not an image.")
    if values.min() < 0:
        raise InputError(f"{what} holds the negative value {int(values.min())}.", "Labels are 0, 1, 2, ...")
    return {int(value): voxels[values == value] for value in np.unique(values)}


def checked_labels(
    labels: Mapping[str, int] | None, *present: Mapping[int, np.ndarray], ignore_label: int | None = None
) -> dict[str, int]:
    """The classes to evaluate, name to value, without the background and the label of ignore regions.

    Without `labels` these are all values present, and class 1 when none is.

    Raises:
        InputError: a value is present that `labels` does not name, or background is to be ignored.
    """
    if ignore_label == 0:
        raise InputError("The label to ignore is 0, the background.", "Give the value of the regions to ignore.")
    values = sorted({value for each in present for value in each})
    if labels is None:
        # Where the region to ignore is class 1, lesions have another value; an empty volume does not tell which.
        return {str(value): value for value in values or [2 if ignore_label == 1 else 1]}
    chosen = {name: int(value) for name, value in labels.items() if value not in (0, ignore_label)}
    unknown = [value for value in values if value not in chosen.values()]
    if unknown:
        names = ", ".join(f"{name} = {value}" for name, value in chosen.items())
        raise InputError(f"Label value {unknown[0]} is none of the classes ({names}).", "Correct the label volume.")
    return chosen


@overload
def checked_probability(probability: np.ndarray, like: np.ndarray) -> np.ndarray: ...


@overload
def checked_probability(
    probability: np.ndarray | ListedProbability, like: np.ndarray
) -> np.ndarray | ListedProbability: ...


def checked_probability(
    probability: np.ndarray | ListedProbability, like: np.ndarray
) -> np.ndarray | ListedProbability:
    """The probabilities, when they are of the shape of `like` and in [0, 1].

    Raises:
        InputError: they are not.
    """
    values: np.ndarray
    if isinstance(probability, ListedProbability):
        if probability.shape != like.shape:
            raise InputError("Probability and prediction differ in size.", "Resample one to the grid of the other.")
        values = probability.values
    else:
        values = probability = checked_volume(probability, "Probability", like)
    if _surely_in_range(values):
        return probability
    low, high = float(values.min(initial=0)), float(values.max(initial=0))
    if not (low >= 0 and high <= 1):
        raise InputError(
            f"Probability has to lie in [0, 1], this volume reaches from {low:g} to {high:g}.",
            "Give probabilities, not logits or percent.",
        )
    return probability


def _surely_in_range(probability: np.ndarray) -> bool:
    """One pass instead of two for float32: read as whole numbers, 0 to 1 come first, then all that is greater, infinite
    or NaN, then what has a minus sign."""
    if probability.dtype != np.float32 or not probability.size:
        return False
    return bool(probability.view(np.uint32).max() <= np.float32(1).view(np.uint32))


def checked_space(spacing: Sequence[float], affine: np.ndarray | None) -> Space:
    """Spacing (z, y, x) mm and affine (identity direction in LPS and origin 0 when None).

    Raises:
        InputError: spacing that is not three positive numbers, or an affine that is not (4, 4) of the same spacing.
    """
    steps = tuple(float(step) for step in spacing)
    if len(steps) != 3 or not all(np.isfinite(step) and step > 0 for step in steps):
        raise InputError(f"Spacing has to be three positive numbers, not {steps}.", "Give (z, y, x) in mm.")
    z, y, x = steps
    if affine is None:
        return Space((z, y, x), np.diag([-x, -y, z, 1.0]))
    affine = np.asarray(affine, float)
    if affine.shape != (4, 4):
        raise InputError(f"The affine has the shape {affine.shape}.", "Give a 4x4 matrix from voxel index to RAS mm.")
    lengths = np.linalg.norm(affine[:3, :3], axis=0)
    if not np.allclose(lengths, (x, y, z), rtol=1e-3):
        given = ", ".join(f"{length:g}" for length in lengths[::-1])
        raise InputError(
            f"The affine has the spacing ({given}) mm, not {(z, y, x)}.", "Give both in the order z, y, x."
        )
    return Space((z, y, x), affine)
