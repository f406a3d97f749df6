import math
import os
import subprocess
import sys

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from scipy import ndimage

from lossseg.errors import InputError
from lossseg.evaluation import MEASURES, Credit, Lesion, Outcome, evaluate_case
from lossseg.evaluation.lesions import Relation

SPACING = (3.0, 0.5, 0.8)  # 1.2 mm3
COS, SIN = math.sqrt(3) / 2, 0.5
OBLIQUE = np.array(
    [
        [COS * 0.8, -SIN * 0.5, 0.0, 10.0],
        [SIN * 0.8, COS * 0.5, 0.0, -20.0],
        [0.0, 0.0, 3.0, 5.0],
        [0.0, 0.0, 0.0, 1.0],
    ]
)


def volume(*voxels: tuple[int, int, int], shape=(8, 10, 12), value=1) -> np.ndarray:
    array = np.zeros(shape, np.uint8)
    for voxel in voxels:
        array[voxel] = value
    return array


def far(*voxels: int) -> float:
    """mm between two voxels so many voxels apart along z, y and x."""
    return math.hypot(*np.array(voxels) * SPACING)


@pytest.fixture
def case():
    """A found lesion of 3 voxels, a missed one of one voxel in the corner, a false positive of 2 voxels."""
    reference = volume((0, 0, 0), (2, 3, 4), (2, 3, 5), (2, 4, 4))
    prediction = volume((2, 3, 4), (2, 3, 5), (2, 3, 6), (6, 7, 7), (6, 7, 8))
    probability = np.full(reference.shape, 0.1, np.float32)
    for voxel, value in zip(np.argwhere(prediction), (0.9, 0.8, 0.7, 0.6, 0.5), strict=True):
        probability[tuple(voxel)] = value
    return reference, prediction, probability


def test_found_missed_and_false_positive_on_an_oblique_anisotropic_grid(case):
    reference, prediction, probability = case
    result = evaluate_case(reference, prediction, SPACING, probability, affine=OBLIQUE, name="one")
    missed, found, false = result.lesions
    assert [lesion.number for lesion in result.lesions] == [1, 2, 3]
    assert result.name == "one"
    assert result.labels == {"1": 1}

    assert missed.outcome is Outcome.MISSED
    assert (missed.voxels, missed.label, missed.overlap) == (1, 1, 0.0)
    assert missed.volume_mm3 == pytest.approx(1.2)
    assert missed.diameter_mm == pytest.approx(3.0)
    assert missed.centroid_ras == pytest.approx((10.0, -20.0, 5.0))
    assert math.isnan(missed.confidence_mean)
    assert math.isnan(missed.confidence_max)

    assert found.outcome is Outcome.FOUND
    assert found.voxels == 3
    assert found.volume_mm3 == pytest.approx(3.6)
    # Between the outer faces across the slice of the two voxels that touch by a corner.
    assert found.diameter_mm == pytest.approx(math.sqrt(3.0**2 + 0.5**2 + 0.8**2))
    assert found.centroid_ras == pytest.approx((12.168888, -16.823291, 11.0))
    assert (found.confidence_mean, found.confidence_max) == pytest.approx((0.8, 0.9))
    assert found.overlap == pytest.approx(2 * 2 / (3 + 3))

    assert false.outcome is Outcome.FALSE_POSITIVE
    assert (false.voxels, false.overlap) == (2, 0.0)
    assert false.diameter_mm == pytest.approx(math.sqrt(3.0**2 + 0.8**2))
    assert (false.confidence_mean, false.confidence_max) == pytest.approx((0.55, 0.6))

    # Every voxel is boundary, and two are common: (6, 7, 7) lies nearest to (2, 3, 5), (0, 0, 0) to (2, 3, 4), ...
    there = [0, 0, far(0, 0, 1), far(4, 4, 2), far(4, 4, 3)]
    back = [0, 0, far(0, 1, 0), far(2, 3, 4)]
    assert result.measures == pytest.approx(
        {
            "dice": 2 * 2 / (4 + 5),
            "volumetric_similarity": 1 - 1 / 9,
            "hd95": max(np.percentile(there, 95), np.percentile(back, 95)),
            "hd95_adam": max(np.percentile(there, 95), np.percentile(back, 95)),
            "assd": sum(there + back) / 9,
            "surface_dice": 6 / 9,
            "recall": 1 / 2,
            "precision": 1 / 2,
            "f1": 1 / 2,
            "false_positives": 1.0,
            "object_dice": 2 / 3,
            # The missed lesion is too small to count, the component far away is false.
            "lesionwise_dice": (2 / 3) / 2,
            "panoptic_quality": 0.0,
            "recognition_quality": 0.0,
            "segmentation_quality": math.nan,
            "merged_lesions": 0.0,
            "split_lesions": 0.0,
            "reference_lesions": 2.0,
            "predicted_lesions": 2.0,
            "volume_ml_reference": 0.0048,
            "volume_ml_prediction": 0.006,
        },
        nan_ok=True,
    )
    assert result.detections.lesion_scores == pytest.approx((0.9, -math.inf))
    assert result.detections.false_positive_scores == pytest.approx((0.6,))


