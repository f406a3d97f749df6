"""The loss inspector: values, gradients and their shares against sums written out anew, and what volumes may hold."""

from __future__ import annotations

from contextlib import nullcontext

import numpy as np
import pytest
from inspect_cases import (
    FALSE,
    GEOMETRY,
    LARGE,
    NAIVE,
    SIZE,
    SMALL,
    equally_sure,
    logits,
    naive_shares,
    target,
    write,
)
from scipy.special import expit, logit

from lossseg.errors import InputError
from lossseg.images import Geometry, write_volume
from lossseg.inspection import Inspector, Kind, Scale
from lossseg.inspection.regions import MOST_FALSE_POSITIVES
from lossseg.inspection.volumes import CLIP, SURE, read_prediction
from lossseg.losses import CATALOGUE

EIGHT = ("dice", "dice + ce", "focal", "tversky", "iw(dice)", "dice + topk(k=0.1)", "blob(dice)", "boundary")


def only(inspector: Inspector, expression: str, **options):
    return inspector.inspect([expression], **options).losses[0]


# Against automatic differentiation in float64, written independently


@pytest.mark.parametrize("expression", NAIVE)
@pytest.mark.parametrize("shift", [0.0, -2.25])
def test_value_gradient_and_shares_are_those_of_autograd(tmp_path, expression, shift):
    files = write(tmp_path, logits())
    inspector = Inspector(files.prediction, files.reference, scale=Scale.LOGIT)
    report = only(inspector, expression, shift=shift)
    value, slopes, total, shares = naive_shares(expression, logits(), target(), shift)
    assert report.value == pytest.approx(value, rel=2e-5)
    assert report.gradient == pytest.approx(total, rel=2e-5)
    np.testing.assert_allclose(report.shares, shares, rtol=1e-4, atol=1e-7)
    found = inspector.gradient(expression, shift=shift)
    assert found.dtype == np.float32 and found.shape == SIZE
    np.testing.assert_allclose(found, slopes, rtol=2e-4, atol=2e-6 * np.abs(slopes).max())


def test_shares_sum_to_one(tmp_path):
    files = write(tmp_path, expit(logits()))
    inspection = Inspector(files.prediction, files.reference).inspect(EIGHT)
    assert inspection.scale is Scale.PROBABILITY
    for report in inspection.losses:
        assert report.error is None and report.gradient > 0
        assert report.shares.shape == (4,) and (report.shares >= 0).all()
        assert report.shares.sum() == pytest.approx(1, abs=1e-12)


@pytest.mark.parametrize("name", [name for name, entry in CATALOGUE.items() if not entry.inside[0]])
def test_every_loss_can_be_asked(tmp_path, name):
    files = write(tmp_path, logits())
    report = only(Inspector(files.prediction, files.reference), name)
    assert report.error is None
    assert report.shares.sum() == pytest.approx(1)


# Who is heard and who is drowned


def test_inverse_weights_give_lesions_equal_shares_where_dice_does_not(tmp_path):
    """w = N / (M |L|) makes the sum of w p (1 - p) over a lesion N / M times its mean of p (1 - p): it depends on how
    sure the prediction is there, not on the lesion's size. With one probability in both lesions shares are equal."""
    files = write(tmp_path, equally_sure())
    inspection = Inspector(files.prediction, files.reference).inspect(["dice", "iw(dice)", "iw(ce)", "ce"])
    plain, weighted, weighted_ce, plain_ce = (report.shares for report in inspection.losses)
    sizes = [region.voxels for region in inspection.regions[:2]]
    assert sizes == [512, 8]
    assert plain[0] / plain[1] == pytest.approx(64, rel=1e-4)
    assert plain_ce[0] / plain_ce[1] == pytest.approx(64, rel=1e-4)
    assert weighted[0] == pytest.approx(weighted[1], rel=1e-4)
    assert weighted_ce[0] == pytest.approx(weighted_ce[1], rel=1e-4)
    assert weighted[1] > 10 * plain[1]


def test_with_other_probabilities_inverse_weights_leave_the_mean_of_the_slope(tmp_path):
    probability = equally_sure()
    probability[SMALL] = 0.9
    files = write(tmp_path, probability)
    shares = only(Inspector(files.prediction, files.reference), "iw(dice)").shares
    assert shares[1] / shares[0] == pytest.approx(0.9 * 0.1 / (0.6 * 0.4), rel=1e-4)


def test_a_shift_tells_which_loss_notices(tmp_path):
    """dL/ds of a shift s of all logits is the sum of the gradient, which a difference of values must show."""
    files = write(tmp_path, logits())
    inspector = Inspector(files.prediction, files.reference)
    for expression in ("dice", "ce", "iw(dice)"):
        step = 0.05
        up, down = (only(inspector, expression, shift=sign * step) for sign in (1, -1))
        expected = inspector.gradient(expression).sum(dtype=np.float64)
        assert (up.value - down.value) / (2 * step) == pytest.approx(expected, abs=2e-3 * up.gradient)
    before, after = (inspector.inspect(["ce"], shift=shift) for shift in (0.0, 8.0))
    assert after.shift == 8.0
    assert after.regions == before.regions
    assert after.losses[0].value > 5 * before.losses[0].value
    assert after.losses[0].shares[-1] > 0.9 > before.losses[0].shares[-1]


