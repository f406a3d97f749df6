import itertools
import math

import numpy as np
import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st
from lesion_masks import blob_pair, sparse_pair

from lossseg.components import find
from lossseg.errors import InputError
from lossseg.evaluation import evaluate_case
from lossseg.evaluation.criteria import MATCHINGS, Assignment, Credit, Criterion, Duplicates, Matching
from lossseg.evaluation.lesions import Relation
from lossseg.evaluation.matching import Matches, match

ONE = (1.0, 1.0, 1.0)


def row(*boxes: tuple[int, int], length: int = 30) -> np.ndarray:
    """A volume of one row with voxels set from x to x."""
    array = np.zeros((1, 1, length), np.uint8)
    for low, high in boxes:
        array[0, 0, low:high] = 1
    return array


def matched(reference: np.ndarray, prediction: np.ndarray, how: Matching) -> Matches:
    return match(find(reference), find(prediction), how, ONE)


def outcomes(result) -> list[str]:
    return [lesion.outcome.value for lesion in result.lesions]


def test_iou_has_to_reach_the_threshold():
    reference = row((0, 10), (15, 20))
    prediction = row((4, 12), (15, 16))  # IoU 6 / 12 and 1 / 5
    by_half = matched(reference, prediction, Matching("iou", threshold=0.5))
    assert by_half.pair_iou == pytest.approx([0.5, 0.2])
    assert by_half.component.tolist() == [1, 0]
    assert by_half.dice == pytest.approx([12 / 18, 0])
    assert by_half.false_positive.tolist() == [False, True]
    assert matched(reference, prediction, Matching("iou", threshold=0.501)).component.tolist() == [0, 0]
    assert matched(reference, prediction, Matching("iou", threshold=0.2)).component.tolist() == [1, 2]


def test_a_distance_equal_to_the_radius_is_within_it_for_adam_and_not_for_luna():
    reference, prediction = row((4, 5)), row((7, 8))
    adam, luna = (Matching(Criterion.CENTRE, radius_mm=3.0, inclusive=inclusive) for inclusive in (True, False))
    near = matched(reference, prediction, adam)
    assert near.component.tolist() == [1]
    assert near.dice.tolist() == [0.0]  # found without a voxel in common
    far = matched(reference, prediction, luna)
    assert (far.component.tolist(), far.false_positive.tolist()) == ([0], [True])
    assert MATCHINGS["adam"] == Matching(Criterion.CENTRE)
    assert MATCHINGS["luna16"] == Matching(Criterion.CENTRE, inclusive=False)


def test_without_a_radius_it_is_half_of_the_longest_diameter():
    reference = row((10, 16))  # centre 12.5, 6 mm long
    assert matched(reference, row((15, 16)), MATCHINGS["adam"]).component.tolist() == [1]  # 2.5 mm away
    assert matched(reference, row((14, 18)), MATCHINGS["adam"]).component.tolist() == [1]  # 3 mm
    assert matched(reference, row((14, 18)), MATCHINGS["luna16"]).component.tolist() == [0]
    assert matched(reference, row((12, 23)), MATCHINGS["adam"]).component.tolist() == [0]  # overlaps, yet 4.5 mm


def test_distances_are_those_of_the_spacing():
    reference, prediction = np.zeros((2, 5, 5, 5), np.uint8)
    reference[0, 2, 2] = prediction[1, 2, 4] = 1
    distance = math.hypot(3.0, 2 * 0.5)
    for radius, hit in ((distance + 1e-6, True), (distance - 1e-6, False)):
        how = Matching("centre", radius_mm=radius)
        assert match(find(reference), find(prediction), how, (3.0, 1.0, 0.5)).found.tolist() == [hit]


def test_rounding_does_not_decide_whether_a_distance_equals_the_radius():
    reference, prediction = row((4, 5)), row((7, 8))
    assert 3 * 0.1 > 0.3
    for inclusive in (True, False):
        how = Matching("centre", radius_mm=0.3, inclusive=inclusive)
        assert match(find(reference), find(prediction), how, (1.0, 1.0, 0.1)).found.tolist() == [inclusive]


def test_the_nearest_of_several_centres_is_the_match():
    found = matched(row((10, 11)), row((7, 8), (12, 13), (25, 26)), Matching("centre", radius_mm=4))
    assert found.component.tolist() == [2]
    assert found.false_positive.tolist() == [False, False, True]