def test_without_an_affine_the_direction_is_identity_in_lps(case):
    reference, prediction, _ = case
    _, found, _ = evaluate_case(reference, prediction, SPACING).lesions
    assert found.centroid_ras == pytest.approx((-13 / 3 * 0.8, -10 / 3 * 0.5, 6.0))
    assert math.isnan(found.confidence_max)


def test_both_empty_is_undefined():
    empty = volume()
    result = evaluate_case(empty, empty, SPACING)
    assert result.lesions == ()
    undefined = {key for key, value in result.measures.items() if math.isnan(value)}
    assert undefined == set(MEASURES) - {
        "false_positives",
        "merged_lesions",
        "split_lesions",
        "reference_lesions",
        "predicted_lesions",
        "volume_ml_reference",
        "volume_ml_prediction",
    }
    assert result.measures["false_positives"] == 0
    assert result.measures["volume_ml_prediction"] == 0


def test_an_empty_reference_makes_every_component_false():
    result = evaluate_case(volume(), volume((1, 1, 1), (5, 5, 5)), SPACING)
    assert (result.measures["dice"], result.measures["precision"], result.measures["f1"]) == (0, 0, 0)
    assert (result.measures["volumetric_similarity"], result.measures["surface_dice"]) == (0, 0)
    assert (result.measures["lesionwise_dice"], result.measures["panoptic_quality"]) == (0, 0)
    assert all(math.isnan(result.measures[key]) for key in ("recall", "hd95", "hd95_adam", "assd"))
    assert result.measures["false_positives"] == 2


def test_an_empty_prediction_misses_everything():
    result = evaluate_case(volume((1, 1, 1)), volume(), SPACING)
    assert (result.measures["dice"], result.measures["recall"], result.measures["f1"]) == (0, 0, 0)
    assert math.isnan(result.measures["precision"])
    assert math.isnan(result.measures["hd95"])
    assert [lesion.outcome for lesion in result.lesions] == [Outcome.MISSED]
    assert (result.lesions[0].parts, result.lesions[0].merged_with) == (0, ())


def test_a_row_tells_box_axes_border_and_confidence(case):
    reference, prediction, probability = case
    missed, found, false = evaluate_case(reference, prediction, SPACING, probability).lesions
    assert (missed.box_first, missed.box_last, missed.at_border) == ((0, 0, 0), (0, 0, 0), True)
    assert (missed.axial_long_mm, missed.axial_short_mm) == (0.8, 0.5)
    assert (found.box_first, found.box_last, found.at_border) == ((2, 3, 4), (2, 4, 5), False)
    # The voxels at (3, 4), (3, 5) and (4, 4) of slice 2, 0.8 mm wide and 0.5 mm high.
    assert found.axial_long_mm == pytest.approx(math.hypot(2 * 0.8, 0.5))
    assert (false.box_first, false.box_last) == ((6, 7, 7), (6, 7, 8))
    assert (false.axial_long_mm, false.axial_short_mm) == pytest.approx((1.6, 0.5))
    # Linear between the highest and the second highest voxel.
    assert found.confidence_p95 == pytest.approx(np.percentile([0.9, 0.8, 0.7], 95))
    assert false.confidence_p95 == pytest.approx(np.percentile([0.6, 0.5], 95))
    assert math.isnan(missed.confidence_p95)
    assert (found.relation, found.parts) == (Relation.SINGLE, 1)
    assert (false.relation, false.parts) == (Relation.SINGLE, 0)


