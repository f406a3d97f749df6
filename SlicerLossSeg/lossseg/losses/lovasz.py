"""The Jaccard index itself, made continuous over its errors."""

from __future__ import annotations

import numpy as np
import torch
from torch import Tensor

from lossseg.losses.batch import Batch
from lossseg.losses.entries.region import LovaszForm
from lossseg.losses.loss import Loss, implements
from lossseg.losses.picking import places
from lossseg.losses.reduction import Reduction
from lossseg.losses.voxel_functions import ERROR, apply


@implements("lovasz")
class Lovasz(Loss):
    """Mean of the Lovasz extension of the Jaccard loss at the voxels' errors (Berman et al., CVPR 2018).

    The errors of a class, sorted from the largest, times what each adds to 1 - |A and B| / |A or B| when it joins the
    errors before it. For errors of 0 and 1 that is the Jaccard loss itself. The mean runs over foreground classes and
    samples, or over the classes of the whole batch (`batch`).

    - `softmax` (default): an error is |y - p|, Lovasz-Softmax.
    - `hinge`: an error is max(0, 1 - m) with the logit m of the right answer, Lovasz hinge; each of several classes is
      taken against all the others.

    Only voxels at least as wrong as the least wrong foreground voxel have a share, and only those are sorted. A class
    without foreground gives its largest error, so that an empty patch teaches its worst false alarm; with `present`
    such a class does not count, as in the authors' code of Lovasz-Softmax, and an empty patch gives 0.
    """

    def __init__(self, *, classes: int, form: str, batch: bool, present: bool) -> None:
        super().__init__(classes=classes)
        self.hinge, self.batch, self.present = form == LovaszForm.HINGE, batch, present

    def value(self, batch: Batch, reduction: Reduction) -> Tensor:
        samples = [slice(None)] if self.batch else [slice(number, number + 1) for number in range(len(batch.labels))]
        values = []
        for sample in samples:
            extensions = [self._of(batch, number, sample) for number in range(batch.classes - 1)]
            counted = [extension for extension in extensions if extension is not None]
            values.append(torch.stack(counted).mean() if counted else 0 * batch.logits[sample].sum())
        return torch.stack(values).mean()

    def _of(self, batch: Batch, number: int, sample: slice) -> Tensor | None:
        """The extension for one foreground class; None if it does not count."""
        margins, truth = batch.errors[number][sample].reshape(-1), batch.truths[number][sample].reshape(-1) > 0
        counted = torch.ones_like(truth) if batch.valid is None else batch.valid[sample].reshape(-1)
        truth, wrong = truth & counted, margins.detach()
        if not truth.any():
            none = self.present or not counted.any()
            return None if none else self._errors(torch.where(counted, margins, -torch.inf).max())
        involved = places((wrong >= torch.where(truth, wrong, torch.inf).min()) & counted)
        order = involved.index_select(0, _falling(wrong.index_select(0, involved)))
        steps = jaccard_steps(truth.index_select(0, order), wrong.dtype)
        # Not a dot product, which in single precision loses what so many small terms add up to.
        return (torch.zeros_like(wrong).index_copy(0, order, steps) * self._errors(margins)).sum()

    def _errors(self, margins: Tensor) -> Tensor:
        return torch.relu(1 + margins) if self.hinge else apply(ERROR, margins)


def _falling(values: Tensor) -> Tensor:
    """The places of values (M,) from the largest to the smallest; on the CPU numpy sorts them five times as fast."""
    if values.device.type == "cpu":
        return torch.from_numpy(np.argsort(values.numpy())).flip(0)
    return torch.argsort(values, descending=True)


def jaccard_steps(foreground: Tensor, dtype: torch.dtype) -> Tensor:
    """What each error adds to the Jaccard loss of those before it, (M,), for bool errors with the largest first.

    All foreground voxels must be among them. With intersection I and union U so far, a foreground error takes 1 / U and
    a background one I / U - I / (U + 1); written so, nothing is lost to the difference of two ratios near 1.
    """
    missed = torch.cumsum(foreground, 0) - foreground.long()
    false = torch.arange(len(foreground), device=foreground.device) - missed
    size = foreground.sum()
    intersection, union = (size - missed).to(dtype), (size + false).to(dtype)
    return torch.where(foreground, 1 / union, intersection / (union * (union + 1)))
