"""What came of an experiment, as rows of a table and curves of plots: read from the engine's results.json."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from slicer.i18n import tr as _

from lossseg.errors import InputError
from lossseg.files import read_json
from SlicerLossSegLib.panel_chart import Curve

_MOST_FALSE_POSITIVES = 8.0
"""Per case, where the FROC plot ends: the last rate that its average takes in."""


@dataclass(frozen=True)
class ResultRow:
    """One figure of every loss.

    Attributes:
        values: by loss; NaN where undefined.
        intervals: by loss, 95 % bootstrap interval; empty where none was made.
        higher_is_better: None for what has no better.
    """

    title: str
    tip: str
    decimals: int
    values: Mapping[str, float]
    higher_is_better: bool | None = True
    intervals: Mapping[str, tuple[float, float]] | None = None

    @property
    def best(self) -> tuple[str, ...]:
        """The losses of the best value, as it is shown; none when it is undefined for one of them."""
        if self.higher_is_better is None or len(self.values) < 2 or any(map(math.isnan, self.values.values())):
            return ()
        shown = {loss: round(value, self.decimals) for loss, value in self.values.items()}
        end = (max if self.higher_is_better else min)(shown.values())
        found = tuple(loss for loss, value in shown.items() if value == end)
        return found if len(found) < len(shown) else ()

    def text(self, loss: str) -> str:
        value = self.values.get(loss, math.nan)
        if math.isnan(value):
            return _("n/a")
        star = " ★" if loss in self.best else ""
        return f"{value:.{self.decimals}f}{star}"


@dataclass(frozen=True)
class ExperimentResults:
    """Figures of each loss on the cases held out from its models."""

    losses: tuple[str, ...]
    rows: tuple[ResultRow, ...]
    froc: tuple[Curve, ...]
    groups: tuple[str, ...]
    recall: Mapping[str, Sequence[float]]
    score: str
    notes: tuple[str, ...]

    @classmethod
    def read(cls, path: Path) -> ExperimentResults:
        """Raises InputError: results.json is missing or damaged."""
        record = read_json(path)
        try:
            return _results(record)
        except (KeyError, TypeError, ValueError, IndexError) as error:
            raise InputError(
                _("{path} is damaged.").format(path=path), _("Continue the experiment; it is written again.")
            ) from error


def _results(record: Mapping[str, Any]) -> ExperimentResults:
    entries = [one for one in record["losses"] if one["name"] == one["loss"]]
    losses = tuple(str(one["name"]) for one in entries)
    rows = [
        _row(entries, _("Dice"), _("Mean over the held-out cases, voxel by voxel."), 3, _mean("dice")),
        _row(entries, _("Object Dice"), _("Mean Dice of the lesions that were found."), 3, _summary("object_dice")),
        _row(entries, _("Recall"), _("Share of all lesions that were found."), 3, _summary("lesion_recall")),
    ]
    groups = entries[0]["size_groups"] if entries else []
    for place, group in enumerate(groups):
        tip = _("Share that was found of the lesions of {range}.").format(range=group["range"])
        rows.append(_row(entries, _("… {group}").format(group=_(group["name"])), tip, 3, _group(place)))
    rows += [
        _row(
            entries,
            _("False positives"),
            _("Predicted components that overlap no lesion, per case."),
            2,
            _summary("false_positives_per_case"),
            higher_is_better=False,
        ),
        _row(
            entries,
            _("FROC average"),
            _("Mean recall at 1/8 to 8 false positives per case."),
            3,
            _summary("froc_average_recall"),
            intervals=_froc_intervals(entries),
        ),
        _row(
            entries,
            _("HD95"),
            _("95th percentile of the distances between the surfaces, in mm."),
            1,
            _mean("hd95"),
            higher_is_better=False,
        ),
        *_fold_rows(record["winners"], losses),
    ]
    return ExperimentResults(
        losses=losses,
        rows=tuple(rows),
        froc=tuple(_froc_curves(entries)),
        groups=tuple(str(group["name"]) for group in groups),
        recall={
            str(one["name"]): [_number(group["recall"]) for group in one["size_groups"]]
            for one in entries
            if len(one["size_groups"]) == len(groups)
        },
        score=str(record["winners"]["score"]),
        notes=tuple(f"{one['name']}: {failure['message']}" for one in entries for failure in one["failures"]),
    )


def _row(
    entries: Sequence[Mapping[str, Any]],
    title: str,
    tip: str,
    decimals: int,
    value: Any,
    higher_is_better: bool | None = True,
    intervals: Mapping[str, tuple[float, float]] | None = None,
) -> ResultRow:
    values = {str(one["name"]): _number(value(one)) for one in entries}
    return ResultRow(title, tip, decimals, values, higher_is_better, intervals)


def _mean(key: str) -> Any:
    return lambda entry: entry["means"].get(key, {}).get("mean")


def _summary(key: str) -> Any:
    return lambda entry: entry["summary"].get(key)


def _group(place: int) -> Any:
    return lambda entry: entry["size_groups"][place]["recall"] if place < len(entry["size_groups"]) else None


def _froc_intervals(entries: Sequence[Mapping[str, Any]]) -> dict[str, tuple[float, float]]:
    found = {}
    for one in entries:
        ends = [_number(end) for end in one["froc"]["bootstrap"]["interval_95"]] if one["froc"] else []
        if len(ends) == 2 and not any(map(math.isnan, ends)):
            found[str(one["name"])] = (ends[0], ends[1])
    return found


def _fold_rows(winners: Mapping[str, Any], losses: Sequence[str]) -> list[ResultRow]:
    tip = _("Validation score {score} of the fold's held-out cases; ★ its winner.").format(score=winners["score"])
    return [
        ResultRow(
            _("Fold {n}, {score}").format(n=fold["fold"], score=winners["score"]),
            tip,
            3,
            {loss: _number(fold["values"].get(loss)) for loss in losses},
        )
        for fold in winners["folds"]
    ]


def _froc_curves(entries: Sequence[Mapping[str, Any]]) -> list[Curve]:
    curves = []
    for color, one in enumerate(entries):
        froc = one["froc"]
        if not froc:
            continue
        name = str(one["name"])
        x, y = froc["false_positives_per_image"], froc["recall"]
        curves.append(_steps(name, x, y, color, thin=False))
        band = froc.get("band_95")
        if band:
            for end in ("low", "high"):
                curves.append(_steps(f"{name} {end}", band["false_positives_per_image"], band[end], color, thin=True))
    return curves


def _steps(name: str, x: Sequence[float | None], y: Sequence[float | None], color: int, thin: bool) -> Curve:
    """The points that are defined, and the corners between them: recall holds until the next false positive."""
    points = [
        (one, other)
        for one, other in zip(x, y, strict=True)
        if one is not None and other is not None and one <= _MOST_FALSE_POSITIVES
    ]
    corners: list[tuple[float, float]] = []
    for place, (across, up) in enumerate(points):
        if place:
            corners.append((across, corners[-1][1]))
        corners.append((across, up))
    return Curve(name, [across for across, _up in corners], [up for _across, up in corners], color, thin)


def _number(value: Any) -> float:
    return math.nan if value is None else float(value)
