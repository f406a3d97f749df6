"""What every voxel map asks of the array and the spacing it is made from."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from lossseg.errors import InputError

Spacing = tuple[float, ...]


def checked_target(what: str, target: np.ndarray) -> np.ndarray:
    """The target as an array.

    Raises:
        InputError: it is no integer or bool array of two or three dimensions with at least one voxel.
    """
    target = np.asarray(target)
    if target.ndim not in (2, 3) or target.dtype.kind not in "iub" or not target.size:
        raise InputError(
            f"{what} cannot be made from an array of shape {target.shape} and type {target.dtype}.",
            "Give an integer (z, y, x) target with at least one voxel.",
        )
    return target


def checked_spacing(spacing: Sequence[float] | None, dimensions: int) -> Spacing:
    """The spacing along the axes of the array, in mm; 1 for None.

    Raises:
        InputError: not one finite number above 0 for each axis.
    """
    if spacing is None:
        return (1.0,) * dimensions
    values = tuple(float(value) for value in spacing)
    if len(values) != dimensions or not all(0 < value < np.inf for value in values):
        raise InputError(
            f"The spacing {', '.join(f'{value:g}' for value in values)} does not fit an array of {dimensions} axes.",
            "Give one length above 0 in mm for each axis.",
        )
    return values
