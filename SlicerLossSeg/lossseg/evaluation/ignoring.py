"""Ignore regions: voxels that count neither for nor against a prediction, such as ADAM's treated aneurysms."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from lossseg.components import Components, group, places


class Remainder(NamedTuple):
    """What is left of a prediction outside of an ignore region.

    Attributes:
        components: of the voxels that are left.
        dismissible: (components,) bool: remainders of components that lay in the region for the greater part.
    """

    components: Components
    dismissible: np.ndarray


def outside(
    voxels: np.ndarray, ignored: np.ndarray, shape: tuple[int, ...], connectivity: int, share: float
) -> Remainder:
    """Take a region's voxels out of a prediction and find the components of what is left.

    As the ADAM challenge's evaluation does it: first the voxels of the region are background in either volume, then
    components are formed. Its evaluation of detections passes over a detection whose position is in the region; for
    components that is said here by the share of their voxels.

    Args:
        voxels: of the prediction, flat indices (ascending).
        ignored: of the region, likewise.
        shape: of the grid (z, y, x).
        connectivity: of components: 6, 18 or 26.
        share: a remainder is dismissible when more than this share of its component's voxels lay in the region.
    """
    inside = places(voxels, ignored) >= 0
    left = group(voxels[~inside], shape, connectivity)
    if not inside.any():
        return Remainder(left, np.zeros(left.count, bool))
    whole = group(voxels, shape, connectivity)
    lost = np.bincount(whole.labels[inside], minlength=whole.count + 1)[1:] / whole.sizes
    origin = whole.labels[~inside][left.by_component[left.starts]]
    return Remainder(left, lost[origin - 1] > share)
