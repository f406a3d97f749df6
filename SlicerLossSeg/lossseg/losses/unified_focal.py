"""Focal and focal Tversky loss with shared parameters."""

from __future__ import annotations

from torch import Tensor

from lossseg.losses.background import background_overlap, mean_with_background
from lossseg.losses.batch import Batch
from lossseg.losses.entries.region import UnifiedForm
from lossseg.losses.loss import Loss, implements
from lossseg.losses.reduction import OVERLAP, Overlap, Reduction
from lossseg.losses.region import power, shortfall
from lossseg.losses.voxel_functions import CROSS_ENTROPY, FocalError, VoxelFunction


@implements("unified_focal")
class UnifiedFocal(Loss):
    """weight * region part + (1 - weight) * voxel part (Yeung et al., Comput. Med. Imaging Graph. 2022).

    The voxel part is the mean over voxels of -a m log p with the probability p of the true class; a is `delta` on
    foreground and 1 - delta on background. The region part is the mean over all classes, the background included, of
    (1 - TI_c)^e, TI = (TP + s) / (TP + delta FN + (1 - delta) FP + s), for each sample.

    - `asymmetric` (default): background is turned down, m = (1 - p)^gamma, and foreground turned up, e = 1 - gamma;
      otherwise m = 1 and e = 1.
    - `symmetric`: m = (1 - p)^gamma and e = 1 - gamma for every class.

    This is what the authors' code computes, and the parameters are theirs; p is the sigmoid or softmax of the logits.
    In print the symmetric exponents are 1 - gamma and gamma (the code's with gamma for 1 - gamma), the region part is
    the sum over the classes, and lambda is 1 - weight. MONAI's AsymmetricUnifiedFocalLoss takes logits for
    probabilities and halves the voxel part. `smooth` is s.

    An empty patch teaches background by its voxel part and by the overlap of the background.
    """

    def __init__(self, *, classes: int, form: str, delta: float, gamma: float, weight: float, smooth: float) -> None:
        super().__init__(classes=classes)
        self.delta, self.gamma, self.weight, self.smooth = delta, gamma, weight, smooth
        self.symmetric = form == UnifiedForm.SYMMETRIC
        self.turned_down = FocalError(gamma)

    def own_sums(self) -> tuple[VoxelFunction, ...]:
        plain: tuple[VoxelFunction, ...] = () if self.symmetric else (CROSS_ENTROPY,)
        return (self.turned_down, *plain, *OVERLAP)

    def value(self, batch: Batch, reduction: Reduction) -> Tensor:
        return self.weight * self._region(batch, reduction) + (1 - self.weight) * self._voxels(reduction)

    def _voxels(self, reduction: Reduction) -> Tensor:
        down = reduction.true_class(self.turned_down)
        foreground = down if self.symmetric else reduction.true_class(CROSS_ENTROPY)
        return reduction.mean((1 - self.delta) * down.background + self.delta * foreground.foreground)

    def _region(self, batch: Batch, reduction: Reduction) -> Tensor:
        own = power(self._missing(reduction.overlap(), reduction), 1 - self.gamma)
        rest = self._missing(background_overlap(batch, reduction), reduction)
        return mean_with_background(reduction, own, power(rest, 1 - self.gamma) if self.symmetric else rest)

    def _missing(self, overlap: Overlap, reduction: Reduction) -> Tensor:
        errors = self.delta * overlap.false_negative + (1 - self.delta) * overlap.false_positive
        return shortfall(errors, overlap.true_positive, self.smooth, reduction.weighted)
