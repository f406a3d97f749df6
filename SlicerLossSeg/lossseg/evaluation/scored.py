"""The components of one case with scores of their own: logits, or components formed at another threshold."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from lossseg.components import group
from lossseg.evaluation.criteria import Matching
from lossseg.evaluation.detections import ImageDetections
from lossseg.evaluation.ignoring import outside
from lossseg.evaluation.inputs import checked_volume, voxels_by_class
from lossseg.evaluation.matching import match


@dataclass(frozen=True)
class Scored:
    """What one case gives a FROC curve.

    Attributes:
        detections: its scores.
        merged: reference lesions that share a predicted component with another one. When one component may find
            several lesions (`Credit.ALL`) each of them may be found by nothing but the size of the component. None
            where unknown.
    """

    detections: ImageDetections
    merged: int | None


def score_components(
    reference: np.ndarray,
    prediction: np.ndarray,
    scores: np.ndarray,
    *,
    connectivity: int = 26,
    matching: Matching | None = None,
    ignore_label: int | None = None,
    spacing: Sequence[float] = (1.0, 1.0, 1.0),
) -> Scored:
    """The components of the prediction, class by class, each with its highest score, against the reference.

    Args:
        reference: (z, y, x) labels.
        prediction: (z, y, x) labels.
        scores: (z, y, x), any numbers that grow with confidence: logits where there are any, else probabilities.
        connectivity: 6, 18 or 26.
        matching: how lesions are matched; default is any overlap.
        ignore_label: value of the reference that marks regions to ignore, see `evaluate_case`.
        spacing: (z, y, x) mm, for a matching by distance.

    Raises:
        InputError: shapes that differ or not three axes, or a score that is NaN.
    """
    how = matching or Matching()
    prediction = checked_volume(prediction, "Prediction")
    scores = checked_volume(scores, "Scores", prediction)
    truth = voxels_by_class(checked_volume(reference, "Reference", prediction), "Reference")
    found = voxels_by_class(prediction, "Prediction")
    ignored = nothing = np.zeros(0, np.int64)
    if ignore_label is not None:
        ignored = truth.pop(ignore_label, nothing)
        found.pop(ignore_label, None)
    lesions: list[float] = []
    false: list[float] = []
    merged = 0
    for value in sorted({*truth, *found}):
        of_reference = group(truth.get(value, nothing), prediction.shape, connectivity)
        components, dismissible = outside(
            found.get(value, nothing), ignored, prediction.shape, connectivity, how.ignored_share
        )
        highest = components.highest(scores.reshape(-1)[components.voxels])
        matches = match(of_reference, components, how, spacing, dismissible)
        lesions += np.append(-math.inf, highest)[matches.component].tolist()
        false += highest[matches.false_positive].tolist()
        merged += sum(map(bool, matches.merged_with()))
    return Scored(ImageDetections(lesions, false), merged)
