import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from lossseg.components import remove_small
from lossseg.errors import InputError
from lossseg.evaluation import best_point, evaluate_case, operating_points


def cases():
    """Lesions found at 0.9 and at 0.4 and a false positive at 0.6; then a case without lesions, with noise at 0.3."""
    reference = np.zeros((3, 5, 9), np.uint8)
    probability = np.zeros((3, 5, 9), np.float32)
    reference[1, 1, 1:4] = reference[1, 3, 7] = 1
    probability[1, 1, 1:3] = 0.9
    probability[1, 3, 7] = 0.4
    probability[1, 3, 1:3] = 0.6
    yield reference, probability
    noise = np.zeros((3, 5, 9), np.float32)
    noise[0, 0, 0] = 0.3
    yield np.zeros((3, 5, 9), np.uint8), noise


def test_points_by_hand():
    low, middle, high = operating_points(cases(), [0.7, 0.2, 0.5], 1)
    assert (low.threshold, middle.threshold, high.threshold) == (0.2, 0.5, 0.7)
    assert [point.recall for point in (low, middle, high)] == [1, 0.5, 0.5]
    assert [point.false_positives_per_case for point in (low, middle, high)] == [1, 0.5, 0]
    assert low.dice == pytest.approx((2 * 3 / (4 + 5) + 0) / 2)
    assert (low.dice_cases, middle.dice_cases) == (2, 1)
    assert middle.dice == pytest.approx(2 * 2 / (4 + 4))
    assert high.dice == pytest.approx(2 * 2 / (4 + 2))
    assert low.object_dice == pytest.approx((2 * 2 / 5 + 1) / 2)
    assert high.object_dice == pytest.approx(0.8)
    assert (low.cases, low.lesions) == (2, 2)


def test_several_sizes_at_once_and_the_best_within_a_rate():
    points = operating_points(cases(), [0.2, 0.5], [1, 2])
    assert [(point.threshold, point.min_voxels) for point in points] == [(0.2, 1), (0.2, 2), (0.5, 1), (0.5, 2)]
    assert points[1].recall == 0.5
    assert points[1].false_positives_per_case == 0.5
    assert best_point(points, 1) is points[0]
    assert best_point(points, 0.5).recall == 0.5
    assert best_point(points, 0) is None


def test_no_lesion_and_no_case_are_undefined():
    (point,) = operating_points([(np.zeros((2, 2, 2)), np.zeros((2, 2, 2)))], [0.5])
    assert math.isnan(point.recall)
    assert math.isnan(point.dice)
    assert math.isnan(point.object_dice)
    assert (point.false_positives_per_case, point.dice_cases, point.min_voxels) == (0, 0, 11)
    (none,) = operating_points([], [0.5])
    assert none.cases == 0
    assert math.isnan(none.false_positives_per_case)


def test_thresholds_are_needed_and_shapes_have_to_agree():
    with pytest.raises(InputError, match="no thresholds"):
        operating_points(cases(), [])
    with pytest.raises(InputError, match="differ in size"):
        operating_points([(np.zeros((2, 2, 2)), np.zeros((2, 2, 3)))], [0.5])


@settings(deadline=None, max_examples=40)
@given(
    reference=arrays(np.uint8, (3, 4, 5), elements=st.integers(0, 1)),
    probability=arrays(np.float32, (3, 4, 5), elements=st.integers(0, 8).map(lambda value: value / 8)),
    least=st.integers(1, 4),
)
def test_each_point_equals_the_evaluation_of_its_prediction(reference, probability, least):
    for point in operating_points([(reference, probability)], [0.1, 0.4, 0.5, 0.8], least):
        prediction = remove_small(probability > point.threshold, least)
        measures = evaluate_case(reference > 0, prediction, (1, 1, 1)).measures
        expected = [measures[key] for key in ("recall", "false_positives", "dice", "object_dice")]
        found = [point.recall, point.false_positives_per_case, point.dice, point.object_dice]
        assert found == pytest.approx(expected, nan_ok=True)


def test_the_lowest_confidence_removes_components_and_not_voxels():
    anything, sure, surest = operating_points(cases(), [0.2], 1, [0.0, 0.5, 0.8])
    assert [point.min_confidence for point in (anything, sure, surest)] == [0.0, 0.5, 0.8]
    assert [point.recall for point in (anything, sure, surest)] == [1, 0.5, 0.5]
    assert [point.false_positives_per_case for point in (anything, sure, surest)] == [1, 0.5, 0]
    # The found lesion keeps all its voxels above the mask's threshold.
    assert surest.dice == pytest.approx(2 * 2 / (4 + 2))
