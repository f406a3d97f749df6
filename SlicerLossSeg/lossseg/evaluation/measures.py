"""What is measured in a case: how each number is defined, and when it is undefined."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

from lossseg.components import Components
from lossseg.evaluation.matching import Matching


@dataclass(frozen=True)
class Measure:
    """What a person needs to read a measure.

    Attributes:
        key: its name in `CaseResult.measures`.
        title: its name in a table.
        unit: empty for a ratio in [0, 1].
        decimals: worth showing.
        counted: a count or an amount: classes are added up; the others are averaged over the classes.
        definition: one sentence, with the value in edge cases.
    """

    key: str
    title: str
    unit: str
    decimals: int
    counted: bool
    definition: str


def _ratio(key: str, title: str, definition: str) -> Measure:
    return Measure(key, title, "", 3, False, definition)


MEASURES: dict[str, Measure] = {
    measure.key: measure
    for measure in (
        _ratio(
            "dice",
            "Dice",
            "2 |A ∩ B| / (|A| + |B|) over voxels. Undefined when both are empty; 0 when one is.",
        ),
        _ratio(
            "recall",
            "Lesion recall",
            "Reference lesions that were found, divided by all of them. Undefined without reference lesions.",
        ),
        _ratio(
            "precision",
            "Lesion precision",
            "Predicted components that overlap a reference lesion, divided by all of them. Undefined without any.",
        ),
        _ratio(
            "f1",
            "Lesion F1",
            "Harmonic mean of lesion recall and precision. Undefined when both are empty; 0 when one is.",
        ),
        Measure(
            "false_positives",
            "False positives",
            "components",
            0,
            True,
            "Predicted components without a single voxel in common with any reference lesion.",
        ),
        _ratio(
            "object_dice",
            "Object Dice",
            "Mean Dice of the found lesions, each with its matched predicted component. Undefined when none was found.",
        ),
        Measure("reference_lesions", "Reference lesions", "lesions", 0, True, "Components of the reference."),
        Measure("predicted_lesions", "Predicted lesions", "components", 0, True, "Components of the prediction."),
        Measure("volume_ml_reference", "Reference volume", "ml", 3, True, "Volume of all reference lesions."),
        Measure("volume_ml_prediction", "Predicted volume", "ml", 3, True, "Volume of all predicted components."),
    )
}


def class_measures(
    reference: Components | None, prediction: Components, matching: Matching | None, voxel_volume: float
) -> dict[str, float]:
    """The measures of one class in one case, by the definitions in `MEASURES`.

    Args:
        reference: None when there is no reference: all that needs one is NaN.
        prediction: the predicted components.
        matching: of the two, None without a reference.
        voxel_volume: mm3.
    """
    predicted = len(prediction.voxels)
    measures = dict.fromkeys(MEASURES, math.nan)
    measures["predicted_lesions"] = float(prediction.count)
    measures["volume_ml_prediction"] = predicted * voxel_volume / 1000
    if reference is None or matching is None:
        return measures
    found, false = int(matching.found.sum()), int(matching.false_positive.sum())
    recall = ratio(found, reference.count)
    precision = ratio(prediction.count - false, prediction.count)
    measures.update(
        dice=ratio(2 * int(matching.pair_voxels.sum()), len(reference.voxels) + predicted),
        recall=recall,
        precision=precision,
        f1=_f1(recall, precision),
        false_positives=float(false),
        object_dice=ratio(float(matching.dice.sum()), found),
        reference_lesions=float(reference.count),
        volume_ml_reference=len(reference.voxels) * voxel_volume / 1000,
    )
    return measures


def combine(classes: Mapping[str, Mapping[str, float]]) -> dict[str, float]:
    """The measures of a case from those of its classes.

    Ratios are averaged over the classes in which they are defined, counts and amounts are added up. With more than one
    class each class's own value follows as `dice[name]`, `recall[name]`, ...
    """
    measures = {}
    for key, measure in MEASURES.items():
        values = [one[key] for one in classes.values()]
        defined = [value for value in values if not math.isnan(value)]
        measures[key] = math.nan if not defined else sum(defined) if measure.counted else sum(defined) / len(defined)
    if len(classes) > 1:
        for name, one in classes.items():
            measures.update({f"{key}[{name}]": one[key] for key in MEASURES})
    return measures


def ratio(part: float, whole: float) -> float:
    """part / whole, NaN when there is nothing to divide by."""
    return part / whole if whole else math.nan


def mean(values: np.ndarray | list[float]) -> tuple[float, float, int]:
    """Mean and standard deviation (of the population) of the values that are not NaN, and how many those are."""
    defined = np.asarray(values, float)
    defined = defined[~np.isnan(defined)]
    return (float(defined.mean()), float(defined.std()), len(defined)) if len(defined) else (math.nan, math.nan, 0)


def _f1(recall: float, precision: float) -> float:
    if math.isnan(recall) and math.isnan(precision):
        return math.nan
    if math.isnan(recall) or math.isnan(precision) or recall + precision == 0:
        return 0.0
    return 2 * recall * precision / (recall + precision)