@pytest.mark.parametrize("order", [(0, 1, 2), (1, 0, 2), (2, 1, 0), (1, 2, 0)])
def test_axial_slices_are_the_patient_s_however_the_volume_is_stored(order):
    """One lesion, long along S and wider from left to right than from front to back, in four orders of storage."""
    lesion = np.zeros((9, 8, 10), np.uint8)
    lesion[1:8, 3:5, 2:7] = 1
    affine = np.diag([-0.5, -1.0, 2.0, 1.0])  # columns x, y, z; 2 mm along S
    columns = [2 - axis for axis in order][::-1]
    turned = np.eye(4)
    turned[:3, :3] = affine[:3, :3][:, columns]
    spacing = np.array((2.0, 1.0, 0.5))[list(order)]
    array = lesion.transpose(order)
    row = evaluate_case(array, array, spacing, affine=turned).lesions[0]
    assert row.axial_long_mm == pytest.approx(math.hypot(2 * 1.0, 4 * 0.5))
    assert row.centroid_ras == pytest.approx((-2.0, -3.5, 8.0))
    assert row.diameter_mm == pytest.approx(math.sqrt(14**2 + 1 + 2**2))


def test_an_oblique_direction_changes_positions_only(case):
    reference, prediction, probability = case
    straight = evaluate_case(reference, prediction, SPACING, probability)
    oblique = evaluate_case(reference, prediction, SPACING, probability, affine=OBLIQUE)
    assert straight.measures == pytest.approx(oblique.measures, nan_ok=True)
    for one, other in zip(straight.lesions, oblique.lesions, strict=True):
        assert one.centroid_ras != other.centroid_ras
        assert one.axial_long_mm == other.axial_long_mm
        assert (one.box_first, one.diameter_mm) == (other.box_first, other.diameter_mm)


def test_a_lesion_at_the_border_equal_to_its_prediction():
    lesion = volume((0, 0, 0), (0, 0, 1), (7, 9, 11))
    result = evaluate_case(lesion, lesion, SPACING)
    assert [row.overlap for row in result.lesions] == [1.0, 1.0]
    assert [row.at_border for row in result.lesions] == [True, True]
    assert result.measures["dice"] == 1
    assert (result.measures["hd95"], result.measures["assd"], result.measures["surface_dice"]) == (0, 0, 1)
    assert result.lesions[1].centroid_ras == pytest.approx((-11 * 0.8, -9 * 0.5, 21.0))


def test_without_a_reference_lesions_are_unmatched(case):
    _, prediction, probability = case
    result = evaluate_case(None, prediction, SPACING, probability)
    assert [lesion.outcome for lesion in result.lesions] == [Outcome.UNMATCHED] * 2
    assert [lesion.voxels for lesion in result.lesions] == [3, 2]
    assert [lesion.number for lesion in result.lesions] == [1, 2]
    assert all(math.isnan(lesion.overlap) for lesion in result.lesions)
    assert result.lesions[0].confidence_max == pytest.approx(0.9)
    assert math.isnan(result.measures["dice"])
    assert math.isnan(result.measures["false_positives"])
    assert result.measures["predicted_lesions"] == 2
    assert math.isnan(evaluate_case(None, volume(), SPACING).measures["reference_lesions"])
    with pytest.raises(InputError, match="no reference"):
        _ = result.detections


