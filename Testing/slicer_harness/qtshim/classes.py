"""Classes of PySide and of the harness, seen the way PythonQt sees C++ classes."""

from ..binding import QtCore, QtGui, QtUiTools, QtWidgets

MODULES = (QtCore, QtGui, QtWidgets, QtUiTools)
HARNESS = __name__.partition(".")[0] + "."


def qobject_classes() -> list[type]:
    """Every QObject class of the binding, base classes first."""
    found = {
        value: None
        for module in MODULES
        for value in (getattr(module, name, None) for name in dir(module))  # dir(): newer PySide makes classes lazily
        if isinstance(value, type) and issubclass(value, QtCore.QObject)
    }
    return sorted(found, key=lambda cls: len(cls.__mro__))


def find_attribute(cls: type, name: str):
    """The raw class attribute (a descriptor is not called), None when no class of the hierarchy has it."""
    for base in cls.__mro__:
        if name in base.__dict__:
            return base.__dict__[name]
    return None


def is_stand_in(cls: type) -> bool:
    """A class of the harness that takes the place of a class of CTK or Slicer."""
    return cls.__module__.startswith(HARNESS)


def is_cpp_class(cls: type) -> bool:
    """Written in C++ in Slicer: a class of the binding or a stand-in."""
    return cls.__module__.startswith(("PySide", "shiboken")) or is_stand_in(cls)


def cpp_class(cls: type) -> type | None:
    """The C++ class that a class of Python code is made from, or the class itself."""
    return next((base for base in cls.__mro__ if is_cpp_class(base)), None)


def is_a(obj, cls: type) -> bool:
    """isinstance as C++ means it; isinstance itself answers as PythonQt, without inheritance."""
    return cls in type(obj).__mro__
