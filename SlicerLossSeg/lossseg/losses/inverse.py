"""Inverse weighting: every lesion counts the same, however small."""

from __future__ import annotations

from torch import Tensor

from lossseg.losses.batch import Batch
from lossseg.losses.loss import Loss, implements
from lossseg.losses.reduction import Reduction
from lossseg.weights import INVERSE_WEIGHTS, INVERSE_WEIGHTS_VOLUME

# What the published code keeps its weights within.
CLIP = (1.0, 2e5)


@implements("iw")
class InverseWeighted(Loss):
    """The loss inside with a weight for each voxel that is inverse to the size of its lesion (Shirokikh et al. 2020).

    The weights of Eq. (1) are a map, see `lossseg.weights.inverse_weights`: as printed that of each patch
    ("inverse_weights"), whose weights sum to the number of voxels; with `volume` that of the whole volume, cut to the
    patch ("inverse_weights_volume"), as in the published code, where they sum to something else. `clip` keeps the
    weights within [1, 2e5], as that code does: background then weighs 1 instead of about 1 / (K + 1), and the sum
    nears twice the number of voxels as the lesions get more.

    Means over voxels become means of weight times loss, overlaps sums of weight times overlap (Table 1). On an empty
    patch all weights are 1 (with `volume`: the background's): it teaches what the loss inside teaches without
    smoothing.
    """

    def __init__(self, *inside: Loss, classes: int, volume: bool, clip: bool) -> None:
        super().__init__(*inside, classes=classes)
        self.weights_map = INVERSE_WEIGHTS_VOLUME if volume else INVERSE_WEIGHTS
        self.clip = CLIP if clip else None

    @property
    def own_maps(self) -> frozenset[str]:
        return frozenset({self.weights_map})

    def announce(self, batch: Batch, reduction: Reduction) -> None:
        super().announce(batch, batch.weighted_by(self.weights_map, self.clip))

    def value(self, batch: Batch, reduction: Reduction) -> Tensor:
        (inner,) = self.children_inside()
        return inner.value(batch, batch.weighted_by(self.weights_map, self.clip))
