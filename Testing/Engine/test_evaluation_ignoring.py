"""Regions to ignore, as ADAM's treated aneurysms (label 2)."""

import math

import numpy as np
import pytest
from lesion_masks import blob_pair
from scipy import ndimage

from lossseg.errors import InputError
from lossseg.evaluation import detections_from_case, evaluate_case
from lossseg.evaluation.criteria import Matching

ONE = (1.0, 1.0, 1.0)


def row(*boxes: tuple[int, int], value: int = 1) -> np.ndarray:
    array = np.zeros((1, 1, 30), np.uint8)
    for low, high in boxes:
        array[0, 0, low:high] = value
    return array


def outcomes(result) -> list[str]:
    return [lesion.outcome.value for lesion in result.lesions]


def test_what_lies_in_the_region_counts_for_nothing():
    reference = row((0, 4)) + row((10, 16), value=2)
    prediction = row((0, 3), (11, 15))
    result = evaluate_case(reference, prediction, ONE, ignore_label=2)
    assert outcomes(result) == ["found"]
    assert result.labels == {"1": 1}
    measures = result.measures
    assert (measures["dice"], measures["precision"], measures["false_positives"]) == (pytest.approx(6 / 7), 1, 0)
    assert (measures["predicted_lesions"], measures["volume_ml_prediction"]) == (1, 0.003)
    assert measures["hd95"] == evaluate_case(row((0, 4)), row((0, 3)), ONE).measures["hd95"]
    # Without the option the region is a class of its own.
    assert evaluate_case(reference, prediction, ONE).labels == {"1": 1, "2": 2}


def test_what_is_left_of_a_component_is_false_unless_most_of_it_lay_inside():
    reference = row((10, 16), value=2)
    mostly_inside, half_inside = row((12, 18)), row((14, 18))  # 4 of 6 and 2 of 4 voxels
    dismissed = evaluate_case(reference, mostly_inside, ONE, ignore_label=2)
    assert outcomes(dismissed) == []
    assert (dismissed.measures["false_positives"], dismissed.measures["predicted_lesions"]) == (0, 0)
    assert math.isnan(dismissed.measures["precision"])
    assert math.isnan(dismissed.measures["panoptic_quality"])
    assert math.isnan(dismissed.measures["lesionwise_dice"])
    # Its voxels outside of the region are wrong all the same, as they are for ADAM.
    assert dismissed.measures["dice"] == 0
    kept = evaluate_case(reference, half_inside, ONE, ignore_label=2)
    assert outcomes(kept) == ["false_positive"]
    assert kept.lesions[0].voxels == 2
    every = Matching(ignored_share=1.0)
    script = evaluate_case(reference, mostly_inside, ONE, ignore_label=2, matching=every)
    assert outcomes(script) == ["false_positive"]
    none = Matching(ignored_share=0.0)
    assert outcomes(evaluate_case(reference, row((15, 29)), ONE, ignore_label=2, matching=none)) == []


def test_a_remainder_that_hits_a_lesion_is_found():
    reference = row((17, 20)) + row((10, 16), value=2)
    result = evaluate_case(reference, row((10, 18)), ONE, ignore_label=2)
    assert outcomes(result) == ["found"]
    assert result.lesions[0].overlap == pytest.approx(2 * 1 / (3 + 2))
    assert result.measures["precision"] == 1


def test_a_component_cut_in_two_by_the_region_becomes_two():
    reference = row((10, 13), value=2)
    result = evaluate_case(reference, row((5, 20)), ONE, ignore_label=2)
    assert [(lesion.outcome.value, lesion.voxels) for lesion in result.lesions] == [
        ("false_positive", 5),
        ("false_positive", 7),
    ]


def test_the_region_is_no_class_and_in_a_prediction_it_is_background():
    reference = row((0, 4)) + row((10, 16), value=2)
    prediction = row((0, 4)) + row((20, 25), value=2)
    result = evaluate_case(reference, prediction, ONE, labels={"lesion": 1}, ignore_label=2)
    assert result.measures["dice"] == 1
    assert result.labels == {"lesion": 1}
    treated = evaluate_case(reference, prediction, ONE, labels={"lesion": 1, "treated": 2}, ignore_label=2)
    assert treated.labels == {"lesion": 1}
    assert evaluate_case(None, prediction, ONE, ignore_label=2).measures["predicted_lesions"] == 1
    empty = evaluate_case(row(), row(), ONE, ignore_label=1)
    assert empty.labels == {"2": 2}
    with pytest.raises(InputError, match="label to ignore is 0"):
        evaluate_case(reference, prediction, ONE, ignore_label=0)


def test_the_region_is_ignored_for_every_class():
    reference = row((0, 4)) + row((6, 8), value=3) + row((10, 16), value=9)
    prediction = row((0, 4), (11, 13)) + row((6, 8), (13, 16), value=3)
    result = evaluate_case(reference, prediction, ONE, ignore_label=9)
    assert result.measures["dice"] == 1
    assert outcomes(result) == ["found", "found"]


def adam_detection(reference: np.ndarray, prediction: np.ndarray, spacing: np.ndarray) -> tuple[int, int, float]:
    """Found, false positives and Dice by the steps of the ADAM challenge's evaluation of segmentations.

    Positions and radii of aneurysms, which that reads from a file, are taken from the components of label 1.
    """
    around = np.ones((3, 3, 3))
    result = (prediction > 0) & (reference != 2)
    test = reference == 1
    lesions, count = ndimage.label(test, around)
    centres = [np.argwhere(lesions == number).mean(axis=0) * spacing for number in range(1, count + 1)]
    components, count = ndimage.label(result, around)
    detections = [np.argwhere(components == number).mean(axis=0) * spacing for number in range(1, count + 1)]
    hit = np.array([[np.linalg.norm(a - b) <= 3.0 for b in detections] for a in centres]).reshape(
        len(centres), len(detections)
    )
    dice = 2 * (test & result).sum() / (test.sum() + result.sum())
    return int(hit.any(axis=1).sum()), int((~hit.any(axis=0)).sum()), float(dice)


@pytest.mark.parametrize("seed", range(5))
def test_counts_equal_the_steps_of_adam(seed):
    reference, prediction = (mask.astype(np.uint8) for mask in blob_pair(seed))
    treated, _ = blob_pair(seed + 100, share=0.04)
    reference[treated] = 2
    spacing = (1.3, 0.9, 0.7)
    how = Matching("centre", radius_mm=3.0, ignored_share=1.0)
    result = evaluate_case(reference, prediction, spacing, matching=how, ignore_label=2)
    found, false, dice = adam_detection(reference, prediction, np.array(spacing))
    assert outcomes(result).count("found") == found > 0
    assert result.measures["false_positives"] == false > 0
    assert result.measures["dice"] == pytest.approx(dice)


def test_detections_for_a_curve_leave_the_region_out():
    reference = row((0, 4)) + row((10, 16), value=2)
    probability = row((0, 3), (12, 17), (25, 27)) * np.linspace(0.6, 0.9, 30)
    whole = detections_from_case(reference, probability)
    assert len(whole.lesion_scores) == 2
    ignoring = detections_from_case(reference, probability, ignore_label=2)
    assert ignoring.lesion_scores == pytest.approx((probability[0, 0, 2],))
    assert ignoring.false_positive_scores == pytest.approx((probability[0, 0, 26],))
    near = detections_from_case(row((0, 4)), probability, matching=Matching("centre", radius_mm=20), credit="best")
    assert near.lesion_scores == pytest.approx((probability[0, 0, 2],))
    assert near.false_positive_scores == pytest.approx((probability[0, 0, 26],))
