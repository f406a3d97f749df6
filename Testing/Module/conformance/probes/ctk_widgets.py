"""Widgets of CTK."""

import ctk
import numpy as np
import qt

from probes.asking import TEMPORARY, probe


@probe
def ctk_collapsible():
    b = ctk.ctkCollapsibleButton()
    b.text = "T"
    got = []
    b.connect("contentsCollapsed(bool)", lambda v: got.append(v))
    b.collapsed = True
    return [b.text, b.collapsed, got, b.checked]


@probe
def ctk_collapsible_checked():
    b = ctk.ctkCollapsibleButton()
    b.checked = False
    return b.collapsed


@probe
def ctk_collapsible_hides_children():
    b = ctk.ctkCollapsibleButton()
    lay = qt.QVBoxLayout(b)
    label = qt.QLabel("a")
    lay.addWidget(label)
    b.collapsed = True
    a = label.isHidden()
    b.collapsed = False
    return [a, label.isHidden()]


@probe
def ctk_groupbox():
    b = ctk.ctkCollapsibleGroupBox()
    b.title = "T"
    got = []
    b.connect("toggled(bool)", got.append if False else lambda v: got.append(v))
    b.collapsed = True
    return [b.title, b.collapsed, b.checkable, b.checked, got]


@probe
def ctk_path():
    p = ctk.ctkPathLineEdit()
    got = []
    p.connect("currentPathChanged(QString)", lambda v: got.append(v))
    p.currentPath = str(TEMPORARY)
    return [p.currentPath == str(TEMPORARY), got == [str(TEMPORARY)]]


@probe
def ctk_path_filters_default():
    return int(ctk.ctkPathLineEdit().filters)


@probe
def ctk_path_filters_set():
    p = ctk.ctkPathLineEdit()
    p.filters = ctk.ctkPathLineEdit.Dirs
    return int(p.filters)


@probe
def ctk_path_filters_or():
    p = ctk.ctkPathLineEdit()
    p.filters = ctk.ctkPathLineEdit.Dirs | ctk.ctkPathLineEdit.Writable
    return int(p.filters)


@probe
def ctk_path_valid():
    p = ctk.ctkPathLineEdit()
    p.filters = ctk.ctkPathLineEdit.Dirs
    got = []
    p.connect("validInputChanged(bool)", lambda v: got.append(v))
    p.currentPath = "/no/such/dir"
    a = list(got)
    p.currentPath = str(TEMPORARY)
    return [a, got[-1] if got else None]


@probe
def ctk_path_path_object():
    p = ctk.ctkPathLineEdit()
    p.currentPath = TEMPORARY
    return p.currentPath == str(TEMPORARY)


@probe
def ctk_path_settingKey():
    p = ctk.ctkPathLineEdit()
    p.settingKey = "LossSeg/p"
    p.currentPath = str(TEMPORARY)
    p.addCurrentPathToHistory()
    return [p.settingKey, p.currentPath == str(TEMPORARY)]


@probe
def ctk_directory():
    d = ctk.ctkDirectoryButton()
    got = []
    d.connect("directoryChanged(QString)", lambda v: got.append(v))
    d.directory = str(TEMPORARY)
    return [d.directory == str(TEMPORARY), got == [str(TEMPORARY)], d.text != ""]


@probe
def ctk_slider():
    s = ctk.ctkSliderWidget()
    got = []
    s.connect("valueChanged(double)", lambda v: got.append(v))
    a = [s.minimum, s.maximum, s.value, s.decimals, s.singleStep]
    s.value = 42
    return [a, s.value, got]


@probe
def ctk_slider_int_and_numpy():
    s = ctk.ctkSliderWidget()
    s.value = np.float32(7)
    return s.value


@probe
def ctk_slider_clamp():
    s = ctk.ctkSliderWidget()
    s.maximum = 10
    s.value = 99
    return s.value


@probe
def ctk_slider_rounding():
    s = ctk.ctkSliderWidget()
    s.maximum = 1
    s.value = 0.12345
    return s.value


@probe
def ctk_slider_step_rounding():
    s = ctk.ctkSliderWidget()
    s.maximum = 1
    s.decimals = 3
    s.singleStep = 0.05
    s.value = 0.123
    return s.value


@probe
def ctk_slider_tracking():
    s = ctk.ctkSliderWidget()
    s.tracking = False
    s.suffix = " mm"
    return [s.tracking, s.suffix]


@probe
def ctk_doublespin():
    s = ctk.ctkDoubleSpinBox()
    got = []
    s.connect("valueChanged(double)", lambda v: got.append(v))
    a = [s.minimum, s.maximum, s.decimals, s.singleStep]
    s.value = 1.234
    return [a, s.value, got]


@probe
def ctk_combo_default():
    c = ctk.ctkComboBox()
    c.defaultText = "choose"
    c.addItem("a")
    c.currentIndex = -1
    return [c.defaultText, c.currentText, c.currentIndex]


@probe
def ctk_searchbox():
    s = ctk.ctkSearchBox()
    got = []
    s.connect("textChanged(QString)", lambda t: got.append(t))
    s.placeholderText = "find"
    s.text = "ab"
    return [s.placeholderText, s.text, got]


@probe
def ctk_messagebox():
    m = ctk.ctkMessageBox()
    m.text = "t"
    m.dontShowAgainVisible = True
    m.dontShowAgainSettingsKey = "LossSeg/x"
    return [m.text, m.dontShowAgain]


@probe
def ctk_typo():
    b = ctk.ctkCollapsibleButton()
    b.collapse = True
    return b.collapse
