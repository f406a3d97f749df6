"""Attributes of C++ objects: a name that is not there cannot be assigned."""

from contextlib import contextmanager

from ..binding import QtCore, QtGui, QtWidgets
from .classes import find_attribute, is_cpp_class, is_stand_in

_open = 0


@contextmanager
def open_attributes():
    """While a .ui file loads, PySide stores the children as attributes of the top widget."""
    global _open
    _open += 1
    try:
        yield
    finally:
        _open -= 1


def install(qobject_classes: list[type]) -> None:
    for cls in qobject_classes:  # every class of the binding carries a slot of its own
        if "__setattr__" in cls.__dict__:
            cls.__setattr__ = _set_attribute
    for cls in (QtWidgets.QTableWidgetItem, QtWidgets.QListWidgetItem, QtWidgets.QTreeWidgetItem, QtGui.QStandardItem):
        cls.__setattr__ = _set_attribute


def _set_attribute(self, name: str, value) -> None:
    cls = type(self)
    attribute = find_attribute(cls, name)
    own_state = is_stand_in(cls) and name.startswith("_")
    bound_signal = isinstance(value, QtCore.SignalInstance)  # PySide keeps them on the instance
    if is_cpp_class(cls) and not _open and not own_state and not bound_signal:
        _check(cls, name, attribute)
    if isinstance(attribute, QtCore.Property):
        attribute.fset(self, value)
    elif hasattr(attribute, "__set__"):
        attribute.__set__(self, value)
    else:
        self.__dict__[name] = value


def _check(cls: type, name: str, attribute) -> None:
    if attribute is None:
        raise AttributeError(
            f"'{name}' does not exist on {cls.__name__} and creating new attributes on C++ objects is not allowed"
        )
    if isinstance(attribute, QtCore.Property):
        if attribute.fset is None:
            raise AttributeError(f"property '{name}' of {cls.__name__} cannot be assigned")
    elif not hasattr(attribute, "__set__"):
        raise AttributeError(f"Slot '{name}' can not be overwritten on {cls.__name__} object")
