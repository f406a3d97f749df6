"""The course of a training, from the events that it told."""

from __future__ import annotations

import json
import math
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from lossseg.errors import InputError
from lossseg.evaluation.figure_style import blank, styled
from lossseg.evaluation.figures import learning_curve_axes

if TYPE_CHECKING:
    from matplotlib.figure import Figure

_ALONE = ("training", "schedule", "learned")
"""Series of which a metric has one only, so that naming it tells nothing."""

_HISTORY = "history.jsonl"
_SHARES = ("dice", "recall", "precision", "object_dice", "f1")


@dataclass(frozen=True, eq=False)
class Course:
    """One metric of a training.

    Attributes:
        name: such as "loss" or "dice".
        series: what tells metrics of one name apart: "training", "validation (averaged)", "learned".
        steps: (n,) ascending.
        values: (n,).
    """

    name: str
    series: str
    steps: np.ndarray
    values: np.ndarray


def read_history(path: Path | str) -> tuple[Course, ...]:
    """The metrics of a training: its folder, its `history.jsonl`, or its events as `lossseg train ... --json` writes
    them, one JSON object per line.

    Of several values for one step the last counts, so that a resumed training takes over from the interrupted one.
    Lines that are no metric are left out, values that are undefined likewise.

    Raises:
        InputError: the file is missing or holds no metric.
    """
    path = Path(path)
    if path.is_dir():
        path = path / _HISTORY
    try:
        lines = path.read_text(encoding="utf-8", errors="replace").splitlines()
    except OSError as error:
        raise InputError(f"{path} cannot be read ({error.strerror}).", "Give the events of a training.") from error
    points: dict[tuple[str, str], dict[int, float]] = {}
    for line in lines:
        event = _event(line)
        value = event.get("value")
        # A line of history.jsonl is a metric without saying so.
        if (
            event.get("event", "metric" if "name" in event else None) == "metric"
            and isinstance(value, int | float)
            and math.isfinite(value)
        ):
            key = (str(event.get("name", "")), str(event.get("series", "")))
            points.setdefault(key, {})[int(event.get("step", 0))] = float(value)
    if not points:
        raise InputError(f"{path} holds no metric of a training.", "Give the folder of one, or its history.jsonl.")
    return tuple(
        Course(name, series, np.array(sorted(values)), np.array([values[step] for step in sorted(values)]))
        for (name, series), values in points.items()
    )


def learning_curve_figure(histories: Mapping[str, tuple[Course, ...]]) -> Figure:
    """A panel for each metric; of one training alone the shares in [0, 1] (Dice, recall, ...) are in one panel.

    The training loss is smoothed over about 2 % of the steps, for a batch is a small sample.

    Args:
        histories: by the training's name.

    Raises:
        MissingDependency: matplotlib is not installed.
    """
    panels: dict[str, list[tuple[str, np.ndarray, np.ndarray]]] = {}
    several = len(histories) > 1
    for training, courses in histories.items():
        for course in courses:
            together = (course.name in _SHARES or course.name.startswith("dice_")) and not several
            panel = "Validation" if together else course.name.replace("_", " ").capitalize()
            kind = course.series.removeprefix("validation ").strip("()") if course.series not in _ALONE else ""
            told = (training if several else "", course.name.replace("_", " ") if together else "", kind)
            values = smoothed(course.values) if course.name == "loss" else course.values
            panels.setdefault(panel, []).append((", ".join(filter(None, told)), course.steps, values))
    with styled("learning curve"):
        columns = min(len(panels), 2) or 1
        rows = math.ceil(len(panels) / columns) or 1
        figure, axes = blank(4.2 * columns, 3.1 * rows, rows, columns)
        for place, (title, series_of) in enumerate(panels.items()):
            learning_curve_axes(axes[place], title, series_of)
        for empty in axes[len(panels) :]:
            empty.set_visible(False)
    return figure


def smoothed(values: np.ndarray) -> np.ndarray:
    """Each value as the mean of the last 2 % of the values up to it."""
    window = max(1, len(values) // 50)
    if window == 1:
        return values
    total = np.convolve(values, np.ones(window), "full")[: len(values)]
    return np.asarray(total / np.minimum(np.arange(1, len(values) + 1), window))


def _event(line: str) -> dict[str, Any]:
    try:
        value = json.loads(line)
    except json.JSONDecodeError:
        return {}
    return value if isinstance(value, dict) else {}
