import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from lossseg.errors import InputError
from lossseg.evaluation import Credit, ImageDetections, detections_from_case, froc

INF = math.inf


def test_every_lesion_counts_even_below_a_confident_false_positive():
    curve = froc([ImageDetections([0.9, 0.8, 0.3], [0.95])], rates=(0.5, 1, 2))
    assert curve.fp_per_image.tolist() == [0, 1, 1, 1, 1]
    assert curve.recall == pytest.approx([0, 0, 1 / 3, 2 / 3, 1])
    assert curve.thresholds.tolist() == [INF, 0.95, 0.9, 0.8, 0.3]
    assert curve.recall_at(8) == 1.0
    assert curve.recall_at(0.99) == 0
    assert curve.average_recall == pytest.approx(2 / 3)


def test_a_curve_by_hand_over_images_with_and_without_lesions():
    images = [
        ImageDetections([0.9, 0.4], [0.5]),
        ImageDetections([-INF], [0.9, 0.2]),
        ImageDetections([], [0.7]),
        ImageDetections([], []),
    ]
    curve = froc(images, rates=(0, 0.25, 0.5, 1))
    # Thresholds 0.9 (a lesion and a false positive at once), 0.7, 0.5, 0.4, 0.2.
    assert curve.fp_per_image == pytest.approx(np.array([0, 1, 2, 3, 3, 4]) / 4)
    assert curve.recall == pytest.approx(np.array([0, 1, 1, 1, 2, 2]) / 3)
    assert [curve.recall_at(rate) for rate in (0, 0.25, 0.5, 0.74, 0.75, 8)] == pytest.approx(
        [0, 1 / 3, 1 / 3, 1 / 3, 2 / 3, 2 / 3]
    )
    assert curve.average_recall == pytest.approx((0 + 1 / 3 + 1 / 3 + 2 / 3) / 4)


def test_a_perfect_detector_and_a_blind_one():
    assert froc([ImageDetections([0.5], []), ImageDetections([], [])]).average_recall == 1
    assert froc([ImageDetections([-INF], [])]).average_recall == 0


def test_without_lesions_recall_is_undefined():
    for images in ([], [ImageDetections([], [0.5])], [ImageDetections([], [])]):
        curve = froc(images)
        assert math.isnan(curve.average_recall)
        bootstrap = curve.bootstrap(n=3)
        assert math.isnan(bootstrap.mean)
        assert math.isnan(bootstrap.interval()[0])
        assert not np.isnan(curve.fp_per_image).any()


def test_bootstrap_resamples_images():
    images = [ImageDetections([0.9], []), ImageDetections([-INF], []), ImageDetections([0.8], [0.85])]
    curve = froc(images, rates=(0,))
    halves = curve.bootstrap(fraction=0.34, n=200, seed=3)  # one image at a time
    assert set(halves.samples.tolist()) == {0.0, 1.0}
    assert halves.mean == pytest.approx(1 / 3, abs=0.1)  # the third is found at 1 false positive per image only
    assert halves.recall.shape == (200, 1)
    again = curve.bootstrap(fraction=0.34, n=200, seed=3)
    assert (again.samples == halves.samples).all()
    whole = curve.bootstrap(fraction=1.0, n=5)
    assert whole.samples == pytest.approx([1 / 3] * 5)
    assert whole.std == pytest.approx(0)
    drawn = curve.bootstrap(fraction=1.0, n=300, replacement=True)
    assert set(np.round(drawn.samples * 3).astype(int).tolist()) == {0, 1, 2, 3}
    low, high = drawn.interval(0.9)
    assert 0 <= low < drawn.mean < high <= 1


def test_a_bootstrap_sample_divides_by_the_images_in_it():
    # Any one of the two images has one false positive above its lesion, so at 1 per image everything is found.
    images = [ImageDetections([0.5], [0.9]), ImageDetections([0.5], [0.9])]
    curve = froc(images, rates=(0.5, 1))
    assert curve.bootstrap(fraction=0.5, n=4).recall.tolist() == [[0, 1]] * 4


