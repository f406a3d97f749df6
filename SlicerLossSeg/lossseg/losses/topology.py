"""Losses that keep the shape of thin structures in one piece."""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import Tensor
from torch.nn import functional
from torch.utils.checkpoint import checkpoint

from lossseg.losses.batch import Batch
from lossseg.losses.loss import Loss, implements
from lossseg.losses.reduction import Reduction


@implements("cldice")
class CenterlineDice(Loss):
    """1 - mean over foreground classes and samples of 2 T_p T_s / (T_p + T_s) (Shit et al., CVPR 2021).

    T_p = (S(s(p) y) + smooth) / (S(s(p)) + smooth) is the share of the predicted centreline that lies in the target,
    T_s = (S(s(y) p) + smooth) / (S(s(y)) + smooth) that of the target's centreline that is predicted. s is the soft
    skeleton by `iterations` + 1 of MONAI's soft openings, which reaches to the middle of structures that are at most
    about twice as many voxels thick; spacing does not enter. MONAI's SoftclDiceLoss adds 1e-4 to the last denominator
    and takes all classes together.

    An empty patch teaches to take the predicted centreline back, the less, the more voxels beyond `smooth` that has.
    """

    def __init__(self, *, classes: int, iterations: float, smooth: float) -> None:
        super().__init__(classes=classes)
        # MONAI takes seconds to import and no other loss needs it.
        from monai.losses.cldice import soft_erode, soft_open

        self.erode, self.open = soft_erode, soft_open
        self.iterations, self.smooth = int(iterations), smooth

    def value(self, batch: Batch, reduction: Reduction) -> Tensor:
        scores = []
        for probability, truth in zip(batch.probabilities, batch.truths, strict=True):
            # One sample after another, as each needs many maps for its gradient.
            for p, y in zip(batch.only_valid(probability), batch.only_valid(truth), strict=True):
                precision = self._share(self.skeleton(p), y)
                sensitivity = self._share(self.skeleton(y), p)
                scores.append(2 * precision * sensitivity / (precision + sensitivity))
        return 1 - torch.stack(scores).mean()

    def skeleton(self, image: Tensor) -> Tensor:
        """The soft skeleton (*S) of a map (*S) with values from 0 to 1."""
        image = image[None, None]
        found = _forgetful(self._ridge, image)
        for _ in range(self.iterations):
            image = _forgetful(self.erode, image)
            ridge = _forgetful(self._ridge, image)
            found = found + functional.relu(ridge - found * ridge)
        return found[0, 0]

    def _ridge(self, image: Tensor) -> Tensor:
        """What a soft opening takes away."""
        return functional.relu(image - self.open(image))

    def _share(self, skeleton: Tensor, mask: Tensor) -> Tensor:
        """The share of a skeleton that lies in a mask."""
        return ((skeleton * mask).sum() + self.smooth) / (skeleton.sum() + self.smooth)


def _forgetful(make: Callable[[Tensor], Tensor], image: Tensor) -> Tensor:
    """`make(image)`; what it makes on the way is not kept for the gradient but made again."""
    return checkpoint(make, image, use_reentrant=False, preserve_rng_state=False)