def test_several_predictions_on_one_lesion_are_no_false_positives():
    reference = volume(*((1, 1, x) for x in range(8)))
    prediction = volume((1, 1, 0), (1, 1, 4), (1, 1, 5), (1, 1, 6))
    result = evaluate_case(reference, prediction, SPACING)
    assert len(result.lesions) == 1
    assert result.lesions[0].overlap == pytest.approx(2 * 3 / (8 + 3))
    assert (result.measures["precision"], result.measures["false_positives"]) == (1, 0)


def test_credit_of_one_prediction_that_touches_several_lesions():
    reference = volume((1, 1, 0), (1, 1, 1), (1, 1, 5))
    prediction = volume(*((1, 1, x) for x in range(6)))
    both = evaluate_case(reference, prediction, SPACING)
    assert [lesion.outcome for lesion in both.lesions] == [Outcome.FOUND, Outcome.FOUND]
    assert [lesion.overlap for lesion in both.lesions] == pytest.approx([2 * 2 / (2 + 6), 2 * 1 / (1 + 6)])
    best = evaluate_case(reference, prediction, SPACING, credit=Credit.BEST)
    assert [lesion.outcome for lesion in best.lesions] == [Outcome.FOUND, Outcome.MISSED]
    assert best.lesions[1].overlap == 0
    assert (best.measures["recall"], best.measures["false_positives"], best.measures["precision"]) == (0.5, 0, 1)


def test_each_class_is_compared_with_itself():
    reference = volume((1, 1, 1), (1, 1, 2)) + volume((5, 5, 5), value=2)
    prediction = volume((1, 1, 1), (1, 1, 2)) + volume((5, 5, 5), value=1)
    result = evaluate_case(reference, prediction, SPACING, labels={"background": 0, "cyst": 2, "tumour": 1})
    assert [(row.outcome.value, row.label) for row in result.lesions] == [
        ("missed", 2),
        ("found", 1),
        ("false_positive", 1),
    ]
    measures = result.measures
    assert measures["dice[tumour]"] == pytest.approx(2 * 2 / (2 + 3))
    assert measures["dice[cyst]"] == 0
    assert measures["dice"] == pytest.approx(0.4)
    assert measures["recall"] == 0.5
    assert measures["precision"] == 0.5  # of the cyst undefined, so of the tumour alone
    assert math.isnan(measures["precision[cyst]"])
    assert measures["reference_lesions"] == 2
    assert measures["volumetric_similarity[tumour]"] == pytest.approx(4 / 5)
    assert measures["volumetric_similarity"] == pytest.approx(2 / 5)
    assert measures["hd95"] == measures["hd95[tumour]"] > 0  # that of the cyst is undefined
    assert math.isnan(measures["hd95[cyst]"])
    assert measures["panoptic_quality"] == pytest.approx((1 / 1.5 + 0) / 2)
    assert measures["volume_ml_reference"] == pytest.approx(0.0036)
    assert result.labels == {"cyst": 2, "tumour": 1}


def test_classes_default_to_the_values_that_occur():
    result = evaluate_case(volume((1, 1, 1), value=7), volume((1, 1, 1), value=3), SPACING)
    assert {key: value for key, value in result.measures.items() if key.startswith("dice[")} == {
        "dice[3]": 0,
        "dice[7]": 0,
    }


def test_touching_lesions_of_two_classes_stay_two():
    both = volume((1, 1, 1)) + volume((1, 1, 2), value=2)
    assert evaluate_case(both, both, SPACING).measures["reference_lesions"] == 2


def test_whole_numbers_and_truth_values_of_any_type_are_labels(case):
    reference, prediction, _ = case
    expected = evaluate_case(reference, prediction, SPACING)
    for kind in (bool, np.int64, np.float64):
        again = evaluate_case(reference.astype(kind), np.asfortranarray(prediction.astype(kind)), SPACING)
        assert again.measures == pytest.approx(expected.measures, nan_ok=True, rel=1e-12)


