"""The form of a loss expression: one line per term and one per parameter, made from the catalogue."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import qt
from slicer.i18n import tr as _

from lossseg.losses.catalogue import LEARN, Kind, Parameter, Value
from lossseg.losses.tree import Sum
from SlicerLossSegLib import loss_expression
from SlicerLossSegLib.loss_expression import Row

_MOST = 1e6
"""Stands for no upper end: a spin box asks for the width of its longest number."""
_MOST_DECIMALS = 12
_INDENT = 12


class LossForm:
    """Controls for the factor and the parameters of each term.

    Args:
        area: the widget that holds the form; its layout is empty.
        on_change: called with the expression's tree when the person changed a value.
    """

    def __init__(self, area: Any, on_change: Callable[[Sum], None]) -> None:
        self._area, self._on_change = area, on_change
        self._page: Any = None
        self._tree: Sum | None = None
        self._rows: list[Row] = []
        self._controls: dict[tuple[loss_expression.Path, str], _Control] = {}
        self._factors: dict[loss_expression.Path, Any] = {}
        self._kept: list[Any] = []

    def show(self, tree: Sum) -> None:
        """Show an expression. Controls stay as long as the same terms stand in it."""
        rows = loss_expression.rows(tree)
        same = [row.shape for row in rows] == [row.shape for row in self._rows]
        self._tree, self._rows = tree, rows
        if not same:
            self._build()
        for row in rows:
            _quietly(self._factors[row.path], lambda box, row=row: _fill_factor(box, row.factor))
            for name, value in row.values:
                self._controls[row.path, name].show(value)

    @property
    def enabled(self) -> bool:
        return bool(self._area.enabled)

    @enabled.setter
    def enabled(self, on: bool) -> None:
        self._area.enabled = on

    def control(self, path: loss_expression.Path, name: str) -> Any:
        """The widget of a parameter, or of a term's factor when the name is empty."""
        return self._controls[path, name].widget if name else self._factors[path]

    def _build(self) -> None:
        # A new page each time: a control whose own signal asked for the change must not be deleted under it.
        if self._page is not None:
            self._area.layout().removeWidget(self._page)
            self._page.hide()
            self._page.deleteLater()
        self._page = qt.QWidget()
        form = qt.QFormLayout(self._page)
        form.setContentsMargins(0, 0, 0, 0)
        form.setVerticalSpacing(2)
        self._controls, self._factors, self._kept = {}, {}, []
        for row in self._rows:
            form.addRow(self._head(row))
            for parameter in row.entry.parameters:
                label = qt.QLabel(f"{parameter.name}:")
                label.setContentsMargins(_INDENT * (row.depth + 1), 0, 0, 0)
                label.setToolTip(_tip(parameter))
                control = _Control(parameter, lambda value, row=row, one=parameter: self._set(row, one, value))
                form.addRow(label, control.box)
                self._controls[row.path, parameter.name] = control
                self._kept.append(label)
        self._area.layout().addWidget(self._page)

    def _head(self, row: Row) -> Any:
        line = qt.QWidget()
        layout = qt.QHBoxLayout(line)
        layout.setContentsMargins(_INDENT * row.depth, 4, 0, 0)
        title = qt.QLabel(row.entry.title)
        title.setToolTip(f"{row.entry.signature}<br>{row.entry.advice}")
        title.setSizePolicy(qt.QSizePolicy.Ignored, qt.QSizePolicy.Preferred)
        font = title.font
        font = font() if callable(font) else font
        font.setBold(True)
        title.setFont(font)
        factor = qt.QDoubleSpinBox()
        factor.setKeyboardTracking(False)
        factor.setSingleStep(0.1)
        factor.setPrefix("× ")
        factor.setMinimumWidth(1)
        factor.setMaximumWidth(110)
        factor.setToolTip(_("What this loss is multiplied by."))
        factor.connect("valueChanged(double)", lambda value, path=row.path: self._set_factor(path, value))
        remove = qt.QToolButton()
        remove.setText("✕")
        remove.setAutoRaise(True)
        alone = len(self._siblings(row)) == 1
        remove.setEnabled(not alone)
        remove.setToolTip(_("The only loss here cannot be taken out.") if alone else _("Take this loss out."))
        remove.connect("clicked()", lambda path=row.path: self._remove(path))
        for widget in (title, factor, remove):
            layout.addWidget(widget)
        self._factors[row.path] = factor
        self._kept += [line, title, remove]
        return line

    def _siblings(self, row: Row) -> list[Row]:
        return [other for other in self._rows if other.path[:-1] == row.path[:-1] and len(other.path) == len(row.path)]

    def _set(self, row: Row, parameter: Parameter, value: Value) -> None:
        assert self._tree is not None
        self._changed(loss_expression.with_value(self._tree, row.path, parameter.name, value))

    def _set_factor(self, path: loss_expression.Path, value: float) -> None:
        assert self._tree is not None
        decimals = self._factors[path].decimals
        self._changed(loss_expression.with_factor(self._tree, path, float(round(value, decimals))))

    def _remove(self, path: loss_expression.Path) -> None:
        assert self._tree is not None
        self._changed(loss_expression.without(self._tree, path))

    def _changed(self, tree: Sum) -> None:
        self.show(tree)
        self._on_change(tree)


