import math
from itertools import product

import numpy as np
import pytest

from lossseg.errors import InputError
from lossseg.evaluation import CaseResult, Cohort, Lesion, Mark, Outcome, compare
from lossseg.evaluation.bootstrap import draw
from lossseg.evaluation.measures import MEASURES
from lossseg.evaluation.significance import bootstrap_p, holm, wilcoxon


def lesion(number: int, overlap: float, confidence: float) -> Lesion:
    outcome = Outcome.FOUND if overlap else Outcome.MISSED
    score = confidence if overlap else math.nan
    return Lesion(number, outcome, 8, 8.0, 2.0, (0.0, 0.0, 0.0), score, score, overlap)


def case(name: str, dice: float, overlaps=(), false: int = 0) -> CaseResult:
    rows = [lesion(number, overlap, 0.9) for number, overlap in enumerate(overlaps, start=1)]
    rows += [
        Lesion(len(rows) + 1 + n, Outcome.FALSE_POSITIVE, 1, 1.0, 1.0, (0.0, 0.0, 0.0), 0.6, 0.6, 0.0)
        for n in range(false)
    ]
    measures = dict.fromkeys(MEASURES, math.nan)
    measures |= {"dice": dice, "false_positives": float(false), "reference_lesions": float(len(overlaps))}
    return CaseResult(tuple(rows), measures, name)


def cohort(values, **more) -> Cohort:
    return Cohort(tuple(case(f"P{place}", value, **more) for place, value in enumerate(values)))


def measure(comparison, key):
    return next(each for each in comparison.measures if each.key == key)


def exact_signed_rank(differences) -> float:
    """Two-sided p by going through all signs; without zeros and ties."""
    ranks = np.argsort(np.argsort(np.abs(differences))) + 1
    observed = ranks[np.array(differences) > 0].sum()
    sums = [
        sum(rank for rank, sign in zip(ranks, signs, strict=True) if sign)
        for signs in product((0, 1), repeat=len(ranks))
    ]
    low, high = np.mean(np.array(sums) <= observed), np.mean(np.array(sums) >= observed)
    return min(1.0, 2 * min(low, high))


def test_signed_rank_test_against_all_signs():
    rng = np.random.default_rng(0)
    for n in (5, 8, 11):
        first, second = rng.normal(0.4, 1, n), rng.normal(0, 1, n)
        assert wilcoxon(first, second) == pytest.approx(exact_signed_rank(first - second))
    assert wilcoxon(np.ones(4), np.ones(4)) == 1
    assert math.isnan(wilcoxon(np.zeros(0), np.zeros(0)))
    # Less than rounding apart is equal.
    assert wilcoxon(np.array([0.1 + 0.2]), np.array([0.3])) == 1


def test_p_of_a_bootstrap():
    assert bootstrap_p(np.array([1.0] * 99)) == pytest.approx(2 * 1 / 100)
    assert bootstrap_p(np.array([1.0, -1.0] * 50)) == 1
    assert bootstrap_p(np.zeros(10)) == 1
    assert bootstrap_p(np.array([1.0, math.nan, 1.0])) == pytest.approx(2 / 3)
    assert math.isnan(bootstrap_p(np.array([math.nan])))


def test_holm_by_hand():
    # 0.01 * 3, 0.03 * 2, and 0.04 not below its predecessor.
    adjusted = holm({"a": 0.03, "b": 0.01, "c": 0.04, "d": math.nan})
    assert (adjusted["a"], adjusted["b"], adjusted["c"]) == pytest.approx((0.06, 0.03, 0.06))
    assert math.isnan(adjusted["d"])
    assert holm({"a": 0.6, "b": 0.7}) == {"a": 1.0, "b": 1.0}


def test_samples_of_units():
    drawn = draw(10, 0.8, 600, seed=1, replacement=False)
    assert drawn.shape == (600, 10)
    assert (drawn.sum(axis=1) == 8).all()
    assert set(np.unique(drawn)) == {0.0, 1.0}
    assert drawn.mean(axis=0) == pytest.approx([0.8] * 10, abs=0.06)
    again = draw(10, 1.0, 600, seed=1)
    assert (again.sum(axis=1) == 10).all()
    assert again.max() > 1
    assert (again == draw(10, 1.0, 600, seed=1)).all()
    assert draw(0, n=3).shape == (3, 0)


@pytest.mark.parametrize("test", ["wilcoxon", "bootstrap"])
def test_the_best_and_those_level_with_it(test):
    rng = np.random.default_rng(3)
    base = rng.uniform(0.5, 0.8, 30)
    level = base + rng.normal(0, 0.02, 30)
    comparison = compare(
        {"good": cohort(base + 0.002), "level": cohort(level - level.mean() + base.mean()), "poor": cohort(base - 0.1)},
        test=test,
    )
    dice = measure(comparison, "dice")
    assert dice.best == "good"
    assert [dice.mark(name) for name in comparison.models] == [Mark.BEST, Mark.LEVEL, Mark.WORSE]
    assert dice.values["poor"] == pytest.approx(base.mean() - 0.1)
    assert dice.cases == 30
    assert not dice.pooled
    low, high = dice.intervals["good"]
    assert low < dice.values["good"] < high
    assert high - low == pytest.approx(2 * 1.96 * base.std() / math.sqrt(30), rel=0.15)
    assert dice.p_between("poor", "good") == dice.p_between("good", "poor") < 0.01


