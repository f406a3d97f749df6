import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from lossseg.errors import InputError
from lossseg.evaluation import precision_recall, reliability, tally
from lossseg.evaluation.voxel_tally import FINE_BINS, fine_bin, fine_edges


def volumes(probability, reference):
    shape = (1, 1, len(probability))
    return np.array(reference, np.uint8).reshape(shape), np.array(probability, np.float32).reshape(shape)


def exact_curve(reference, probability):
    """Precision and recall at every distinct probability, by counting."""
    truth, p = reference.ravel() > 0, probability.ravel()
    thresholds = np.unique(p)[::-1]
    predicted = [p >= threshold for threshold in thresholds]
    precision = np.array([truth[each].mean() for each in predicted])
    recall = np.array([truth[each].sum() / truth.sum() for each in predicted])
    return thresholds, precision, recall


def test_precision_and_recall_by_hand():
    curve = precision_recall(tally(*volumes([0.9, 0.8, 0.7, 0.2, 0.0], [1, 0, 1, 1, 0])))
    assert curve.precision == pytest.approx([1, 1 / 2, 2 / 3, 3 / 4, 3 / 5])
    assert curve.recall == pytest.approx([1 / 3, 1 / 3, 2 / 3, 1, 1])
    assert curve.average_precision == pytest.approx((1 + 2 / 3 + 3 / 4) / 3)
    assert curve.prevalence == pytest.approx(3 / 5)
    dice, threshold = curve.best
    assert dice == pytest.approx(2 * 3 / 4 / (1 + 3 / 4))
    assert threshold == pytest.approx(0.2, rel=1 / 128)


def test_the_curve_is_exact_where_bins_hold_one_probability():
    rng = np.random.default_rng(0)
    # 0.5 % apart in the rest to 1 and in p: further than a bin reaches.
    values = np.concatenate([0.5 * 0.98 ** np.arange(200), 1 - 0.5 * 0.98 ** np.arange(1, 200)]).astype(np.float32)
    assert len(np.unique(fine_bin(values))) == len(values)
    probability = rng.choice(values, (4, 20, 30)).astype(np.float32)
    reference = (rng.random(probability.shape) < probability**2).astype(np.uint8)
    thresholds, precision, recall = exact_curve(reference, probability)
    curve = precision_recall(tally(reference, probability))
    assert curve.precision == pytest.approx(precision)
    assert curve.recall == pytest.approx(recall)
    assert (curve.thresholds <= thresholds).all()
    assert curve.average_precision == pytest.approx(np.diff(recall, prepend=0) @ precision)


def test_bins_cost_next_to_nothing_of_the_average_precision():
    rng = np.random.default_rng(1)
    logit = rng.normal(-6, 4, 60000).astype(np.float32)
    reference = (rng.random(logit.shape) < 1 / (1 + np.exp(3 - logit))).astype(np.uint8)
    probability = (1 / (1 + np.exp(-logit))).astype(np.float32)
    order = np.argsort(-probability, kind="stable")
    hits = np.cumsum(reference[order])
    # Each voxel of a lesion adds its share of recall at the precision that is reached there.
    exact = (hits / np.arange(1, len(hits) + 1))[reference[order] > 0].mean()
    shape = (10, 60, 100)
    own = precision_recall(tally(reference.reshape(shape), probability.reshape(shape))).average_precision
    assert own == pytest.approx(exact, abs=1e-3)
    assert 0.5 < exact < 0.95


@settings(deadline=None, max_examples=60)
@given(arrays(np.float32, 200, elements=st.floats(0, 1, width=32)))
def test_a_greater_probability_is_never_in_a_lower_bin(probability):
    probability = np.sort(np.concatenate([probability, np.float32([0, 1e-45, 0.5, np.nextafter(1, 0), 1])]))
    bins = fine_bin(probability.astype(np.float32))
    assert (np.diff(bins) >= 0).all()
    assert (fine_edges()[bins] <= probability).all()
    assert bins[0] == 0
    assert bins[-1] == FINE_BINS - 1


