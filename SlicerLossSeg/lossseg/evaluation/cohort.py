"""A set of cases: means with the number of cases behind each, and what is pooled over all lesions."""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from typing import NamedTuple

from lossseg.dataset.patients import by_patient
from lossseg.errors import InputError
from lossseg.evaluation.calibration import Reliability, reliability
from lossseg.evaluation.case import CaseResult
from lossseg.evaluation.froc_curve import RATES, Froc, Mode, froc
from lossseg.evaluation.groups import Grouping, SizeGroup
from lossseg.evaluation.lesions import Lesion, Outcome
from lossseg.evaluation.measures import mean, ratio
from lossseg.evaluation.precision_recall_curve import PrecisionRecall, precision_recall
from lossseg.evaluation.scored import Scored
from lossseg.evaluation.voxel_tally import VoxelTally


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
        grouping: how lesions are parted by size.
        notes: sentences that a reader of the figures has to know.
        scored: of a case, its components with their scores, where they were scored by themselves (logits, or another
            threshold than that of the predictions).
        voxels: of all cases together, where there are probabilities.
    """

    cases: tuple[CaseResult, ...]
    failures: tuple[Failure, ...] = ()
    settings: Mapping[str, str | int | float] = field(default_factory=dict)
    grouping: Grouping = field(default_factory=Grouping)
    notes: tuple[str, ...] = ()
    scored: Mapping[str, Scored] = field(default_factory=dict)
    voxels: VoxelTally | None = None

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
        """Recall and object Dice by lesion size: by `grouping`, or by volume with these edges."""
        grouping = self.grouping if edges_mm3 is None else Grouping("volume_mm3", tuple(edges_mm3))
        return grouping.groups(lesion for _, lesion in self.lesions)

    def froc(
        self, rates: Sequence[float] = RATES, mode: Mode = "exact", *, names: Sequence[str] | None = None
    ) -> Froc | None:
        """The FROC curve over the cases, lesion-free ones included, from the score of each component.

        The score is the highest logit where there are logits, else the highest probability. A curve from the
        predictions as they are ends at their operating point: a component below their threshold has no row. A bootstrap
        draws patients, as far as the names of the cases tell them.

        Args:
            rates: false positives per image for the average recall.
            mode: exact or paper.
            names: of the cases to take, in this order; default all.

        Returns:
            None when there is a case without reference, or a detection without a score.
        """
        table = {case.name: case for case in self.cases}
        chosen = list(table) if names is None else list(names)
        if not chosen or any(math.isnan(table[name].measures["reference_lesions"]) for name in chosen):
            return None
        try:
            scored = [self.scored[name] if name in self.scored else _as_it_is(table[name]) for name in chosen]
        except InputError:
            return None
        patient = {case: patient for patient, cases in by_patient(chosen).items() for case in cases}
        return froc(
            [case.detections for case in scored],
            rates,
            mode=mode,
            patients=[patient[name] for name in chosen] if mode == "exact" else None,
            merged=None if any(case.merged is None for case in scored) else sum(case.merged or 0 for case in scored),
        )

    @cached_property
    def curve(self) -> Froc | None:
        """The exact FROC curve over all cases, see `froc`."""
        return self.froc()

    @cached_property
    def precision_recall(self) -> PrecisionRecall | None:
        """By voxel, over all cases; None without probabilities or without a voxel of a lesion."""
        return precision_recall(self.voxels) if self.voxels is not None and self.voxels.lesion.any() else None

    @cached_property
    def reliability(self) -> Reliability | None:
        """Of the probabilities of all voxels; None without probabilities."""
        return reliability(self.voxels) if self.voxels is not None and self.voxels.voxels.any() else None

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
        curve, precision, calibration = self.curve, self.precision_recall, self.reliability
        if curve is not None:
            numbers["froc_average_recall"] = curve.average_recall
            if curve.merged is not None:
                numbers["froc_merged_lesions"] = float(curve.merged)
        if precision is not None:
            numbers["average_precision"] = precision.average_precision
        if calibration is not None:
            numbers |= {"ece": calibration.ece, "ece_above_first": calibration.ece_above_first}
        return numbers


def summarise(
    results: Iterable[CaseResult | Failure],
    settings: Mapping[str, str | int | float] | None = None,
    grouping: Grouping | None = None,
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
    return Cohort(tuple(cases.values()), tuple(failures), dict(settings or {}), grouping or Grouping())


def _as_it_is(case: CaseResult) -> Scored:
    """The components of the case's prediction with their highest probability."""
    merged = case.measures.get("merged_lesions", math.nan)
    return Scored(case.detections, None if math.isnan(merged) else int(merged))
