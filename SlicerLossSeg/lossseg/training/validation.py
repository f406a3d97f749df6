"""Segment the validation cases with a network in training and judge them by voxel and by lesion."""

from __future__ import annotations

import tempfile
import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

import numpy as np
import torch
from torch import nn

from lossseg.evaluation import (
    CaseResult,
    Credit,
    OperatingPoint,
    Outcome,
    evaluate_case,
    operating_points,
    summarise,
)
from lossseg.evaluation.measures import ratio
from lossseg.inference.backend import TorchBackend
from lossseg.inference.postprocess import remove_small, remove_unsure, to_labels
from lossseg.inference.sliding_window import Windows, foreground_probabilities, place_windows, sliding_logits
from lossseg.preprocessing import CachedCase, Plan, counted

_OVERLAP = 0.5
_WINDOWS_AT_ONCE = 2
_SMALLEST = 11
# Losses for imbalance lean towards the foreground: below 0.5 there is nothing to look for.
_THRESHOLDS = (0.5, 0.6, 0.7, 0.8, 0.9, 0.95, 0.97, 0.98, 0.99)
_CONFIDENCES = (0.0, 0.5, 0.7, 0.8, 0.9, 0.95, 0.98, 0.99, 0.995, 0.998, 0.999)

Told = Callable[[int], None]


@dataclass(frozen=True)
class Scores:
    """Measures over the validation cases, on the plan's grid, after removal of components under 11 voxels.

    Attributes:
        dice, object_dice, recall, small_recall, precision: in [0, 1], NaN where undefined. Recall and precision pool
            the lesions of all cases; `small_recall` is over the smallest third of the reference lesions; Dice is the
            mean over cases.
        false_positives: per case.
        point: the threshold and lowest confidence at which all this was measured; None for several classes, where
            each voxel has its most probable class.
        by_class: Dice of each foreground class, mean over cases, where there are several.
    """

    dice: float
    object_dice: float
    recall: float
    small_recall: float
    precision: float
    false_positives: float
    point: OperatingPoint | None = None
    by_class: tuple[float, ...] = ()

    @property
    def selection(self) -> float:
        """What the best weights are chosen by: Dice; without any reference foreground, few false positives."""
        return self.dice if np.isfinite(self.dice) else -self.false_positives

    def named(self) -> dict[str, float]:
        """The measures by name; the Dice of class c of several is "dice_c", as adaptive losses ask for it."""
        named = {name: value for name, value in asdict(self).items() if name not in ("point", "by_class")}
        return named | {f"dice_{number}": value for number, value in enumerate(self.by_class, start=1)}

    def defined(self) -> dict[str, float]:
        """The named measures without the undefined ones."""
        return {name: value for name, value in self.named().items() if np.isfinite(value)}


