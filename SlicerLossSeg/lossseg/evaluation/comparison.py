"""Several models on the same cases: which is best, and from which of the others it cannot be told apart."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum
from itertools import combinations

import numpy as np

from lossseg.dataset.patients import by_patient
from lossseg.errors import InputError
from lossseg.evaluation.bootstrap import drawn, interval
from lossseg.evaluation.case import CaseResult
from lossseg.evaluation.cohort import Cohort
from lossseg.evaluation.lesions import Outcome
from lossseg.evaluation.measures import MEASURES, Measure
from lossseg.evaluation.significance import bootstrap_p, holm, wilcoxon


class PairedTest(StrEnum):
    """How two models are compared on a measure that each case has by itself.

    WILCOXON: signed-rank test over the cases.
    BOOTSTRAP: the cases are drawn again and again with replacement, for both models alike.
    """

    WILCOXON = "wilcoxon"
    BOOTSTRAP = "bootstrap"

    @classmethod
    def _missing_(cls, value: object) -> PairedTest:
        raise InputError(f"There is no test {value!r}.", "Choose wilcoxon or bootstrap.")


class Mark(StrEnum):
    """What a table says of a model's figure."""

    BEST = "best"
    LEVEL = "not distinguishable from the best"
    WORSE = "worse than the best"
    NONE = ""


@dataclass(frozen=True)
class ComparedMeasure:
    """One figure of every model, over the same cases.

    Attributes:
        key: its name, as in `CaseResult.measures` or in `Cohort.summary`.
        title: its name in a table.
        unit: empty for a ratio.
        decimals: worth showing.
        higher_is_better: false for distances and false positives.
        cases: over how many cases, the same for every model: those in which it is defined for all of them.
        pooled: over the lesions of all cases and not a mean over cases.
        test: what the p values come from.
        values: of each model; NaN where undefined.
        intervals: of each model, the 95 % percentile bootstrap interval.
        p: of each pair of models, adjusted for the number of pairs (Holm).
        alpha: from this p value on two models cannot be told apart.
    """

    key: str
    title: str
    unit: str
    decimals: int
    higher_is_better: bool
    cases: int
    pooled: bool
    test: PairedTest
    values: Mapping[str, float]
    intervals: Mapping[str, tuple[float, float]]
    p: Mapping[tuple[str, str], float]
    alpha: float

    @property
    def best(self) -> str | None:
        """The model of the best value, of equals the first; None when it is undefined for all."""
        defined = {name: value for name, value in self.values.items() if not math.isnan(value)}
        if not defined:
            return None
        return max(defined, key=lambda name: defined[name] * (1 if self.higher_is_better else -1))

    def p_between(self, first: str, second: str) -> float:
        """The adjusted p value of two models in either order."""
        return self.p[(first, second) if (first, second) in self.p else (second, first)]

    def mark(self, model: str) -> Mark:
        """What the tests say of a model beside the best one. "Not distinguishable" is no proof that they are equal."""
        best = self.best
        if best is None or math.isnan(self.values[model]):
            return Mark.NONE
        if model == best:
            return Mark.BEST
        p = self.p_between(best, model)
        return Mark.NONE if math.isnan(p) else Mark.LEVEL if p >= self.alpha else Mark.WORSE


@dataclass(frozen=True)
class Comparison:
    """Several models on the cases that all of them have.

    Attributes:
        models: their names.
        cases: the names of the common cases.
        patients: how many patients they are of.
        left_out: of each model the cases that it has and another one lacks, which are not compared.
        measures: what was compared.
        test: for measures of single cases; pooled figures are always compared by bootstrap.
        alpha: from this p value on two models cannot be told apart.
        samples: of the bootstrap.
    """

    models: tuple[str, ...]
    cases: tuple[str, ...]
    patients: int
    left_out: Mapping[str, tuple[str, ...]]
    measures: tuple[ComparedMeasure, ...]
    test: PairedTest
    alpha: float
    samples: int

    @property
    def sentences(self) -> tuple[str, ...]:
        """What a reader of the table has to know."""
        said = [f"{len(self.cases)} cases of {self.patients} patients are compared, the same for every model."]
        for model, names in self.left_out.items():
            if names:
                some = ", ".join(names[:5]) + (f" and {len(names) - 5} more" if len(names) > 5 else "")
                said.append(f"Left out, because another model lacks them: {some} of {model}.")
        return tuple(said)


