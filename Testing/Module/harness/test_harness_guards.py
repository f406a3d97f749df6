"""What Slicer refuses, or prints and passes over, is an error in the harness."""

import ctk
import pytest
import qt
import slicer


def raise_in_slot():
    raise ZeroDivisionError("in a slot")


def test_exception_in_a_slot_is_recorded_and_the_next_slot_runs(panel, errors):
    reached = []
    panel.ui.applyButton.connect("clicked()", raise_in_slot)
    panel.ui.applyButton.connect("clicked()", lambda: reached.append(1))
    panel.ui.applyButton.click()
    assert [entry[0] for entry in errors.exceptions] == [ZeroDivisionError]
    assert "in a slot" in errors.unseen()
    assert reached == [1]
    errors.clear()
    assert errors.unseen() == ""


def test_exception_in_a_timer_is_recorded(errors):
    qt.QTimer.singleShot(0, raise_in_slot)
    slicer.app.processEvents()
    assert [entry[0] for entry in errors.exceptions] == [ZeroDivisionError]
    errors.clear()


def test_exception_in_an_observer_is_recorded(errors):
    node = slicer.mrmlScene.AddNewNodeByClass("vtkMRMLTextNode")
    node.AddObserver("ModifiedEvent", lambda caller, event: raise_in_slot())
    node.SetText("changed")
    assert {entry[0] for entry in errors.exceptions} == {ZeroDivisionError}
    errors.clear()


def test_error_of_vtk_is_recorded(errors):
    slicer.modules.segmentations.logic().LoadSegmentationFromFile("/nonexistent.seg.nrrd")
    assert errors.vtk_errors
    errors.clear()


def test_warning_of_qt_is_recorded(errors):
    widget = qt.QWidget()
    qt.QVBoxLayout(widget)
    qt.QVBoxLayout(widget)
    assert "already has a layout" in errors.unseen()
    errors.clear()


def test_unknown_attribute_of_a_widget_cannot_be_read_or_set(panel):
    with pytest.raises(AttributeError, match="toolTpi"):
        panel.ui.applyButton.toolTpi = "x"
    with pytest.raises(AttributeError, match="_mine"):
        panel.ui.applyButton._mine = 3
    with pytest.raises(AttributeError, match="colapsed"):
        panel.ui.options.colapsed = True
    with pytest.raises(TypeError, match="not callable"):
        panel.ui.applyButton.text()


def test_unknown_signal_lists_what_there_is(panel):
    with pytest.raises(ValueError, match=r"clicked\(bool\)"):
        panel.ui.applyButton.connect("clicked(int)", print)
    with pytest.raises(ValueError, match=r"currentNodeChanged\(vtkMRMLNode\*\)"):
        panel.ui.volumeSelector.connect("currentNodeChanged(int)", print)


@pytest.mark.parametrize(
    ("make", "name"),
    [
        (qt.QFormLayout, "setRowVisible"),  # Qt 6 only
        (qt.QSize, "toTuple"),  # PySide only
        (qt.QWidget, "setScreen"),
        (slicer.qMRMLNodeComboBox, "setNodeTypes"),  # in C++ only: no slot
        (ctk.ctkSliderWidget, "setRange"),
        (slicer.qMRMLNodeComboBox, "nodes"),
    ],
)
def test_names_that_slicer_lacks_are_missing(make, name):
    assert not hasattr(make(), name)


def test_classes_that_slicer_lacks_are_missing():
    assert not hasattr(qt, "QColorConstants")
    assert not hasattr(ctk, "ctkRangeWidget")
    assert not hasattr(slicer, "arrayFromVolume")


def test_a_stand_in_cannot_offer_more_than_slicer():
    from slicer_harness.binding import QtWidgets
    from slicer_harness.stand_ins import stand_in

    def clear(self):
        pass

    extra = type("ctkSearchBox", (QtWidgets.QLineEdit,), {"clearEverything": clear})
    with pytest.raises(AttributeError, match="clearEverything"):
        stand_in(_as_of_the_harness(extra))
    signal = type("ctkSearchBox", (QtWidgets.QLineEdit,), {"_signals_": {"cleared()": "_cleared"}})
    with pytest.raises(AttributeError, match="cleared"):
        stand_in(_as_of_the_harness(signal))
    other_base = type("ctkSearchBox", (QtWidgets.QWidget,), {})
    with pytest.raises(AttributeError, match="made from QLineEdit"):
        stand_in(other_base)


def _as_of_the_harness(cls):
    cls.__module__ = "slicer_harness.ctkshim.choices"
    return cls
