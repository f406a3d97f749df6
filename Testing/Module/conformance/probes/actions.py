"""Actions, shortcuts, dialogs, settings."""

import qt
import slicer

from probes.asking import TEMPORARY, probe


@probe
def shortcut():
    w = qt.QWidget()
    s = qt.QShortcut(qt.QKeySequence("Ctrl+J"), w)
    got = []
    s.connect("activated()", lambda: got.append(1))
    s.context = qt.Qt.WidgetWithChildrenShortcut
    s.activated()
    return [s.key.toString(), s.enabled, got]


@probe
def shortcut_ctor_w_first():
    w = qt.QWidget()
    s = qt.QShortcut(w)
    s.setKey(qt.QKeySequence("n"))
    s.setContext(qt.Qt.WidgetWithChildrenShortcut)
    return [s.key.toString(), s.parent() is w]


@probe
def shortcut_emit():
    w = qt.QWidget()
    s = qt.QShortcut(qt.QKeySequence("Ctrl+J"), w)
    got = []
    s.activated.connect(lambda: got.append(1))
    s.activated.emit()
    return got


@probe
def keysequence():
    return [
        qt.QKeySequence("Ctrl+Z").toString(),
        qt.QKeySequence(qt.QKeySequence.Undo).toString() != "",
        qt.QKeySequence(qt.Qt.Key_Delete).toString(),
        qt.QKeySequence("Up").toString(),
    ]


@probe
def keysequence_sum():
    return qt.QKeySequence(qt.Qt.CTRL + qt.Qt.Key_R).toString()


@probe
def keysequence_or():
    return qt.QKeySequence(qt.Qt.CTRL | qt.Qt.Key_R).toString()


@probe
def action():
    w = qt.QWidget()
    a = qt.QAction("A", w)
    got = []
    a.connect("triggered()", lambda: got.append(1))
    a.connect("triggered(bool)", lambda b: got.append(b))
    a.checkable = True
    a.shortcut = qt.QKeySequence("Ctrl+K")
    a.toolTip = "t"
    w.addAction(a)
    a.trigger()
    return [got, a.checked, a.text, a.shortcut.toString()]


@probe
def action_setShortcut_str():
    a = qt.QAction("A", None)
    a.setShortcut("Ctrl+K")
    return a.shortcut.toString()


@probe
def action_shortcut_str_property():
    a = qt.QAction("A", None)
    a.shortcut = "Ctrl+K"
    return a.shortcut.toString()


@probe
def action_data():
    a = qt.QAction("A", None)
    a.setData({"x": 1})
    return a.data()


@probe
def settings_types():
    s = qt.QSettings(str(TEMPORARY / "a.ini"), qt.QSettings.IniFormat)
    s.setValue("i", 3)
    s.setValue("f", 1.5)
    s.setValue("b", True)
    s.setValue("s", "x")
    s.setValue("l", ["a", "b"])
    s.setValue("l1", ["a"])
    s.setValue("n", None)
    return [s.value(k) for k in ("i", "f", "b", "s", "l", "l1", "n", "missing")] + [
        s.value("missing", 7),
        s.value("missing", False),
    ]


@probe
def settings_types_reread():
    f = str(TEMPORARY / "b.ini")
    s = qt.QSettings(f, qt.QSettings.IniFormat)
    s.setValue("i", 3)
    s.setValue("f", 1.5)
    s.setValue("b", True)
    s.setValue("b0", False)
    s.setValue("l", ["a", "b"])
    s.setValue("l1", ["a"])
    s.setValue("e", [])
    s.sync()
    del s
    s = qt.QSettings(f, qt.QSettings.IniFormat)
    return [s.value(k) for k in ("i", "f", "b", "b0", "l", "l1", "e")]


@probe
def settings_contains_groups():
    s = qt.QSettings(str(TEMPORARY / "c.ini"), qt.QSettings.IniFormat)
    s.beginGroup("G")
    s.setValue("k", "v")
    s.endGroup()
    s.remove("nope")
    return [s.contains("G/k"), s.value("G/k"), s.allKeys(), s.childGroups()]


@probe
def settings_app():
    slicer.app.settings().setValue("LossSeg/Probe", "x")
    return [
        slicer.app.settings().value("LossSeg/Probe"),
        slicer.app.userSettings().value("LossSeg/Probe"),
        qt.QSettings().value("LossSeg/Probe"),
    ]


@probe
def clipboard_qt():
    qt.QApplication.clipboard().setText("probe2")
    return qt.QApplication.clipboard().text()


@probe
def messagebox_types():
    m = qt.QMessageBox()
    m.text = "a"
    m.informativeText = "b"
    m.detailedText = "c"
    m.setStandardButtons(qt.QMessageBox.Yes | qt.QMessageBox.No)
    m.setIcon(qt.QMessageBox.Warning)
    b = m.addButton("Z", qt.QMessageBox.ActionRole)
    return [m.text, m.informativeText, b.text, m.button(qt.QMessageBox.Yes) is not None]


@probe
def dialog_exec_names():
    d = qt.QDialog()
    qt.QTimer.singleShot(20, d.accept)
    r = d.exec_()
    return [r == qt.QDialog.Accepted, hasattr(d, "exec_"), hasattr(d, "exec")]


@probe
def dialog_buttonbox():
    d = qt.QDialogButtonBox()
    b = d.addButton(qt.QDialogButtonBox.Ok)
    return b.text != ""


@probe
def filedialog_static_signature():
    qt.QTimer.singleShot(80, lambda: [w.close() for w in slicer.app.topLevelWidgets() if w.inherits("QFileDialog")])
    r = qt.QFileDialog.getSaveFileName(None, "t", str(TEMPORARY), "CSV (*.csv)", "", qt.QFileDialog.DontUseNativeDialog)
    return [type(r).__name__, r]


@probe
def filedialog_directory():
    qt.QTimer.singleShot(80, lambda: [w.close() for w in slicer.app.topLevelWidgets() if w.inherits("QFileDialog")])
    r = qt.QFileDialog.getExistingDirectory(None, "t", str(TEMPORARY), qt.QFileDialog.DontUseNativeDialog)
    return [type(r).__name__, r]


@probe
def inputdialog_text():
    qt.QTimer.singleShot(80, lambda: [w.close() for w in slicer.app.topLevelWidgets() if w.inherits("QInputDialog")])
    r = qt.QInputDialog.getText(None, "t", "l")
    return [type(r).__name__, r]


@probe
def desktopservices():
    return [
        hasattr(qt.QDesktopServices, "openUrl"),
        qt.QUrl.fromLocalFile("/a b").toString(),
        qt.QUrl("http://x").host(),
    ]
