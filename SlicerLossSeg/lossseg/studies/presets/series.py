"""What the figures of a preset are drawn from, as its studies have written it."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from lossseg.dataset.cases import LABELS
from lossseg.dataset.description import read_description
from lossseg.errors import InputError
from lossseg.evaluation import PrecisionRecall, SizeGroup, VoxelTally, precision_recall, tally
from lossseg.evaluation.learning_curves import Course, read_history, smoothed
from lossseg.evaluation.pairing import PROBABILITY, pair_files
from lossseg.files import read_json
from lossseg.images import read_label, read_volume
from lossseg.reporting import Reporter
from lossseg.studies.presets import Preset
from lossseg.studies.presets.measures import of_cases
from lossseg.studies.presets.parts import Part
from lossseg.studies.results import EVALUATION, RESULTS_FILE
from lossseg.studies.state import PREDICTIONS, RunState
from lossseg.training.history import HISTORY

AVERAGED = "validation (averaged)"
LEARNED = "learned"


@dataclass(frozen=True)
class Series:
    """One loss in one study, its first seed.

    Attributes:
        arm, loss: their places among those of the preset; a loss that was added comes after them.
        name: of the loss, and of the arm where there are several.
        record: the loss's entry in the study's results.json.
        folder: of the loss in the study.
        dataset: what the study was made on.
        courses: the metrics of each fold's training.
    """

    part: Part
    arm: int
    loss: int
    expression: str
    name: str
    record: Mapping[str, Any]
    folder: Path
    dataset: Path
    courses: tuple[tuple[Course, ...], ...]

    def course(self, name: str, series: str) -> Band | None:
        """A metric over the steps, of all folds together; None if no training has told it."""
        found = [each for of_fold in self.courses for each in of_fold if (each.name, each.series) == (name, series)]
        return Band.of(found) if found else None

    def learned(self) -> dict[str, Band]:
        """What the loss learned, by names such as "tversky.alpha"."""
        names = dict.fromkeys(each.name for of_fold in self.courses for each in of_fold if each.series == LEARNED)
        bands = {name: self.course(name, LEARNED) for name in names}
        return {name: band for name, band in bands.items() if band is not None}

    def of_cases(self, measure: str) -> dict[str, float]:
        """A measure of each held-out case, those without a value left out."""
        values = {name: row[measure] for name, row in of_cases(self.folder / EVALUATION, (measure,)).items()}
        return {name: value for name, value in values.items() if not math.isnan(value)}

    def size_groups(self) -> tuple[SizeGroup, ...]:
        """Recall and object Dice by size."""
        return tuple(
            SizeGroup(
                name=group["name"],
                size=group["size"],
                low=group["low"],
                high=_number(group["high"], math.inf),
                lesions=group["lesions"],
                found=group["found"],
                recall=_number(group["recall"], math.nan),
                object_dice=_number(group["object_dice"], math.nan),
            )
            for group in self.record["size_groups"]
        )

    def precision_recall(self, reporter: Reporter) -> PrecisionRecall | None:
        """Of all voxels of the held-out cases, from the probabilities that were kept; None without any foreground.

        Raises:
            InputError: a probability cannot be read, or lies on another grid than its reference.
        """
        ignore = read_description(self.dataset).ignore
        predictions = self.folder / PREDICTIONS
        pairs, _ = pair_files(predictions, self.dataset / LABELS, predictions, PROBABILITY)
        judged = of_cases(self.folder / EVALUATION, ())
        total: VoxelTally | None = None
        for pair in pairs:
            reporter.check()
            if pair.confidence is None or pair.name not in judged:
                continue
            reference, probability = read_label(pair.reference), read_volume(pair.confidence)
            if not probability.geometry.matches(reference.geometry):
                raise InputError(
                    f"{pair.confidence} lies on another grid than {pair.reference}.", "Predict the case again."
                )
            voxels = tally(reference.array, probability.array, ignore)
            total = voxels if total is None else total + voxels
        return None if total is None or not total.lesion.any() else precision_recall(total)


@dataclass(frozen=True, eq=False)
class Band:
    """A metric over the steps, of several trainings together: (n,) each."""

    steps: np.ndarray
    mean: np.ndarray
    low: np.ndarray
    high: np.ndarray

    @classmethod
    def of(cls, courses: Sequence[Course]) -> Band:
        """At the steps of the training that ended first; a training that told it at other steps is interpolated."""
        shortest = min(courses, key=lambda each: (each.steps[-1], len(each.steps)))
        values = np.stack(
            [
                np.interp(shortest.steps, each.steps, smoothed(each.values) if each.name == "loss" else each.values)
                for each in courses
            ]
        )
        return cls(shortest.steps, values.mean(0), values.min(0), values.max(0))


def series(preset: Preset, out: Path, studies: Sequence[Part]) -> list[Series]:
    """Every loss of every study that has results, in the order of the studies.

    Raises:
        InputError: results cannot be read.
    """
    arms = [arm.name for arm in preset.arms]
    made: list[Series] = []
    for part in studies:
        path = part.folder(out) / RESULTS_FILE
        if not path.exists():
            continue
        results = read_json(path)
        losses = list(preset.losses)
        for record in results["losses"]:
            expression = record["loss"]
            if any((each.part, each.expression) == (part, expression) for each in made):
                continue
            if expression not in losses:
                losses.append(expression)
            name = preset.entry(expression).name or expression
            made.append(
                Series(
                    part=part,
                    arm=arms.index(part.arm),
                    loss=losses.index(expression),
                    expression=expression,
                    name=f"{name}, {part.arm}" if len(arms) > 1 else name,
                    record=record,
                    folder=part.folder(out) / record["folder"],
                    dataset=Path(results["dataset"]),
                    courses=_courses(results, record, part.folder(out)),
                )
            )
    return made


def _courses(results: Mapping[str, Any], record: Mapping[str, Any], study: Path) -> tuple[tuple[Course, ...], ...]:
    found = []
    for run in results["runs"]:
        if (run["loss"], run["seed"], run["state"]) == (record["loss"], record["seed"], RunState.FINISHED.value):
            history = study / run["key"] / HISTORY
            # A training of an older engine kept no course.
            if history.exists():
                found.append(read_history(history))
    return tuple(found)


def _number(value: float | None, undefined: float) -> float:
    return undefined if value is None else float(value)
