"""What PySide takes and Slicer refuses."""

from ..binding import QtCore, QtGui, QtWidgets
from .classes import cpp_class, is_cpp_class


class QImage(QtGui.QImage):
    """Not made from an array's bytes: PythonQt finds no such overload."""

    def __init__(self, *arguments):
        if arguments and isinstance(arguments[0], bytes | bytearray | memoryview):
            raise ValueError("Could not find matching overload: use QImage.loadFromData(b'P6 ...' or PNG bytes)")
        super().__init__(*arguments)


def install() -> None:
    _refuse_class_relations()
    _refuse_python_protocols()
    _refuse_overrides()


def _refuse_class_relations() -> None:
    """No inheritance among C++ classes in Python, no keyword arguments."""
    meta = type(QtCore.QObject)
    plain_check, plain_call = meta.__instancecheck__, meta.__call__

    def instancecheck(cls, obj):
        return cpp_class(type(obj)) is cls if is_cpp_class(cls) else plain_check(cls, obj)

    def call(cls, *arguments, **keywords):
        if not keywords:
            return plain_call(cls, *arguments)  # PySide2 refuses even an empty dict of keywords
        if is_cpp_class(cls):
            raise ValueError(f"Called {cls.__name__}() with keywords, but called slot does not support kwargs.")
        return plain_call(cls, *arguments, **keywords)

    meta.__instancecheck__, meta.__call__ = instancecheck, call


def _refuse_python_protocols() -> None:
    for cls, name in (
        (QtCore.QSignalBlocker, "__enter__"),
        (QtCore.QSignalBlocker, "__exit__"),
        (QtCore.QByteArray, "__len__"),
    ):
        if name in cls.__dict__:
            delattr(cls, name)

    def no_bytes(self):
        raise TypeError("cannot convert 'QByteArray' object to bytes")

    QtCore.QByteArray.__bytes__ = no_bytes


def _refuse_overrides() -> None:
    """Functions of a Python subclass that Slicer never calls."""
    _never_called(
        QtWidgets.QTableWidgetItem, ["__lt__"], "sort by a number in qt.Qt.DisplayRole, or by a proxy's sortRole"
    )
    _never_called(QtWidgets.QWidget, ["sizeHint", "minimumSizeHint"], "set minimumWidth and minimumHeight")


def _never_called(cls: type, names: list[str], advice: str) -> None:
    def check(subclass, **keywords):
        for name in names:
            if name in subclass.__dict__ and not is_cpp_class(subclass):
                raise TypeError(f"Slicer never calls {subclass.__name__}.{name}: {advice}")

    cls.__init_subclass__ = classmethod(check)
