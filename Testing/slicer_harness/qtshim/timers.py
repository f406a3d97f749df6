"""QTimer.singleShot(milliseconds, function): floats are cut, an exception is printed as one of any slot is."""

from ..binding import QtCore
from .signals import Slot


def install() -> None:
    original = QtCore.QTimer.singleShot

    def single_shot(milliseconds, function):
        slot = Slot(function, 0)
        original(int(milliseconds), lambda: slot())

    QtCore.QTimer.singleShot = staticmethod(single_shot)
