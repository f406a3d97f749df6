"""Arguments that PySide converts and PythonQt refuses (it converts colours to pens and brushes, and nothing else)."""

import types

from ..binding import QtGui, QtWidgets

ACTION = QtGui.QAction if hasattr(QtGui, "QAction") else QtWidgets.QAction  # Qt 5 keeps both among the widgets
SHORTCUT = QtGui.QShortcut if hasattr(QtGui, "QShortcut") else QtWidgets.QShortcut
ITEMS = (QtGui.QStandardItem, QtWidgets.QListWidgetItem, QtWidgets.QTableWidgetItem, QtWidgets.QTreeWidgetItem)
NOT_LISTS = (types.GeneratorType, type({}.keys()), type({}.values()))


def install() -> None:
    """Before properties.install(): assigning a property then goes through the same door."""
    for cls, name in ((ACTION, "setShortcut"), (QtWidgets.QAbstractButton, "setShortcut"), (SHORTCUT, "setKey")):
        _refuse(cls, name, (str,), "qt.QKeySequence(...)")
    _refuse(SHORTCUT, "__init__", (str,), "qt.QKeySequence(...)", first_only=True)
    for cls in (QtWidgets.QComboBox, QtWidgets.QListWidget):
        _refuse(cls, "addItems", NOT_LISTS, "a list")
    with_icons = [(cls, "setIcon") for cls in (ACTION, QtWidgets.QAbstractButton, *ITEMS)]
    with_icons += [(cls, "__init__") for cls in (QtWidgets.QPushButton, *ITEMS)]
    with_icons += [(QtWidgets.QTabWidget, name) for name in ("addTab", "insertTab", "setTabIcon")]
    with_icons += [(QtWidgets.QComboBox, name) for name in ("addItem", "insertItem", "setItemIcon")]
    with_icons += [(QtWidgets.QWidget, "setWindowIcon")]
    for cls, name in with_icons:
        _refuse(cls, name, (QtGui.QPixmap,), "qt.QIcon(...)")
    for cls, name in ((QtGui.QPainter, "setPen"), (QtGui.QPainter, "fillRect"), (QtGui.QPixmap, "fill")):
        _refuse(cls, name, (str,), "qt.QColor(...)")
    _refuse(QtGui.QPalette, "setColor", (str,), "qt.QColor(...)")
    _refuse(QtWidgets.QWidget, "setFont", (str,), "qt.QFont(...)")
    _refuse(QtWidgets.QTextBrowser, "setSource", (str,), "qt.QUrl(...)")
    _refuse(QtGui.QDesktopServices, "openUrl", (str,), "qt.QUrl(...)", static=True)


def _refuse(
    cls: type, name: str, unwanted: tuple[type, ...], wanted: str, first_only: bool = False, static: bool = False
) -> None:
    """cls.name(...) raises ValueError for an argument whose class is one of those unwanted."""
    original = getattr(cls, name)

    def call(*arguments):
        given = arguments if static else arguments[1:]
        for value in given[:1] if first_only else given:
            if type(value) in unwanted:
                raise ValueError(f"Called {cls.__name__}.{name} with wrong arguments: {value!r}; it needs {wanted}")
        return original(*arguments)

    setattr(cls, name, staticmethod(call) if static else call)
