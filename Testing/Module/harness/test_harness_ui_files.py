"""Designer files: what Slicer passes over without a word is an error."""

import pytest
import slicer

PAGE = """<?xml version="1.0" encoding="UTF-8"?>
<ui version="4.0"><class>T</class><widget class="QWidget" name="T"><layout class="QVBoxLayout" name="l">
<item><widget class="{widget}" name="x">{inside}</widget></item></layout></widget>
<customwidgets/><resources/>{connections}</ui>"""


def load(folder, widget, inside="", connections="<connections/>"):
    path = folder / "t.ui"
    path.write_text(PAGE.format(widget=widget, inside=inside, connections=connections), encoding="utf-8")
    return slicer.util.loadUI(str(path))


@pytest.mark.parametrize("name", ["qMRMLPlotView", "ctkMessageBox", "ctkRangeWidget", "NoSuchWidget"])
def test_class_without_a_stand_in(tmp_path, name):
    with pytest.raises(RuntimeError, match=name):
        load(tmp_path, name)


@pytest.mark.parametrize("widget", ["QLabel", "ctkPathLineEdit", "qMRMLNodeComboBox"])
def test_unknown_property(tmp_path, widget):
    prop = '<property name="nope"><string>v</string></property>'
    with pytest.raises(RuntimeError, match=f"{widget} 'x' has no property 'nope'"):
        load(tmp_path, widget, prop)


def test_dynamic_property(tmp_path):
    prop = '<property name="SlicerParameterName" stdset="0"><string>v</string></property>'
    top = load(tmp_path, "qMRMLNodeComboBox", prop)
    assert slicer.util.findChild(top, "x").property("SlicerParameterName") == "v"


@pytest.mark.parametrize(("signal", "slot"), [("toggled(int)", "hide()"), ("toggled(bool)", "noSlot(bool)")])
def test_wrong_connection(tmp_path, signal, slot):
    parts = {"sender": "x", "signal": signal, "receiver": "T", "slot": slot}
    text = "".join(f"<{key}>{value}</{key}>" for key, value in parts.items())
    with pytest.raises((ValueError, AttributeError)):
        load(tmp_path, "QCheckBox", connections=f"<connections><connection>{text}</connection></connections>")
