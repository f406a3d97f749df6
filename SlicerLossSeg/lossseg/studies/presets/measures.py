"""The measures of a preset's tables, read from what a study has written of a loss."""

from __future__ import annotations

import csv
import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from types import MappingProxyType
from typing import Any

import numpy as np

Found = tuple[float | None, float | None]
"""A value and its standard deviation; None where undefined or where it has none."""


@dataclass(frozen=True)
class Judged:
    """One loss of a study, of one seed.

    Attributes:
        record: its entry in the study's results.json.
        evaluation: folder of its evaluation.
        froc: the FROC curve as results.json has it, made as the preset asks for it; None without one.
    """

    record: Mapping[str, Any]
    evaluation: Path
    froc: Mapping[str, Any] | None

    @property
    def loss(self) -> str:
        return str(self.record["loss"])


@dataclass(frozen=True)
class Measure:
    """A column: its title, what its standard deviation is over, and how it is read."""

    title: str
    spread: str
    read: Callable[[Judged], Found]
    of_a_case: bool = False


def _mean(key: str) -> Callable[[Judged], Found]:
    def read(judged: Judged) -> Found:
        found = judged.record["means"].get(key, {})
        return found.get("mean"), found.get("std")

    return read


def _pooled(key: str) -> Callable[[Judged], Found]:
    return lambda judged: (judged.record["summary"].get(key), None)


def _average_recall(judged: Judged) -> Found:
    return _of_samples(judged.froc)


def _average_recall_of_predicted(judged: Judged) -> Found:
    return _of_samples(judged.record["froc"])


def _of_samples(froc: Mapping[str, Any] | None) -> Found:
    if froc is None:
        return None, None
    samples = froc["bootstrap_80_percent"]
    return samples["mean"], samples["std"]


def _merged(judged: Judged) -> Found:
    merged = None if judged.froc is None else judged.froc["merged_lesions"]
    summary = judged.record["summary"]
    lesions = summary.get("lesions_found", 0) + summary.get("lesions_missed", 0)
    return (merged / lesions if merged is not None and lesions else None), None


def _object_dice(judged: Judged) -> Found:
    overlaps = [float(row["overlap_dice"]) for row in _rows(judged.evaluation / "lesions.csv") if _is_found(row)]
    return judged.record["summary"]["object_dice"], float(np.std(overlaps)) if overlaps else None


def _is_found(row: Mapping[str, str]) -> bool:
    return row["outcome"] == "found"


def _recall_of_group(place: int) -> Callable[[Judged], Found]:
    def read(judged: Judged) -> Found:
        groups = judged.record["size_groups"]
        return (groups[place]["recall"] if place < len(groups) else None), None

    return read


_SAMPLES = "100 samples of 80 % of the patients"

MEASURES: Mapping[str, Measure] = MappingProxyType(
    {
        "dice": Measure("Dice", "cases", _mean("dice"), of_a_case=True),
        "hd95": Measure("HD95 (mm)", "cases", _mean("hd95"), of_a_case=True),
        "volumetric_similarity": Measure(
            "Volumetric similarity", "cases", _mean("volumetric_similarity"), of_a_case=True
        ),
        "average_precision": Measure("Average precision by voxel", "", _pooled("average_precision")),
        "average_recall": Measure("Average recall", _SAMPLES, _average_recall),
        "merged": Measure("Share of lesions in a shared component", "", _merged),
        "average_recall_predicted": Measure("Average recall, as predicted", _SAMPLES, _average_recall_of_predicted),
        "object_dice": Measure("Object Dice", "found lesions", _object_dice),
        "recall": Measure("Recall", "", _pooled("lesion_recall")),
        "recall_small": Measure("Recall, smallest third", "", _recall_of_group(0)),
        "recall_medium": Measure("Recall, middle third", "", _recall_of_group(1)),
        "recall_large": Measure("Recall, largest third", "", _recall_of_group(2)),
        "false_positives": Measure("False positives per case", "", _pooled("false_positives_per_case")),
    }
)


def of_cases(evaluation: Path, names: tuple[str, ...]) -> dict[str, dict[str, float]]:
    """The measures of each case in an evaluation that `names` has, by case; NaN where undefined."""
    return {
        row["case"]: {name: _float(row[name]) for name in names if name in row}
        for row in _rows(evaluation / "cases.csv")
    }


def _float(text: str) -> float:
    return math.nan if text == "n/a" else float(text)


def _rows(path: Path) -> list[dict[str, str]]:
    with path.open(encoding="utf-8", newline="") as file:
        return list(csv.DictReader(file))
