"""Free-response ROC: the share of lesions found against false positives per image."""

from __future__ import annotations

import math
from collections.abc import Hashable, Sequence
from dataclasses import dataclass, field
from typing import Literal

import numpy as np

from lossseg.errors import InputError
from lossseg.evaluation.bootstrap import Bootstrap, draw, numbered, sample_size
from lossseg.evaluation.detections import ImageDetections

Mode = Literal["exact", "paper"]

RATES = (1 / 8, 1 / 4, 1 / 2, 1.0, 2.0, 4.0, 8.0)
"""False positives per image at which LUNA16 reads recall."""


@dataclass(frozen=True, eq=False)
class Froc:
    """A FROC curve. Build it with `froc`.

    Attributes:
        images: what it was made from.
        rates: false positives per image at which recall is averaged.
        mode: how it counts, see `froc`.
        fp_per_image: ascending, begins with 0.
        recall: at the same thresholds, in [0, 1]; NaN throughout when there is no lesion.
        thresholds: a detection counts from this score on; descending, begins with inf.
        patients: of each image; a bootstrap sample holds all images of a patient or none. None: each image by itself.
        merged: reference lesions that share a predicted component with another one: how much of the recall with
            `Credit.ALL` one component's touching several lesions may fake. None where unknown.
    """

    images: tuple[ImageDetections, ...]
    rates: tuple[float, ...]
    mode: Mode
    fp_per_image: np.ndarray
    recall: np.ndarray
    thresholds: np.ndarray
    patients: tuple[Hashable, ...] | None = field(default=None, repr=False)
    merged: int | None = None

    @property
    def curve(self) -> tuple[np.ndarray, np.ndarray]:
        """False positives per image and recall."""
        return self.fp_per_image, self.recall

    @property
    def average_recall(self) -> float:
        """Mean recall at `rates` (the LUNA16 score when they are 1/8 to 8); NaN without lesions."""
        return float(np.mean([self.recall_at(rate) for rate in self.rates]))

    def recall_at(self, rate: float) -> float:
        """Recall at `rate` false positives per image.

        Exact: the highest recall that some threshold reaches with at most that many. Paper: interpolated linearly.
        """
        return float(_read(self.fp_per_image, self.recall, np.array([rate]), self.mode)[0])

    def bootstrap(self, fraction: float = 0.8, n: int = 100, seed: int = 42, *, replacement: bool = False) -> Bootstrap:
        """Average recall and curve of `n` random samples of the patients (of the images where none are named).

        False positives are divided by the images in the sample, lesion-free ones included. The defaults are those of
        the inverse-weighting paper (Shirokikh et al., MICCAI 2020): 80 % of the patients, 100 times, each at most once.
        `fraction=1, replacement=True` is the usual bootstrap; see `Bootstrap` for what their spreads mean.

        Args:
            fraction: of the patients in a sample, in (0, 1], rounded down but at least one.
            n: samples.
            seed: of the random choice; the same seed gives the same samples.
            replacement: draw a patient more than once.

        Raises:
            InputError: another fraction, or no sample.
        """
        counted = _Counted(self.images, self.mode)
        if self.mode == "paper" and not replacement:
            weights = _shuffled(counted.images, fraction, n, seed)
        else:
            number, patients = numbered(range(counted.images) if self.patients is None else self.patients)
            weights = draw(patients, fraction, n, seed, replacement=replacement)[:, number]
        return self.resampled(weights)

    def resampled(self, weights: np.ndarray) -> Bootstrap:
        """The curve of samples in which image i counts `weights[sample, i]` times: (n, images).

        In paper mode images without lesions and detections do not count and have no column.
        """
        counted = _Counted(self.images, self.mode)
        grid = band_grid(self.rates)
        at = np.concatenate([self.rates, grid])
        rows = np.empty((len(weights), len(at)))
        for place, each in enumerate(weights):
            points, recall, _ = counted.curve(each)
            rows[place] = _read(points, recall, at, self.mode)
        recalls = rows[:, : len(self.rates)]
        return Bootstrap(recalls.mean(axis=1), recalls, grid, rows[:, len(self.rates) :])


