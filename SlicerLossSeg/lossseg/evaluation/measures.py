"""What is measured in a case: how each number is defined, and when it is undefined."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, fields

import numpy as np

from lossseg.components import Components
from lossseg.evaluation.lesionwise import lesionwise_dice
from lossseg.evaluation.matching import Matches
from lossseg.evaluation.panoptic import panoptic_quality
from lossseg.evaluation.surface import Surface, SurfaceMeasures, surface_measures


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


def _distance(key: str, title: str, definition: str) -> Measure:
    return Measure(key, title, "mm", 2, False, definition)


def _count(key: str, title: str, unit: str, definition: str) -> Measure:
    return Measure(key, title, unit, 0, True, definition)


MEASURES: dict[str, Measure] = {
    measure.key: measure
    for measure in (
        _ratio(
            "dice",
            "Dice",
            "2 |A ∩ B| / (|A| + |B|) over voxels. Undefined when both are empty; 0 when one is.",
        ),
        _ratio(
            "volumetric_similarity",
            "Volumetric similarity",
            "1 − ||A| − |B|| / (|A| + |B|), whether they overlap or not. Undefined when both are empty; 0 when one is.",
        ),
        _distance(
            "hd95",
            "HD95",
            "The greater of the 95th percentiles of the distances from the boundary voxels of either mask to those of "
            "the other; voxels with background across a face are boundary. Undefined when one is empty.",
        ),
        _distance(
            "hd95_adam",
            "HD95 (ADAM)",
            "As HD95, but with the boundary of the ADAM challenge: voxels with background across a face or an edge. "
            "Undefined when one is empty.",
        ),
        _distance(
            "assd",
            "Mean surface distance",
            "Average symmetric surface distance: mean of the distances from all boundary voxels of both masks to the "
            "boundary of the other. Undefined when one is empty.",
        ),
        _ratio(
            "surface_dice",
            "Surface Dice",
            "Share of the boundary voxels of both masks within the tolerance of the other's boundary. Undefined when "
            "both are empty; 0 when one is.",
        ),
        _ratio(
            "recall",
            "Lesion recall",
            "Reference lesions that were found, divided by all of them. Undefined without reference lesions.",
        ),
        _ratio(
            "precision",
            "Lesion precision",
            "Predicted components that are no false positives, divided by all of them. Undefined without any.",
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
            "Predicted components that belong to no reference lesion: by default those without a voxel in common.",
        ),
        _ratio(
            "object_dice",
            "Object Dice",
            "Mean Dice of the found lesions, each with its matched predicted component. Undefined when none was found.",
        ),
        _ratio(
            "lesionwise_dice",
            "Lesion-wise Dice",
            "BraTS-METS: sum of the Dice of reference lesions over 2 mm³, 0 for a missed one, divided by their number "
            "plus that of false positives. Undefined without either.",
        ),
        _ratio(
            "panoptic_quality",
            "Panoptic quality",
            "Sum of the IoU of the pairs with IoU over 0.5, divided by half the number of lesions and components. "
            "Undefined without either; 0 without such a pair.",
        ),
        _ratio(
            "recognition_quality",
            "Recognition quality",
            "Pairs with IoU over 0.5, divided by half the number of lesions and components. Undefined without either.",
        ),
        _ratio(
            "segmentation_quality",
            "Segmentation quality",
            "Mean IoU of the pairs with IoU over 0.5. Undefined without such a pair.",
        ),
        _count(
            "merged_lesions",
            "Merged lesions",
            "lesions",
            "Reference lesions that share a predicted component with another one.",
        ),
        _count(
            "split_lesions",
            "Split lesions",
            "lesions",
            "Reference lesions that more than one predicted component overlaps.",
        ),
        Measure("reference_lesions", "Reference lesions", "lesions", 0, True, "Components of the reference."),
        Measure("predicted_lesions", "Predicted lesions", "components", 0, True, "Components of the prediction."),
        Measure("volume_ml_reference", "Reference volume", "ml", 3, True, "Volume of all reference lesions."),
        Measure("volume_ml_prediction", "Predicted volume", "ml", 3, True, "Volume of all predicted components."),
    )
}


SURFACE_MEASURES = tuple(field.name for field in fields(SurfaceMeasures))
"""The measures for which distances are computed; they can be left out."""


def class_measures(
    reference: Components | None,
    prediction: Components,
    matches: Matches | None,
    spacing: Sequence[float],
    *,
    surface: bool = True,
    tolerance_mm: float = 1.0,
) -> dict[str, float]:
    """The measures of one class in one case, by the definitions in `MEASURES`.

    Args:
        reference: None when there is no reference: all that needs one is NaN.
        prediction: the predicted components.
        matches: of the two, None without a reference.
        spacing: (z, y, x) mm.
        surface: with the distances between surfaces, `SURFACE_MEASURES`.
        tolerance_mm: of the surface Dice.
    """
    millilitre = math.prod(spacing) / 1000
    predicted = len(prediction.voxels)
    measures = {key: math.nan for key in MEASURES if surface or key not in SURFACE_MEASURES}
    measures["predicted_lesions"] = float(prediction.count)
    measures["volume_ml_prediction"] = predicted * millilitre
    if reference is None or matches is None:
        return measures
    referenced = len(reference.voxels)
    found, false = int(matches.found.sum()), int(matches.false_positive.sum())
    components = prediction.count - int(matches.dismissed.sum())
    recall = ratio(found, reference.count)
    precision = ratio(components - false, components)
    panoptic = panoptic_quality(matches)
    outline = Surface(reference, spacing)
    measures.update(
        dice=ratio(2 * int(matches.pair_voxels.sum()), referenced + predicted),
        volumetric_similarity=1 - ratio(abs(referenced - predicted), referenced + predicted),
        recall=recall,
        precision=precision,
        f1=_f1(recall, precision),
        false_positives=float(false),
        object_dice=ratio(float(matches.dice.sum()), found),
        lesionwise_dice=lesionwise_dice(reference, prediction, math.prod(spacing), outline.adam, matches.dismissed),
        panoptic_quality=panoptic.quality,
        recognition_quality=panoptic.recognition,
        segmentation_quality=panoptic.segmentation,
        merged_lesions=float(sum(map(bool, matches.merged_with()))),
        split_lesions=float((matches.parts > 1).sum()),
        reference_lesions=float(reference.count),
        predicted_lesions=float(components),
        volume_ml_reference=referenced * millilitre,
    )
    if surface:
        measures.update(asdict(surface_measures(outline, Surface(prediction, spacing), tolerance_mm)))
    return measures


def combine(classes: Mapping[str, Mapping[str, float]]) -> dict[str, float]:
    """The measures of a case from those of its classes.

    Ratios and distances are averaged over the classes in which they are defined, counts and amounts are added up. With
    more than one class each class's own value follows as `dice[name]`, `recall[name]`, ...
    """
    measures = dict.fromkeys(next(iter(classes.values()), MEASURES), math.nan)
    for key in measures:
        defined = [one[key] for one in classes.values() if not math.isnan(one[key])]
        if defined:
            measures[key] = sum(defined) if MEASURES[key].counted else sum(defined) / len(defined)
    if len(classes) > 1:
        for name, one in classes.items():
            measures.update({f"{key}[{name}]": value for key, value in one.items()})
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
