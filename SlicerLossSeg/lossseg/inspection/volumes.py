"""The two volumes of a question: what was predicted, as logits, and what is true."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path

import numpy as np
from scipy.special import logit

from lossseg import components
from lossseg.components import Components
from lossseg.errors import InputError
from lossseg.images import Geometry, read_label, read_volume

CLIP = 1e-6
"""Probabilities are kept within [CLIP, 1 - CLIP], for those of 0 and 1 have no logit: logits within 13.8 of 0."""

SURE = 0.999
"""The probability that stands for a label, and 1 - SURE that of background: logits of 6.9 and -6.9."""


class Scale(StrEnum):
    """What the numbers of a prediction are.

    AUTO: labels if they are whole numbers from 0 on, else probabilities if all lie in [0, 1], else logits.
    PROBABILITY: of the foreground, 0 to 1.
    LOGIT: log p / (1 - p) of the foreground.
    LABEL: classes, 0 is background.
    """

    AUTO = "auto"
    PROBABILITY = "probability"
    LOGIT = "logit"
    LABEL = "label"


@dataclass(frozen=True, eq=False)
class Prediction:
    """A prediction as foreground logits.

    Attributes:
        logits: (z, y, x) float32.
        geometry: its grid.
        scale: what the file held.
        components: of the voxels that are predicted, 26-connected: probability above 1/2, or the label itself.
    """

    logits: np.ndarray
    geometry: Geometry
    scale: Scale
    components: Components

    @property
    def nbytes(self) -> int:
        return self.logits.nbytes + _listed(self.components)


@dataclass(frozen=True, eq=False)
class Reference:
    """The truth.

    Attributes:
        target: (z, y, x) uint8, 1 is foreground.
        geometry: its grid.
        lesions: 26-connected components of the foreground.
        labels: the values that the file holds besides 0, ascending.
    """

    target: np.ndarray
    geometry: Geometry
    lesions: Components
    labels: tuple[int, ...]

    @property
    def nbytes(self) -> int:
        return self.target.nbytes + _listed(self.lesions)


def _listed(found: Components) -> int:
    return found.voxels.nbytes + found.labels.nbytes


def read_prediction(path: Path, scale: Scale = Scale.AUTO, label: int | None = None) -> Prediction:
    """The prediction in a file.

    Args:
        scale: what it holds.
        label: of a label map, the value that counts as foreground; None takes every value but 0.

    Raises:
        InputError: the file is no volume, or does not hold what `scale` says.
    """
    volume = read_volume(path)
    values = volume.array
    found = _scale_of(values) if scale is Scale.AUTO else scale
    logits, mask = _READ[found](values, path, label)
    return Prediction(logits, volume.geometry, found, components.find(mask))


def read_reference(path: Path, label: int | None = None) -> Reference:
    """The reference in a file.

    Args:
        label: the value that counts as foreground; None takes every value but 0.

    Raises:
        InputError: the file is no label map.
    """
    volume = read_label(path)
    filled = volume.array.reshape(-1)[components.foreground(volume.array)]
    mask = volume.array != 0 if label is None else volume.array == label
    labels = tuple(int(value) for value in np.unique(filled))
    return Reference(mask.view(np.uint8), volume.geometry, components.find(mask), labels)


def _scale_of(values: np.ndarray) -> Scale:
    low, high = float(values.min()), float(values.max())
    if low >= 0 and _whole(values):
        return Scale.LABEL
    return Scale.PROBABILITY if low >= 0 and high <= 1 else Scale.LOGIT


def _whole(values: np.ndarray) -> bool:
    # Most volumes tell by their first slices that they are none.
    some = values[:: max(1, len(values) // 8)]
    return bool(np.array_equal(some, np.rint(some)) and np.array_equal(values, np.rint(values)))


def _from_probability(values: np.ndarray, path: Path, label: int | None) -> tuple[np.ndarray, np.ndarray]:
    low, high = float(values.min()), float(values.max())
    if low < 0 or high > 1:
        raise InputError(
            f"{path} holds no probabilities: its values reach from {low:g} to {high:g}.",
            "Probabilities lie in [0, 1]; say that it holds logits (--scale logit) if it does.",
        )
    logits = np.clip(values, CLIP, 1 - CLIP)
    logit(logits, out=logits)
    return logits, values > 0.5


def _from_logit(values: np.ndarray, path: Path, label: int | None) -> tuple[np.ndarray, np.ndarray]:
    return np.ascontiguousarray(values), values > 0


def _from_label(values: np.ndarray, path: Path, label: int | None) -> tuple[np.ndarray, np.ndarray]:
    if float(values.min()) < 0 or not _whole(values):
        raise InputError(
            f"{path} is no label map: it holds values that are negative or no whole numbers.",
            "Say that it holds probabilities or logits (--scale).",
        )
    mask = values != 0 if label is None else values == label
    sure = np.float32(logit(SURE))
    return np.where(mask, sure, -sure), mask


_Read = Callable[[np.ndarray, Path, int | None], tuple[np.ndarray, np.ndarray]]
_READ: dict[Scale, _Read] = {
    Scale.PROBABILITY: _from_probability,
    Scale.LOGIT: _from_logit,
    Scale.LABEL: _from_label,
}
