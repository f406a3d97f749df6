"""What a kind of voxel map is."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np

from lossseg.errors import InputError
from lossseg.weights.grid import Spacing, checked_spacing, checked_target


@dataclass(frozen=True)
class VoxelMap:
    """A kind of map that a loss needs from the target.

    Attributes:
        name: as in a loss's `required_maps`.
        compute: (*S) float32 from the target (*S), or from the mask (*S) bool of one class if `per_class`, and the
            spacing in mm.
        beyond: a channel (*S) of a volume's map to the value that stands for it beyond the volume's border.
        per_class: one channel for each foreground class, in the order of their numbers; else one for all.
        sums_to_voxels: its sum is the number of voxels, which a coarser map keeps to. A crop of a whole volume's map
            does not.
        whole_volume: made once from the whole case, then cropped and turned with each patch; else made from each patch
            as the network sees it.
    """

    name: str
    compute: Callable[[np.ndarray, Spacing], np.ndarray]
    beyond: Callable[[np.ndarray], float]
    per_class: bool = False
    sums_to_voxels: bool = False
    whole_volume: bool = False

    def make(self, target: np.ndarray, *, spacing: Sequence[float] | None = None, classes: int = 2) -> np.ndarray:
        """The map of a target.

        Args:
            target: (z, y, x) or (y, x), integer or bool, 0 is background.
            spacing: mm along the axes of the array, None takes 1.
            classes: number of classes with the background; those that the target lacks have a channel too.

        Returns:
            (channels, *S) float32; channels is classes - 1 if `per_class`, else 1.

        Raises:
            InputError: target, spacing or number of classes are none.
        """
        target = checked_target(f"The map '{self.name}'", target)
        steps = checked_spacing(spacing, target.ndim)
        if classes < 2:
            raise InputError(f"Maps for {classes} classes were asked for.", "Count the background: give 2 or more.")
        if not self.per_class:
            return self.compute(target, steps)[np.newaxis]
        masks = (target == number for number in range(1, classes))
        channels = [self.compute(mask, steps) for mask in masks]
        return channels[0][np.newaxis] if classes == 2 else np.stack(channels)
