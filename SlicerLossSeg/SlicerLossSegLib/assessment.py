"""From a label array to lesions: which voxels belong to which, and what each row of the table says.

Runs beside the GUI thread: arrays in, values out, no Qt and no MRML. What is measured is what the engine measures; its
packages are imported when the first result comes, not when the module is opened.
"""

from __future__ import annotations

import json
import math
from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from lossseg.errors import InputError
from SlicerLossSegLib.lesion_row import LesionRow, Verdict, no_lesion
from SlicerLossSegLib.segmentation_io import NewSegment
from SlicerLossSegLib.volumes import Grid

if TYPE_CHECKING:
    from lossseg.evaluation import Lesion

MOST_LESIONS = 1000
"""More pieces than this are noise: no person reviews them, and Slicer would be slow with as many segments."""

Place = tuple[int, tuple[int, ...], tuple[int, ...], int]
"""Label, box and voxels of a predicted component: enough to tell it from every other one of its volume."""
Confidence = tuple[float, float]
"""Highest and mean probability."""


@dataclass(frozen=True, eq=False)
class Assessment:
    """What an array of labels shows.

    Attributes:
        lesions: (z, y, x) uint16, 0 or the number of the predicted component, from 1.
        segments: one per predicted component, in that order.
        rows: of the detection table; their `segments` are empty still.
        components: for each row the numbers of the predicted components that belong to it.
        measures: name to value, NaN where undefined, see `lossseg.evaluation.MEASURES`.
        labels: the classes, name to value, without the background.
    """

    lesions: np.ndarray
    segments: tuple[NewSegment, ...]
    rows: tuple[LesionRow, ...]
    components: tuple[tuple[int, ...], ...]
    measures: dict[str, float]
    labels: dict[str, int]
    grid: Grid

    def rows_with(self, ids: list[str]) -> list[LesionRow]:
        """The rows with the ids of the segments that were made, one per predicted component."""
        chain = zip(self.rows, self.components, strict=True)
        return [replace(row, segments=tuple(ids[one - 1] for one in ones if ids[one - 1])) for row, ones in chain]


def assess(
    prediction: np.ndarray,
    grid: Grid,
    labels: Mapping[str, int],
    *,
    probability: np.ndarray | None = None,
    reference: np.ndarray | None = None,
    known: Mapping[Place, Confidence] | None = None,
) -> Assessment:
    """Find and measure the lesions of a label array.

    Args:
        prediction: (z, y, x) whole numbers.
        labels: name to value; the background may be among them.
        probability: (z, y, x) in [0, 1], of any foreground.
        reference: (z, y, x) as `prediction`, to compare with.
        known: confidences of components, used where there is no probability.

    Raises:
        InputError: more than `MOST_LESIONS` lesions.
    """
    from lossseg.components import find
    from lossseg.evaluation import evaluate_case

    classes = {name: value for name, value in labels.items() if value != 0}
    common: dict[str, Any] = {"affine": grid.affine, "labels": classes}
    alone = evaluate_case(None, prediction, grid.spacing, probability, **common)
    if len(alone.lesions) > MOST_LESIONS:
        raise InputError(
            f"There are {len(alone.lesions)} separate pieces in the result, more than a person can review.",
            "Choose a larger smallest lesion or a higher threshold, and segment again.",
        )
    lesions = np.zeros(prediction.shape, np.uint16)
    count = 0
    for value in classes.values():
        found = find(prediction == value)
        lesions.reshape(-1)[found.voxels] = found.labels + count
        count += found.count

    places = {_place(lesion): number for number, lesion in enumerate(alone.lesions, start=1)}
    confidence = {
        number: (lesion.confidence_max, lesion.confidence_mean) for number, lesion in enumerate(alone.lesions, start=1)
    }
    if probability is None and known:
        confidence = {number: known.get(place, (math.nan, math.nan)) for place, number in places.items()}
    names = {value: name for name, value in classes.items()}
    segments = _segments(alone.lesions, names)
    if reference is None:
        rows = [_row(lesion, names, f"p{lesion.number}", confidence[lesion.number]) for lesion in alone.lesions]
        parts: list[tuple[int, ...]] = [(lesion.number,) for lesion in alone.lesions]
        measures = alone.measures
    else:
        compared = evaluate_case(reference, prediction, grid.spacing, probability, **common)
        overlaps = _overlaps(reference, classes, lesions)
        rows, parts = [], []
        for lesion in compared.lesions:
            if lesion.outcome.in_reference:
                ones = overlaps[lesion.number - 1]
                key = f"r{lesion.number}"
            else:
                ones = (places[_place(lesion)],)
                key = f"p{ones[0]}"
            best = max((confidence[one] for one in ones), default=(math.nan, math.nan))
            rows.append(_row(lesion, names, key, best))
            parts.append(ones)
        measures = compared.measures
    if not rows:
        rows, parts = [no_lesion()], [()]
    return Assessment(lesions, segments, tuple(rows), tuple(parts), dict(measures), classes, grid)