def test_sums_of_volumes_are_the_sums_of_their_voxels():
    rng = np.random.default_rng(2)
    reference = rng.integers(0, 2, (6, 5, 4))
    probability = rng.random((6, 5, 4))
    whole, parts = (
        tally(reference, probability),
        tally(reference[:2], probability[:2]) + tally(reference[2:], probability[2:]),
    )
    for name in ("background", "lesion", "voxels", "positive"):
        assert (getattr(whole, name) == getattr(parts, name)).all()
    assert whole.probability == pytest.approx(parts.probability)
    assert whole.squared_error == pytest.approx(parts.squared_error)
    assert whole.squared_error == pytest.approx(((probability.astype(np.float32) - reference) ** 2).sum())
    assert whole.background.sum() == (reference == 0).sum()


def test_volumes_larger_than_a_chunk(monkeypatch):
    rng = np.random.default_rng(3)
    reference, probability = rng.integers(0, 2, (3, 7, 11)), rng.random((3, 7, 11)).astype(np.float32)
    whole = tally(reference, probability)
    monkeypatch.setattr("lossseg.evaluation.voxel_tally._CHUNK", 50)
    parts = tally(reference, probability)
    assert (whole.lesion == parts.lesion).all()
    assert whole.probability == pytest.approx(parts.probability)


def test_reliability_by_hand():
    # Two voxels of 0.12, one of them lesion; three of 0.97, all lesion; five of 0.
    curve = reliability(tally(*volumes([0.12, 0.12, 0.97, 0.97, 0.97, 0, 0, 0, 0, 0], [1, 0, 1, 1, 1, 0, 0, 0, 0, 0])))
    assert curve.voxels[[0, 2, 19]].tolist() == [5, 2, 3]
    assert curve.confidence[[0, 2, 19]] == pytest.approx([0, 0.12, 0.97])
    assert curve.frequency[[0, 2, 19]] == pytest.approx([0, 0.5, 1])
    assert math.isnan(curve.confidence[7])
    assert curve.ece == pytest.approx((2 * 0.38 + 3 * 0.03) / 10)
    assert curve.ece_above_first == pytest.approx((2 * 0.38 + 3 * 0.03) / 5)
    assert curve.mce == pytest.approx(0.38)
    assert curve.brier == pytest.approx((0.88**2 + 0.12**2 + 3 * 0.03**2) / 10)


def test_calibration_equals_a_direct_count():
    rng = np.random.default_rng(5)
    probability = rng.beta(0.3, 2, (8, 20, 25)).astype(np.float32)
    reference = rng.random(probability.shape) < probability**1.5
    curve = reliability(tally(reference, probability))
    p, y = probability.ravel().astype(float), reference.ravel()
    bins = np.minimum((p * 20).astype(int), 19)
    gaps = [abs(p[bins == b].mean() - y[bins == b].mean()) * (bins == b).sum() for b in np.unique(bins)]
    assert curve.ece == pytest.approx(sum(gaps) / len(p))
    above = bins > 0
    assert curve.ece_above_first == pytest.approx(sum(gaps[1:]) / above.sum())
    assert curve.brier == pytest.approx(((p - y) ** 2).mean())


def test_without_lesion_or_without_voxels_nothing_is_defined():
    curve = precision_recall(tally(*volumes([0.5, 0.1], [0, 0])))
    assert math.isnan(curve.average_precision)
    assert math.isnan(curve.best[0])
    assert curve.prevalence == 0
    nothing = tally(np.zeros((0, 3, 3), np.uint8), np.zeros((0, 3, 3), np.float32))
    assert math.isnan(precision_recall(nothing).average_precision)
    assert math.isnan(reliability(nothing).ece)
    assert math.isnan(reliability(nothing).mce)
    assert math.isnan(reliability(nothing).brier)


def test_what_is_no_probability_is_refused():
    with pytest.raises(InputError, match=r"\[0, 1\]"):
        tally(*volumes([0.5, 1.2], [0, 1]))
    with pytest.raises(InputError, match="differ in size"):
        tally(np.zeros((1, 1, 3)), np.zeros((1, 1, 2)))


def test_ignored_voxels_are_left_out():
    reference, probability = volumes([0.9, 0.8, 0.3, 0.1], [1, 2, 2, 0])
    ignoring, rest = tally(reference, probability, 2), tally(*volumes([0.9, 0.1], [1, 0]))
    assert (ignoring.lesion == rest.lesion).all()
    assert (ignoring.background == rest.background).all()
    assert ignoring.squared_error == pytest.approx(rest.squared_error)
