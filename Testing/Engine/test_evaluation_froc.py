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


def test_a_bootstrap_draws_patients_and_all_their_images():
    # One patient with two images, one with a third: a sample of one patient is either pair or single, never one of two.
    images = [ImageDetections([0.9], []), ImageDetections([-INF], []), ImageDetections([0.9], [])]
    curve = froc(images, rates=(0,), patients=["a", "a", "b"])
    halves = curve.bootstrap(fraction=0.5, n=200, seed=1)
    assert set(halves.samples.tolist()) == {0.5, 1.0}
    alone = froc(images, rates=(0,)).bootstrap(fraction=0.34, n=200, seed=1)
    assert set(alone.samples.tolist()) == {0.0, 1.0}


def test_the_band_holds_the_curve_of_each_sample():
    rng = np.random.default_rng(4)
    images = [ImageDetections(rng.normal(2, 1, 2), rng.normal(0, 1, rng.integers(0, 6))) for _ in range(12)]
    curve = froc(images)
    drawn = curve.bootstrap(fraction=1.0, n=50, replacement=True)
    assert drawn.curves.shape == (50, len(drawn.grid))
    low, high = drawn.band(0.8)
    for place in (0, 60, 120):
        assert (low[place], high[place]) == pytest.approx(np.quantile(drawn.curves[:, place], [0.1, 0.9]))
    weights = np.zeros((1, 12))
    weights[0, [1, 1, 5]] = 2.0, 2.0, 1.0
    # A sample is the curve of the images in it, however often.
    by_hand = froc([images[1], images[1], images[5]])
    sample = curve.resampled(weights)
    assert sample.recall[0] == pytest.approx([by_hand.recall_at(rate) for rate in curve.rates])
    assert sample.curves[0] == pytest.approx([by_hand.recall_at(rate) for rate in sample.grid])


def test_spreads_of_the_two_bootstraps():
    # Recall of 200 images with a lesion each: the standard error of a share of one half is sqrt(1/4 / 200).
    images = [ImageDetections([0.9 if place % 2 else -INF], []) for place in range(200)]
    curve = froc(images, rates=(1,))
    error = math.sqrt(0.25 / 200)
    assert curve.bootstrap(fraction=1.0, n=2000, replacement=True).std == pytest.approx(error, rel=0.05)
    # 80 % without replacement: sqrt(1/0.8 - 1) of it.
    assert curve.bootstrap(n=2000).std == pytest.approx(0.5 * error, rel=0.05)


def test_paper_mode_equals_a_direct_counting_of_records():
    """Anew from the description (LUNA16 rates, thresholds, shuffled list, all images with a record as divisor)."""
    rng = np.random.default_rng(7)
    images = [
        ImageDetections(rng.normal(5, 4, rng.integers(0, 4)), rng.normal(1, 3, rng.integers(0, 9))) for _ in range(30)
    ]
    recorded = [image for image in images if image.lesion_scores or image.false_positive_scores]
    assert len(recorded) < 30
    scores = [s for image in recorded for s in (*image.lesion_scores, *image.false_positive_scores)]
    thresholds = [*np.linspace(-0.1, 10, 101), *np.linspace(10, max(scores) + 1, 100)]
    order, generator, published = np.arange(len(recorded)), np.random.RandomState(42), []
    for _ in range(20):
        generator.shuffle(order)
        sample = [recorded[place] for place in order[: int(0.8 * len(recorded))]]
        lesions = sum(len(image.lesion_scores) for image in sample)
        points = [(0.0, 0.0)]
        for threshold in reversed(thresholds):
            hits = sum(score >= threshold for image in sample for score in image.lesion_scores)
            false = sum(score > threshold for image in sample for score in image.false_positive_scores)
            points.append((false / len(recorded), hits / lesions))
        rates = [1 / 8, 1 / 4, 1 / 2, 1, 2, 4, 8]
        published.append(np.mean(np.interp(rates, *zip(*points, strict=True))))
    own = froc(images, mode="paper").bootstrap(n=20)
    assert own.samples == pytest.approx(published, abs=1e-12)


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
    with pytest.raises(InputError, match="0 bootstrap samples"):
        froc(images).bootstrap(n=0)
    with pytest.raises(InputError, match="2 patients for 1 images"):
        froc(images, patients=["a", "b"])
    with pytest.raises(InputError, match="samples images"):
        froc(images, mode="paper", patients=["a"])
    with pytest.raises(InputError, match="level 1"):
        froc(images).bootstrap(n=2).interval(1)


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
