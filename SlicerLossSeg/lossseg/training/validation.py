"""Segment the validation cases with a network in training and judge them by voxel and by lesion."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
import torch
from torch import nn

from lossseg.components import remove_small
from lossseg.evaluation import CaseResult, Outcome, evaluate_case, summarise
from lossseg.evaluation.measures import ratio
from lossseg.inference.backend import TorchBackend
from lossseg.inference.sliding_window import Windows, foreground_probabilities, place_windows, sliding_logits
from lossseg.preprocessing import CachedCase, Plan

_OVERLAP = 0.5
_WINDOWS_AT_ONCE = 2
_SMALLEST = 11


@dataclass(frozen=True)
class Scores:
    """Measures over the validation cases, on the plan's grid, after removal of components under 11 voxels.

    Attributes:
        dice, object_dice, recall, small_recall, precision: in [0, 1], NaN where undefined. Recall and precision pool
            the lesions of all cases; `small_recall` is over the smallest third of the reference lesions; Dice is the
            mean over cases.
        false_positives: per case.
    """

    dice: float
    object_dice: float
    recall: float
    small_recall: float
    precision: float
    false_positives: float

    @property
    def selection(self) -> float:
        """What the best weights are chosen by: Dice; without any reference foreground, few false positives."""
        return self.dice if np.isfinite(self.dice) else -self.false_positives

    def named(self) -> dict[str, float]:
        return {
            "dice": self.dice,
            "object_dice": self.object_dice,
            "recall": self.recall,
            "small_recall": self.small_recall,
            "precision": self.precision,
            "false_positives": self.false_positives,
        }


class Validator:
    """Segments cached cases with a network, as prediction does, without going back to each case's own grid."""

    def __init__(
        self, cases: Sequence[CachedCase], plan: Plan, device: torch.device, autocast: torch.dtype | None
    ) -> None:
        self._cases, self._plan, self._device, self._autocast = list(cases), plan, device, autocast
        self.windows = sum(len(self._windows(case).corners()) for case in self._cases)

    def __len__(self) -> int:
        return len(self._cases)

    def scores(self, network: nn.Module, after_windows: Callable[[int], None] = lambda count: None) -> Scores:
        """Segment every case and pool the results; `after_windows` is told of progress and may raise to stop."""
        backend = TorchBackend(network.eval(), self._device, self._autocast)
        return pooled([self._result(case, backend, after_windows) for case in self._cases])

    def seconds_per_round(self, network: nn.Module, clock: Callable[[], float] = time.perf_counter) -> float:
        """What one call of `scores` will take, in seconds, measured on a few windows."""
        backend = TorchBackend(network.eval(), self._device, self._autocast)
        shape = (_WINDOWS_AT_ONCE, self._plan.inputs, *self._plan.patch)
        backend.run(torch.zeros(shape))
        started = clock()
        backend.run(torch.zeros(shape))
        if self._device.type == "cuda":
            torch.cuda.synchronize(self._device)
        # A fifth on top for blending and for labelling the lesions.
        return 1.2 * (clock() - started) * self.windows / _WINDOWS_AT_ONCE

    def _result(self, case: CachedCase, backend: TorchBackend, after_windows: Callable[[int], None]) -> CaseResult:
        image = torch.from_numpy(np.array(case.image())).to(self._device)
        with torch.inference_mode():
            logits = sliding_logits(
                image,
                backend.run,
                self._windows(case),
                batch=_WINDOWS_AT_ONCE,
                padding=case.padding,
                after_windows=after_windows,
            )
            foreground = foreground_probabilities(logits).cpu().numpy()
        background = 1 - foreground.sum(0)
        label = np.where(foreground.max(0) > background, foreground.argmax(0) + 1, 0).astype(np.uint8)
        for value in range(1, self._plan.classes):
            mask = label == value
            label[mask & ~remove_small(mask, _SMALLEST)] = 0
        return evaluate_case(np.asarray(case.label()), label, self._plan.spacing, labels=self._plan.labels, name=case.name)

    def _windows(self, case: CachedCase) -> Windows:
        return place_windows(case.image().shape[1:], self._plan.patch, _OVERLAP)


def pooled(results: Sequence[CaseResult]) -> Scores:
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
    )
