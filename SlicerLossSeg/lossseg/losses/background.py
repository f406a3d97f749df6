"""The background as a class of its own, for the losses that count it among the classes."""

from __future__ import annotations

import torch
from torch import Tensor

from lossseg.losses.batch import Batch
from lossseg.losses.reduction import Overlap, Reduction
from lossseg.losses.voxel_functions import ERROR, SQUARED_ERROR


def background_overlap(batch: Batch, reduction: Reduction, squared: bool = False, pooled: bool = False) -> Overlap:
    """The sums of `Reduction.overlap` for the background, (R, 1) each, p being its probability.

    With one foreground class they follow from that class's sums, so that no voxel is looked at again.
    """
    sums = _complement(batch, reduction, squared) if batch.classes == 2 else _own(batch, reduction, squared)
    return Overlap(*(reduction.pool(one) for one in sums) if pooled else sums)


def extent(batch: Batch, reduction: Reduction) -> Tensor:
    """Sum of the weights over all voxels of each row, (R, 1); without weights their number."""
    if not reduction.weighted:
        return reduction.voxels
    return reduction.split((torch.ones_like(batch.foreground),), (batch.foreground,)).total


def mean_with_background(reduction: Reduction, foreground: Tensor, background: Tensor) -> Tensor:
    """One number from values of the foreground (R, K) and the background (R, 1): the mean over all K + 1 classes."""
    classes = foreground.shape[1]
    return (classes * reduction.average(foreground) + reduction.average(background)) / (classes + 1)


def _complement(batch: Batch, reduction: Reduction, squared: bool) -> tuple[Tensor, ...]:
    error = reduction.per_class(ERROR)
    size = extent(batch, reduction) - reduction.reference
    right = size - error.background
    prediction = right + error.foreground
    if squared:
        # (1 - q)^2 on background, where q is the error, and q^2 on foreground.
        prediction = size - 2 * error.background + reduction.per_class(SQUARED_ERROR).total
    return right, error.foreground, error.background, size, prediction


def _own(batch: Batch, reduction: Reduction, squared: bool) -> tuple[Tensor, ...]:
    probability, elsewhere = torch.softmax(batch.logits, 1)[:, 0], (batch.foreground,)
    mass = reduction.split((probability,), elsewhere)
    missed = reduction.true_class(ERROR).background
    size = reduction.split((torch.ones_like(probability),), elsewhere).background
    prediction = reduction.split((probability.square(),), elsewhere).total if squared else mass.total
    return mass.background, mass.foreground, missed, size, prediction
