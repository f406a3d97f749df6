"""Which class a .ui file gives, and which can be made in code."""

import functools

import ctk
import qt
import slicer

from probes.asking import PROBES
from probes.designer import widget, write_ui

CLASSES = """
qMRMLNodeComboBox qMRMLSegmentEditorWidget qMRMLTableView qMRMLPlotView qMRMLPlotWidget qMRMLWidget qSlicerWidget
qMRMLTableWidget qMRMLThreeDView qMRMLSliceWidget ctkCollapsibleButton ctkCollapsibleGroupBox ctkPathLineEdit
ctkDirectoryButton ctkSliderWidget ctkDoubleSpinBox ctkComboBox ctkSearchBox ctkMessageBox ctkTreeView ctkTableView
ctkConsole ctkFileDialog ctkResizableFrame ctkMenuButton ctkRangeWidget qMRMLSegmentSelectorWidget
QPlainTextEdit QTextBrowser QTableView QTableWidget QTreeWidget QTabWidget QScrollArea QStackedWidget QToolButton
QListWidget QGroupBox QDialogButtonBox QLabel QProgressBar QSpinBox QDoubleSpinBox QSlider QFrame QRadioButton
""".split()  # noqa: SIM905 (a long list of names reads better as text)
NEVER_ALONE = ("qMRMLThreeDView", "qMRMLSliceWidget")


def class_from_file(name):
    custom = [name] if name[0] in "qc" else []
    w = slicer.util.loadUI(write_ui(widget(name, "x"), custom))
    c = slicer.util.findChildren(w, "x")
    r = c[0].className() if c else None
    if name.startswith("qMRML") and c and hasattr(c[0], "setMRMLScene"):
        c[0].setMRMLScene(None)
    return r


def class_from_code(name):
    module = {"q": slicer, "c": ctk}.get(name[0], qt)
    return getattr(module, name)().className()


for _name in CLASSES:
    PROBES[f"ui_{_name}"] = functools.partial(class_from_file, _name)
    if _name[0] in "qc" and _name not in NEVER_ALONE:
        PROBES[f"code_{_name}"] = functools.partial(class_from_code, _name)
