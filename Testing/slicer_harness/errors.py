"""What goes wrong where nobody can raise: Slicer prints it and goes on, a test must see it.

`exceptions`: (type, value, traceback) of slots, timers, VTK observers and overridden virtual functions.
`vtk_errors`: texts of VTK's and MRML's error events. `qt_warnings`: texts of Qt's own warnings.
"""

import sys
import traceback
from types import TracebackType

import vtk

from .binding import QtCore

exceptions: list[tuple[type[BaseException], BaseException, TracebackType | None]] = []
vtk_errors: list[str] = []
qt_warnings: list[str] = []

# Said by the offscreen platform and by the fonts of a machine without a desktop, whatever the module does.
PLATFORM_NOISE = ("propagateSizeHints", "QFontDatabase", "fontconfig", "XDG_RUNTIME_DIR", "raise()")


def install() -> None:
    """Begin to record; what was printed before is printed still."""
    previous = sys.excepthook

    def record_exception(kind, value, trace):
        exceptions.append((kind, value, trace))
        previous(kind, value, trace)

    sys.excepthook = record_exception

    window = vtk.vtkOutputWindow()
    vtk.vtkOutputWindow.SetInstance(window)

    @vtk.calldata_type(vtk.VTK_STRING)
    def record_vtk_error(caller, event, text):
        vtk_errors.append(text)

    window.AddObserver(vtk.vtkCommand.ErrorEvent, record_vtk_error)

    def record_qt_message(kind, context, text):
        if kind != QtCore.QtMsgType.QtDebugMsg and not any(noise in text for noise in PLATFORM_NOISE):
            qt_warnings.append(text)
            print(f"Qt: {text}", file=sys.stderr)

    QtCore.qInstallMessageHandler(record_qt_message)


def clear() -> None:
    exceptions.clear()
    vtk_errors.clear()
    qt_warnings.clear()


def unseen() -> str:
    """Everything recorded since the last clear(), as text; empty when nothing went wrong."""
    parts = ["".join(traceback.format_exception(*entry)) for entry in exceptions]
    parts += [f"VTK: {text}" for text in vtk_errors] + [f"Qt: {text}" for text in qt_warnings]
    return "\n".join(parts)
