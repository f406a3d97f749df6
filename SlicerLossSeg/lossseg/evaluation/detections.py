"""What a detection curve is made from: one score for each lesion and each false positive of an image."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from lossseg.components import Components, find, foreground, group
from lossseg.errors import InputError
from lossseg.evaluation.inputs import checked_volume
from lossseg.evaluation.lesions import highest
from lossseg.evaluation.matching import Credit, match


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
    credit: Credit | str = Credit.ALL,
) -> ImageDetections:
    """Components of `probability > threshold`, each scored by its highest voxel, against the reference lesions.

    A lesion takes the score of the component of highest Dice among those that overlap it; a component that overlaps no
    lesion is a false positive (Shirokikh et al., MICCAI 2020). Components are formed at one threshold, so a lower
    `threshold` gives a longer curve but lets neighbouring components grow together.

    Args:
        reference: (z, y, x), every value but 0 is lesion.
        probability: (z, y, x); any number that grows with confidence, such as logits, does as well.
        threshold: in the units of `probability`.
        scores: (z, y, x), scores the components instead of `probability`: logits, where probabilities saturate at 1.
        min_voxels: smaller components are dropped.
        connectivity: 6, 18 or 26.
        credit: how many lesions one component may find.

    Raises:
        InputError: shapes that differ or not three axes.
    """
    probability = checked_volume(probability, "Probability")
    truth = find(checked_volume(reference, "Reference", probability), connectivity)
    source = probability if scores is None else checked_volume(scores, "Scores", probability)
    found = group(foreground(probability > threshold), probability.shape, connectivity)
    found = found.subset(found.sizes >= min_voxels)
    return _scored(truth, found, highest(found, source.reshape(-1)[found.voxels]), Credit(credit))


def _scored(truth: Components, found: Components, score: np.ndarray, credit: Credit) -> ImageDetections:
    matching = match(truth, found, credit)
    of_lesion = np.concatenate([[-math.inf], score])[matching.component]
    return ImageDetections(of_lesion.tolist(), score[matching.false_positive].tolist())
