"""The module `qt`: one flat name space, without the classes that PythonQt does not know."""

import types

from ..binding import Property, QtCore, QtGui, QtWidgets, Signal, Slot
from ..recorded import qt_names
from .refusals import QImage

QT_ADDED_BY_PYSIDE = ("CTRL", "SHIFT", "ALT", "META")


class QtNamespace:
    """qt.Qt without the names that PySide adds."""

    def __getattr__(self, name: str):
        if name in QT_ADDED_BY_PYSIDE:
            raise AttributeError(f"Qt has no attribute named '{name}'")
        return getattr(QtCore.Qt, name)


def make() -> types.ModuleType:
    from .ui_loader import QUiLoader

    qt = types.ModuleType("qt", "The rules of PythonQt on PySide, for tests")
    unknown = set(qt_names()["classes"])
    for module in (QtCore, QtGui, QtWidgets):
        for name in dir(module):
            if name.startswith("Q") and name not in unknown:
                setattr(qt, name, getattr(module, name))
    qt.Qt, qt.QImage, qt.QUiLoader = QtNamespace(), QImage, QUiLoader
    qt.Signal, qt.Slot, qt.Property = Signal, Slot, Property
    return qt
