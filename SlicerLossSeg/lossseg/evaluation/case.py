"""One case: reference against prediction, lesion by lesion."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace

import numpy as np

from lossseg.components import group
from lossseg.errors import InputError
from lossseg.evaluation.detections import ImageDetections
from lossseg.evaluation.inputs import (
    checked_labels,
    checked_probability,
    checked_space,
    checked_volume,
    voxels_by_class,
)
from lossseg.evaluation.lesions import Lesion, Outcome, confidences, describe
from lossseg.evaluation.matching import Credit, match
from lossseg.evaluation.measures import class_measures, combine


@dataclass(frozen=True)
class CaseResult:
    """What was found, missed and invented in one case. It holds no arrays.

    Attributes:
        lesions: reference lesions (found, missed) in the order of their first voxel, class by class, then false
            positives likewise; or all predicted components (unmatched) when there was no reference.
        measures: name to value, NaN where undefined; see `measures.MEASURES` for each definition.
        name: of the case.
        labels: the classes that were evaluated, name to value.
    """

    lesions: tuple[Lesion, ...]
    measures: dict[str, float]
    name: str = ""
    labels: dict[str, int] = field(default_factory=dict)

    def of(self, *outcomes: Outcome) -> tuple[Lesion, ...]:
        """The lesions with one of these outcomes."""
        return tuple(lesion for lesion in self.lesions if lesion.outcome in outcomes)

    @property
    def detections(self) -> ImageDetections:
        """The case for a FROC curve: the highest probability of each component, -inf for a missed lesion.

        Raises:
            InputError: evaluated without probabilities, or without a reference.
        """
        scores = {
            outcome: [-math.inf if outcome is Outcome.MISSED else lesion.confidence_max for lesion in self.of(outcome)]
            for outcome in Outcome
        }
        if scores[Outcome.UNMATCHED]:
            raise InputError(f"Case {self.name} has no reference to count detections by.", "Evaluate it with one.")
        return ImageDetections(scores[Outcome.FOUND] + scores[Outcome.MISSED], scores[Outcome.FALSE_POSITIVE])


def evaluate_case(
    reference: np.ndarray | None,
    prediction: np.ndarray,
    spacing: Sequence[float],
    probability: np.ndarray | None = None,
    *,
    affine: np.ndarray | None = None,
    labels: Mapping[str, int] | None = None,
    connectivity: int = 26,
    credit: Credit | str = Credit.ALL,
    name: str = "",
) -> CaseResult:
    """Compare a predicted label volume with its reference, lesion by lesion.

    A lesion is a connected component of one class; a class is compared with the same class only. A reference lesion is
    found when a predicted component overlaps it by one voxel or more, and is matched to the one of highest Dice; a
    predicted component is a false positive when it overlaps no reference lesion at all (Shirokikh et al., MICCAI 2020).

    Args:
        reference: (z, y, x) bool or whole numbers, 0 is background; None when there is none.
        prediction: (z, y, x), as `reference`.
        spacing: (z, y, x) mm.
        probability: (z, y, x) in [0, 1], of any foreground; without it the confidence of lesions is NaN.
        affine: (4, 4), maps the voxel index (x, y, z, 1) to RAS mm; default is origin 0, identity direction in LPS.
        labels: the classes, name to value (0 is left out); default is every value that occurs, named by itself.
        connectivity: of lesions: 6, 18 or 26.
        credit: how many lesions one predicted component may find, see `matching.Credit`.
        name: of the case.

    Returns:
        Lesions and measures. Undefined measures are NaN: Dice when both are empty, recall without reference lesions.
        With several classes ratios are means over the classes, counts are sums, and `dice[name]` is the class's own.

    Raises:
        InputError (a ValueError): shapes that differ, not three axes, values that are no labels, probability outside
            [0, 1], spacing that is not positive or does not fit the affine.
    """
    space = checked_space(spacing, affine)
    prediction = checked_volume(prediction, "Prediction")
    predicted = voxels_by_class(prediction, "Prediction")
    referenced: dict[int, np.ndarray] = {}
    if reference is not None:
        referenced = voxels_by_class(checked_volume(reference, "Reference", prediction), "Reference")
    if probability is not None:
        probability = checked_probability(probability, prediction)
    chosen = checked_labels(labels, predicted, referenced)

    nothing = np.zeros(0, np.int64)
    in_reference: list[Lesion] = []
    in_prediction: list[Lesion] = []
    measures: dict[str, dict[str, float]] = {}
    for class_name, value in chosen.items():
        found = group(predicted.get(value, nothing), prediction.shape, connectivity)
        confidence = confidences(found, probability)
        if reference is None:
            overlap = np.full(found.count, math.nan)
            in_prediction += describe(found, [Outcome.UNMATCHED] * found.count, confidence, overlap, space, value)
            measures[class_name] = class_measures(None, found, None, space.voxel_volume)
            continue
        truth = group(referenced.get(value, nothing), prediction.shape, connectivity)
        matching = match(truth, found, Credit(credit))
        outcomes = [Outcome.FOUND if hit else Outcome.MISSED for hit in matching.found]
        # Row 0 stands for "missed" and has no confidence.
        of_match = np.vstack(([math.nan, math.nan], confidence))[matching.component]
        in_reference += describe(truth, outcomes, of_match, matching.dice, space, value)
        false = found.subset(matching.false_positive)
        outcomes = [Outcome.FALSE_POSITIVE] * false.count
        of_false = confidence[matching.false_positive]
        in_prediction += describe(false, outcomes, of_false, np.zeros(false.count), space, value)
        measures[class_name] = class_measures(truth, found, matching, space.voxel_volume)
    rows = enumerate(in_reference + in_prediction, start=1)
    return CaseResult(tuple(replace(row, number=number) for number, row in rows), combine(measures), name, chosen)