def test_one_to_one_finds_the_most_pairs():
    """The first component agrees best with the first lesion, but is the only one that the second lesion has."""
    reference = row((0, 10), (11, 20))
    prediction = row((0, 2), (3, 15))
    how = Matching("iou", threshold=0.1, assignment="one_to_one")
    one = matched(reference, prediction, how)
    assert one.pair_iou == pytest.approx([2 / 10, 7 / 15, 4 / 17])
    assert one.component.tolist() == [1, 2]
    many = matched(reference, prediction, Matching("iou", threshold=0.1))
    assert many.component.tolist() == [2, 2]
    assert matched(reference, prediction, Matching(credit="best")).component.tolist() == [2, 0]
    # Of as many pairs those that agree best.
    equal = matched(row((0, 6)), row((0, 2), (3, 6)), how)
    assert equal.component.tolist() == [2]
    assert equal.false_positive.tolist() == [False, False]


def test_duplicates_are_ignored_or_false():
    reference, prediction = row((0, 9)), row((0, 2), (3, 6), (7, 8), (20, 21))
    for assignment in Assignment:
        ignored = matched(reference, prediction, Matching(assignment=assignment))
        assert ignored.false_positive.tolist() == [False, False, False, True]
        false = matched(reference, prediction, Matching(assignment=assignment, duplicates="false_positive"))
        assert false.component.tolist() == [2]
        assert false.false_positive.tolist() == [True, False, True, True]


