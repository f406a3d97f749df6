"""From probabilities to labels: threshold or most probable class, then small components are removed."""

from __future__ import annotations

import math
from collections.abc import Iterator
from enum import StrEnum

import numpy as np

from lossseg import components
from lossseg.evaluation.listed import ListedProbability, values_at


class SmallRule(StrEnum):
    COMPONENT = "component"
    """Each component below the limit is removed."""
    CASE = "case"
    """A case whose whole foreground is below the limit is emptied, and others stay as they are: how the code of the
    ADAM challenge's winner reads."""


def to_labels(foreground: np.ndarray, threshold: float | None = None) -> np.ndarray:
    """Labels uint8 (z, y, x) from foreground probabilities (K - 1, z, y, x), of which class k is channel k - 1.

    Without a threshold a voxel gets its most probable class, the background's probability being what is left to 1.
    With one, it gets the most probable foreground class wherever all of them together reach it.
    """
    labels = np.zeros(foreground.shape[1:], np.uint8)
    for z in range(len(labels)):
        plane: np.ndarray = foreground[:, z]
        anything = plane.sum(axis=0)
        if threshold is not None:
            inside = anything >= threshold
        else:
            inside = plane.max(axis=0) > 1 - anything if len(plane) > 1 else anything > 0.5
        labels[z] = np.where(inside, plane.argmax(axis=0) + 1, 0)
    return labels


def voxel_limit(min_voxels: int, min_volume_mm3: float | None, voxel_volume: float) -> int:
    """The number of voxels below which a component is small; a volume in mm3 takes the place of voxels."""
    if min_volume_mm3 is None:
        return min_voxels
    return math.ceil(min_volume_mm3 / voxel_volume - 1e-6)


def remove_small(labels: np.ndarray, limit: int, rule: SmallRule = SmallRule.COMPONENT) -> np.ndarray:
    """`labels` (z, y, x) without the small 26-connected components of each class, in place.

    Args:
        limit: components of fewer voxels go; 0 and 1 keep everything.
        rule: by component, or the whole case by its number of foreground voxels.
    """
    if limit <= 1 or not labels.any():
        return labels
    if rule is SmallRule.CASE:
        if np.count_nonzero(labels) < limit:
            labels[:] = 0
        return labels
    for found in _of_each_class(labels):
        labels.reshape(-1)[found.subset(found.sizes < limit).voxels] = 0
    return labels


def remove_unsure(labels: np.ndarray, probability: np.ndarray | ListedProbability, min_confidence: float) -> np.ndarray:
    """`labels` (z, y, x) without the 26-connected components whose highest probability is lower, in place.

    A threshold of its own for detection: the mask's threshold decides how far a lesion reaches, this one whether it is
    believed at all.

    Args:
        probability: (z, y, x) in [0, 1], of any foreground, or a list of it at the voxels that have a label.
        min_confidence: in [0, 1]; 0 keeps everything.
    """
    if min_confidence <= 0 or not labels.any():
        return labels
    for found in _of_each_class(labels):
        highest = found.highest(values_at(probability, found.voxels))
        labels.reshape(-1)[found.subset(highest < min_confidence).voxels] = 0
    return labels


def _of_each_class(labels: np.ndarray) -> Iterator[components.Components]:
    """The 26-connected components of each class, from a list of voxels: a mask of a large volume takes memory."""
    voxels = components.foreground(labels)
    values = labels.reshape(-1)[voxels]
    for value in np.unique(values):
        yield components.group(voxels[values == value], labels.shape, 26)
