import math

import numpy as np
import pytest

from lossseg.evaluation import (
    CaseResult,
    Cohort,
    Failure,
    Grouping,
    Lesion,
    Outcome,
    evaluate_case,
    size_groups,
    summarise,
    tertile_edges,
)

SHAPE = (6, 8, 10)


def blocks(*boxes: tuple[int, int, int, int], value: int = 1) -> np.ndarray:
    """Boxes of one slice: z, y, x from, x to."""
    array = np.zeros(SHAPE, np.uint8)
    for z, y, low, high in boxes:
        array[z, y, low:high] = value
    return array


def lesion(volume: float, outcome: Outcome = Outcome.FOUND, overlap: float = 0.5) -> Lesion:
    return Lesion(1, outcome, 1, volume, 1.0, (0.0, 0.0, 0.0), 0.9, 0.95, overlap)


@pytest.fixture
def cohort():
    def results():
        yield evaluate_case(blocks((1, 1, 0, 4), (4, 4, 0, 2)), blocks((1, 1, 0, 3)), (1, 1, 1), name="a")
        yield evaluate_case(blocks(), blocks((2, 2, 2, 4), (5, 5, 5, 6)), (1, 1, 1), name="b")
        yield evaluate_case(blocks(), blocks(), (1, 1, 1), name="c")
        yield Failure("d", "Broken.")
        yield evaluate_case(blocks((1, 1, 0, 6)), blocks((1, 1, 0, 6), (4, 4, 4, 5)), (1, 1, 1), name="e")

    return summarise(results(), {"threshold": 0.5})


def test_means_tell_how_many_cases_define_them(cohort):
    dice = cohort.measures["dice"]
    values = [2 * 3 / (6 + 3), 0, 2 * 6 / (6 + 7)]
    assert dice.cases == 3
    assert dice.mean == pytest.approx(np.mean(values))
    assert dice.std == pytest.approx(np.std(values))
    assert cohort.measures["recall"] == (0.75, 0.25, 2)


def test_lesions_are_pooled_over_the_cases(cohort):
    assert cohort.recall == pytest.approx(2 / 3)
    assert cohort.object_dice == pytest.approx((2 * 3 / (4 + 3) + 1) / 2)
    assert cohort.false_positives_per_case == pytest.approx(3 / 4)
    assert (cohort.count(Outcome.MISSED), cohort.count(Outcome.FALSE_POSITIVE)) == (1, 3)
    assert [name for name, _ in cohort.lesions] == ["a", "a", "b", "b", "e", "e"]
    assert cohort.failures == (("d", "Broken."),)
    assert cohort.summary() == pytest.approx(
        {
            "cases": 4,
            "failed_cases": 1,
            "lesion_recall": 2 / 3,
            "lesions_found": 2,
            "lesions_missed": 1,
            "false_positives_per_case": 0.75,
            "object_dice": (6 / 7 + 1) / 2,
        }
    )


def test_recall_by_tertile_of_size(cohort):
    small, middle, large = cohort.size_groups()
    assert [group.name for group in (small, middle, large)] == ["smallest third", "middle third", "largest third"]
    assert [(group.low, group.high) for group in (small, middle, large)] == [(0, 2), (2, 4), (4, math.inf)]
    assert [(group.lesions, group.found, group.recall) for group in (small, middle, large)] == [
        (1, 0, 0),
        (1, 1, 1),
        (1, 1, 1),
    ]
    assert math.isnan(small.object_dice)
    assert middle.object_dice == pytest.approx(6 / 7)
    assert [group.range_text for group in (small, middle, large)] == ["to 2 mm³", "2 to 4 mm³", "over 4 mm³"]


def test_lesions_of_equal_size_stay_in_one_group():
    assert tertile_edges([3, 1, 2, 5, 4, 6]) == (2, 4)
    assert tertile_edges([1, 2, 3, 4, 5]) == (2, 4)
    assert tertile_edges([7]) == (7, 7)
    assert tertile_edges([]) is None
    # 0.1 + 0.2 is not 0.3 in binary, yet the same volume.
    small, middle, large = size_groups([lesion(0.3), lesion(0.1 + 0.2), lesion(0.3, Outcome.MISSED, 0.0), lesion(9.0)])
    assert [group.lesions for group in (small, middle, large)] == [3, 0, 1]
    assert small.recall == pytest.approx(2 / 3)
    assert math.isnan(middle.recall)


