"""The members of an ensemble that share a preprocessed image, run over it one after the other."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence

import numpy as np
import torch

from lossseg.inference import roi as region_of_interest
from lossseg.inference.body import body_on_plan_grid
from lossseg.inference.case import Case
from lossseg.inference.coarse_to_fine import Candidates, LookedAt
from lossseg.inference.segmenter import Segmenter
from lossseg.inference.sliding_window import Box, foreground_probabilities
from lossseg.model import Member, Model
from lossseg.preprocessing import Prepared, prepare, restore
from lossseg.preprocessing import stack as stacks
from lossseg.preprocessing.orientation import Orientation
from lossseg.preprocessing.slabs import SlabRestorer, in_slabs, plan_shape, prepare_slabs
from lossseg.preprocessing.stack import Stack

Take = Callable[[int, np.ndarray], None]


def by_grid(members: Sequence[Member]) -> list[list[Member]]:
    """Members that can share a preprocessed image, groups in the order of their first member."""
    groups: dict[object, list[Member]] = {}
    for member in members:
        plan = member.model.plan
        groups.setdefault((plan.channels, plan.spacing, plan.nnunet, plan.monai), []).append(member)
    return list(groups.values())


class Group:
    """One preprocessed image for members of one grid.

    What needs more than `stack.IN_MEMORY` is preprocessed in slabs and lies in a file; models of other frameworks, and
    those with an organ mask, are preprocessed in memory.

    Args:
        region: the part (z, y, x) of the case's grid for which results are wanted.
        orientation: the axes along which they are given.
    """

    def __init__(self, members: Sequence[Member], case: Case, region: Box, orientation: Orientation) -> None:
        plans = [member.model.plan for member in members]
        self._foreign = plans[0].is_foreign
        crop = case.context(plans)
        self.prepared, self._image = _prepared(case, members[0].model, crop)
        self._region = region_of_interest.intersection(region, self.prepared.crop)
        self._inside = turned_part(self._region, region, orientation)
        self._orientation = orientation
        self._size = [region[axis].stop - region[axis].start for axis in orientation.axes]
        self.needed: np.ndarray | None = None
        if not self._foreign:
            self.needed = body_on_plan_grid(case.volumes, self.prepared)
        if case.box is not None:
            box = region_of_interest.on_plan_grid(case.box, self.prepared)
            self.needed = box if self.needed is None else np.logical_and(self.needed, box, out=box)

    def narrow(self, member: Member, segmenter: Segmenter, threshold: float | None) -> LookedAt:
        """Run only where a first pass of `member` finds something; how much of the case that is for one member.

        Models of other frameworks are run everywhere.
        """
        of_voxels = math.prod(self.prepared.image.shape[1:])
        if self._foreign:
            return LookedAt(of_voxels, of_voxels)
        before = segmenter.windows(member.model, self.prepared, self.needed)
        first_pass = segmenter.windows(member.model, self.prepared, self.needed, first_pass=True)
        candidates = Candidates(self.prepared.image.shape[1:], threshold)
        segmenter.first_pass(member.model, self.prepared, self._image, candidates.take, self.needed)
        found = candidates.needed()
        self.needed = found if self.needed is None else np.logical_and(self.needed, found, out=found)
        after = segmenter.windows(member.model, self.prepared, self.needed)
        return LookedAt(int(np.count_nonzero(self.needed)), of_voxels, after, before, first_pass)

    def run(self, model: Model, segmenter: Segmenter, take: Take) -> None:
        """Give `take` the probabilities (classes, n, y, x) of a member on `region`, slab by slab along its first axis.

        Raises:
            InputError, OutOfMemory, Cancelled: as `Segmenter.probabilities`.
        """
        if self._foreign:
            return take(0, self._whole(model, segmenter))
        restorer = SlabRestorer(self.prepared)
        inner = turned_part(self._region, self.prepared.crop, self._orientation)
        first, end = inner[0].start, inner[0].stop

        def add(_: int, probability: np.ndarray) -> None:
            for at, values in restorer.push(probability):
                low, high = max(at, first), min(at + values.shape[1], end)
                if low < high:
                    take(low - first + self._inside[0].start, values[:, low - at : high - at, *inner[1:]])

        return segmenter.probabilities(model, self.prepared, self._image, add, self.needed)

    def _whole(self, model: Model, segmenter: Segmenter) -> np.ndarray:
        """The same at once, as other frameworks do it."""
        logits = segmenter.logits(model, self.prepared, self.needed)
        if model.plan.nnunet is None:
            restored = self._restored(foreground_probabilities(torch.from_numpy(logits)).numpy())
        else:
            restored = foreground_probabilities(torch.from_numpy(self._restored(logits))).numpy()
        result = np.zeros((len(restored), *self._size), np.float32)
        for channel, values in zip(result, restored, strict=True):
            channel[self._inside] = self._orientation.apply(values)
        return result

    def _restored(self, values: np.ndarray) -> np.ndarray:
        """Probabilities or logits (channels, z, y, x) on the plan's grid, back on the case's own."""
        inner = region_of_interest.relative(self._region, self.prepared.crop)
        channels = [restore(channel, self.prepared)[inner] for channel in values]
        return channels[0][None] if len(channels) == 1 else np.stack(channels)


def turned_part(part: Box, outer: Box, orientation: Orientation) -> Box:
    """`part` counted from the first voxel of `outer`, both boxes (z, y, x), along the axes of `orientation`."""
    inner = region_of_interest.relative(part, outer)
    turned = []
    for axis, flip in zip(orientation.axes, orientation.flips, strict=True):
        length, span = outer[axis].stop - outer[axis].start, inner[axis]
        turned.append(slice(length - span.stop, length - span.start) if flip else span)
    return turned[0], turned[1], turned[2]


def _prepared(case: Case, model: Model, crop: Box | None) -> tuple[Prepared, Stack]:
    plan = model.plan
    if in_slabs(plan):
        shape = plan_shape(plan, case.geometry, crop or case.body)
        if 4 * math.prod(shape) * len(plan.channels) > stacks.IN_MEMORY:
            return prepare_slabs(case.volumes, plan, crop=crop or case.body)
    prepared = prepare(case.volumes, plan, crop=crop)
    return prepared, Stack.of(prepared.image)
