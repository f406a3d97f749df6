"""The result of a case, put together slab by slab on its own grid."""

from __future__ import annotations

import numpy as np

from lossseg.evaluation.listed import ListedProbability
from lossseg.images import Geometry
from lossseg.inference.postprocess import to_labels
from lossseg.inference.running_mean import Means
from lossseg.inference.sliding_window import Box
from lossseg.preprocessing.orientation import Orientation


class Collected:
    """Labels of a case, and the probability of any foreground where there is a label.

    Slabs lie along the first axis of `orientation`, within `region`; outside of it all is background.

    Args:
        geometry: the case's own grid.
        region: the part (z, y, x) of it for which slabs come.
        threshold: see `Options`.

    Attributes:
        label: uint8 (z, y, x).
        probability: float32 (z, y, x) of any foreground, where it is kept everywhere.
        deviation: float32 (z, y, x), its standard deviation over the members, where it is kept.
    """

    def __init__(
        self,
        geometry: Geometry,
        region: Box,
        orientation: Orientation,
        threshold: float | None,
        *,
        keep_probability: bool = False,
        keep_deviation: bool = False,
    ) -> None:
        self._region, self._orientation, self._threshold = region, orientation, threshold
        self.label = np.zeros(geometry.size, np.uint8)
        self.probability = np.zeros(geometry.size, np.float32) if keep_probability else None
        self.deviation = np.zeros(geometry.size, np.float32) if keep_deviation else None
        self._voxels: list[np.ndarray] = []
        self._values: list[np.ndarray] = []

    def add(self, first: int, means: Means, weight: float) -> None:
        """Take the slices from `first` on of the mean over all members, whose weights sum up to `weight`."""
        labels = to_labels(means.probability, self._threshold)
        rows = slice(first, first + len(labels))
        self._view(self.label)[rows] = labels
        found = np.nonzero(labels)
        if len(found[0]) or self.probability is not None:
            anything = means.any_foreground()
            self._voxels.append(self._flat((found[0] + first, *found[1:])))
            self._values.append(anything[found])
            if self.probability is not None:
                self._view(self.probability)[rows] = anything
        if self.deviation is not None:
            assert means.squares is not None, "not followed"
            self._view(self.deviation)[rows] = np.sqrt(means.squares / np.float32(weight))

    def listed(self) -> ListedProbability:
        """The probability of any foreground at the voxels that have a label."""
        return ListedProbability.of(self.label.shape, self._voxels, self._values)

    def _view(self, array: np.ndarray) -> np.ndarray:
        return self._orientation.apply(array[self._region])

    def _flat(self, found: tuple[np.ndarray, ...]) -> np.ndarray:
        """Flat C-order indices on the case's grid of the places `found` on the first, second and third turned axis."""
        places: list[np.ndarray] = [found[0]] * 3
        for axis, flip, place in zip(self._orientation.axes, self._orientation.flips, found, strict=True):
            part = self._region[axis]
            places[axis] = part.stop - 1 - place if flip else part.start + place
        return np.ravel_multi_index(tuple(places), self.label.shape)
