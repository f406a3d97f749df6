"""Losses that look at each lesion by itself."""

from __future__ import annotations

from torch import Tensor

from lossseg.losses.batch import Batch
from lossseg.losses.loss import Loss, implements
from lossseg.losses.reduction import Reduction


class _Apart(Loss):
    """The loss inside on parts of each sample, averaged over the parts of the sample, then over samples."""

    def parts(self, batch: Batch) -> Reduction:
        raise NotImplementedError

    def announce(self, batch: Batch, reduction: Reduction) -> None:
        super().announce(batch, self.parts(batch))

    def value(self, batch: Batch, reduction: Reduction) -> Tensor:
        (inner,) = self.children_inside()
        return inner.value(batch, self.parts(batch))


@implements("blob")
class Blob(_Apart):
    """The mean over lesions of the loss inside, computed without the voxels of all other lesions (Kofler et al. 2022).

    Every lesion (26-connected, 8-connected in 2D; touching classes are one lesion) has the whole background to itself.
    A region loss counts for the classes that the lesion holds; the mean is taken within a sample first. All lesions
    are summed at once: the sums over the background are the same for each of them.

    In the published code the other lesions' logits are multiplied by 0 and not left out: criteria that apply the
    sigmoid themselves (their binary cross-entropy, and MONAI's Dice in their example) then see p = 1/2 and truth 0
    there. That pulls at no logit, but adds log 2 for each of these voxels to a cross-entropy and half a false positive
    to a Dice. Here they are left out for every loss, as the paper has it, and a mean over voxels is one over those that
    are left. There a sample without lesions counts nothing; here it teaches what the loss inside teaches.
    """

    def parts(self, batch: Batch) -> Reduction:
        return batch.by_lesion()


@implements("cc")
class ConnectedComponents(_Apart):
    """The mean over lesions of the loss inside, on the voxels whose nearest lesion it is (Bouteille et al. 2025).

    The regions of a sample share its voxels among its lesions, so that each false alarm belongs to one lesion, where
    `blob` holds it against all. Distances are in mm, lesions as in `blob`. A sample without lesions is one region.
    The authors compute Dice without smoothing; ours is 1e-5 against a sum of at least the lesion's voxels.
    """

    def parts(self, batch: Batch) -> Reduction:
        return batch.by_region()
