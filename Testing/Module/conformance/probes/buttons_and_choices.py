"""Attributes of buttons, boxes, lists of strings, tabs."""

import pathlib

import qt

from probes.asking import probe


@probe
def combo_addItems_and_current():
    w = qt.QComboBox()
    w.addItems(["a", "b", "c"])
    w.currentIndex = 1
    return [w.count, w.currentIndex, w.currentText]


@probe
def combo_currentText_write():
    w = qt.QComboBox()
    w.addItems(["a", "b"])
    w.currentText = "b"
    return w.currentText


@probe
def combo_currentText_write_unknown():
    w = qt.QComboBox()
    w.addItems(["a", "b"])
    w.currentText = "z"
    return w.currentText


@probe
def combo_itemData_types():
    w = qt.QComboBox()
    w.addItem("a", "x")
    w.addItem("b", 3)
    w.addItem("c", 1.5)
    w.addItem("d", ["p", 1])
    w.addItem("e", {"k": 1})
    w.addItem("f", None)
    w.addItem("g", True)
    return [w.itemData(i) for i in range(7)]


@probe
def combo_itemData_object():
    w = qt.QComboBox()
    o = object()
    w.addItem("a", o)
    return w.itemData(0) is o


@probe
def combo_itemData_tuple():
    w = qt.QComboBox()
    w.addItem("a", (1, 2))
    return [type(w.itemData(0)).__name__, w.itemData(0)]


@probe
def combo_itemData_path():
    w = qt.QComboBox()
    w.addItem("a", pathlib.Path("/a"))
    return w.itemData(0)


@probe
def combo_currentData():
    w = qt.QComboBox()
    w.addItem("a", "x")
    return w.currentData


@probe
def combo_currentData_call():
    w = qt.QComboBox()
    w.addItem("a", "x")
    return w.currentData()


@probe
def combo_findData():
    w = qt.QComboBox()
    w.addItem("a", "x")
    w.addItem("b", "y")
    return [w.findData("y"), w.findText("b"), w.findText("q")]


@probe
def combo_count_call():
    return qt.QComboBox().count()


@probe
def combo_setItemData_tooltip():
    w = qt.QComboBox()
    w.addItem("a")
    w.setItemData(0, "tip", qt.Qt.ToolTipRole)
    return w.itemData(0, qt.Qt.ToolTipRole)


@probe
def combo_item_disabled():
    w = qt.QComboBox()
    w.addItems(["a", "b"])
    w.model().item(1).setEnabled(False)
    return w.model().item(1).isEnabled()


@probe
def combo_item_disabled_property():
    w = qt.QComboBox()
    w.addItems(["a", "b"])
    w.model().item(1).enabled = False
    return w.model().item(1).enabled


@probe
def checkbox_checked():
    w = qt.QCheckBox("a")
    w.checked = 1
    return [w.checked, w.isChecked(), w.text]


@probe
def checkbox_checkState_property():
    w = qt.QCheckBox("a")
    return w.checkState


@probe
def checkbox_checkState_call():
    w = qt.QCheckBox("a")
    w.checked = True
    return w.checkState() == qt.Qt.Checked


@probe
def tab_widget():
    w = qt.QTabWidget()
    a, b = (qt.QWidget(), qt.QWidget())
    i = w.addTab(a, "A")
    j = w.addTab(b, "B")
    w.currentIndex = 1
    return [i, j, w.count, w.currentIndex, w.currentWidget() is b, w.tabText(1), w.widget(0) is a, w.indexOf(b)]


@probe
def tab_enable_text_tooltip():
    w = qt.QTabWidget()
    w.addTab(qt.QWidget(), "A")
    w.setTabEnabled(0, False)
    w.setTabText(0, "Z")
    w.setTabToolTip(0, "t")
    return [w.isTabEnabled(0), w.tabText(0), w.tabToolTip(0)]


@probe
def tab_setCurrentWidget():
    w = qt.QTabWidget()
    a, b = (qt.QWidget(), qt.QWidget())
    w.addTab(a, "A")
    w.addTab(b, "B")
    w.setCurrentWidget(b)
    return w.currentIndex


@probe
def tab_currentWidget_property():
    w = qt.QTabWidget()
    w.addTab(qt.QWidget(), "A")
    return w.currentWidget


@probe
def toolbutton():
    w = qt.QToolButton()
    w.text = "x"
    w.popupMode = qt.QToolButton.MenuButtonPopup
    w.toolButtonStyle = qt.Qt.ToolButtonTextBesideIcon
    w.autoRaise = True
    w.checkable = True
    w.checked = True
    return [w.text, w.checked, w.autoRaise, w.popupMode == qt.QToolButton.MenuButtonPopup]


@probe
def toolbutton_menu():
    w = qt.QToolButton()
    m = qt.QMenu(w)
    a = m.addAction("One")
    w.setMenu(m)
    return [a.text, len(m.actions()), w.menu() is m]


@probe
def menu_addAction_callable():
    m = qt.QMenu()
    hit = []
    a = m.addAction("One", lambda: hit.append(1))
    a.trigger()
    return hit


@probe
def groupbox():
    w = qt.QGroupBox("T")
    w.checkable = True
    w.checked = False
    w.flat = True
    return [w.title, w.checked, w.flat, w.isChecked()]


@probe
def scrollarea():
    w = qt.QScrollArea()
    c = qt.QWidget()
    w.setWidget(c)
    w.widgetResizable = True
    return [w.widget() is c, w.widgetResizable]


@probe
def button_properties():
    w = qt.QPushButton("a")
    w.enabled = False
    w.toolTip = "t"
    w.checkable = True
    w.checked = True
    w.default = True
    w.flat = True
    w.text = "b"
    return [w.enabled, w.isEnabled(), w.toolTip, w.checked, w.text]


@probe
def button_shortcut():
    w = qt.QPushButton("a")
    w.shortcut = qt.QKeySequence("Ctrl+R")
    return w.shortcut.toString()


@probe
def button_icon():
    w = qt.QPushButton("a")
    w.icon = qt.QIcon()
    w.iconSize = qt.QSize(16, 16)
    return [w.iconSize.width(), w.icon.isNull()]


@probe
def button_disabled_click():
    w = qt.QPushButton("a")
    hit = []
    w.connect("clicked()", lambda: hit.append(1))
    w.enabled = False
    w.click()
    return hit


@probe
def stringlist_tuple():
    w = qt.QComboBox()
    w.addItems(("a", "b"))
    return w.count


@probe
def stringlist_generator():
    w = qt.QComboBox()
    w.addItems(x for x in "ab")
    return w.count


@probe
def stringlist_ints():
    w = qt.QComboBox()
    w.addItems([1, 2])
    return [w.count, w.itemText(0)]


@probe
def stringlist_dict_keys():
    w = qt.QComboBox()
    w.addItems({"a": 1}.keys())
    return w.count
