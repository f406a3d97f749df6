"""The whole path from the channels of a case to labels and probabilities on its own grid."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace

import numpy as np
import torch

from lossseg.errors import InputError, OutOfMemory
from lossseg.images import Geometry, Volume
from lossseg.inference import roi as region_of_interest
from lossseg.inference.backend import BackendFactory, Precision
from lossseg.inference.backend_choice import BackendName, backend_factory
from lossseg.inference.body import body_on_plan_grid
from lossseg.inference.device import choose_device
from lossseg.inference.ladder import is_out_of_memory
from lossseg.inference.options import Options
from lossseg.inference.postprocess import SmallRule, remove_small, remove_unsure, to_labels, voxel_limit
from lossseg.inference.running_mean import RunningMean
from lossseg.inference.segmenter import Segmenter
from lossseg.inference.sliding_window import Box, foreground_probabilities
from lossseg.model import Ensemble, Member, Model
from lossseg.preprocessing import Plan, Prepared, prepare, restore
from lossseg.preprocessing.case import nonzero_box
from lossseg.reporting import Reporter, Silent


@dataclass(frozen=True)
class Prediction:
    """The result for one case, on the grid of its first channel.

    Attributes:
        label: uint8 (z, y, x), values as in the model's labels.
        probability: float32 (z, y, x) in [0, 1] of any foreground, before small components were removed; on request.
        disagreement: float32 (z, y, x), standard deviation of that probability over the members; on request.
        device: where the last member was computed, as torch names it.
        notes: what went otherwise than planned, one sentence each; empty when nothing did.
    """

    label: np.ndarray
    geometry: Geometry
    probability: np.ndarray | None = None
    disagreement: np.ndarray | None = None
    device: str = "cpu"
    notes: tuple[str, ...] = ()


class Predictor:
    """Segments cases with one model or an ensemble, whose probabilities are averaged by their weights.

    Members run one after the other and leave only their share of a running mean, so five take the memory of one and a
    volume. Members whose plans have equal channels and spacing share one preprocessing, and their mean is taken on the
    plan's grid: going back to the case's grid is linear, so once at the end is the same. Members that nnU-Net trained
    send their logits back instead, as it does. Where every channel is 0 out to the border nothing is computed and
    nothing found (see `body`), but for those members.

    Args:
        models: members with equal channels and labels.
        device: "auto", "cpu", "cuda", "cuda:1" or "mps".
        reporter: hears of progress, and of memory that ran out; may cancel between two windows.
        backend: makes what runs a network; default the faster one, see `backend_choice`.
        others: see `Options`.

    Raises:
        InputError: an option out of its range, or a device that is not there.
    """

    def __init__(
        self,
        models: Ensemble | Sequence[Model],
        device: str = "auto",
        *,
        overlap: float = 0.5,
        mirror: bool = False,
        threshold: float | None = None,
        min_voxels: int = 11,
        min_volume_mm3: float | None = None,
        min_confidence: float | None = None,
        small_rule: SmallRule | str = SmallRule.COMPONENT,
        roi: Sequence[float] | None = None,
        reporter: Reporter | None = None,
        precision: Precision | str = Precision.AUTO,
        window_batch: int | None = None,
        backend: BackendFactory | None = None,
    ) -> None:
        if not isinstance(models, Ensemble):
            models = Ensemble("models", tuple(Member(model) for model in models))
        self.ensemble = models
        self.options = Options.checked(
            overlap=overlap,
            mirror=mirror,
            threshold=threshold,
            min_voxels=min_voxels,
            min_volume_mm3=min_volume_mm3,
            min_confidence=min_confidence,
            small_rule=small_rule,
            roi=roi,
            precision=precision,
            window_batch=window_batch,
        )
        point = models.operating_point
        if point is not None and threshold is None and len(models.labels) == 2:
            believed = point.min_confidence if min_confidence is None else min_confidence
            self.options = replace(self.options, threshold=point.threshold, min_confidence=believed)
        self.device, self.device_reason = choose_device(device)
        self._reporter: Reporter = reporter or Silent()
        self._factory = backend or backend_factory(BackendName.AUTO, self._reporter)

    def predict(
        self, volumes: Sequence[Volume], *, keep_probability: bool = False, keep_disagreement: bool = False
    ) -> Prediction:
        """Segment one case.

        Args:
            volumes: one per channel of the models, in their order, all on one grid.
            keep_disagreement: also follow how far the members differ; two more volumes of memory.

        Raises:
            InputError: the channels do not fit the models or each other, an image of zeros only, or a region of
                interest outside of the volume.
            OutOfMemory: every step of the ladder failed.
            Cancelled: the person asked to stop.
        """
        case = self._checked(volumes)
        options, members = self.options, self.ensemble.members
        total = RunningMean(len(self.ensemble.labels) - 1, case.geometry.size, variance=keep_disagreement)
        segmenter = Segmenter(options, self.device, self._factory, self._reporter, len(members))
        with _memory_errors():
            for group in _by_grid(members):
                self._add(group, case, segmenter, total)
            label = to_labels(total.mean, options.threshold)
            if options.min_confidence:
                label = remove_unsure(label, total.any_foreground(), options.min_confidence)
            limit = voxel_limit(options.min_voxels, options.min_volume_mm3, case.geometry.voxel_volume)
            return Prediction(
                label=remove_small(label, limit, options.small_rule),
                geometry=case.geometry,
                probability=total.any_foreground() if keep_probability else None,
                disagreement=total.deviation() if keep_disagreement else None,
                device=str(segmenter.device),
                notes=segmenter.notes,
            )

    def _add(self, group: Sequence[Member], case: _Case, segmenter: Segmenter, total: RunningMean) -> None:
        """Run the members of one grid and take them up in `total`."""
        if not case.anything:
            return total.add_zeros(sum(member.weight for member in group))
        self._reporter.progress("prepare", 0, 1)
        plans = [member.model.plan for member in group]
        prepared = prepare(case.volumes, plans[0], crop=case.context(plans))
        self._reporter.progress("prepare", 1, 1)
        region, needed = prepared.crop, None
        if plans[0].nnunet is None:
            needed = body_on_plan_grid(case.volumes, prepared)
        if case.box is not None:
            box = region_of_interest.on_plan_grid(case.box, prepared)
            region, needed = case.box, box if needed is None else needed & box
        if plans[0].nnunet:
            for member in group:
                logits = _restored(segmenter.logits(member.model, prepared, needed), prepared, region)
                total.add(foreground_probabilities(torch.from_numpy(logits)).numpy(), member.weight, region)
            return None
        # The standard deviation of resampled probabilities is not the resampled one, so members go back one by one.
        for part in [[member] for member in group] if total.variance else [list(group)]:
            mean = RunningMean(total.channels, _grid(prepared))
            for member in part:
                mean.add(segmenter.probabilities(member.model, prepared, needed), member.weight)
            if part[-1] is group[-1]:
                prepared = replace(prepared, image=np.empty((len(prepared.image), 0, 0, 0), np.float32))
            weight, restored = mean.weight, _restored(mean.mean, prepared, region)
            del mean
            total.add(restored, weight, region)
        return None

    def _checked(self, volumes: Sequence[Volume]) -> _Case:
        channels = self.ensemble.channels
        if len(volumes) != len(channels):
            raise InputError(
                f"{len(volumes)} image channel(s) given; {self.ensemble.name} needs {len(channels)}: "
                f"{', '.join(channels)}.",
                "Give one volume per channel, in this order.",
            )
        first = volumes[0]
        for volume, channel in zip(volumes, channels, strict=True):
            name = volume.path or f"The channel {channel}"
            if not volume.geometry.matches(first.geometry):
                raise InputError(
                    f"{name} lies on another grid than {first.path or channels[0]}: "
                    f"{volume.geometry.difference(first.geometry)}.",
                    "Resample all channels to one grid.",
                )
            if not volume.array.any():
                raise InputError(f"{name} holds only zeros.", "Check that the right volume was exported.")
        return _Case.of(volumes, self.options.roi)


@dataclass(frozen=True)
class _Case:
    """The channels of a case, the box of its non-zero voxels, and the part of that box that is asked for, if any."""

    volumes: Sequence[Volume]
    geometry: Geometry
    body: Box
    box: Box | None

    @classmethod
    def of(cls, volumes: Sequence[Volume], roi: region_of_interest.Bounds | None) -> _Case:
        geometry, body, box = volumes[0].geometry, nonzero_box(volumes), None
        if roi is not None:
            box = region_of_interest.intersection(region_of_interest.voxel_box(roi, geometry), body)
        return cls(volumes, geometry, body, box)

    @property
    def anything(self) -> bool:
        """Whether there is anything to segment."""
        return self.box is None or all(part.start < part.stop for part in self.box)

    def context(self, plans: Sequence[Plan]) -> Box | None:
        return region_of_interest.context(self.box, self.body, plans, self.geometry)


def _by_grid(members: Sequence[Member]) -> list[list[Member]]:
    """Members that can share a preprocessed image, groups in the order of their first member."""
    groups: dict[object, list[Member]] = {}
    for member in members:
        plan = member.model.plan
        groups.setdefault((plan.channels, plan.spacing, plan.nnunet), []).append(member)
    return list(groups.values())


def _restored(values: np.ndarray, prepared: Prepared, region: Box) -> np.ndarray:
    """Probabilities or logits (channels, z, y, x) on the plan's grid, back on `region` of the case's own grid."""
    inner = region_of_interest.relative(region, prepared.crop)
    channels = [restore(channel, prepared)[inner] for channel in values]
    return channels[0][None] if len(channels) == 1 else np.stack(channels)


def _grid(prepared: Prepared) -> tuple[int, int, int]:
    _, z, y, x = prepared.image.shape
    return z, y, x


@contextmanager
def _memory_errors() -> Iterator[None]:
    """What runs out of memory outside of the ladder, where nothing smaller can be tried."""
    try:
        yield
    except Exception as error:
        if is_out_of_memory(error):
            raise OutOfMemory(
                "Memory ran out before or after the network ran.", "Close other programs or give a region of interest."
            ) from error
        raise
