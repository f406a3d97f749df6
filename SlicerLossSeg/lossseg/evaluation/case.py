"""One case: reference against prediction, lesion by lesion."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace

import numpy as np

from lossseg.components import Components, group
from lossseg.errors import InputError
from lossseg.evaluation.criteria import Credit, Matching
from lossseg.evaluation.detections import ImageDetections
from lossseg.evaluation.ignoring import outside
from lossseg.evaluation.inputs import (
    checked_labels,
    checked_probability,
    checked_space,
    checked_volume,
    voxels_by_class,
)
from lossseg.evaluation.lesions import Lesion, Outcome, Relation, Space, confidences, describe
from lossseg.evaluation.listed import ListedProbability
from lossseg.evaluation.matching import Matches, match
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
    probability: np.ndarray | ListedProbability | None = None,
    *,
    affine: np.ndarray | None = None,
    labels: Mapping[str, int] | None = None,
    connectivity: int = 26,
    matching: Matching | str | None = None,
    credit: Credit | str | None = None,
    ignore_label: int | None = None,
    surface: bool = True,
    tolerance_mm: float = 1.0,
    name: str = "",
) -> CaseResult:
    """Compare a predicted label volume with its reference, lesion by lesion.

    A lesion is a connected component of one class; a class is compared with the same class only. Unless `matching` says
    otherwise a reference lesion is found when a predicted component overlaps it by one voxel or more, and is matched to
    the one of highest Dice; a predicted component is a false positive when it overlaps no reference lesion at all
    (Shirokikh et al., MICCAI 2020).

    Args:
        reference: (z, y, x) bool or whole numbers, 0 is background; None when there is none.
        prediction: (z, y, x), as `reference`.
        spacing: (z, y, x) mm.
        probability: (z, y, x) in [0, 1], of any foreground, or a list of it at the prediction's foreground; without it
            the confidence of lesions is NaN.
        affine: (4, 4), maps the voxel index (x, y, z, 1) to RAS mm; default is origin 0, identity direction in LPS.
        labels: the classes, name to value (0 is left out); default is every value that occurs, named by itself.
        connectivity: of lesions: 6, 18 or 26.
        matching: how lesions are matched, or the name of one of `criteria.MATCHINGS`; default is any overlap.
        credit: how many lesions one predicted component may find, in place of what `matching` says.
        ignore_label: value of the reference that marks regions to ignore (2 in the ADAM challenge). Their voxels are
            background in both volumes, and a predicted component that lay in them for the greater part is no false
            positive by what is left of it, see `criteria.Matching.ignored_share`. In the prediction this value is
            background.
        surface: measure the distances between surfaces too. Noise-like predictions with a million boundary voxels take
            seconds for it.
        tolerance_mm: within which surfaces agree for the surface Dice.
        name: of the case.

    Returns:
        Lesions and measures. Undefined measures are NaN: Dice when both are empty, recall without reference lesions.
        With several classes ratios and distances are means over the classes in which they are defined, counts are
        sums, and `dice[name]` is the class's own.

    Raises:
        InputError (a ValueError): shapes that differ, not three axes, values that are no labels, probability outside
            [0, 1], spacing that is not positive or does not fit the affine, a negative tolerance, a matching that there
            is not.
    """
    space = checked_space(spacing, affine)
    how = _checked_matching(matching, credit)
    if not tolerance_mm >= 0:
        raise InputError(f"The tolerance {tolerance_mm} mm is negative.", "Give a number of mm.")
    prediction = checked_volume(prediction, "Prediction")
    predicted = voxels_by_class(prediction, "Prediction")
    referenced: dict[int, np.ndarray] = {}
    if reference is not None:
        referenced = voxels_by_class(checked_volume(reference, "Reference", prediction), "Reference")
    if probability is not None:
        probability = checked_probability(probability, prediction)
    nothing = np.zeros(0, np.int64)
    ignored = nothing
    if ignore_label is not None:
        ignored = referenced.pop(ignore_label, nothing)
        predicted.pop(ignore_label, None)
    chosen = checked_labels(labels, predicted, referenced, ignore_label=ignore_label)

    in_reference: list[Lesion] = []
    in_prediction: list[Lesion] = []
    measures: dict[str, dict[str, float]] = {}
    for class_name, value in chosen.items():
        found, dismissible = outside(
            predicted.get(value, nothing), ignored, prediction.shape, connectivity, how.ignored_share
        )
        confidence = confidences(found, probability)
        truth, matches = None, None
        if reference is None:
            overlap = np.full(found.count, math.nan)
            in_prediction += describe(found, [Outcome.UNMATCHED] * found.count, confidence, overlap, space, value)
        else:
            truth = group(referenced.get(value, nothing), prediction.shape, connectivity)
            matches = match(truth, found, how, space.spacing, dismissible)
            in_reference += _reference_rows(truth, matches, confidence, space, value, len(in_reference))
            in_prediction += _false_rows(found, matches, confidence, space, value)
        measures[class_name] = class_measures(
            truth, found, matches, space.spacing, surface=surface, tolerance_mm=tolerance_mm
        )
    rows = enumerate(in_reference + in_prediction, start=1)
    return CaseResult(tuple(replace(row, number=number) for number, row in rows), combine(measures), name, chosen)


def _checked_matching(matching: Matching | str | None, credit: Credit | str | None) -> Matching:
    how = matching if isinstance(matching, Matching) else Matching.named(matching or "overlap")
    return how if credit is None else replace(how, credit=Credit(credit))


def _reference_rows(
    truth: Components, matches: Matches, confidence: np.ndarray, space: Space, label: int, before: int
) -> list[Lesion]:
    """Found and missed lesions; `before` of them have numbers already."""
    outcomes = [Outcome.FOUND if hit else Outcome.MISSED for hit in matches.found]
    # Row 0 stands for "missed" and has no confidence.
    of_match = np.vstack((np.full((1, 3), math.nan), confidence))[matches.component]
    rows = describe(truth, outcomes, of_match, matches.dice, space, label)
    return [
        replace(
            row,
            relation=Relation.of(bool(others), parts > 1),
            parts=int(parts),
            merged_with=tuple(before + number for number in others),
        )
        for row, parts, others in zip(rows, matches.parts, matches.merged_with(), strict=True)
    ]


def _false_rows(found: Components, matches: Matches, confidence: np.ndarray, space: Space, label: int) -> list[Lesion]:
    false = found.subset(matches.false_positive)
    outcomes = [Outcome.FALSE_POSITIVE] * false.count
    return describe(false, outcomes, confidence[matches.false_positive], np.zeros(false.count), space, label)
