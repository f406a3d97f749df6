"""Losses that weigh the probability of a voxel with where it lies from the target's surface."""

from __future__ import annotations

import torch
from torch import Tensor

from lossseg.losses.batch import Batch, Weights
from lossseg.losses.derived import DerivedWeights
from lossseg.losses.loss import Loss, implements
from lossseg.losses.reduction import OVERLAP, Reduction
from lossseg.losses.voxel_functions import ERROR, TRUTH
from lossseg.weights import REGION_WISE, REGION_WISE_BACKGROUND, SIGNED_DISTANCE


def probability(reduction: Reduction) -> Tensor:
    """S(w p) over the voxels of each row for each foreground class, (R, K)."""
    return reduction.per_class(ERROR).background + reduction.per_class(TRUTH).foreground


@implements("boundary")
class Boundary(Loss):
    """Mean over voxels and foreground classes of p phi, with the signed distance phi (Kervadec et al. 2019).

    phi is the map "signed_distance": the distance to the class outside, -(depth - 1) inside, in mm, 0 if the class is
    absent or fills everything. The value is negative for a good prediction and unbounded on both sides. Its gradient
    p (1 - p) phi / N vanishes for sure voxels and is far larger away from the target than in it, so that alone it
    leads to an empty prediction: begin with a region loss. An empty patch teaches nothing.
    """

    def announce(self, batch: Batch, reduction: Reduction) -> None:
        batch.weighted_by(SIGNED_DISTANCE).want(*OVERLAP)

    def value(self, batch: Batch, reduction: Reduction) -> Tensor:
        distances = batch.weighted_by(SIGNED_DISTANCE)
        return distances.mean(probability(distances))


@implements("region_wise")
class RegionWise(Loss):
    """Mean over voxels and classes of p z with rectified region-wise maps z (Valverde & Tohka 2023).

    z is the map "region_wise" of the class: 1 outside it, -depth / (largest depth) inside. As printed the background is
    one of the classes (`background`), with the map "region_wise_background"; without it the mean is over foreground
    classes. The value lies between -1 and 1. An empty patch teaches every voxel to be background.
    """

    def __init__(self, *, classes: int, background: bool) -> None:
        super().__init__(classes=classes)
        self.background = background

    @property
    def own_maps(self) -> frozenset[str]:
        return self.entry_maps | ({REGION_WISE_BACKGROUND} if self.background else set())

    def announce(self, batch: Batch, reduction: Reduction) -> None:
        self._maps(batch).want(*OVERLAP)

    def value(self, batch: Batch, reduction: Reduction) -> Tensor:
        maps = self._maps(batch)
        foreground = maps.mean(probability(maps))
        if not self.background:
            return foreground
        # S(p z) over all classes is S(p (z - z_0)) over those of the foreground plus S(z_0), as probabilities sum to 1.
        constant = batch.plain.rows.sum(batch.only_valid(batch.map(REGION_WISE_BACKGROUND)[:, 0]))[:, None]
        return (foreground * (self.classes - 1) + reduction.mean(constant)) / self.classes

    def _maps(self, batch: Batch) -> Reduction:
        if self.background:
            return batch.weighted_with("region_wise against background", lambda: _against_background(batch))
        return batch.weighted_by(REGION_WISE)


def _against_background(batch: Batch) -> Weights:
    """z - z_0 for each foreground class, z_0 being the map of the background."""
    background = batch.map(REGION_WISE_BACKGROUND)[:, 0]
    return tuple(DerivedWeights(torch.sub, channel, background) for channel in batch.map(REGION_WISE).unbind(1))
