"""slicer.parameterNodeWrapper: connected widgets."""

import pathlib

import ctk
import qt
import slicer
import vtk

from probes.asking import plain, probe
from probes.nodes import make_volume
from probes.parameters import Colour, make_parameters


def make_widgets():
    """One widget for each field, as a .ui file would name them."""
    u = type("U", (), {})()
    u.text = qt.QLineEdit()
    u.count = qt.QSpinBox()
    u.level = ctk.ctkSliderWidget()
    u.level2 = qt.QDoubleSpinBox()
    u.on = qt.QCheckBox()
    u.colour = qt.QComboBox()
    u.choice = qt.QComboBox()
    u.folder = ctk.ctkPathLineEdit()
    u.volume = slicer.qMRMLNodeComboBox()
    u.volume.setMRMLScene(slicer.mrmlScene)
    u.epochs = qt.QSpinBox()
    u.label = qt.QLabel()
    for name in ("text", "count", "level", "on", "colour", "choice", "folder", "volume"):
        getattr(u, name).setProperty("SlicerParameterName", name)
    u.epochs.setProperty("SlicerParameterName", "pack.epochs")
    return u


def end(u, p=None, tag=None):
    """Disconnect; a node combo must let go of its scene."""
    if p is not None:
        p.disconnectGui(tag)
    u.volume.setMRMLScene(None)


@probe
def m_gui_initial():
    p = make_parameters()
    u = make_widgets()
    tag = p.connectGui(u)
    r = [
        u.text.text,
        u.count.value,
        u.level.value,
        u.level.minimum,
        u.level.maximum,
        u.on.checked,
        u.colour.currentText,
        [u.colour.itemText(i) for i in range(u.colour.count)],
        u.choice.currentText,
        u.choice.count,
        u.folder.currentPath,
        list(u.volume.nodeTypes),
        u.volume.noneEnabled,
        u.epochs.value,
        u.epochs.maximum,
        u.count.maximum,
    ]
    end(u, p, tag)
    return r


@probe
def m_gui_to_node():
    p = make_parameters()
    u = make_widgets()
    tag = p.connectGui(u)
    v = make_volume()
    u.text.text = "new"
    u.count.value = 8
    u.level.value = 4.5
    u.on.checked = True
    u.colour.currentIndex = 0
    u.choice.currentIndex = 0
    u.folder.currentPath = "/usr"
    u.volume.setCurrentNode(v)
    u.epochs.value = 12
    r = [p.text, p.count, p.level, p.on, p.colour.name, p.choice, p.folder, p.volume == v, p.pack.epochs]
    end(u, p, tag)
    return r


@probe
def m_gui_from_node():
    p = make_parameters()
    u = make_widgets()
    tag = p.connectGui(u)
    v = make_volume()
    p.text = "new"
    p.count = 8
    p.level = 4.5
    p.on = True
    p.colour = Colour.RED
    p.choice = "a"
    p.folder = pathlib.Path("/usr")
    p.volume = v
    p.pack.epochs = 12
    r = [
        u.text.text,
        u.count.value,
        u.level.value,
        u.on.checked,
        u.colour.currentText,
        u.choice.currentText,
        u.folder.currentPath,
        u.volume.currentNode() == v,
        u.epochs.value,
    ]
    end(u, p, tag)
    return r


@probe
def m_gui_disconnect():
    p = make_parameters()
    u = make_widgets()
    tag = p.connectGui(u)
    p.disconnectGui(tag)
    u.text.text = "gone"
    p.count = 44
    r = [p.text, u.count.value]
    end(u)
    return r


@probe
def m_gui_tag_type():
    p = make_parameters()
    u = make_widgets()
    tag = p.connectGui(u)
    r = type(tag).__name__
    end(u, p, tag)
    return r


@probe
def m_gui_non_widget_in_ui():
    p = make_parameters()
    u = type("U", (), {})()
    u.a = qt.QLineEdit()
    u.other = 5
    return type(p.connectGui(u)).__name__


