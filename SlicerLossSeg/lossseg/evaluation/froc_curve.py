"""Free-response ROC: the share of lesions found against false positives per image."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np

from lossseg.errors import InputError
from lossseg.evaluation.detections import ImageDetections

Mode = Literal["exact", "paper"]

RATES = (1 / 8, 1 / 4, 1 / 2, 1.0, 2.0, 4.0, 8.0)
"""False positives per image at which LUNA16 reads recall."""


@dataclass(frozen=True, eq=False)
class Bootstrap:
    """Average recall over resampled sets of images.

    Attributes:
        samples: (n,) average recall of each sample; NaN for a sample without any lesion.
        recall: (n, rates) recall of each sample at each rate.
    """

    samples: np.ndarray
    recall: np.ndarray

    @property
    def mean(self) -> float:
        """Over the samples with lesions; NaN when none has any."""
        return _over_defined(self.samples, np.mean)

    @property
    def std(self) -> float:
        """Standard deviation (of the population) over the samples with lesions."""
        return _over_defined(self.samples, np.std)

    def interval(self, level: float = 0.95) -> tuple[float, float]:
        """The quantiles that hold the middle `level` of the samples."""
        low, high = 0.5 - level / 2, 0.5 + level / 2
        return (
            _over_defined(self.samples, lambda values: np.quantile(values, low)),
            _over_defined(self.samples, lambda values: np.quantile(values, high)),
        )


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
    """

    images: tuple[ImageDetections, ...]
    rates: tuple[float, ...]
    mode: Mode
    fp_per_image: np.ndarray
    recall: np.ndarray
    thresholds: np.ndarray

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
        return _read(self.fp_per_image, self.recall, rate, self.mode)

    def bootstrap(self, fraction: float = 0.8, n: int = 100, seed: int = 42, *, replacement: bool = False) -> Bootstrap:
        """Average recall of `n` random samples of the images, as the inverse-weighting paper gives its spread.

        Args:
            fraction: of the images in a sample, in (0, 1], rounded down but at least one image.
            n: samples.
            seed: of the random choice; the same seed gives the same samples.
            replacement: draw an image more than once: with `fraction=1` the usual bootstrap.
        """
        if not 0 < fraction <= 1:
            raise InputError(f"The bootstrap fraction {fraction} is not in (0, 1].", "Give a share such as 0.8.")
        counted = _Counted(self.images, self.mode)
        size = max(1, int(counted.images * fraction)) if counted.images else 0
        rows = []
        for weights in _samples(counted.images, size, n, seed, replacement, self.mode):
            points, recall, _ = counted.curve(weights)
            rows.append([_read(points, recall, rate, self.mode) for rate in self.rates])
        recalls = np.array(rows, float).reshape(n, len(self.rates))
        return Bootstrap(recalls.mean(axis=1), recalls)


def froc(images: Sequence[ImageDetections], rates: Sequence[float] = RATES, *, mode: Mode = "exact") -> Froc:
    """The FROC curve over `images`, lesion-free ones included.

    `exact`: every distinct score is a threshold, a detection counts when its score is not below it, false positives
    are divided by the number of images given (in a bootstrap sample: of images sampled), and recall at a rate is the
    highest that is reached at or below it, as the step curve says. No point is interpolated or left out.

    `paper`: counts as the published table of the inverse-weighting paper does (Shirokikh et al., MICCAI 2020, Table 2,
    with n=50 bootstrap samples), for comparison with it only. Scores have to be logits: thresholds are 101 from -0.1 to
    10 and 100 from 10 to the highest score + 1; a false positive on a threshold does not count, a lesion does; (0, 0)
    is joined; recall is interpolated linearly. False positives are divided by the number of all images with at least
    one lesion or detection, also in a bootstrap sample that holds 80 % of them: about 0.025 too good on average.

    Args:
        images: one `ImageDetections` per image.
        rates: false positives per image for `average_recall`.
        mode: exact or paper.

    Raises:
        InputError: unknown mode, no rates, or a negative rate.
    """
    if mode not in ("exact", "paper"):
        raise InputError(f"There is no FROC mode {mode!r}.", "Choose exact or paper.")
    if not len(rates) or not all(rate >= 0 for rate in rates):
        raise InputError(f"{tuple(rates)} are no rates of false positives per image.", "Give numbers from 0 on.")
    counted = _Counted(images, mode)
    points, recall, thresholds = counted.curve(np.ones(counted.images))
    return Froc(tuple(images), tuple(float(rate) for rate in rates), mode, points, recall, thresholds)


