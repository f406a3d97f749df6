"""Panoptic quality of one class: detection and delineation in one number."""

from __future__ import annotations

import math
from dataclasses import dataclass

from lossseg.evaluation.matching import Matches

_LEAST_IOU = 0.5


@dataclass(frozen=True)
class PanopticQuality:
    """Kirillov et al., Panoptic Segmentation, CVPR 2019, for one class.

    A lesion and a component are a true positive when their IoU is greater than 0.5, which no two pairs with a lesion or
    a component in common can be: there is nothing to assign.

    Attributes:
        recognition: TP / (TP + FP / 2 + FN / 2), the F1 of these pairs; NaN when there is neither lesion nor component.
        segmentation: mean IoU of the true positives; NaN without any.
        quality: sum of their IoU / (TP + FP / 2 + FN / 2), the product of both; 0 without a true positive, NaN when
            there is neither lesion nor component.
    """

    recognition: float
    segmentation: float
    quality: float


def panoptic_quality(matches: Matches) -> PanopticQuality:
    """From the overlaps of all lesions and components; components that an ignore region dismissed do not count."""
    iou = matches.pair_iou[matches.pair_iou > _LEAST_IOU]
    lesions, components = len(matches.found), len(matches.dismissed) - int(matches.dismissed.sum())
    total = (lesions + components) / 2
    if not total:
        return PanopticQuality(math.nan, math.nan, math.nan)
    segmentation = float(iou.mean()) if len(iou) else math.nan
    return PanopticQuality(len(iou) / total, segmentation, float(iou.sum()) / total)
