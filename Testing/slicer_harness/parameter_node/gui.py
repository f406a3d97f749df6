"""Fields connected to widgets: which widget fits which field, and both directions between them."""

import enum
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import vtk

from .annotations import Choice, Decimals, SingleStep, WithinRange
from .fields import BoolField, EnumField, Field, FloatField, IntField, NodeField, PathField, StrField

INT_LIMITS = (-(2**31), 2**31 - 1)
FLOAT_LIMITS = (-1e15, 1e15)


@dataclass(frozen=True)
class Fit:
    """How a widget class shows a field: the field classes, the signal, reading from and writing to the widget."""

    fields: tuple[type[Field], ...]
    signal: str | None
    get: Callable[[Any, Field], Any]
    put: Callable[[Any, Any], None]


def _attribute(name: str) -> tuple[Callable, Callable]:
    return (lambda widget, field: getattr(widget, name)), (lambda widget, value: setattr(widget, name, value))


def _number(signal: str, *fields: type[Field]) -> Fit:
    return Fit(fields, signal, lambda w, field: field.type(w.value), lambda w, value: setattr(w, "value", value))


def _path(attribute: str, signal: str) -> Fit:
    return Fit(
        (PathField,),
        signal,
        lambda w, f: Path(getattr(w, attribute)),
        lambda w, value: setattr(w, attribute, str(value)),
    )


def _chosen(widget, field: Field):
    return field.type[widget.currentText] if isinstance(field, EnumField) else widget.currentText


def _choose(widget, value) -> None:
    widget.setCurrentIndex(widget.findText(value.name if isinstance(value, enum.Enum) else value))


TEXT = Fit((StrField,), "textChanged(QString)", *_attribute("text"))
CHECK = Fit((BoolField,), "toggled(bool)", *_attribute("checked"))
COMBO = Fit((EnumField, StrField), "currentTextChanged(QString)", _chosen, _choose)
DOUBLE = _number("valueChanged(double)", FloatField)
FITS = {  # by the exact class name of the widget: no subclass fits
    "QLineEdit": TEXT,
    "QTextEdit": Fit((StrField,), "textChanged()", *_attribute("plainText")),
    "QLabel": Fit((StrField,), None, *_attribute("text")),
    "QCheckBox": CHECK,
    "QPushButton": CHECK,
    "QSpinBox": _number("valueChanged(int)", IntField),
    "QDoubleSpinBox": _number("valueChanged(double)", FloatField, IntField),
    "ctkSliderWidget": DOUBLE,
    "ctkDoubleSpinBox": DOUBLE,
    "QComboBox": COMBO,
    "ctkComboBox": COMBO,
    "ctkPathLineEdit": _path("currentPath", "currentPathChanged(QString)"),
    "ctkDirectoryButton": _path("directory", "directoryChanged(QString)"),
    "qMRMLNodeComboBox": Fit(
        (NodeField,),
        "currentNodeChanged(vtkMRMLNode*)",
        lambda w, field: w.currentNode(),
        lambda w, value: w.setCurrentNode(value),
    ),
}


class Connection:
    """Several fields of a wrapper connected to their widgets until stop()."""

    def __init__(self, wrapper, pairs: list[tuple[str, Any]]):
        self._pieces = [Piece(wrapper, name, widget) for name, widget in pairs]
        self._node = wrapper.parameterNode
        self._update()
        for piece in self._pieces:
            piece.start()
        self._observer = self._node.AddObserver(vtk.vtkCommand.ModifiedEvent, self._update)

    def _update(self, caller=None, event=None) -> None:
        for piece in self._pieces:
            piece.from_node()

    def stop(self) -> None:
        self._node.RemoveObserver(self._observer)
        for piece in self._pieces:
            piece.stop()


class Piece:
    """One field and one widget."""

    def __init__(self, wrapper, name: str, widget):
        self._wrapper, self._name, self._widget, self._field = wrapper, name, widget, wrapper._field(name)
        fit = FITS.get(type(widget).__name__)
        text_in_combo = fit is COMBO and isinstance(self._field, StrField) and not self._field.extra(Choice)
        if fit is None or not isinstance(self._field, fit.fields) or text_in_combo:
            raise RuntimeError(
                f"Unable to create GUI connector from datatype '{self._field.type}' to widget type '{type(widget)}'"
            )
        self._fit = fit
        self._prepare()

    def _prepare(self) -> None:
        """What connecting changes on the widget: limits, items, node types."""
        widget, field = self._widget, self._field
        if isinstance(field, IntField | FloatField):
            self._limit(widget, field)
        elif isinstance(field, NodeField):
            widget.nodeTypes = [field.type.__name__]
        elif self._fit is COMBO:
            widget.clear()
            widget.addItems(
                [e.name for e in field.type] if isinstance(field, EnumField) else field.extra(Choice).choices
            )

    def _limit(self, widget, field: Field) -> None:
        low, high = INT_LIMITS if isinstance(field, IntField) else FLOAT_LIMITS
        limits = field.extra(WithinRange)
        widget.minimum = max(limits.minimum, low) if limits else low
        widget.maximum = min(limits.maximum, high) if limits else high
        for annotation, attribute in ((Decimals, "decimals"), (SingleStep, "singleStep")):
            if field.extra(annotation):
                setattr(widget, attribute, field.extra(annotation).value)

    def start(self) -> None:
        if self._fit.signal:
            self._widget.connect(self._fit.signal, self._to_node)

    def stop(self) -> None:
        if self._fit.signal:
            self._widget.disconnect(self._fit.signal, self._to_node)

    def _to_node(self, *unused) -> None:
        value = self._fit.get(self._widget, self._field)
        if value != self._wrapper.getValue(self._name):
            self._wrapper.setValue(self._name, value)

    def from_node(self) -> None:
        value = self._wrapper.getValue(self._name)
        if self._fit.get(self._widget, self._field) != value:
            self._fit.put(self._widget, value)