class _Counted:
    """The scores of many images as flat arrays, so that a weighted set of them is counted without a loop."""

    def __init__(self, images: Sequence[ImageDetections], mode: Mode) -> None:
        if mode == "paper":
            images = [image for image in images if image.lesion_scores or image.false_positive_scores]
        self.mode = mode
        self.images = len(images)
        self.lesion, self.lesion_image = _flat([image.lesion_scores for image in images])
        self.false, self.false_image = _flat([image.false_positive_scores for image in images])
        self.thresholds = self._thresholds()

    def curve(self, weights: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """False positives per image, recall and thresholds when image i counts `weights[i]` times."""
        lesion_weights, false_weights = weights[self.lesion_image], weights[self.false_image]
        hits = _weight_from(self.lesion, lesion_weights, self.thresholds, "left")
        false = _weight_from(self.false, false_weights, self.thresholds, "right" if self.mode == "paper" else "left")
        images = self.images if self.mode == "paper" else weights.sum()
        lesions = lesion_weights.sum()
        start = 0.0 if lesions else math.nan
        recall = hits / lesions if lesions else np.full(len(hits), math.nan)
        points = false / images if images else np.zeros(len(false))
        return np.append(0.0, points), np.append(start, recall), np.append(math.inf, self.thresholds)

    def _thresholds(self) -> np.ndarray:
        scores = np.concatenate([self.lesion, self.false])
        scores = scores[scores > -math.inf]
        if self.mode == "exact":
            return np.unique(scores)[::-1]
        highest = scores.max(initial=10.0)
        return np.concatenate([np.linspace(-0.1, 10, 101), np.linspace(10, highest + 1, 100)])[::-1]


def _flat(scores: Sequence[Sequence[float]]) -> tuple[np.ndarray, np.ndarray]:
    values = np.array([score for image in scores for score in image], float)
    return values, np.repeat(np.arange(len(scores)), [len(image) for image in scores])


def _weight_from(
    scores: np.ndarray, weights: np.ndarray, thresholds: np.ndarray, side: Literal["left", "right"]
) -> np.ndarray:
    """For each threshold the weight of the scores from it on ("left") or above it ("right")."""
    order = np.argsort(scores)
    below = np.append(0.0, np.cumsum(weights[order]))
    return below[-1] - below[np.searchsorted(scores[order], thresholds, side)]


def _read(fp_per_image: np.ndarray, recall: np.ndarray, rate: float, mode: Mode) -> float:
    if mode == "paper":
        return float(np.interp(rate, fp_per_image, recall))
    # The allowance keeps a rate such as 1/10 that the division missed by one bit.
    return float(recall[np.searchsorted(fp_per_image, rate * (1 + 1e-12), "right") - 1])


def _samples(images: int, size: int, n: int, seed: int, replacement: bool, mode: Mode) -> list[np.ndarray]:
    """How often each image is in each sample."""
    if mode == "paper" and not replacement:
        # The published numbers come from shuffling one and the same list again and again with this generator.
        generator, order = np.random.RandomState(seed), np.arange(images)
        chosen = []
        for _ in range(n):
            generator.shuffle(order)
            chosen.append(order[:size].copy())
    else:
        random = np.random.default_rng(seed)
        chosen = [random.choice(images, size, replace=replacement) if images else np.zeros(0, int) for _ in range(n)]
    return [np.bincount(each, minlength=images).astype(float) for each in chosen]


def _over_defined(values: np.ndarray, summary: Callable[[np.ndarray], np.floating]) -> float:
    defined = values[~np.isnan(values)]
    return float(summary(defined)) if len(defined) else math.nan
