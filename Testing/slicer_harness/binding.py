"""The Qt binding below the harness.

PySide6 by default; PySide2, with the Qt 5.15 of the official Slicer builds, when SLICER_HARNESS_QT is 5.
"""

import os

QT5 = os.environ.get("SLICER_HARNESS_QT", "6") == "5"
if QT5:
    import shiboken2 as shiboken
    from PySide2 import QtCore, QtGui, QtUiTools, QtWidgets
else:
    import shiboken6 as shiboken
    from PySide6 import QtCore, QtGui, QtUiTools, QtWidgets

Property, Signal, Slot = QtCore.Property, QtCore.Signal, QtCore.Slot

__all__ = ["QT5", "Property", "QtCore", "QtGui", "QtUiTools", "QtWidgets", "Signal", "Slot", "shiboken"]
