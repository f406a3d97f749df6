"""Measures that put detection and delineation into one number: lesion-wise Dice of BraTS-METS and panoptic quality."""

import math

import numpy as np
import pytest
from lesion_masks import blob_pair, sparse_pair
from scipy import ndimage

from lossseg.evaluation import evaluate_case

ONE = (1.0, 1.0, 1.0)


def row(*boxes: tuple[int, int], length: int = 40) -> np.ndarray:
    array = np.zeros((1, 1, length), np.uint8)
    for low, high in boxes:
        array[0, 0, low:high] = 1
    return array


def measures(reference: np.ndarray, prediction: np.ndarray, spacing=ONE) -> dict[str, float]:
    return evaluate_case(reference, prediction, spacing).measures


def test_lesionwise_dice_by_hand():
    # Found with Dice 6/8, missed, and a false positive.
    assert measures(row((0, 4), (10, 14)), row((0, 3), (20, 22)))["lesionwise_dice"] == pytest.approx(6 / 7 / 3)
    # Two components on one lesion count together.
    assert measures(row((0, 10)), row((0, 3), (5, 8)))["lesionwise_dice"] == pytest.approx(2 * 6 / 16)
    # One component on two lesions counts for both in full.
    assert measures(row((0, 4), (10, 14)), row((3, 11)))["lesionwise_dice"] == pytest.approx(2 / 12)


def test_lesions_that_touch_after_dilation_are_one_and_their_reach_grows_by_a_voxel():
    # Two voxels between them: dilated they touch.
    assert measures(row((0, 4), (6, 10)), row((0, 4)))["lesionwise_dice"] == pytest.approx(8 / 12)
    assert measures(row((0, 4), (7, 11)), row((0, 4)))["lesionwise_dice"] == pytest.approx(1 / 2)
    # A neighbour of the lesion is no false positive, and no overlap either.
    assert measures(row((0, 4)), row((4, 6)))["lesionwise_dice"] == 0
    assert measures(row((0, 4)), row((0, 4), (5, 7)))["lesionwise_dice"] == pytest.approx(2 * 4 / 8 / 2)


def test_lesions_up_to_2_mm3_are_left_out_but_their_components_are_not_false():
    assert measures(row((0, 4), (10, 12)), row((0, 4)))["lesionwise_dice"] == 1
    assert measures(row((0, 4), (10, 12)), row((0, 4), (10, 11)))["lesionwise_dice"] == 1
    assert math.isnan(measures(row((10, 12)), row((10, 12)))["lesionwise_dice"])
    assert measures(row((10, 12)), row((30, 31)))["lesionwise_dice"] == 0
    # 2 voxels of 1.2 mm3 are enough.
    assert measures(row((10, 12)), row((10, 12)), (2.0, 1.0, 0.6))["lesionwise_dice"] == 1


def lesionwise_by_brute_force(reference: np.ndarray, prediction: np.ndarray, voxel_volume: float) -> float:
    """The definition of the BraTS 2023 evaluation for metastases, lesion by lesion on whole arrays."""
    ball, around = ndimage.generate_binary_structure(3, 2), np.ones((3, 3, 3))
    dilated, count = ndimage.label(ndimage.binary_dilation(reference, ball), around)
    components, found = ndimage.label(prediction, around)
    lesions = dilated * reference
    dice, touched = [], set()
    for number in range(1, count + 1):
        lesion = lesions == number
        touching = set(np.unique(components[ndimage.binary_dilation(lesion, ball)]).tolist()) - {0}
        touched |= touching
        mask = np.isin(components, list(touching))
        if lesion.sum() * voxel_volume > 2:
            dice.append(2 * (mask & lesion).sum() / (mask.sum() + lesion.sum()))
    return sum(dice) / (len(dice) + found - len(touched))


@pytest.mark.parametrize("seed", range(6))
@pytest.mark.parametrize("pair", [blob_pair, sparse_pair])
def test_lesionwise_dice_equals_the_definition(seed, pair):
    reference, prediction = pair(seed)
    expected = lesionwise_by_brute_force(reference, prediction, 1.3 * 0.9 * 0.8)
    assert 0 < expected < 1
    assert measures(reference, prediction, (1.3, 0.9, 0.8))["lesionwise_dice"] == pytest.approx(expected)


def test_panoptic_quality_by_hand():
    # IoU 8/10 and exactly 1/2, which is not greater than 1/2; a lesion missed and two components false.
    values = measures(row((0, 10), (15, 19), (25, 30)), row((0, 8), (15, 17), (35, 37)))
    assert values["recognition_quality"] == pytest.approx(1 / 3)
    assert values["segmentation_quality"] == pytest.approx(0.8)
    assert values["panoptic_quality"] == pytest.approx(0.8 / 3)
    # What a lesion is matched by makes no difference.
    near = evaluate_case(row((0, 10)), row((0, 8)), ONE, matching="adam").measures
    assert near["panoptic_quality"] == pytest.approx(0.8)


def test_panoptic_quality_without_a_pair():
    values = measures(row((0, 10)), row((0, 3)))
    assert (values["panoptic_quality"], values["recognition_quality"]) == (0, 0)
    assert math.isnan(values["segmentation_quality"])
    empty = measures(row(), row())
    assert all(math.isnan(empty[key]) for key in ("panoptic_quality", "recognition_quality", "segmentation_quality"))
    assert measures(row(), row((1, 2)))["panoptic_quality"] == 0
