"""What every widget and every layout answers."""

import ctk
import qt
import slicer

from probes.asking import probe


@probe
def widget_visible_property():
    w = qt.QWidget()
    w.visible = False
    return [w.visible, w.isVisible(), w.isHidden()]


@probe
def widget_size_properties():
    w = qt.QWidget()
    w.resize(120, 80)
    w.minimumWidth = 10
    w.maximumHeight = 500
    return [w.width, w.height, w.size.width(), w.minimumWidth, w.maximumHeight]


@probe
def widget_width_call():
    return qt.QWidget().width()


@probe
def widget_setFixedWidth():
    w = qt.QWidget()
    w.setFixedWidth(33)
    return [w.minimumWidth, w.maximumWidth]


@probe
def widget_setFixedWidth_float():
    w = qt.QWidget()
    w.setFixedWidth(33.3)
    return w.minimumWidth


@probe
def widget_sizePolicy():
    w = qt.QWidget()
    w.setSizePolicy(qt.QSizePolicy.Expanding, qt.QSizePolicy.Fixed)
    return int(w.sizePolicy.horizontalPolicy()) == int(qt.QSizePolicy.Expanding)


@probe
def widget_dynamic_property():
    w = qt.QWidget()
    w.setProperty("SlicerParameterName", "abc")
    return [w.property("SlicerParameterName"), w.property("nope")]


@probe
def widget_dynamic_property_as_attribute():
    w = qt.QWidget()
    w.setProperty("SlicerParameterName", "abc")
    return w.SlicerParameterName


@probe
def widget_dynamic_property_types():
    w = qt.QWidget()
    w.setProperty("a", [1, "b"])
    w.setProperty("b", {"x": 1})
    w.setProperty("c", 1.5)
    w.setProperty("d", None)
    return [w.property(k) for k in "abcd"]


@probe
def widget_child_as_attribute():
    p = qt.QWidget()
    c = qt.QLabel(p)
    c.objectName = "lbl"
    return p.lbl is c


@probe
def widget_objectName_name():
    w = qt.QWidget()
    w.objectName = "n"
    return [w.objectName, w.name]


@probe
def widget_name_write():
    w = qt.QWidget()
    w.name = "n"
    return w.objectName


@probe
def widget_className():
    return [qt.QLabel().className(), type(qt.QLabel()).__name__]


@probe
def widget_isinstance():
    return [
        isinstance(qt.QLabel(), qt.QWidget),
        isinstance(qt.QLabel(), qt.QObject),
        isinstance(qt.QLabel(), qt.QLabel),
    ]


@probe
def widget_isinstance_of_subclass():

    class W(qt.QWidget):
        pass

    return [isinstance(W(), W), isinstance(W(), qt.QWidget)]


@probe
def widget_isinstance_slicer():
    return [
        isinstance(slicer.qMRMLNodeComboBox(), qt.QWidget),
        isinstance(slicer.qMRMLWidget(), qt.QWidget),
        isinstance(slicer.qSlicerWidget(), qt.QWidget),
        isinstance(ctk.ctkCollapsibleButton(), qt.QWidget),
    ]


@probe
def widget_identity():
    p = qt.QWidget()
    c = qt.QLabel("a", p)
    return [p.children()[0] is c, p.children()[0] == c, p.findChild(qt.QLabel) == c]


@probe
def widget_children_count():
    p = qt.QWidget()
    qt.QLabel("a", p)
    qt.QLabel("b", p)
    return len(p.children())


@probe
def widget_local_child_survives():
    p = qt.QWidget()
    lay = qt.QVBoxLayout(p)
    lay.addWidget(qt.QLabel("a"))
    return [lay.count(), p.findChild(qt.QLabel).text]


@probe
def widget_python_attribute_subclass():

    class W(qt.QWidget):
        pass

    w = W()
    w.anything = 3
    return w.anything


@probe
def widget_python_attribute_plain():
    w = qt.QWidget()
    w._mine = 3
    return w._mine


@probe
def widget_setattr_method():
    w = qt.QWidget()
    w.show = 3
    return w.show


@probe
def widget_hash_dict():
    a, b = (qt.QLabel(), qt.QLabel())
    d = {a: 1, b: 2}
    return [d[a], d[b]]


@probe
def widget_toolTip_none():
    w = qt.QLabel()
    w.toolTip = None
    return w.toolTip


@probe
def layout_spacing_margins():
    lay = qt.QVBoxLayout()
    lay.spacing = 3
    lay.setContentsMargins(1, 2, 3, 4)
    return [lay.spacing, lay.contentsMargins().left()]


@probe
def layout_count_property():
    return qt.QVBoxLayout().count


@probe
def layout_form_rows():
    w = qt.QWidget()
    f = qt.QFormLayout(w)
    f.addRow("a:", qt.QLabel("b"))
    f.addRow(qt.QLabel("c"))
    return [f.rowCount(), f.itemAt(0, qt.QFormLayout.FieldRole).widget().text]


@probe
def layout_form_labelForField():
    w = qt.QWidget()
    f = qt.QFormLayout(w)
    e = qt.QLineEdit()
    f.addRow("a:", e)
    return f.labelForField(e).text


@probe
def layout_grid():
    w = qt.QWidget()
    g = qt.QGridLayout(w)
    g.addWidget(qt.QLabel("a"), 0, 0)
    g.addWidget(qt.QLabel("b"), 1, 0, 1, 2)
    g.setColumnStretch(1, 1)
    return [g.rowCount(), g.columnCount(), g.count()]


@probe
def layout_addStretch_widget_parent():
    w = qt.QWidget()
    h = qt.QHBoxLayout(w)
    b = qt.QPushButton("x")
    h.addWidget(b)
    h.addStretch(1)
    return [b.parent() is w, w.layout() is h or w.layout() == h]


@probe
def findchild_forms():
    p = qt.QWidget()
    c = qt.QPushButton("x", p)
    c.objectName = "b"
    return [
        p.findChild(qt.QPushButton, "b") == c,
        p.findChild("QPushButton", "b") == c,
        len(p.findChildren(qt.QPushButton)),
        len(p.findChildren("QPushButton")),
        p.findChild(qt.QLabel),
    ]


@probe
def findchildren_noarg():
    p = qt.QWidget()
    qt.QPushButton("x", p)
    return len(p.findChildren())


@probe
def widget_setProperty_python_object():
    w = qt.QWidget()
    o = object()
    w.setProperty("o", o)
    return w.property("o") is o


@probe
def widget_grab():
    w = qt.QLabel("abc")
    w.resize(40, 20)
    p = w.grab()
    return [p.width(), p.height(), p.toImage().width()]


@probe
def widget_parent_set_none():
    p = qt.QWidget()
    c = qt.QLabel("a", p)
    c.setParent(None)
    return [c.parent(), len(p.children())]


@probe
def layout_clear_idiom():
    w = qt.QWidget()
    f = qt.QFormLayout(w)
    f.addRow("a", qt.QLabel("b"))
    f.addRow("c", qt.QSpinBox())
    while f.rowCount():
        f.removeRow(0)
    return f.rowCount()


@probe
def layout_takeAt():
    w = qt.QWidget()
    f = qt.QVBoxLayout(w)
    f.addWidget(qt.QLabel("a"))
    i = f.takeAt(0)
    i.widget().deleteLater()
    return f.count()