def compare(
    cohorts: Mapping[str, Cohort],
    *,
    test: PairedTest | str = PairedTest.WILCOXON,
    alpha: float = 0.05,
    samples: int = 2000,
    seed: int = 42,
    patients: Mapping[str, str] | None = None,
) -> Comparison:
    """Compare models on the cases that all of them have.

    A measure's figure is taken over the same cases for every model: those in which it is defined for all. Every pair of
    models is tested, and the p values of a measure are adjusted for the number of pairs (Holm); they are not adjusted
    for the number of measures, so name the one that decides before looking. Cases of one patient do not count as
    independent: the bootstrap draws patients, Wilcoxon's test takes each patient's mean.

    Args:
        cohorts: of each model, by its name.
        test: see `PairedTest`.
        alpha: from this p value on two models cannot be told apart, in (0, 1).
        samples: of the bootstrap.
        seed: of the bootstrap.
        patients: of each case; default is what its name says, see `dataset.patient_of`.

    Raises:
        InputError: fewer than two models, no case that all have, or alpha outside (0, 1).
    """
    test = PairedTest(test)
    if len(cohorts) < 2:
        raise InputError("There is nothing to compare.", "Give the predictions of two models or more.")
    if not 0 < alpha < 1:
        raise InputError(f"The level of significance {alpha} is not between 0 and 1.", "Give a number such as 0.05.")
    tables = {model: {case.name: case for case in cohort.cases} for model, cohort in cohorts.items()}
    common = [name for name in next(iter(tables.values())) if all(name in table for table in tables.values())]
    if not common:
        raise InputError("The models have no case in common.", "Give predictions of the same cases.")
    if patients is None:
        patients = {case: patient for patient, cases in by_patient(common).items() for case in cases}
    number = {patient: place for place, patient in enumerate(dict.fromkeys(patients[name] for name in common))}
    patient = np.array([number[patients[name]] for name in common])
    draws = np.concatenate(list(drawn(len(number), 1.0, samples, seed)))[:, patient]

    cases = {model: [table[name] for name in common] for model, table in tables.items()}
    measures = [
        *_pooled(cases, draws, alpha),
        *_froc(cohorts, common, draws, alpha),
        *_per_case(cases, patient, draws, test, alpha),
    ]
    return Comparison(
        models=tuple(cohorts),
        cases=tuple(common),
        patients=len(number),
        left_out={model: tuple(name for name in table if name not in common) for model, table in tables.items()},
        measures=tuple(measures),
        test=test,
        alpha=alpha,
        samples=samples,
    )


def higher_is_better(measure: Measure) -> bool | None:
    """Whether more of it is better; None for what is no merit, such as a volume."""
    if measure.key == "false_positives" or measure.unit == "mm":
        return False
    return None if measure.counted or measure.unit else True


def _per_case(
    cases: Mapping[str, Sequence[CaseResult]], patient: np.ndarray, draws: np.ndarray, test: PairedTest, alpha: float
) -> list[ComparedMeasure]:
    compared = []
    for key, measure in MEASURES.items():
        better = higher_is_better(measure)
        if better is None:
            continue
        table = np.array([[case.measures.get(key, math.nan) for case in of_model] for of_model in cases.values()])
        defined = ~np.isnan(table).any(axis=0)
        if not defined.any():
            continue
        values = dict(zip(cases, np.where(defined, table, 0.0), strict=True))
        ones = defined.astype(float)
        sampled = {model: _ratios(draws, each, ones) for model, each in values.items()}
        p: Callable[[str, str], float] | None = None
        if test is PairedTest.WILCOXON:
            means = {model: _means(each, ones, patient) for model, each in values.items()}

            def p(first: str, second: str, means: Mapping[str, np.ndarray] = means) -> float:
                return wilcoxon(means[first], means[second])

        compared.append(
            _measure(
                (key, measure.title, measure.unit, 2 if key == "false_positives" else measure.decimals, better),
                int(defined.sum()),
                {model: float(each.sum() / ones.sum()) for model, each in values.items()},
                sampled,
                alpha,
                test=test,
                p=p,
            )
        )
    return compared