class _Control:
    """What edits one parameter: a check box, a list, or a number with a box for `learn` where it can be learned."""

    def __init__(self, parameter: Parameter, on_value: Callable[[Value], None]) -> None:
        self._parameter, self._on_value = parameter, on_value
        self._learn: Any = None
        self._words: list[str] = []
        if parameter.kind is Kind.FLAG:
            self.widget = self.box = qt.QCheckBox()
            self.widget.connect("toggled(bool)", lambda on: on_value(bool(on)))
        elif parameter.kind in (Kind.CHOICE, Kind.FILE):
            self._words = list(parameter.choices)
            self.widget = self.box = qt.QComboBox()
            self.widget.addItems(self._words)
            self.widget.connect("currentIndexChanged(int)", lambda index: on_value(self._words[index]))
        else:
            self.widget = self.box = _spin(parameter)
            self.widget.connect("valueChanged(double)", lambda value: on_value(self._number(value)))
            if parameter.learnable:
                self._with_learn()
        self.widget.setToolTip(_tip(parameter))

    def show(self, value: Value) -> None:
        kind = self._parameter.kind
        if kind is Kind.FLAG:
            _quietly(self.widget, lambda box: box.setChecked(value))
        elif kind in (Kind.CHOICE, Kind.FILE):
            _quietly(self.widget, lambda box: self._choose(box, str(value)))
        else:
            learned = value == LEARN
            if self._learn is not None:
                _quietly(self._learn, lambda box: box.setChecked(learned))
                self.widget.setEnabled(not learned)
            if not learned:
                _quietly(self.widget, lambda box: _fill(box, self._parameter, float(value)))

    def _choose(self, box: Any, word: str) -> None:
        # The path of a file is written in the expression; the list then holds it beside the kept ones.
        if word not in self._words:
            self._words.append(word)
            box.addItem(word)
        box.setCurrentIndex(self._words.index(word))

    def _with_learn(self) -> None:
        self.box = qt.QWidget()
        layout = qt.QHBoxLayout(self.box)
        layout.setContentsMargins(0, 0, 0, 0)
        self._learn = qt.QCheckBox(_("learned"))
        self._learn.setToolTip(_("Training finds the value."))
        self._learn.connect("toggled(bool)", self._learned)
        layout.addWidget(self.widget, 1)
        layout.addWidget(self._learn)

    def _learned(self, on: bool) -> None:
        self.widget.setEnabled(not on)
        self._on_value(LEARN if on else self._number(self.widget.value))

    def _number(self, value: float) -> float:
        return float(round(value, self.widget.decimals))


def _spin(parameter: Parameter) -> Any:
    box = qt.QDoubleSpinBox()
    box.setKeyboardTracking(False)
    box.setMinimumWidth(1)
    _fill(box, parameter, parameter.default if isinstance(parameter.default, float | int) else 0.0)
    return box


def _fill_factor(box: Any, value: float) -> None:
    decimals = max(2, _decimals(value))
    box.setDecimals(decimals)
    box.setRange(min(10.0**-decimals, value), max(10000.0, value))
    box.setValue(value)


def _fill(box: Any, parameter: Parameter, value: float) -> None:
    """Show a number with all its digits; range and step follow them."""
    decimals = 0 if parameter.whole else max(3, _decimals(value), _decimals(_number_of(parameter.default)))
    least = 10.0**-decimals
    box.setDecimals(decimals)
    low = max(parameter.low, -_MOST) + (least if parameter.low_open else 0.0)
    high = min(parameter.high, _MOST) - (least if parameter.high_open else 0.0)
    box.setRange(min(low, value), max(high, value))
    box.setSingleStep(1.0 if parameter.whole else max(least, 10.0 ** -_decimals(value)) if value else 0.1)
    box.setValue(value)


def _number_of(value: Value) -> float:
    return 0.0 if isinstance(value, str) else float(value)


def _decimals(value: float) -> int:
    """Digits after the point that `value` needs."""
    text = f"{value:.{_MOST_DECIMALS}f}".rstrip("0")
    return len(text.partition(".")[2])


def _tip(parameter: Parameter) -> str:
    return f"{parameter.help}: {parameter.allowed}."


def _quietly(widget: Any, act: Callable[[Any], None]) -> None:
    before = widget.blockSignals(True)
    act(widget)
    widget.blockSignals(before)