def pairs_by_brute_force(reference: np.ndarray, prediction: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """IoU and distance of centres of every lesion with every component."""
    masks = []
    for mask in (reference, prediction):
        found = find(mask)
        masks.append([found.array() == number for number in range(1, found.count + 1)])
    lesions, components = masks
    shape = (len(lesions), len(components))
    iou = np.array([(a & b).sum() / (a | b).sum() for a, b in itertools.product(*masks)]).reshape(shape)
    centres = [[np.argwhere(mask).mean(axis=0) for mask in each] for each in masks]
    distance = np.array([np.linalg.norm(a - b) for a, b in itertools.product(*centres)]).reshape(shape)
    return iou, distance


@settings(deadline=None, max_examples=60)
@given(seed=st.integers(0, 10**6), threshold=st.sampled_from([0.1, 0.25, 0.5]), by_centre=st.booleans())
def test_one_to_one_equals_trying_every_assignment(seed, threshold, by_centre):
    reference, prediction = sparse_pair(seed, (3, 5, 6), 0.16)
    iou, distance = pairs_by_brute_force(reference, prediction)
    assume(0 < min(iou.shape) <= 5 and max(iou.shape) <= 7)
    how = Matching("centre" if by_centre else "iou", threshold, 1.5, assignment="one_to_one")
    allowed = distance <= 1.5 if by_centre else iou >= threshold
    best = (0, 0.0)
    turned = allowed.shape[0] > allowed.shape[1]
    table, worth = (each.T if turned else each for each in (allowed, -distance if by_centre else iou))
    for columns in itertools.permutations(range(table.shape[1]), table.shape[0]):
        hits = table[range(len(columns)), columns]
        best = max(best, (hits.sum(), worth[range(len(columns)), columns][hits].sum()))
    found = matched(reference, prediction, how)
    lesions = np.flatnonzero(found.found)
    components = found.component[lesions] - 1
    assert allowed[lesions, components].all()
    assert len(set(components.tolist())) == len(components) == best[0]
    assert (-distance if by_centre else iou)[lesions, components].sum() == pytest.approx(best[1])
    assert found.false_positive.tolist() == (~allowed.any(axis=0)).tolist()


@pytest.mark.parametrize("seed", range(4))
def test_many_to_one_takes_the_best_of_all(seed):
    reference, prediction = blob_pair(seed)
    iou, distance = pairs_by_brute_force(reference, prediction)
    overlap = matched(reference, prediction, Matching())
    assert overlap.component.tolist() == np.where(iou.any(axis=1), iou.argmax(axis=1) + 1, 0).tolist()
    assert overlap.dice == pytest.approx(2 * iou.max(axis=1) / (1 + iou.max(axis=1)))
    near = matched(reference, prediction, Matching("centre", radius_mm=4.0))
    hit = distance <= 4
    assert near.component.tolist() == np.where(hit.any(axis=1), distance.argmin(axis=1) + 1, 0).tolist()
    assert near.false_positive.tolist() == (~hit.any(axis=0)).tolist()


def test_merged_and_split_lesions_are_named():
    reference = row((0, 4), (6, 10), (12, 16), (18, 24), (26, 28))
    prediction = row((2, 8), (9, 10), (13, 15), (18, 20), (21, 22), (23, 24))
    result = evaluate_case(reference, prediction, ONE)
    assert [lesion.relation for lesion in result.lesions] == [
        Relation.MERGED,
        Relation.MERGED_AND_SPLIT,
        Relation.SINGLE,
        Relation.SPLIT,
        Relation.SINGLE,
    ]
    assert [lesion.merged_with for lesion in result.lesions] == [(2,), (1,), (), (), ()]
    assert [lesion.parts for lesion in result.lesions] == [1, 2, 1, 3, 0]
    assert (result.measures["merged_lesions"], result.measures["split_lesions"]) == (2, 2)


def test_merged_lesions_of_the_second_class_have_the_case_s_numbers():
    reference = row((0, 2)) + 2 * row((4, 6), (8, 10), (12, 14))
    prediction = row((0, 2)) + 2 * row((4, 13))
    result = evaluate_case(reference, prediction, ONE, credit="best")
    assert outcomes(result) == ["found", "found", "missed", "missed"]
    assert [lesion.merged_with for lesion in result.lesions] == [(), (3, 4), (2, 4), (2, 3)]
    assert result.measures["merged_lesions"] == 3


def test_a_case_by_other_criteria():
    reference, prediction = row((0, 10), (15, 16)), row((9, 12), (17, 18))
    assert outcomes(evaluate_case(reference, prediction, ONE)) == ["found", "missed", "false_positive"]
    assert (
        outcomes(evaluate_case(reference, prediction, ONE, matching="picai")) == ["missed"] * 2 + ["false_positive"] * 2
    )
    near = evaluate_case(reference, prediction, ONE, matching=Matching("centre", radius_mm=2.0))
    assert outcomes(near) == ["missed", "found", "false_positive"]
    assert near.lesions[1].overlap == 0
    assert (near.measures["recall"], near.measures["object_dice"]) == (0.5, 0.0)


def test_either_side_may_be_empty():
    empty, full = row(), row((3, 5))
    for how in (*MATCHINGS.values(), Matching("centre", radius_mm=3, assignment="one_to_one")):
        assert matched(empty, full, how).false_positive.tolist() == [True]
        assert matched(full, empty, how).component.tolist() == [0]
        assert matched(empty, empty, how).pairs.shape == (0, 2)


def test_a_matching_is_a_value_in_words():
    assert Matching("iou", assignment="one_to_one") == Matching(Criterion.IOU, assignment=Assignment.ONE_TO_ONE)
    assert MATCHINGS["picai"].words == "IoU of at least 0.1, one to one"
    assert MATCHINGS["panoptic"].words == "IoU of at least 0.5, one to one, duplicates are false positives"
    assert MATCHINGS["adam"].words == "centre within half of the lesion's longest diameter"
    assert Matching("centre", radius_mm=5, inclusive=False).words == "centre nearer than 5 mm"
    assert Matching().words == "any overlap"
    assert Matching.named("luna16") is MATCHINGS["luna16"]
    assert Matching(duplicates="ignored").duplicates is Duplicates.IGNORED
    assert Matching(credit=Credit.BEST).credit is Credit.BEST


@pytest.mark.parametrize(
    ("wrong", "sentence"),
    [
        ({"criterion": "touch"}, "no criterion 'touch'. Choose overlap or iou or centre"),
        ({"assignment": "free"}, "no assignment 'free'"),
        ({"credit": "half"}, "no credit 'half'"),
        ({"duplicates": "kept"}, "no way to count duplicates 'kept'"),
        ({"threshold": 0}, "IoU threshold 0 is not in \\(0, 1\\]"),
        ({"threshold": math.nan}, "IoU threshold nan"),
        ({"radius_mm": -1.0}, "radius -1.0 mm is not positive"),
        ({"radius_mm": math.inf}, "radius inf mm"),
        ({"ignored_share": 1.1}, "ignored share 1.1 is not in \\[0, 1\\]"),
    ],
)
def test_a_matching_out_of_range_is_refused(wrong, sentence):
    with pytest.raises(InputError, match=sentence):
        Matching(**wrong)


def test_an_unknown_name_tells_the_known_ones():
    with pytest.raises(InputError, match="no matching 'brats'. Choose one of overlap, adam, luna16, picai, panoptic"):
        evaluate_case(row(), row(), ONE, matching="brats")