# Regions


def test_lesions_false_positives_and_background_have_their_places(tmp_path):
    values = logits()
    values[SMALL] = -4.0
    files = write(tmp_path, values)
    regions = Inspector(files.prediction, files.reference).inspect(["dice"]).regions
    assert [(region.kind, region.number, region.found) for region in regions] == [
        (Kind.LESION, 1, True),
        (Kind.LESION, 2, False),
        (Kind.FALSE_POSITIVE, 1, None),
        (Kind.BACKGROUND, 1, None),
    ]
    voxels = [512, 8, 24]
    assert [region.voxels for region in regions] == [*voxels, np.prod(SIZE) - sum(voxels)]
    assert regions[0].volume_mm3 == pytest.approx(512 * 1.5 * 0.8 * 0.9)
    for region, box in zip(regions, (LARGE, SMALL, FALSE), strict=False):
        z, y, x = ((part.start + part.stop - 1) / 2 for part in box)
        expected = (GEOMETRY.affine @ [x, y, z, 1])[:3]
        np.testing.assert_allclose(region.centroid_ras, expected, atol=1e-5)
    assert regions[-1].centroid_ras is None and regions[-1].components == 0


def test_what_a_component_has_besides_its_lesion_is_background(tmp_path):
    values = logits()
    values[4:12, 4:12, 12:16] = 3.0
    files = write(tmp_path, values)
    regions = Inspector(files.prediction, files.reference).inspect(["dice"]).regions
    assert [region.kind for region in regions] == [Kind.LESION, Kind.LESION, Kind.FALSE_POSITIVE, Kind.BACKGROUND]
    assert regions[2].voxels == 24


def test_an_empty_reference_leaves_false_positives_and_background(tmp_path):
    files = write(tmp_path, logits(), np.zeros(SIZE, np.uint8))
    inspection = Inspector(files.prediction, files.reference).inspect(
        ["ce", "iw(ce)", "iw(dice)", "blob(ce)", "boundary"]
    )
    assert [region.kind for region in inspection.regions] == [Kind.FALSE_POSITIVE] * 3 + [Kind.BACKGROUND]
    for report in inspection.losses:
        if report.expression in ("iw(dice)", "boundary"):
            # Documented: on an empty volume these are constant.
            assert report.error is None and report.gradient == 0 and not report.shares.any()
        else:
            assert report.shares.sum() == pytest.approx(1)
            assert report.shares[:3].sum() > 0.5


def test_nothing_predicted_and_nothing_there(tmp_path):
    files = write(tmp_path, np.full(SIZE, -6.5, np.float32), np.zeros(SIZE, np.uint8))
    inspection = Inspector(files.prediction, files.reference).inspect(["ce"])
    assert [region.kind for region in inspection.regions] == [Kind.BACKGROUND]
    assert inspection.losses[0].shares.tolist() == [1.0]


def test_of_many_false_positives_the_small_ones_are_one_region(tmp_path):
    values = np.full(SIZE, -5.0, np.float32)
    values[::3, ::3, ::3] = 2.0
    values[0, 0, :10] = 2.0
    values[9, 9, 9:11] = 2.0
    files = write(tmp_path, values, np.zeros(SIZE, np.uint8))
    inspection = Inspector(files.prediction, files.reference).inspect(["ce"])
    false = [region for region in inspection.regions if region.kind is Kind.FALSE_POSITIVE]
    assert len(false) == MOST_FALSE_POSITIVES + 1
    assert [region.number for region in false] == list(range(1, len(false) + 1))
    assert sum(region.voxels for region in false) == np.count_nonzero(values > 0)
    assert sorted(region.voxels for region in false[:-1])[-2:] == [2, 10]
    last = false[-1]
    assert last.components == last.voxels > 100 and last.centroid_ras is None
    slopes = np.abs(Inspector(files.prediction, files.reference).gradient("ce"))
    one = slopes[3, 0, 0] / slopes.sum(dtype=np.float64)
    assert inspection.losses[0].shares[len(false) - 1] == pytest.approx(last.voxels * one, rel=1e-4)


# What volumes hold


def test_scales_are_told_apart(tmp_path):
    expected = logits()
    for prediction, scale, like in (
        (expected, Scale.LOGIT, expected),
        (expit(expected.astype(np.float64)).astype(np.float32), Scale.PROBABILITY, expected),
        ((expected > 0).astype(np.uint8), Scale.LABEL, np.where(expected > 0, 1, -1) * logit(SURE)),
        (3 * (expected > 0).astype(np.uint8), Scale.LABEL, np.where(expected > 0, 1, -1) * logit(SURE)),
    ):
        files = write(tmp_path, prediction)
        found = read_prediction(files.prediction)
        assert found.scale is scale
        np.testing.assert_allclose(found.logits, like, rtol=1e-5, atol=1e-4)
        np.testing.assert_array_equal(found.components.array() > 0, expected > 0)


