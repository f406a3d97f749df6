import math

import pytest

from lossseg.errors import InputError
from lossseg.evaluation import Grouping, Lesion, Outcome, diameter_groups, size_groups


def lesion(volume: float, diameter: float, overlap: float = 0.5) -> Lesion:
    outcome = Outcome.FOUND if overlap else Outcome.MISSED
    return Lesion(1, outcome, 1, volume, diameter, (0.0, 0.0, 0.0), 0.9, 0.95, overlap)


ROWS = [
    lesion(8.0, 4.0, 0.0),
    lesion(60.0, 9.99, 0.4),
    lesion(70.0, 10.0, 0.6),
    lesion(500.0, 12.0, 0.0),
    lesion(900.0, 25.0, 0.8),
]


def test_a_diameter_on_an_edge_is_in_the_upper_group():
    small, large = diameter_groups(ROWS, [10.0])
    assert (small.name, large.name) == ("under 10 mm", "10 mm and more")
    assert (small.low, small.high, large.low, large.high) == (0, 10, 10, math.inf)
    assert (small.lesions, small.found, small.recall) == (2, 1, 0.5)
    assert (large.lesions, large.found, large.recall) == (3, 2, pytest.approx(2 / 3))
    assert (small.object_dice, large.object_dice) == pytest.approx((0.4, 0.7))
    assert small.size == "diameter_mm"


def test_a_volume_on_an_edge_is_in_the_lower_group():
    low, high = size_groups(ROWS, [60.0], ["small", "large"])
    assert [(group.name, group.lesions, group.range_text) for group in (low, high)] == [
        ("small", 2, "to 60 mm³"),
        ("large", 3, "over 60 mm³"),
    ]


@pytest.mark.parametrize(
    ("text", "names", "lesions"),
    [
        ("nodules", ["small nodules", "large nodules"], [2, 3]),
        ("metastases", ["small metastases", "large metastases"], [1, 4]),
        ("liver", ["small liver", "large liver"], [3, 2]),
        ("5,10,20", ["under 5 mm", "5 to under 10 mm", "10 to under 20 mm", "20 mm and more"], [1, 1, 2, 1]),
        ("tertiles", ["smallest third", "middle third", "largest third"], [2, 2, 1]),
    ],
)
def test_groups_as_a_person_asks_for_them(text, names, lesions):
    groups = Grouping.parse(text).groups(ROWS)
    assert [group.name for group in groups] == names
    assert [group.lesions for group in groups] == lesions


def test_several_models_are_grouped_by_the_same_edges():
    fixed = Grouping().fixed(ROWS)
    assert fixed.edges == (60.0, 500.0)
    assert [group.lesions for group in fixed.groups(ROWS[:3])] == [2, 1, 0]
    assert fixed.groups(ROWS) == Grouping().groups(ROWS)
    given = Grouping.parse("10")
    assert given.fixed(ROWS) is given
    # Lesions of one size have no edges that could part others.
    assert Grouping().fixed([ROWS[0]]).edges is None


@pytest.mark.parametrize("text", ["small", "", "10,5", "0,5", "-1", "5,5", "nan", "inf", "5;10"])
def test_what_are_no_groups_is_refused(text):
    with pytest.raises(InputError, match=r"size groups"):
        Grouping.parse(text)


def test_names_have_to_fit():
    with pytest.raises(InputError, match="1 names for 2 size groups"):
        diameter_groups(ROWS, [10.0], ["all"])
