"""Losses that estimate the Hausdorff distance (Karimi & Salcudean, IEEE TMI 2020)."""

from __future__ import annotations

import torch
from torch import Tensor

from lossseg.losses.batch import Batch, Weights
from lossseg.losses.derived import DerivedWeights
from lossseg.losses.entries.boundary import HausdorffForm
from lossseg.losses.erosion import eroded_sums
from lossseg.losses.loss import Loss, implements
from lossseg.losses.predicted_distance import PredictedDistance
from lossseg.losses.reduction import Reduction
from lossseg.losses.voxel_functions import SQUARED_ERROR
from lossseg.weights import DISTANCE


@implements("hausdorff")
class Hausdorff(Loss):
    """Mean over voxels and foreground classes of the squared error, weighted by how far out it lies. Three forms:

    - `two_sided`: (p - y)^2 (d_y^alpha + d_p^alpha). d_y, the map "distance", is the unsigned distance of a voxel to
      the target's surface in mm; d_p that to the surface of the prediction p > 0.5, made anew in each step on the CPU,
      with the loss's `spacing`. No gradient flows through either. An empty or full mask has no surface and distance 0.
    - `one_sided`: (p - y)^2 d_y^alpha, which needs no distance transform in the step.
    - `erosion`: S over k = 1..erosions of k^alpha times the map (p - y)^2 eroded k times; see `erosion.eroded_sums`.
      It needs no map and knows no spacing: distances are voxels. With `rescale` the deepest errors set the scale of
      the others, so that the gradient pushes them up while it pushes the others down.

    Of an empty patch `two_sided` teaches to be background, the more the farther from the predicted surface, as long as
    anything is predicted at all; `one_sided` nothing; `erosion` what survives one. Far voxels weigh many times
    the near ones: pair it with a region loss, with a factor that brings both to one scale.
    """

    def __init__(self, *, classes: int, form: str, alpha: float, erosions: float, rescale: bool) -> None:
        super().__init__(classes=classes)
        self.form, self.alpha = HausdorffForm(form), alpha
        self.erosions, self.rescale = int(erosions), rescale

    @property
    def own_maps(self) -> frozenset[str]:
        return frozenset() if self.form is HausdorffForm.EROSION else frozenset({DISTANCE})

    def announce(self, batch: Batch, reduction: Reduction) -> None:
        if self.form is not HausdorffForm.EROSION:
            self._weighted(batch).want(SQUARED_ERROR)

    def value(self, batch: Batch, reduction: Reduction) -> Tensor:
        if self.form is HausdorffForm.EROSION:
            sums = [
                eroded_sums(errors, self.erosions, self.alpha, self.rescale, batch.valid) for errors in batch.errors
            ]
            return reduction.mean(torch.stack(sums, 1))
        weighted = self._weighted(batch)
        return weighted.mean(weighted.per_class(SQUARED_ERROR).total)

    def _weighted(self, batch: Batch) -> Reduction:
        return batch.weighted_with(f"hausdorff {self.form} {self.alpha}", lambda: self._weights(batch))

    def _weights(self, batch: Batch) -> Weights:
        targets = batch.map(DISTANCE).unbind(1)
        if self.form is HausdorffForm.ONE_SIDED:
            return tuple(DerivedWeights(self._power, target) for target in targets)
        predicted = (PredictedDistance.of(batch, margin) for margin in batch.margins)
        return tuple(one.beside(target, self.alpha) for target, one in zip(targets, predicted, strict=True))

    def _power(self, distance: Tensor) -> Tensor:
        return distance.pow(self.alpha)