@probe
def m_gui_none_in_ui():
    p = make_parameters()
    u = type("U", (), {})()
    u.other = None
    return type(p.connectGui(u)).__name__


@probe
def m_gui_private_in_ui():
    p = make_parameters()
    u = type("U", (), {})()
    u.__dict__["_x"] = 5
    return type(p.connectGui(u)).__name__


@probe
def m_gui_twice():
    p = make_parameters()
    u = make_widgets()
    t1 = p.connectGui(u)
    t2 = p.connectGui(u)
    u.count.value = 6
    r = p.count
    p.disconnectGui(t1)
    p.disconnectGui(t2)
    end(u)
    return r


@probe
def m_gui_unknown_name():
    p = make_parameters()
    u = type("U", (), {})()
    u.a = qt.QLineEdit()
    u.a.setProperty("SlicerParameterName", "nope")
    return type(p.connectGui(u)).__name__


@probe
def m_gui_unsupported_widget():
    p = make_parameters()
    u = type("U", (), {})()
    u.a = qt.QPlainTextEdit()
    u.a.setProperty("SlicerParameterName", "text")
    return type(p.connectGui(u)).__name__


@probe
def m_gui_wrong_pair():
    p = make_parameters()
    u = type("U", (), {})()
    u.a = qt.QSpinBox()
    u.a.setProperty("SlicerParameterName", "text")
    return type(p.connectGui(u)).__name__


@probe
def m_gui_subclass_widget():

    class L(qt.QLineEdit):
        pass

    p, _n, _P = make_parameters()
    u = type("U", (), {})()
    u.a = L()
    u.a.setProperty("SlicerParameterName", "text")
    return type(p.connectGui(u)).__name__


@probe
def m_gui_widget_types():
    p = make_parameters()
    out = {}
    for f, ws in {
        "text": [qt.QLineEdit, qt.QTextEdit, qt.QPlainTextEdit, qt.QLabel, qt.QComboBox],
        "count": [qt.QSpinBox, qt.QSlider, qt.QDoubleSpinBox, ctk.ctkSliderWidget, qt.QProgressBar],
        "level": [
            ctk.ctkSliderWidget,
            ctk.ctkDoubleSpinBox,
            qt.QDoubleSpinBox,
            qt.QSpinBox,
        ],
        "on": [
            qt.QCheckBox,
            qt.QPushButton,
            qt.QToolButton,
            qt.QRadioButton,
            ctk.ctkCollapsibleButton,
            qt.QGroupBox,
        ],
        "choice": [qt.QComboBox, ctk.ctkComboBox, qt.QLineEdit],
        "folder": [ctk.ctkPathLineEdit, ctk.ctkDirectoryButton, qt.QLineEdit],
        "names": [qt.QLineEdit, qt.QListWidget],
    }.items():
        for w in ws:
            x = w()
            if w in (qt.QPushButton, qt.QToolButton):
                x.checkable = True
            try:
                p.disconnectGui(p.connectParametersToGui({f: x}))
                out[f"{f}:{w.__name__}"] = True
            except Exception as e:
                out[f"{f}:{w.__name__}"] = type(e).__name__
    return out


@probe
def m_gui_unbounded_spin():
    p = make_parameters()
    p.count = 500
    s = qt.QSpinBox()
    t = p.connectParametersToGui({"count": s})
    r = [s.value, s.maximum, p.count]
    p.disconnectGui(t)
    return r


@probe
def m_gui_no_autoset_on_connect():
    p = make_parameters()
    make_volume()
    u = make_widgets()
    tag = p.connectGui(u)
    r = [plain(p.volume), plain(u.volume.currentNode())]
    end(u, p, tag)
    return r


@probe
def m_gui_modified_count():
    p = make_parameters()
    u = make_widgets()
    tag = p.connectGui(u)
    c = []
    t = p.parameterNode.AddObserver(vtk.vtkCommand.ModifiedEvent, lambda *a: c.append(1))
    u.count.value = 7
    p.parameterNode.RemoveObserver(t)
    end(u, p, tag)
    return len(c)