def test_sure_probabilities_are_clipped(tmp_path):
    values = np.full(SIZE, 0.25, np.float32)
    values[0], values[1] = 0, 1
    files = write(tmp_path, values)
    found = read_prediction(files.prediction).logits
    np.testing.assert_allclose(found[0], logit(CLIP), rtol=1e-3)
    np.testing.assert_allclose(found[1], -logit(CLIP), rtol=1e-2)
    np.testing.assert_allclose(found[2:], logit(0.25), rtol=1e-6)


def test_one_class_of_several(tmp_path):
    truth = target()
    truth[SMALL] = 2
    prediction = np.zeros(SIZE, np.uint8)
    prediction[LARGE] = 1
    prediction[FALSE] = 2
    files = write(tmp_path, prediction, truth)
    every = Inspector(files.prediction, files.reference).inspect(["dice"])
    assert [region.voxels for region in every.regions[:3]] == [512, 8, 24]
    second = Inspector(files.prediction, files.reference, label=2).inspect(["dice"])
    assert [(region.kind, region.voxels) for region in second.regions[:2]] == [
        (Kind.LESION, 8),
        (Kind.FALSE_POSITIVE, 24),
    ]
    assert second.labels == (1, 2)


@pytest.mark.parametrize(
    ("scale", "value", "words"),
    [
        (Scale.PROBABILITY, 1.5, "holds no probabilities: its values reach from 0.25 to 1.5"),
        (Scale.LABEL, 0.5, "is no label map"),
        (Scale.LABEL, -2.0, "is no label map"),
    ],
)
def test_a_wrong_scale_is_refused(tmp_path, scale, value, words):
    values = np.full(SIZE, 0.25 if scale is Scale.PROBABILITY else 0, np.float32)
    values[3, 4, 5] = value
    files = write(tmp_path, values)
    with pytest.raises(InputError, match=words) as caught:
        Inspector(files.prediction, files.reference, scale=scale)
    assert "prediction.nrrd" in caught.value.message and "--scale" in caught.value.hint


def test_another_grid_is_refused(tmp_path):
    files = write(tmp_path, logits())
    write_volume(files.reference, target(), Geometry(SIZE, (1.5, 0.8, 0.9), (10.0, -20.0, 33.0)))
    with pytest.raises(InputError, match=r"not on the same grid: origin .*33") as caught:
        Inspector(files.prediction, files.reference)
    assert "prediction.nrrd" in caught.value.message and "reference.nrrd" in caught.value.message


# Losses that cannot be computed


def test_a_loss_that_does_not_exist_has_a_sentence_and_the_others_go_on(tmp_path):
    files = write(tmp_path, logits())
    reports = Inspector(files.prediction, files.reference).inspect(["dicee", "dice", "iw(ce", "dice"]).losses
    assert [report.expression for report in reports] == ["dicee", "dice", "iw(ce"]
    assert "Did you mean 'dice'?" in reports[0].error
    assert reports[0].value is None and reports[0].gradient is None and not reports[0].shares.any()
    assert reports[1].error is None and reports[1].shares.sum() == pytest.approx(1)
    assert reports[2].error


def test_without_any_loss_there_is_no_answer(tmp_path):
    files = write(tmp_path, logits())
    inspector = Inspector(files.prediction, files.reference)
    with pytest.raises(InputError, match="None of the losses can be computed. There is no loss 'dicee'"):
        inspector.inspect(["dicee", "topq"])
    with pytest.raises(InputError, match="No loss is given"):
        inspector.inspect([])
    with pytest.raises(InputError, match="There is no loss 'dicee'"):
        inspector.gradient("dicee")


def test_a_value_that_is_not_finite_is_an_error(tmp_path, monkeypatch):
    from lossseg.inspection import gradients

    class Broken:
        required_maps: frozenset[str] = frozenset()

        def __call__(self, logits, target, maps):
            return (logits * float("inf")).sum()

        def unobserved(self):
            return nullcontext()

    monkeypatch.setattr(gradients, "build", lambda expression, classes: Broken())
    files = write(tmp_path, np.ones(SIZE, np.float32))
    with pytest.raises(InputError, match="dice has no finite value here"):
        Inspector(files.prediction, files.reference, scale=Scale.LOGIT).inspect(["dice"])


def test_adaptive_losses_are_as_training_begins(tmp_path):
    files = write(tmp_path, logits())
    inspector = Inspector(files.prediction, files.reference)
    adaptive = [entry for entry in CATALOGUE.values() if entry.family == "adaptive"]
    assert len(adaptive) > 2
    for entry in adaptive:
        expression = f"{entry.name}(dice, ce)" if entry.inside[1] != 1 else f"{entry.name}(dice)"
        first = only(inspector, expression)
        only(inspector, expression, shift=1.0)
        again = only(Inspector(files.prediction, files.reference), expression)
        assert first.error is None and first.value == again.value and first.gradient > 0