def test_paper_mode_interpolates_and_divides_by_all_images_with_a_record():
    images = [ImageDetections([10.0], [10.0]), ImageDetections([2.0], [1.0]), ImageDetections([], [])]
    curve = froc(images, rates=(0.25, 0.5, 1), mode="paper")
    # The thresholds hold 10 itself: there a lesion counts and a false positive does not.
    assert curve.recall_at(0.25) == pytest.approx(0.5)
    # Below 2 both are found, with one false positive in the two images that have a record.
    assert curve.recall_at(0.5) == pytest.approx(1.0)
    missed = froc([ImageDetections([5.0], [5.0])], mode="paper")
    # No threshold is 5, so the curve is drawn from (0, 0) to (1, 1).
    assert missed.recall_at(0.25) == pytest.approx(0.25)
    half = curve.bootstrap(fraction=0.5, n=10)
    # One image sampled, its false positive divided by two: recall 1 is reached at 0.5 already.
    assert half.recall[:, 1].tolist() == [1.0] * 10


def test_paper_mode_bootstrap_is_reproducible():
    rng = np.random.default_rng(0)
    images = [ImageDetections(rng.normal(4, 3, 3), rng.normal(1, 3, 4)) for _ in range(10)]
    curve = froc(images, mode="paper")
    assert curve.bootstrap(n=5).samples.tolist() == curve.bootstrap(n=5).samples.tolist()


@pytest.mark.parametrize(
    ("lesions", "false"),
    [([math.nan], []), ([0.5], [math.nan]), ([0.5], [-INF])],
    ids=["lesion", "false", "undetected"],
)
def test_scores_that_are_none_are_refused(lesions, false):
    with pytest.raises(InputError):
        ImageDetections(lesions, false)


def test_wrong_settings_are_refused():
    images = [ImageDetections([0.5], [])]
    with pytest.raises(InputError, match="mode"):
        froc(images, mode="guess")
    with pytest.raises(InputError, match="rates"):
        froc(images, rates=(-1,))
    with pytest.raises(InputError, match="fraction"):
        froc(images).bootstrap(fraction=0)


scores = st.integers(0, 6).map(lambda value: value / 6)
images_strategy = st.lists(
    st.tuples(st.lists(st.one_of(scores, st.just(-INF)), max_size=4), st.lists(scores, max_size=4)), max_size=6
)


@settings(deadline=None, max_examples=80)
@given(images=images_strategy, rate=st.sampled_from([0, 0.1, 0.25, 1 / 3, 0.5, 1, 2, 8]))
def test_recall_at_a_rate_is_the_best_any_threshold_reaches(images, rate):
    curve = froc([ImageDetections(*image) for image in images])
    lesions = [score for image in images for score in image[0]]
    false = [score for image in images for score in image[1]]
    if not lesions:
        assert math.isnan(curve.recall_at(rate))
        return
    reached = [
        sum(score >= threshold for score in lesions) / len(lesions)
        for threshold in [*(value / 6 for value in range(7)), INF]
        if sum(score >= threshold for score in false) <= rate * len(images) + 1e-9
    ]
    assert curve.recall_at(rate) == pytest.approx(max(reached))
    assert (np.diff(curve.recall) >= 0).all()
    assert (np.diff(curve.fp_per_image) >= 0).all()


def test_detections_of_a_case_score_components_by_their_highest_voxel():
    reference = np.zeros((3, 5, 9), np.uint8)
    probability = np.zeros((3, 5, 9), np.float32)
    reference[1, 1, 1:3] = reference[1, 3, 1] = reference[1, 3, 5] = 1
    probability[1, 1, 1:4] = 0.6, 0.9, 0.7
    probability[1, 3, 5] = 0.4  # below the threshold
    probability[1, 1, 6:8] = 0.8, 0.95  # nothing there
    found = detections_from_case(reference, probability)
    assert found.lesion_scores == pytest.approx((0.9, -INF, -INF))
    assert found.false_positive_scores == pytest.approx((0.95,))
    low = detections_from_case(reference, probability, threshold=0.3)
    assert low.lesion_scores == pytest.approx((0.9, -INF, 0.4))
    logits = np.where(probability > 0, probability * 10, -10)
    assert detections_from_case(reference, probability, scores=logits).lesion_scores[0] == pytest.approx(9)
    large = detections_from_case(reference, probability, min_voxels=3)
    assert large.false_positive_scores == ()


def test_a_component_over_two_lesions_scores_both_or_the_better():
    reference = np.zeros((1, 1, 8), np.uint8)
    reference[0, 0, 0] = reference[0, 0, 4:6] = 1
    probability = np.full((1, 1, 8), 0.9)
    assert detections_from_case(reference, probability).lesion_scores == (0.9, 0.9)
    assert detections_from_case(reference, probability, credit=Credit.BEST).lesion_scores == (-INF, 0.9)
