"""A list of losses with tick boxes, to which a person adds expressions of their own."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import qt
from slicer.i18n import tr as _

from lossseg.errors import InputError
from lossseg.losses import CATALOGUE, parse

COMMON = ("dice", "ce", "dice_ce", "dice_topk", "iw(dice)", "iw(bce)", "blob(dice)", "cc(dice)", "focal", "tversky")
"""What most people want to look at first."""

_EXPRESSION_ROLE = qt.Qt.UserRole + 1


class LossTicks:
    """A list widget, a line for an own expression, its button, and a label for the parser's sentence.

    Args:
        on_change: called when the person ticked, unticked or added a loss.
    """

    def __init__(self, widget: Any, line: Any, button: Any, label: Any, on_change: Callable[[], None]) -> None:
        self._list, self._line, self._button, self._label = widget, line, button, label
        self._on_change = on_change
        self._updating = False
        self._say("")
        for expression in offered():
            self._append(expression, False)
        widget.connect("itemChanged(QListWidgetItem*)", self._changed)
        line.connect("returnPressed()", self.add)
        line.connect("textChanged(QString)", self._typed)
        button.connect("clicked()", self.add)
        self._typed(line.text)

    @property
    def expressions(self) -> list[str]:
        """All that are listed."""
        return [str(self._list.item(place).data(_EXPRESSION_ROLE)) for place in range(self._list.count)]

    @property
    def ticked(self) -> tuple[str, ...]:
        return tuple(
            str(item.data(_EXPRESSION_ROLE))
            for item in (self._list.item(place) for place in range(self._list.count))
            if item.checkState() == qt.Qt.Checked
        )

    def tick(self, expressions: Sequence[str]) -> None:
        """Tick these and no others, without a word to `on_change`; those that are not listed are added."""
        self._updating = True
        known = self.expressions
        for expression in expressions:
            if expression not in known and _problem(expression) is None:
                self._append(expression, True)
        for place in range(self._list.count):
            item = self._list.item(place)
            on = str(item.data(_EXPRESSION_ROLE)) in expressions
            item.setCheckState(qt.Qt.Checked if on else qt.Qt.Unchecked)
        self._updating = False

    def add(self) -> None:
        """Add and tick what stands in the line."""
        expression = " ".join(str(self._line.text).split())
        if not expression:
            return
        problem = _problem(expression)
        if problem is not None:
            self._say(f"{problem.message} {problem.hint}".strip())
            return
        self.tick([*self.ticked, expression])
        self._line.text = ""
        self._list.scrollToItem(self._list.item(self.expressions.index(expression)))
        self._on_change()

    def _append(self, expression: str, on: bool) -> None:
        item = qt.QListWidgetItem(f"{expression}  ·  {_title(expression)}", self._list)
        item.setData(_EXPRESSION_ROLE, expression)
        item.setFlags(qt.Qt.ItemIsEnabled | qt.Qt.ItemIsSelectable | qt.Qt.ItemIsUserCheckable)
        item.setToolTip(_tip(expression))
        item.setCheckState(qt.Qt.Checked if on else qt.Qt.Unchecked)

    def _changed(self, item: Any) -> None:
        if not self._updating:
            self._on_change()

    def _typed(self, text: str) -> None:
        self._say("")
        empty = not str(text).strip()
        self._button.enabled = not empty
        self._button.toolTip = _("Write an expression first, as dice + iw(bce).") if empty else _("Add and tick it.")

    def _say(self, sentence: str) -> None:
        self._label.text = sentence
        self._label.visible = bool(sentence)


def offered() -> list[str]:
    """The expressions that the list begins with: the common ones, then every loss that stands alone."""
    alone = [name for name, entry in CATALOGUE.items() if entry.inside[0] == 0]
    return list(dict.fromkeys([*COMMON, *alone]))


def short(expression: str, letters: int = 18) -> str:
    """An expression for a column's head."""
    return expression if len(expression) <= letters else f"{expression[: letters - 1]}…"


def _problem(expression: str) -> InputError | None:
    try:
        parse(expression)
    except InputError as error:
        return error
    return None


def _title(expression: str) -> str:
    if expression in CATALOGUE:
        return str(CATALOGUE[expression].title)
    outer = expression.partition("(")[0]
    return str(CATALOGUE[outer].title) if outer in CATALOGUE and expression.endswith(")") else _("own expression")


def _tip(expression: str) -> str:
    entry = CATALOGUE.get(expression) or CATALOGUE.get(expression.partition("(")[0])
    if entry is None:
        return expression
    return "<br>".join(part for part in (f"<b>{entry.title}</b>", entry.formula, entry.advice) if part)