def test_p_values_of_all_pairs_are_adjusted():
    rng = np.random.default_rng(8)
    values = {name: cohort(rng.uniform(0.4, 0.8, 9)) for name in "abcd"}
    dice = measure(compare(values), "dice")
    raw = {
        pair: wilcoxon(*(np.array([c.measures["dice"] for c in values[name].cases]) for name in pair))
        for pair in dice.p
    }
    assert len(raw) == 6
    assert dice.p == pytest.approx(holm(raw))


def test_fewer_is_better_for_false_positives():
    few = Cohort(tuple(case(f"P{n}", 0.5, false=0) for n in range(8)))
    many = Cohort(tuple(case(f"P{n}", 0.5, false=2) for n in range(8)))
    false = measure(compare({"many": many, "few": few}), "false_positives")
    assert false.best == "few"
    assert false.values == {"many": 2.0, "few": 0.0}
    assert not false.higher_is_better
    assert false.mark("many") is Mark.WORSE


def test_pooled_figures_by_hand():
    one = Cohort((case("P1", 0.5, (0.8, 0.0)), case("P2", 0.5, (0.6,)), case("P3", 0.5)))
    two = Cohort((case("P1", 0.5, (0.9, 0.7)), case("P2", 0.5, (0.0,)), case("P3", 0.5)))
    comparison = compare({"one": one, "two": two}, samples=200)
    recall = measure(comparison, "pooled_lesion_recall")
    assert recall.values == pytest.approx({"one": 2 / 3, "two": 2 / 3})
    assert recall.pooled
    assert recall.cases == 2
    assert recall.mark("two") is Mark.LEVEL
    overlap = measure(comparison, "pooled_object_dice")
    assert overlap.values == pytest.approx({"one": 0.7, "two": 0.8})


def test_froc_is_compared_where_there_are_scores():
    sure = Cohort(tuple(case(f"P{n}", 0.5, (0.8,), false=1) for n in range(12)))
    poor = Cohort(tuple(case(f"P{n}", 0.5, (0.8 if n % 3 else 0.0,), false=1) for n in range(12)))
    froc = measure(compare({"sure": sure, "poor": poor}), "froc_average_recall")
    assert froc.values == pytest.approx({"sure": 1.0, "poor": 2 / 3})
    assert (froc.best, froc.mark("poor")) == ("sure", Mark.WORSE)
    low, high = froc.intervals["poor"]
    assert low < 2 / 3 < high


def test_only_common_cases_are_compared_and_it_is_said():
    whole = cohort([0.5, 0.6, 0.7])
    part = Cohort((case("P0", 0.1), case("P2", 0.3), case("extra", 0.9)))
    comparison = compare({"whole": whole, "part": part})
    assert comparison.cases == ("P0", "P2")
    assert comparison.left_out == {"whole": ("P1",), "part": ("extra",)}
    assert measure(comparison, "dice").values == pytest.approx({"whole": 0.6, "part": 0.2})
    assert comparison.sentences == (
        "2 cases of 2 patients are compared, the same for every model.",
        "Left out, because another model lacks them: P1 of whole.",
        "Left out, because another model lacks them: extra of part.",
    )


def test_a_measure_is_taken_over_the_cases_in_which_every_model_has_it():
    one, two = cohort([0.5, math.nan, 0.7, 0.9]), cohort([0.4, 0.0, 0.6, math.nan])
    dice = measure(compare({"one": one, "two": two}), "dice")
    assert dice.cases == 2
    assert dice.values == pytest.approx({"one": 0.6, "two": 0.5})
    undefined = {each.key for each in compare({"one": one, "two": two}).measures}
    assert "recall" not in undefined


def test_cases_of_one_patient_count_once():
    values = [0.9, 0.8, 0.7, 0.6, 0.5, 0.4, 0.3, 0.2]
    names = [f"LIDC{1000 + place // 4}N{place % 4}" for place in range(8)]
    better = Cohort(tuple(case(name, value + 0.05) for name, value in zip(names, values, strict=True)))
    worse = Cohort(tuple(case(name, value) for name, value in zip(names, values, strict=True)))
    comparison = compare({"better": better, "worse": worse})
    assert comparison.patients == 2
    # Two pairs of patient means differ alike: of two pairs nothing can be said.
    assert measure(comparison, "dice").mark("worse") is Mark.LEVEL
    each = {name: name for name in names}
    alone = compare({"better": better, "worse": worse}, patients=each)
    assert alone.patients == 8
    assert measure(alone, "dice").mark("worse") is Mark.WORSE


def test_a_false_difference_is_rarely_found():
    """Of 200 comparisons of three equal models about 5 % find one, not more."""
    rng = np.random.default_rng(11)
    found = 0
    for _ in range(200):
        table = rng.normal(0.7, 0.1, (3, 12))
        p = holm({(a, b): wilcoxon(table[a], table[b]) for a, b in ((0, 1), (0, 2), (1, 2))})
        found += min(p.values()) < 0.05
    assert 1 <= found <= 18


def test_what_cannot_be_compared_is_refused():
    one = cohort([0.5])
    with pytest.raises(InputError, match="nothing to compare"):
        compare({"one": one})
    with pytest.raises(InputError, match="no case in common"):
        compare({"one": one, "two": Cohort((case("other", 0.5),))})
    with pytest.raises(InputError, match="level of significance"):
        compare({"one": one, "two": one}, alpha=0)
    with pytest.raises(InputError, match="no test 'guess'"):
        compare({"one": one, "two": one}, test="guess")
