"""Who is heard and who is drowned: the share of each loss's gradient that falls on each lesion."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from lossseg.errors import InputError
from lossseg.images import Geometry
from lossseg.inspection.gradients import Gradient, gradient
from lossseg.inspection.regions import Region, Regions, regions_of
from lossseg.inspection.volumes import Prediction, Reference, Scale, read_prediction, read_reference
from lossseg.keeping import Keeper, Stamp, stamp
from lossseg.reporting import Reporter, Silent, Stage
from lossseg.weights import make_maps

_BESIDES = 1024
"""Bytes that an answer takes besides its shares, roughly."""


@dataclass(frozen=True, eq=False)
class LossReport:
    """What one loss says of a prediction.

    Attributes:
        expression: as it was asked for.
        value: of the loss; None where it could not be computed.
        gradient: the sum of |dL/dz| over all voxels, z the foreground logit; None likewise.
        shares: (regions,) float64: the share of that sum in each region; they sum to 1, or are all 0 without gradient.
        error: why it could not be computed, else None.
        seconds: that it took.
    """

    expression: str
    value: float | None
    gradient: float | None
    shares: np.ndarray
    error: str | None
    seconds: float


@dataclass(frozen=True, eq=False)
class Inspection:
    """What several losses say of one prediction.

    Attributes:
        losses: in the order in which they were asked for.
        regions: what `LossReport.shares` are of: lesions, false positives, background.
        shift: that was added to every foreground logit.
        scale: what the prediction's file held.
        labels: values of the reference besides 0.
    """

    losses: tuple[LossReport, ...]
    regions: tuple[Region, ...]
    shift: float
    scale: Scale
    labels: tuple[int, ...]


class Inspector:
    """Answers questions about one prediction and its reference.

    The prediction becomes foreground logits z, from probabilities clipped to [CLIP, 1 - CLIP] or from labels that stand
    for the probabilities SURE and 1 - SURE (`lossseg.inspection.volumes`). Lesions are the 26-connected components of
    the reference; false positives are the predicted components, probability above 1/2 before any shift, that share no
    voxel with a lesion.

    Args:
        prediction, reference: files on one grid.
        scale: what the prediction holds.
        label: the class in question, in the reference and in a predicted label map; None takes all classes as one.
        keeper: where volumes, maps and answers are kept for the next question.

    Raises:
        InputError: a file cannot be used, or the two are on different grids.
    """

    def __init__(
        self,
        prediction: Path,
        reference: Path,
        *,
        scale: Scale = Scale.AUTO,
        label: int | None = None,
        keeper: Keeper | None = None,
    ) -> None:
        self._keeper = keeper or Keeper()
        # Taken before reading: what is kept under a stamp is never older than it.
        self._truth: tuple[Stamp, int | None] = (stamp(reference), label)
        predicted = stamp(prediction)
        self._key = (predicted, scale, self._truth)
        self._prediction: Prediction = self._keeper.get(
            ("prediction", predicted, scale, label),
            lambda: read_prediction(prediction, scale, label),
            lambda made: made.nbytes,
        )
        self._reference: Reference = self._keeper.get(
            ("reference", self._truth), lambda: read_reference(reference, label), lambda made: made.nbytes
        )
        difference = self._prediction.geometry.difference(self._reference.geometry)
        if difference:
            raise InputError(
                f"{prediction} and {reference} are not on the same grid: {difference}.",
                "Resample the prediction to the grid of the reference.",
            )
        self._regions: Regions = self._keeper.get(
            ("regions", self._key), lambda: regions_of(self._prediction, self._reference), lambda made: made.nbytes
        )

    @property
    def geometry(self) -> Geometry:
        """The grid of the reference."""
        return self._reference.geometry

    def inspect(self, losses: Sequence[str], *, shift: float = 0.0, reporter: Reporter | None = None) -> Inspection:
        """What each loss says. One that cannot be computed has a sentence instead of a value.

        Args:
            losses: expressions; one that is given twice counts once.
            shift: added to every foreground logit.

        Raises:
            InputError: no loss is given, or none can be computed.
            Cancelled: the reporter was told to stop.
        """
        expressions = tuple(dict.fromkeys(expression.strip() for expression in losses))
        if not expressions:
            raise InputError("No loss is given.", "Name at least one, for instance dice.")
        logits = self._shifted(shift)
        stage = Stage(reporter or Silent(), "losses", len(expressions))
        reports = []
        for expression in expressions:
            reports.append(self._report(expression, logits, shift))
            stage.advance()
        errors = [report.error for report in reports if report.error is not None]
        if len(errors) == len(reports):
            raise InputError(f"None of the losses can be computed. {errors[0]}", "`lossseg losses` lists them.")
        return Inspection(tuple(reports), self._regions.rows, shift, self._prediction.scale, self._reference.labels)

    def gradient(self, expression: str, *, shift: float = 0.0) -> np.ndarray:
        """(z, y, x) float32: dL/dz of each foreground logit, with its sign.

        Raises:
            InputError: the loss cannot be computed.
        """
        slopes: np.ndarray = self._differentiate(expression, self._shifted(shift)).slopes.numpy()
        return slopes

    def _shifted(self, shift: float) -> Callable[[], Tensor]:
        """Gives the logits when they are first asked for: an answer that is kept does not need them."""
        made: list[Tensor] = []

        def logits() -> Tensor:
            if not made:
                made.append((torch.from_numpy(self._prediction.logits) + shift)[None, None].requires_grad_())
            return made[0]

        return logits

    def _report(self, expression: str, logits: Callable[[], Tensor], shift: float) -> LossReport:
        began = time.perf_counter()

        def answer() -> tuple[float, float, np.ndarray]:
            found = self._differentiate(expression, logits)
            at = found.slopes.reshape(-1)[torch.from_numpy(self._regions.places)].numpy()
            sums = self._regions.sums(at, found.total)
            whole = float(sums.sum())
            return found.value, found.total, sums / whole if whole else sums

        try:
            value, total, shares = self._keeper.get(
                ("answer", self._key, expression, shift), answer, lambda made: made[2].nbytes + _BESIDES
            )
        except InputError as error:
            nothing = np.zeros(len(self._regions.rows))
            return LossReport(expression, None, None, nothing, str(error), time.perf_counter() - began)
        return LossReport(expression, value, total, shares, None, time.perf_counter() - began)

    def _differentiate(self, expression: str, logits: Callable[[], Tensor]) -> Gradient:
        target = torch.from_numpy(self._reference.target)[None, None]
        return gradient(expression, logits(), target, self._maps, self.geometry.spacing)

    def _maps(self, names: frozenset[str]) -> Mapping[str, Tensor]:
        return {name: self._map(name) for name in sorted(names)}

    def _map(self, name: str) -> Tensor:
        def made() -> np.ndarray:
            return make_maps((name,), self._reference.target, spacing=self.geometry.spacing)[name]

        values: np.ndarray = self._keeper.get(("map", self._truth, name), made, lambda array: array.nbytes)
        return torch.from_numpy(values)[None]
