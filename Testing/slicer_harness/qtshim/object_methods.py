"""What PythonQt adds to every QObject."""

from ..binding import QtCore, shiboken


def install() -> None:
    QtCore.QObject.name = QtCore.QObject.objectName
    QtCore.QObject.className = lambda self: type(self).__name__
    QtCore.QObject.delete = lambda self: shiboken.delete(self)