def _pooled(cases: Mapping[str, Sequence[CaseResult]], draws: np.ndarray, alpha: float) -> list[ComparedMeasure]:
    found = {model: _counts(of_model, Outcome.FOUND) for model, of_model in cases.items()}
    lesions = {model: found[model] + _counts(of_model, Outcome.MISSED) for model, of_model in cases.items()}
    overlap = {
        model: np.array([sum(lesion.overlap for lesion in case.of(Outcome.FOUND)) for case in of_model], float)
        for model, of_model in cases.items()
    }
    compared = []
    for key, title, part, whole in (
        ("lesion_recall", "Recall of all lesions", found, lesions),
        ("object_dice", "Object Dice of all found lesions", overlap, found),
    ):
        shared = int(sum(any(each) for each in zip(*(whole[model] for model in cases), strict=True)))
        compared.append(
            _measure(
                (f"pooled_{key}", title, "", 3, True),
                shared,
                {model: _share(part[model].sum(), whole[model].sum()) for model in cases},
                {model: _ratios(draws, part[model], whole[model]) for model in cases},
                alpha,
            )
        )
    return [measure for measure in compared if measure.best is not None]


def _froc(
    cohorts: Mapping[str, Cohort], common: Sequence[str], draws: np.ndarray, alpha: float
) -> list[ComparedMeasure]:
    curves = {model: cohort.froc(names=common) for model, cohort in cohorts.items()}
    known = {model: curve for model, curve in curves.items() if curve is not None}
    if len(known) < len(curves) or any(math.isnan(curve.average_recall) for curve in known.values()):
        return []
    identity = ("froc_average_recall", "FROC average recall", "", 3, True)
    values = {model: curve.average_recall for model, curve in known.items()}
    samples = {model: curve.resampled(draws).samples for model, curve in known.items()}
    return [_measure(identity, len(common), values, samples, alpha)]


def _measure(
    identity: tuple[str, str, str, int, bool],
    cases: int,
    values: Mapping[str, float],
    samples: Mapping[str, np.ndarray],
    alpha: float,
    *,
    test: PairedTest = PairedTest.BOOTSTRAP,
    p: Callable[[str, str], float] | None = None,
) -> ComparedMeasure:
    """Values, intervals and p values; `p` of two models, default from the samples."""
    key, title, unit, decimals, better = identity
    raw = {
        (first, second): p(first, second) if p else bootstrap_p(samples[first] - samples[second])
        for first, second in combinations(values, 2)
    }
    return ComparedMeasure(
        key=key,
        title=title,
        unit=unit,
        decimals=decimals,
        higher_is_better=better,
        cases=cases,
        pooled=p is None and test is PairedTest.BOOTSTRAP and key not in MEASURES,
        test=test,
        values=dict(values),
        intervals={model: interval(of_model) for model, of_model in samples.items()},
        p=holm(raw),
        alpha=alpha,
    )


def _counts(cases: Sequence[CaseResult], outcome: Outcome) -> np.ndarray:
    return np.array([len(case.of(outcome)) for case in cases], float)


def _share(part: float, whole: float) -> float:
    return float(part / whole) if whole else math.nan


def _ratios(draws: np.ndarray, part: np.ndarray, whole: np.ndarray) -> np.ndarray:
    """(samples,) sum of `part` / sum of `whole` over the cases of each sample, NaN where there is nothing to divide."""
    above, below = draws @ part, draws @ whole
    return np.divide(above, below, out=np.full(len(draws), math.nan), where=below > 0)


def _means(values: np.ndarray, defined: np.ndarray, patient: np.ndarray) -> np.ndarray:
    """The mean over the defined cases of each patient that has one."""
    total, count = np.bincount(patient, values), np.bincount(patient, defined)
    return total[count > 0] / count[count > 0]
