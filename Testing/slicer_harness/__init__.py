"""A stand-in for the 3D Slicer application, for tests of the module without Slicer and without a display.

`slicer-core` from PyPI is the real Slicer without Qt: MRML, logics, displayable managers, slicer.util. This package
adds what it lacks: `qt` with PythonQt's rules on PySide, the widgets of CTK and Slicer that the module uses, and
`slicer.app`.

    import slicer_harness
    slicer_harness.boot()                                                     # once, before any module code
    module, instance = slicer_harness.load_module("SlicerLossSeg/SlicerLossSeg.py")
    widget = slicer_harness.create_widget(module)                             # set up and entered
    slicer_harness.close_widget(widget)

It never takes what Slicer refuses: Testing/Module/conformance holds it to what Slicer 5.12 answered.
"""

from .application.boot import boot, close_widget, create_widget, load_module

__all__ = ["boot", "close_widget", "create_widget", "load_module"]
