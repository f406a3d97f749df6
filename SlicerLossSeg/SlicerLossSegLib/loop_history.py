"""The rounds of the correction loop, as the study's history has them."""

from __future__ import annotations

import math
from collections.abc import Sequence
from datetime import datetime
from typing import Any

from slicer.i18n import tr as _

from SlicerLossSegLib.text_table import TextRow, TextTable

_TITLES = ("When", "Cases", "Dice", "Small", "Used", "Model")
_TIPS = {1: "Cases of the training set.", 2: "On the validation cases.", 3: "Recall of small lesions."}


class LoopHistory:
    """A table widget with one row per round, the newest first."""

    def __init__(self, table: Any) -> None:
        self._table = TextTable(table, _TITLES, _TIPS, numbers=(1, 2, 3))

    def show(self, rounds: Sequence[Any]) -> None:
        """Show rounds, see `lossseg.dataset.Round`."""
        self._table.show([_text_row(one) for one in reversed(rounds)])


def _text_row(one: Any) -> TextRow:
    texts = (
        _local(one.time),
        str(len(one.cases)),
        _ratio(one.scores.get("dice")),
        _ratio(one.scores.get("small_recall")),
        {True: _("yes"), False: _("no")}.get(one.used, ""),
        one.model.removeprefix("models/"),
    )
    compared = _("Compared with {previous}.").format(previous=one.previous) if one.previous else ""
    return TextRow(texts, "<br>".join(filter(None, (", ".join(one.cases), compared))))


def _local(time: str) -> str:
    try:
        return datetime.fromisoformat(time).astimezone().strftime("%Y-%m-%d %H:%M")
    except ValueError:
        return time


def _ratio(value: float | None) -> str:
    return f"{value:.2f}" if value is not None and math.isfinite(value) else _("n/a")