@pytest.mark.parametrize(
    ("change", "sentence"),
    [
        ({"reference": np.zeros((8, 10, 11), np.uint8)}, "8x10x11 against 8x10x12"),
        ({"prediction": np.zeros((10, 12), np.uint8)}, "2 axes"),
        ({"probability": np.full((8, 10, 12), 1.5)}, "reaches from 0 to 1.5"),
        ({"probability": np.full((8, 10, 12), np.nan)}, "nan"),
        ({"probability": np.full((8, 10, 12), -0.25, np.float32)}, "reaches from -0.25 to 0"),
        ({"probability": np.full((8, 10, 12), np.inf, np.float32)}, "reaches from 0 to inf"),
        ({"probability": np.zeros((8, 10, 11))}, "differ in size"),
        ({"reference": np.full((8, 10, 12), 0.5)}, "no whole numbers"),
        ({"prediction": np.full((8, 10, 12), -1)}, "negative value -1"),
        ({"spacing": (1.0, 0.0, 1.0)}, "three positive numbers"),
        ({"affine": np.eye(4)}, "not \\(3.0, 0.5, 0.8\\)"),
        ({"affine": np.eye(3)}, "shape \\(3, 3\\)"),
        ({"labels": {"lesion": 2}}, "Label value 1 is none of the classes \\(lesion = 2\\)"),
        ({"connectivity": 4}, "4-connectivity"),
        ({"credit": "half"}, "no credit 'half'"),
    ],
)
def test_what_cannot_be_evaluated_says_why(case, change, sentence):
    reference, prediction, probability = case
    arguments = {"reference": reference, "prediction": prediction, "spacing": SPACING, "probability": probability}
    with pytest.raises(ValueError, match=sentence):
        evaluate_case(**{**arguments, **change})


@settings(deadline=None, max_examples=80)
@given(
    pair=arrays(np.uint8, (2, 4, 5, 6), elements=st.sampled_from([0, 0, 0, 1])),
    credit=st.sampled_from(list(Credit)),
)
def test_counts_and_overlaps_equal_brute_force(pair, credit):
    reference, prediction = pair
    structure = np.ones((3, 3, 3))
    truth, truths = ndimage.label(reference, structure)
    found, founds = ndimage.label(prediction, structure)
    dice = np.zeros((truths, founds))
    for i in range(truths):
        for j in range(founds):
            a, b = truth == i + 1, found == j + 1
            dice[i, j] = 2 * (a & b).sum() / (a.sum() + b.sum())
    credited = dice.copy()
    if credit is Credit.BEST and dice.size:
        credited[:] = 0
        for j in np.flatnonzero(dice.max(axis=0)):
            credited[dice[:, j].argmax(), j] = dice[:, j].max()
    result = evaluate_case(reference, prediction, (1, 1, 1), credit=credit)
    overlaps = [lesion.overlap for lesion in result.lesions if lesion.outcome.in_reference]
    assert overlaps == pytest.approx(credited.max(axis=1, initial=0).tolist())
    false = [lesion.voxels for lesion in result.lesions if lesion.outcome is Outcome.FALSE_POSITIVE]
    assert false == [(found == j + 1).sum() for j in range(founds) if not dice[:, j].any()]
    assert result.measures["false_positives"] == len(false)
    total = reference.sum() + prediction.sum()
    if total:
        assert result.measures["dice"] == pytest.approx(2 * (reference & prediction).sum() / total)


def test_lesions_are_values():
    lesion = Lesion(1, Outcome.FOUND, 2, 2.0, 2.0, (0.0, 0.0, 0.0), 0.5, 0.6, 0.7)
    assert lesion.label == 1
    assert Outcome.FALSE_POSITIVE.words == "false positive"
    with pytest.raises(AttributeError):
        lesion.number = 2


def test_evaluation_needs_no_torch():
    code = "import sys, lossseg.evaluation; print({'torch', 'monai', 'matplotlib'} & sys.modules.keys())"
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)}
    done = subprocess.run([sys.executable, "-c", code], env=environment, capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "set()"
