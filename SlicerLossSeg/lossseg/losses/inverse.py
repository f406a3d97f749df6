"""Inverse weighting: every lesion counts the same, however small."""

from __future__ import annotations

from torch import Tensor

from lossseg.losses.batch import Batch, Reduction
from lossseg.losses.loss import Loss, implements
from lossseg.weights import INVERSE_WEIGHTS


@implements("iw")
class InverseWeighted(Loss):
    """The loss inside with a weight for each voxel that is inverse to the size of its lesion (Shirokikh et al. 2020).

    The weights of Eq. (1) are the map "inverse_weights" of each patch, see `lossseg.weights.inverse_weights`. Means
    over voxels become means of weight times loss, overlaps sums of weight times overlap (Table 1). On an empty patch
    all weights are 1: it teaches what the loss inside teaches without smoothing.
    """

    def value(self, batch: Batch, reduction: Reduction) -> Tensor:
        (inner,) = self.children_inside()
        return inner.value(batch, batch.weighted_by(INVERSE_WEIGHTS))