class Validator:
    """Segments cached cases with a network, as prediction does, without going back to each case's own grid."""

    def __init__(
        self, cases: Sequence[CachedCase], plan: Plan, device: torch.device, autocast: torch.dtype | None
    ) -> None:
        self._cases, self._plan, self._device, self._autocast = list(cases), plan, device, autocast
        self.windows = sum(len(self._windows(case).corners()) for case in self._cases)

    def scores(self, network: nn.Module, after_windows: Told = lambda count: None) -> Scores:
        """Segment every case and pool the results; `after_windows` is told of progress and may raise to stop.

        With one foreground class the operating point is chosen first, since losses that weight small
        lesions up give probabilities for which 0.5 means nothing.
        """
        backend = TorchBackend(network.eval(), self._device, self._autocast)
        # Probabilities wait on disk: memory must not grow with the number of cases.
        with tempfile.TemporaryDirectory() as folder:
            kept = Path(folder)
            point = None
            pairs = self._segmented(backend, kept, after_windows)
            if self._plan.classes == 2:
                point = operating_point(pairs)
            else:
                for _ in pairs:
                    pass
            results = [self._result(case, np.load(kept / f"{case.name}.npy"), point) for case in self._cases]
        return pooled(results, point)

    def seconds_per_round(self, network: nn.Module, clock: Callable[[], float] = time.perf_counter) -> float:
        """What one call of `scores` will take, in seconds, measured on a few windows."""
        backend = TorchBackend(network.eval(), self._device, self._autocast)
        shape = (_WINDOWS_AT_ONCE, self._plan.inputs, *self._plan.patch)
        backend.run(torch.zeros(shape))
        started = clock()
        backend.run(torch.zeros(shape))
        if self._device.type == "cuda":
            torch.cuda.synchronize(self._device)
        # A quarter on top for blending and for labelling the lesions.
        return 1.25 * (clock() - started) * self.windows / _WINDOWS_AT_ONCE

    def _segmented(self, backend: TorchBackend, folder: Path, told: Told) -> Iterator[tuple[np.ndarray, np.ndarray]]:
        for case in self._cases:
            image = torch.from_numpy(np.array(case.image())).to(self._device)
            with torch.inference_mode():
                logits = sliding_logits(
                    image,
                    backend.run,
                    self._windows(case),
                    batch=_WINDOWS_AT_ONCE,
                    padding=case.padding,
                    after_windows=told,
                )
                foreground = foreground_probabilities(logits).cpu().numpy()
            np.save(folder / f"{case.name}.npy", foreground)
            label = np.asarray(case.label())
            # Voxels to ignore are background in both.
            yield counted(label, self._plan.classes), foreground.sum(0) * (label < self._plan.classes)

    def _result(self, case: CachedCase, foreground: np.ndarray, point: OperatingPoint | None) -> CaseResult:
        label = to_labels(foreground, point.threshold if point else None)
        if point:
            label = remove_unsure(label, foreground[0], point.min_confidence)
        label = remove_small(label, _SMALLEST)
        spacing, labels = self._plan.spacing, self._plan.labels
        return evaluate_case(
            np.asarray(case.label()),
            label,
            spacing,
            labels=labels,
            ignore_label=self._plan.classes,
            name=case.name,
            surface=False,
        )

    def _windows(self, case: CachedCase) -> Windows:
        return place_windows(case.image().shape[1:], self._plan.patch, _OVERLAP)


def operating_point(pairs: Iterable[tuple[np.ndarray, np.ndarray]]) -> OperatingPoint:
    """The threshold and lowest confidence by which a model will segment, see `balanced`.

    A component finds one lesion here, the one that it agrees with best. Where it may find all that it touches, one
    component around everything has a perfect lesion F1, and a loss with inverse weights offers such a component.

    Args:
        pairs: reference (z, y, x), every value but 0 is lesion, and probability (z, y, x) in [0, 1] of each case.
    """
    return balanced(operating_points(pairs, _THRESHOLDS, _SMALLEST, _CONFIDENCES, credit=Credit.BEST))


def balanced(points: Sequence[OperatingPoint]) -> OperatingPoint:
    """The point with the highest sum of Dice and lesion F1; on a tie the threshold nearest to 0.5.

    An undefined measure counts as 0, so that without any reference lesion the point with the fewest false positives
    has no rival.
    """

    def worth(point: OperatingPoint) -> tuple[float, float, float]:
        found = point.recall * point.lesions if point.lesions else 0.0
        false = point.false_positives_per_case * point.cases
        f1 = ratio(2 * found, found + false + point.lesions)
        return float(np.nan_to_num(point.dice) + np.nan_to_num(f1)), -false, -abs(point.threshold - 0.5)

    return max(points, key=worth)


def pooled(results: Sequence[CaseResult], point: OperatingPoint | None = None) -> Scores:
    """Scores over cases: the mean of Dice, lesions pooled."""
    cohort = summarise(results)
    found, false = cohort.count(Outcome.FOUND), cohort.count(Outcome.FALSE_POSITIVE)
    groups = cohort.size_groups()
    return Scores(
        dice=cohort.measures["dice"].mean,
        object_dice=cohort.object_dice,
        recall=cohort.recall,
        small_recall=groups[0].recall if groups else float("nan"),
        precision=ratio(found, found + false),
        false_positives=cohort.false_positives_per_case,
        point=point,
        by_class=_by_class(results),
    )


def _by_class(results: Sequence[CaseResult]) -> tuple[float, ...]:
    """The Dice of each foreground class, in the order of their numbers; empty for one class."""
    labels = results[0].labels if results else {}
    if len(labels) < 2:
        return ()
    measures = summarise(results).measures
    return tuple(measures[f"dice[{name}]"].mean for name in sorted(labels, key=lambda name: labels[name]))
