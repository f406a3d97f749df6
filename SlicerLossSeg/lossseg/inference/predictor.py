"""The whole path from the channels of a case to labels and probabilities on its own grid."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace

import numpy as np

from lossseg.errors import OutOfMemory
from lossseg.evaluation.listed import ListedProbability
from lossseg.images import Geometry, Volume
from lossseg.inference.backend import BackendFactory, Precision
from lossseg.inference.backend_choice import BackendName, backend_factory
from lossseg.inference.case import Case
from lossseg.inference.coarse_to_fine import LookedAt
from lossseg.inference.collected import Collected
from lossseg.inference.device import choose_device
from lossseg.inference.group import Group, by_grid
from lossseg.inference.ladder import is_out_of_memory
from lossseg.inference.options import Options
from lossseg.inference.postprocess import SmallRule, remove_small, remove_unsure, voxel_limit
from lossseg.inference.running_mean import RunningMean
from lossseg.inference.segmenter import Segmenter
from lossseg.model import Ensemble, Member, Model
from lossseg.preprocessing.orientation import Orientation
from lossseg.reporting import Reporter, Silent


@dataclass(frozen=True)
class Prediction:
    """The result for one case, on the grid of its first channel.

    Attributes:
        label: uint8 (z, y, x), values as in the model's labels.
        confidence: the probability of any foreground at each voxel that had a label before components were removed.
        probability: float32 (z, y, x) in [0, 1] of any foreground, before small components were removed; on request.
        disagreement: float32 (z, y, x), standard deviation of that probability over the members; on request.
        device: where the last member was computed, as torch names it.
        notes: what went otherwise than planned, one sentence each; empty when nothing did.
        looked_at: how much was run in full, where that was left to a first pass; None where all was.
    """

    label: np.ndarray
    geometry: Geometry
    confidence: ListedProbability
    probability: np.ndarray | None = None
    disagreement: np.ndarray | None = None
    device: str = "cpu"
    notes: tuple[str, ...] = ()
    looked_at: LookedAt | None = None


class Predictor:
    """Segments cases with one model or an ensemble, whose probabilities are averaged by their weights.

    Members run one after the other and leave only their share of a running mean, so five take the memory of one. Slices
    that no window reaches any more go to the result at once, and what is large lies in temporary files meanwhile: see
    `group` and `running_mean`. Members whose plans have equal channels and spacing share one preprocessing. Members
    that nnU-Net trained send their logits back to the case's grid instead, as it does, and are not run in slabs. Where
    every channel is 0 out to the border nothing is computed and nothing found (see `body`), but for those members.

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
        coarse_to_fine: bool = False,
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
            coarse_to_fine=coarse_to_fine,
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
        self,
        volumes: Sequence[Volume],
        *,
        keep_probability: bool = False,
        keep_disagreement: bool = False,
        release: bool = False,
    ) -> Prediction:
        """Segment one case.

        Args:
            volumes: one per channel of the models, in their order, all on one grid.
            keep_disagreement: also follow how far the members differ.
            release: empty the list `volumes` as soon as the images are no longer needed, before the networks run.

        Raises:
            InputError: the channels do not fit the models or each other, an image of zeros only, or a region of
                interest outside of the volume.
            OutOfMemory: every step of the ladder failed.
            Cancelled: the person asked to stop.
        """
        with _memory_errors():
            return self._predict(volumes, keep_probability, keep_disagreement, release)

    def _predict(
        self, volumes: Sequence[Volume], keep_probability: bool, keep_disagreement: bool, release: bool
    ) -> Prediction:
        case = Case.checked(volumes, self.ensemble, self.options.roi)
        options, members, geometry = self.options, self.ensemble.members, case.geometry
        region = case.region([member.model.plan for member in members])
        orientation = Orientation.of(geometry)
        collected = Collected(
            geometry,
            region,
            orientation,
            options.threshold,
            keep_probability=keep_probability,
            keep_deviation=keep_disagreement,
        )
        looked_at = LookedAt()
        segmenter = Segmenter(options, self.device, self._factory, self._reporter, len(members))
        if case.anything:
            size = [region[axis].stop - region[axis].start for axis in orientation.axes]
            classes = len(self.ensemble.labels) - 1
            mean = RunningMean(classes, (size[0], size[1], size[2]), len(members), variance=keep_disagreement)
            groups = by_grid(members)
            for number, group in enumerate(groups):
                self._reporter.progress("prepare", 0, 1)
                shared = Group(group, case, region, orientation)
                self._reporter.progress("prepare", 1, 1)
                if release and number + 1 == len(groups) and isinstance(volumes, list):
                    volumes.clear()
                if options.coarse_to_fine:
                    looked_at += shared.narrow(group[0], segmenter, options.threshold)
                for member in group:
                    self._run(member, shared, segmenter, mean, collected)
        label, listed = collected.label, collected.listed()
        if options.min_confidence:
            label = remove_unsure(label, listed, options.min_confidence)
        limit = voxel_limit(options.min_voxels, options.min_volume_mm3, geometry.voxel_volume)
        return Prediction(
            label=remove_small(label, limit, options.small_rule),
            geometry=geometry,
            confidence=listed,
            probability=collected.probability,
            disagreement=collected.deviation,
            device=str(segmenter.device),
            notes=segmenter.notes,
            looked_at=looked_at if options.coarse_to_fine else None,
        )

    def _run(
        self, member: Member, shared: Group, segmenter: Segmenter, mean: RunningMean, collected: Collected
    ) -> None:
        """Take up one member in the mean, and the mean in the result when it is the last."""
        last = mean.begin(member.weight)

        def take(first: int, probability: np.ndarray) -> None:
            means = mean.add(first, probability)
            if last:
                collected.add(first, means, mean.weight)

        shared.run(member.model, segmenter, take)


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