def test_groups_leave_out_what_is_not_in_the_reference():
    rows = [lesion(1.0, Outcome.FALSE_POSITIVE), lesion(5.0), lesion(20.0, Outcome.MISSED, 0.0)]
    below, above = size_groups(rows, [10.0], ["small", "large"])
    assert (below.name, below.lesions, below.recall, below.object_dice) == ("small", 1, 1.0, 0.5)
    assert (above.name, above.lesions, above.recall) == ("large", 1, 0.0)
    assert size_groups(rows[:1]) == ()
    assert size_groups(rows, [])[0].range_text == "all"


def test_an_empty_cohort_is_undefined():
    empty = Cohort(())
    assert math.isnan(empty.recall)
    assert math.isnan(empty.false_positives_per_case)
    assert math.isnan(empty.object_dice)
    assert empty.froc() is None
    assert empty.size_groups() == ()


def test_a_name_counts_once(cohort):
    twice = summarise([*cohort.cases, cohort.cases[0]])
    assert len(twice.cases) == 4
    assert twice.failures[0].name == "a"


def test_froc_needs_probabilities_and_references(cohort):
    assert cohort.froc() is None
    reference, prediction = blocks((1, 1, 0, 2), (4, 4, 0, 2)), blocks((1, 1, 0, 2), (4, 4, 6, 8))
    probability = np.where(prediction > 0, 0.8, 0.1)
    probability[4, 4, 7] = 0.9
    done = summarise([evaluate_case(reference, prediction, (1, 1, 1), probability, name="x")])
    assert done.froc(rates=(0.5, 1)).recall.tolist() == [0, 0, 0.5]
    assert done.froc(rates=(0.5, 1)).average_recall == 0.25
    assert done.summary()["froc_average_recall"] == pytest.approx(0.5 * 4 / 7)
    assert summarise([evaluate_case(None, prediction, (1, 1, 1), probability)]).froc() is None


def test_a_case_result_needs_no_lesions():
    assert CaseResult((), {}).detections.lesion_scores == ()


def scored(*cases: tuple[str, np.ndarray, np.ndarray]) -> Cohort:
    results = [
        evaluate_case(reference, prediction, (1, 1, 1), np.where(prediction > 0, 0.9, 0), name=name)
        for name, reference, prediction in cases
    ]
    return summarise(results)


def test_merged_lesions_stand_beside_the_curve():
    apart, bridge = blocks((1, 1, 0, 2), (1, 1, 4, 6), (4, 4, 0, 2)), blocks((1, 1, 0, 6), (4, 4, 0, 2))
    done = scored(("one", apart, bridge), ("two", apart, apart))
    assert done.curve.merged == 2
    assert done.summary()["froc_merged_lesions"] == 2
    assert done.curve.average_recall == 1


def test_a_curve_over_some_cases_and_its_patients():
    lesion_here = blocks((1, 1, 0, 2))
    done = scored(
        ("sub-1_ses-1", lesion_here, lesion_here),
        ("sub-1_ses-2", lesion_here, blocks()),
        ("sub-2_ses-1", lesion_here, lesion_here),
    )
    assert done.curve.average_recall == pytest.approx(2 / 3)
    assert done.curve.patients == ("sub-1", "sub-1", "sub-2")
    assert done.froc(names=["sub-1_ses-2", "sub-2_ses-1"]).average_recall == 0.5
    assert done.froc(mode="paper").patients is None


def test_groups_by_diameter_when_asked_for(cohort):
    grouped = summarise(cohort.cases, grouping=Grouping.parse("3"))
    small, large = grouped.size_groups()
    assert (small.lesions, large.lesions) == (1, 2)
    assert (small.name, large.recall) == ("under 3 mm", 1.0)