def read_confidences(path: Path) -> dict[Place, Confidence]:
    """Confidences of the components from the engine's CASE.lesions.json."""
    (case,) = json.loads(path.read_text(encoding="utf-8"))["cases"]
    return {
        (lesion["label"], tuple(lesion["box_first"]), tuple(lesion["box_last"]), lesion["voxels"]): (
            _number(lesion["confidence_max"]),
            _number(lesion["confidence_mean"]),
        )
        for lesion in case["lesions"]
    }


def _number(value: float | None) -> float:
    return math.nan if value is None else float(value)


def _place(lesion: Lesion) -> Place:
    return lesion.label, tuple(lesion.box_first), tuple(lesion.box_last), lesion.voxels


def _segments(lesions: tuple[Lesion, ...], names: Mapping[int, str]) -> tuple[NewSegment, ...]:
    of_label: dict[int, int] = {}
    for lesion in lesions:
        of_label[lesion.label] = of_label.get(lesion.label, 0) + 1
    numbers = dict.fromkeys(of_label, 0)
    segments = []
    for lesion in lesions:
        numbers[lesion.label] += 1
        name = names[lesion.label]
        numbered = f"{name} {numbers[lesion.label]}" if of_label[lesion.label] > 1 else name
        segments.append(NewSegment(numbered, lesion.label, name, numbers[lesion.label]))
    return tuple(segments)


def _row(lesion: Lesion, names: Mapping[int, str], key: str, confidence: Confidence) -> LesionRow:
    highest, mean = confidence
    return LesionRow(
        key=key,
        number=lesion.number,
        outcome=lesion.outcome.words,
        verdict=Verdict.OPEN,
        label=lesion.label,
        label_name=names[lesion.label],
        voxels=lesion.voxels,
        volume_mm3=lesion.volume_mm3,
        diameter_mm=lesion.diameter_mm,
        centroid_ras=lesion.centroid_ras,
        confidence_max=highest,
        confidence_mean=mean,
        overlap=lesion.overlap,
    )


def _overlaps(reference: np.ndarray, classes: Mapping[str, int], lesions: np.ndarray) -> list[tuple[int, ...]]:
    """For each lesion of the reference, class by class, the predicted components of any class that lie on it."""
    from lossseg.components import find

    overlaps = []
    for value in classes.values():
        truth = find(reference == value)
        predicted = lesions.reshape(-1)[truth.voxels]
        pairs = np.unique(np.stack((truth.labels, predicted)), axis=1) if len(predicted) else np.zeros((2, 0), int)
        for number in range(1, truth.count + 1):
            ones = pairs[1][(pairs[0] == number) & (pairs[1] > 0)]
            overlaps.append(tuple(int(one) for one in ones))
    return overlaps
