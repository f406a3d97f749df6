"""What a detection curve is made from: one score for each lesion and each false positive of an image."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np

from lossseg.components import foreground, group
from lossseg.errors import InputError
from lossseg.evaluation.criteria import Credit, Matching
from lossseg.evaluation.ignoring import outside
from lossseg.evaluation.inputs import checked_volume, voxels_by_class
from lossseg.evaluation.matching import match


@dataclass(frozen=True)
class ImageDetections:
    """The detections of one image. An image without lesions and without detections counts too: give two empty lists.

    Attributes:
        lesion_scores: one per reference lesion: the score of its matched component, -inf when it was missed.
        false_positive_scores: one per predicted component that overlaps no reference lesion.

    Raises:
        InputError: a score is NaN, or that of a false positive is -inf.
    """

    lesion_scores: Sequence[float]
    false_positive_scores: Sequence[float]

    def __post_init__(self) -> None:
        object.__setattr__(self, "lesion_scores", tuple(float(score) for score in self.lesion_scores))
        object.__setattr__(self, "false_positive_scores", tuple(float(score) for score in self.false_positive_scores))
        if any(math.isnan(score) for score in (*self.lesion_scores, *self.false_positive_scores)):
            raise InputError("A detection score is NaN.", "Give -inf as the score of a missed lesion.")
        if -math.inf in self.false_positive_scores:
            raise InputError("The score of a false positive is -inf.", "Leave out what was not detected.")


def detections_from_case(
    reference: np.ndarray,
    probability: np.ndarray,
    *,
    threshold: float = 0.5,
    scores: np.ndarray | None = None,
    min_voxels: int = 1,
    connectivity: int = 26,
    matching: Matching | str = "overlap",
    credit: Credit | str | None = None,
    ignore_label: int | None = None,
    spacing: Sequence[float] = (1.0, 1.0, 1.0),
) -> ImageDetections:
    """Components of `probability > threshold`, each scored by its highest voxel, against the reference lesions.

    A lesion takes the score of the component of highest Dice among those that overlap it; a component that overlaps no
    lesion is a false positive (Shirokikh et al., MICCAI 2020), unless `matching` says otherwise. Components are formed
    at one threshold, so a lower `threshold` gives a longer curve but lets neighbouring components grow together.

    Args:
        reference: (z, y, x), every value but 0 is lesion.
        probability: (z, y, x); any number that grows with confidence, such as logits, does as well.
        threshold: in the units of `probability`.
        scores: (z, y, x), scores the components instead of `probability`: logits, where probabilities saturate at 1.
        min_voxels: smaller components are dropped, after regions to ignore were taken out.
        connectivity: 6, 18 or 26.
        matching: how lesions are matched, or the name of one of `criteria.MATCHINGS`.
        credit: how many lesions one component may find, in place of what `matching` says.
        ignore_label: value of the reference that marks regions to ignore, see `evaluate_case`.
        spacing: (z, y, x) mm, for a matching by distance.

    Raises:
        InputError: shapes that differ or not three axes, or a matching that there is not.
    """
    how = matching if isinstance(matching, Matching) else Matching.named(matching)
    how = how if credit is None else replace(how, credit=Credit(credit))
    probability = checked_volume(probability, "Probability")
    reference = checked_volume(reference, "Reference", probability)
    source = probability if scores is None else checked_volume(scores, "Scores", probability)
    nothing = np.zeros(0, np.int64)
    ignored = nothing
    lesions = foreground(reference)
    if ignore_label is not None:
        ignored = voxels_by_class(reference, "Reference").get(ignore_label, nothing)
        lesions = np.setdiff1d(lesions, ignored, assume_unique=True)
    truth = group(lesions, probability.shape, connectivity)
    found, dismissible = outside(
        foreground(probability > threshold), ignored, probability.shape, connectivity, how.ignored_share
    )
    large = found.sizes >= min_voxels
    found = found.subset(large)
    score = found.highest(source.reshape(-1)[found.voxels])
    matches = match(truth, found, how, spacing, dismissible[large])
    of_lesion = np.append(-math.inf, score)[matches.component]
    return ImageDetections(of_lesion.tolist(), score[matches.false_positive].tolist())
