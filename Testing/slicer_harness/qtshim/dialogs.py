"""Dialogs: static functions return the answer alone, PySide adds the chosen filter or the OK flag; exec_() stays."""

from ..binding import QtCore, QtWidgets


def install() -> None:
    for name in ("getOpenFileName", "getOpenFileNames", "getSaveFileName"):
        _answer_only(QtWidgets.QFileDialog, name)
    for name in ("getText", "getItem", "getInt", "getDouble", "getMultiLineText"):
        _answer_only(QtWidgets.QInputDialog, name)
    for cls in (QtCore.QEventLoop, QtWidgets.QDialog, QtWidgets.QMenu):
        if hasattr(cls, "exec"):
            cls.exec_ = cls.exec  # PySide6 warns that its own exec_ will go


def _answer_only(dialog: type, name: str) -> None:
    original = getattr(dialog, name)
    setattr(dialog, name, staticmethod(lambda *arguments: original(*arguments)[0]))
