"""A set of cases: means with the number of cases behind each, and what is pooled over all lesions."""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from typing import NamedTuple

from lossseg.errors import InputError
from lossseg.evaluation.case import CaseResult
from lossseg.evaluation.froc_curve import RATES, Froc, Mode, froc
from lossseg.evaluation.groups import SizeGroup, size_groups
from lossseg.evaluation.lesions import Lesion, Outcome
from lossseg.evaluation.measures import mean, ratio


class Failure(NamedTuple):
    """A case that could not be evaluated, and a sentence that says why and what to do."""

    name: str
    message: str


class Average(NamedTuple):
    """Mean and standard deviation (of the population) over the cases in which a measure is defined; NaN if in none."""

    mean: float
    std: float
    cases: int


@dataclass(frozen=True)
class Cohort:
    """The evaluation of a set of cases. It holds lesion rows and measures, never arrays.

    Attributes:
        cases: in the order in which they were given.
        failures: cases that could not be evaluated.
        settings: what was set for the evaluation, name to value, as a report shows it.
    """

    cases: tuple[CaseResult, ...]
    failures: tuple[Failure, ...] = ()
    settings: Mapping[str, str | int | float] = field(default_factory=dict)

    @property
    def lesions(self) -> Iterator[tuple[str, Lesion]]:
        """Case name and row of every lesion."""
        return ((case.name, lesion) for case in self.cases for lesion in case.lesions)

    def count(self, outcome: Outcome) -> int:
        """Lesions with this outcome in all cases."""
        return sum(lesion.outcome is outcome for _, lesion in self.lesions)

    @cached_property
    def measures(self) -> dict[str, Average]:
        """Each measure (see `measures.MEASURES`) averaged over the cases in which it is defined."""
        keys = dict.fromkeys(key for case in self.cases for key in case.measures)
        return {key: Average(*mean([case.measures.get(key, math.nan) for case in self.cases])) for key in keys}

    @property
    def recall(self) -> float:
        """Found lesions / reference lesions, pooled over the cases; NaN without reference lesions."""
        found = self.count(Outcome.FOUND)
        return ratio(found, found + self.count(Outcome.MISSED))

    @property
    def object_dice(self) -> float:
        """Mean Dice of the found lesions, pooled over the cases; NaN when none was found."""
        overlaps = [lesion.overlap for _, lesion in self.lesions if lesion.outcome is Outcome.FOUND]
        return ratio(sum(overlaps), len(overlaps))

    @property
    def false_positives_per_case(self) -> float:
        """Mean over the cases with a reference, those without lesions included; NaN without such a case."""
        return self.measures["false_positives"].mean if self.cases else math.nan

    def size_groups(self, edges_mm3: Sequence[float] | None = None) -> tuple[SizeGroup, ...]:
        """Recall and object Dice by lesion size, in tertiles of all reference lesions unless edges are given."""
        return size_groups((lesion for _, lesion in self.lesions), edges_mm3)

    def froc(self, rates: Sequence[float] = RATES, mode: Mode = "exact") -> Froc | None:
        """The FROC curve from the highest probability of each component of the predictions as they are.

        It ends at the operating point of the predictions: a component below their threshold has no row. None when there
        is a case without reference, or a detection without a probability.
        """
        if not self.cases or any(math.isnan(case.measures["reference_lesions"]) for case in self.cases):
            return None
        try:
            return froc([case.detections for case in self.cases], rates, mode=mode)
        except InputError:
            return None

    def summary(self) -> dict[str, float]:
        """The numbers that are pooled over the cases, NaN where undefined."""
        numbers = {
            "cases": float(len(self.cases)),
            "failed_cases": float(len(self.failures)),
            "lesion_recall": self.recall,
            "lesions_found": float(self.count(Outcome.FOUND)),
            "lesions_missed": float(self.count(Outcome.MISSED)),
            "false_positives_per_case": self.false_positives_per_case,
            "object_dice": self.object_dice,
        }
        curve = self.froc()
        return numbers | ({"froc_average_recall": curve.average_recall} if curve else {})


def summarise(
    results: Iterable[CaseResult | Failure], settings: Mapping[str, str | int | float] | None = None
) -> Cohort:
    """Gather results, from a generator for example: of each case only rows and measures are kept.

    A case whose name was seen before becomes a failure, so that no case counts twice.
    """
    cases: dict[str, CaseResult] = {}
    failures: list[Failure] = []
    for result in results:
        if isinstance(result, Failure):
            failures.append(result)
        elif result.name in cases:
            failures.append(
                Failure(result.name, f"Case {result.name} was given twice. Give each case a name of its own.")
            )
        else:
            cases[result.name] = result
    return Cohort(tuple(cases.values()), tuple(failures), dict(settings or {}))