def froc(
    images: Sequence[ImageDetections],
    rates: Sequence[float] = RATES,
    *,
    mode: Mode = "exact",
    patients: Sequence[Hashable] | None = None,
    merged: int | None = None,
) -> Froc:
    """The FROC curve over `images`, lesion-free ones included.

    `exact`: every distinct score is a threshold, a detection counts when its score is not below it, false positives
    are divided by the number of images given (in a bootstrap sample: of images sampled), and recall at a rate is the
    highest that is reached at or below it, as the step curve says. No point is interpolated or left out. Detections of
    equal score come in together: give logits where there are any, for probabilities of sure detections end at 1.0.

    `paper`: counts as the published table of the inverse-weighting paper does (Shirokikh et al., MICCAI 2020, Table 2,
    with n=50 bootstrap samples), for comparison with it only. Scores have to be logits: thresholds are 101 from -0.1 to
    10 and 100 from 10 to the highest score + 1; a false positive on a threshold does not count, a lesion does; (0, 0)
    is joined; recall is interpolated linearly. False positives are divided by the number of all images with at least
    one lesion or detection, also in a bootstrap sample that holds 80 % of them: about 0.025 too good on average.

    Args:
        images: one `ImageDetections` per image; in paper mode in the order of their names.
        rates: false positives per image for `average_recall`.
        mode: exact or paper.
        patients: of each image, for the bootstrap; in exact mode only.
        merged: reference lesions that share a predicted component with another one; shown beside the curve.

    Raises:
        InputError: unknown mode, no rates, a negative rate, or another number of patients than of images.
    """
    if mode not in ("exact", "paper"):
        raise InputError(f"There is no FROC mode {mode!r}.", "Choose exact or paper.")
    if not len(rates) or not all(rate >= 0 for rate in rates):
        raise InputError(f"{tuple(rates)} are no rates of false positives per image.", "Give numbers from 0 on.")
    if patients is not None and mode == "paper":
        raise InputError("The paper's way of counting samples images, not patients.", "Leave out the patients.")
    if patients is not None and len(patients) != len(images):
        raise InputError(f"There are {len(patients)} patients for {len(images)} images.", "Give one for each image.")
    counted = _Counted(images, mode)
    points, recall, thresholds = counted.curve(np.ones(counted.images))
    return Froc(
        images=tuple(images),
        rates=tuple(float(rate) for rate in rates),
        mode=mode,
        fp_per_image=points,
        recall=recall,
        thresholds=thresholds,
        patients=None if patients is None else tuple(patients),
        merged=merged,
    )


def band_grid(rates: Sequence[float], points: int = 121) -> np.ndarray:
    """False positives per image at which a confidence band is drawn: even on a logarithmic axis, from half of the
    lowest positive rate to twice the highest."""
    positive = [rate for rate in rates if rate > 0] or [1.0]
    return np.geomspace(min(positive) / 2, max(positive) * 2, points)


class _Counted:
    """The scores of many images as sorted arrays, so that a weighted set of them is counted without a loop."""

    def __init__(self, images: Sequence[ImageDetections], mode: Mode) -> None:
        if mode == "paper":
            images = [image for image in images if image.lesion_scores or image.false_positive_scores]
        self.mode = mode
        self.images = len(images)
        lesion, self._lesion_image = _sorted([image.lesion_scores for image in images])
        false, self._false_image = _sorted([image.false_positive_scores for image in images])
        self.thresholds = self._thresholds(lesion, false)
        self._lesions_below = np.searchsorted(lesion, self.thresholds, "left")
        self._false_below = np.searchsorted(false, self.thresholds, "right" if mode == "paper" else "left")

    def curve(self, weights: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """False positives per image, recall and thresholds when image i counts `weights[i]` times."""
        lesions, hits = _weight_from(weights[self._lesion_image], self._lesions_below)
        _, false = _weight_from(weights[self._false_image], self._false_below)
        images = self.images if self.mode == "paper" else weights.sum()
        start = 0.0 if lesions else math.nan
        recall = hits / lesions if lesions else np.full(len(hits), math.nan)
        points = false / images if images else np.zeros(len(false))
        return np.append(0.0, points), np.append(start, recall), np.append(math.inf, self.thresholds)

    def _thresholds(self, lesion: np.ndarray, false: np.ndarray) -> np.ndarray:
        scores = np.concatenate([lesion, false])
        scores = scores[scores > -math.inf]
        if self.mode == "exact":
            return np.unique(scores)[::-1]
        highest = scores.max(initial=10.0)
        return np.concatenate([np.linspace(-0.1, 10, 101), np.linspace(10, highest + 1, 100)])[::-1]


def _sorted(scores: Sequence[Sequence[float]]) -> tuple[np.ndarray, np.ndarray]:
    """All scores in ascending order, and the image of each."""
    values = np.array([score for image in scores for score in image], float)
    image = np.repeat(np.arange(len(scores)), [len(image) for image in scores])
    order = np.argsort(values, kind="stable")
    return values[order], image[order]


def _weight_from(weights: np.ndarray, below: np.ndarray) -> tuple[float, np.ndarray]:
    """The weight of all scores, and for each threshold the weight of those that are not below it."""
    running = np.append(0.0, np.cumsum(weights))
    return float(running[-1]), running[-1] - running[below]


def _read(fp_per_image: np.ndarray, recall: np.ndarray, rate: np.ndarray, mode: Mode) -> np.ndarray:
    if mode == "paper":
        return np.asarray(np.interp(rate, fp_per_image, recall))
    # The allowance keeps a rate such as 1/10 that the division missed by one bit.
    return np.asarray(recall[np.searchsorted(fp_per_image, rate * (1 + 1e-12), "right") - 1])


def _shuffled(images: int, fraction: float, n: int, seed: int) -> np.ndarray:
    """(n, images) samples of the published table: one and the same list is shuffled again and again."""
    size = sample_size(images, fraction, n)
    generator, order = np.random.RandomState(seed), np.arange(images)
    weights = np.zeros((n, images))
    for row in weights:
        generator.shuffle(order)
        row[order[:size]] = 1.0
    return weights
