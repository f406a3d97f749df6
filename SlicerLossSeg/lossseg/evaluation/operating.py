"""Recall, false positives and Dice over a grid of thresholds: how an operating point is chosen."""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from itertools import product

import numpy as np

from lossseg.components import Components, find, foreground, group
from lossseg.errors import InputError
from lossseg.evaluation.inputs import checked_volume
from lossseg.evaluation.matching import Credit, match
from lossseg.evaluation.measures import mean, ratio


@dataclass(frozen=True)
class OperatingPoint:
    """What a threshold and a smallest component size give over a set of cases.

    Attributes:
        threshold: a voxel is predicted when its probability is above.
        min_voxels: smaller predicted components are dropped.
        min_confidence: predicted components whose highest probability is lower are dropped.
        cases: how many.
        lesions: reference lesions in all of them.
        recall: found lesions / lesions, pooled over the cases; NaN without lesions.
        false_positives_per_case: over all cases, lesion-free ones included.
        dice: mean over the `dice_cases` in which it is defined.
        dice_cases: cases with a reference or a prediction.
        object_dice: mean Dice of the found lesions, pooled over the cases; NaN when none was found.
    """

    threshold: float
    min_voxels: int
    min_confidence: float
    cases: int
    lesions: int
    recall: float
    false_positives_per_case: float
    dice: float
    dice_cases: int
    object_dice: float


def operating_points(
    cases: Iterable[tuple[np.ndarray, np.ndarray]],
    thresholds: Sequence[float],
    min_voxels: int | Sequence[int] = 11,
    min_confidence: float | Sequence[float] = 0.0,
    *,
    connectivity: int = 26,
    credit: Credit | str = Credit.ALL,
) -> tuple[OperatingPoint, ...]:
    """Evaluate every threshold with every smallest size and lowest confidence on every case.

    Args:
        cases: reference (z, y, x), every value but 0 is lesion, and probability (z, y, x) of each case. Taken one at a
            time, so a generator that reads files keeps one case in memory.
        thresholds: in [0, 1) for probabilities.
        min_voxels: one or several.
        min_confidence: one or several.
        connectivity: 6, 18 or 26.
        credit: how many lesions one predicted component may find.

    Returns:
        One point per threshold, size and confidence, each ascending, the last varying fastest.

    Raises:
        InputError: no thresholds, or a case whose arrays differ in shape or are not 3D.
    """
    levels = sorted(set(thresholds))
    if not levels:
        raise InputError("There are no thresholds to evaluate.", "Give at least one, such as 0.5.")
    smallest = sorted({min_voxels} if isinstance(min_voxels, int) else set(min_voxels))
    sure = sorted({min_confidence} if isinstance(min_confidence, int | float) else set(min_confidence))
    tallies = {choice: _Tally() for choice in product(levels, smallest, sure)}
    for reference, probability in cases:
        probability = checked_volume(probability, "Probability")
        truth = find(checked_volume(reference, "Reference", probability), connectivity)
        voxels = foreground(probability > levels[0])
        values = probability.reshape(-1)[voxels]
        for level in levels:
            above = values > level
            voxels, values = voxels[above], values[above]
            found = group(voxels, probability.shape, connectivity)
            highest = found.highest(values)
            for size, confidence in product(smallest, sure):
                kept = found.subset((found.sizes >= size) & (highest >= confidence))
                tallies[level, size, confidence].add(truth, kept, Credit(credit))
    return tuple(tally.point(*choice) for choice, tally in tallies.items())


def best_point(points: Iterable[OperatingPoint], false_positives_per_case: float) -> OperatingPoint | None:
    """The point of highest recall with at most that many false positives per case; of equals that of highest Dice.

    None when no point has so few. An undefined recall or Dice counts as the lowest.
    """
    allowed = [point for point in points if point.false_positives_per_case <= false_positives_per_case]
    return max(allowed, key=lambda point: (_or_lowest(point.recall), _or_lowest(point.dice)), default=None)


@dataclass
class _Tally:
    lesions: int = 0
    found: int = 0
    false_positives: int = 0
    dice: list[float] = field(default_factory=list)
    object_dice: float = 0.0

    def add(self, truth: Components, found: Components, credit: Credit) -> None:
        matching = match(truth, found, credit)
        self.lesions += truth.count
        self.found += int(matching.found.sum())
        self.false_positives += int(matching.false_positive.sum())
        self.dice.append(ratio(2 * int(matching.pair_voxels.sum()), len(truth.voxels) + len(found.voxels)))
        self.object_dice += float(matching.dice.sum())

    def point(self, threshold: float, min_voxels: int, min_confidence: float) -> OperatingPoint:
        dice, _, dice_cases = mean(self.dice)
        return OperatingPoint(
            threshold=threshold,
            min_voxels=min_voxels,
            min_confidence=min_confidence,
            cases=len(self.dice),
            lesions=self.lesions,
            recall=ratio(self.found, self.lesions),
            false_positives_per_case=ratio(self.false_positives, len(self.dice)),
            dice=dice,
            dice_cases=dice_cases,
            object_dice=ratio(self.object_dice, self.found),
        )


def _or_lowest(value: float) -> float:
    return -math.inf if math.isnan(value) else value
