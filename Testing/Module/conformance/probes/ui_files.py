"""Designer files."""

import qt
import slicer

from probes.asking import probe
from probes.designer import connection, prop, widget, write_ui


def load_x(class_name, *properties):
    """The widget x of a file that holds nothing else."""
    w = slicer.util.loadUI(write_ui(widget(class_name, "x", "".join(properties))))
    return w, slicer.util.findChildren(w, "x")[0]


@probe
def ui_missing_file():
    return slicer.util.loadUI("/no/such.ui")


@probe
def ui_unknown_property():
    _keep, x = load_x("QLabel", prop("nope", "string", "v"))
    return x.property("nope")


@probe
def ui_dynamic_property():
    _keep, x = load_x("QLabel", prop("SlicerParameterName", "string", "v", ' stdset="0"'))
    return x.property("SlicerParameterName")


@probe
def ui_childWidgetVariables():
    row = f'<item><layout class="QHBoxLayout" name="hl">{widget("QPushButton", "b")}</layout></item>'
    w = slicer.util.loadUI(write_ui(widget("QLabel", "x") + row))
    u = slicer.util.childWidgetVariables(w)
    return [type(u).__name__, hasattr(u, "x"), hasattr(u, "b"), hasattr(u, "hl"), hasattr(u, "T"), hasattr(u, "nope")]


@probe
def ui_childWidgetVariables_action():
    page = '<widget class="QWidget" name="a"><attribute name="title"><string>A</string></attribute></widget>'
    w = slicer.util.loadUI(write_ui(widget("QTabWidget", "tabs", page)))
    u = slicer.util.childWidgetVariables(w)
    return [sorted(k for k in vars(u) if not k.startswith("_")), u.tabs.count, u.tabs.tabText(0)]


@probe
def ui_findChild():
    w = slicer.util.loadUI(write_ui(widget("QLabel", "x")))
    return [
        slicer.util.findChild(w, "x").name,
        len(slicer.util.findChildren(w, className="QLabel")),
        len(slicer.util.findChildren(w, text="")),
    ]


@probe
def ui_findChild_missing():
    w = slicer.util.loadUI(write_ui(widget("QLabel", "x")))
    return slicer.util.findChild(w, "zz")


@probe
def ui_connection():
    body = widget("QCheckBox", "c") + widget("QPushButton", "b")
    w = slicer.util.loadUI(write_ui(body, connections=connection("c", "toggled(bool)", "b", "setDisabled(bool)")))
    u = slicer.util.childWidgetVariables(w)
    u.c.checked = True
    return u.b.enabled


@probe
def ui_connection_wrong():
    body = widget("QCheckBox", "c") + widget("QPushButton", "b")
    w = slicer.util.loadUI(write_ui(body, connections=connection("c", "toggled(bool)", "b", "noSlot(bool)")))
    return w.className()


@probe
def ui_scene_connection():
    types = prop("nodeTypes", "stringlist", "<string>vtkMRMLScalarVolumeNode</string>")
    signal = connection("T", "mrmlSceneChanged(vtkMRMLScene*)", "c", "setMRMLScene(vtkMRMLScene*)")
    body, custom = widget("qMRMLNodeComboBox", "c", types), ["qMRMLNodeComboBox", "qMRMLWidget"]
    w = slicer.util.loadUI(write_ui(body, custom, "qMRMLWidget", signal))
    u = slicer.util.childWidgetVariables(w)
    a = u.c.mrmlScene()
    w.setMRMLScene(slicer.mrmlScene)
    r = [a, u.c.mrmlScene() == slicer.mrmlScene, list(u.c.nodeTypes)]
    w.setMRMLScene(None)
    return r


@probe
def ui_enum_and_set():
    alignment = prop("alignment", "set", "Qt::AlignRight|Qt::AlignVCenter")
    _keep, x = load_x("QLabel", alignment, prop("wordWrap", "bool", "true"))
    return x.wordWrap


@probe
def ui_enum_scoped_name():
    _keep, x = load_x("QTabWidget", prop("tabPosition", "enum", "QTabWidget::TabPosition::West"))
    return x.tabPosition == qt.QTabWidget.West
