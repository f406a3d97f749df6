"""Signals as attributes, what widgets send, blocking."""

import functools

import qt

from probes.asking import probe
from probes.receiver import Receiver


@probe
def sig_attr_connect():
    r = Receiver()
    b = qt.QPushButton()
    b.clicked.connect(r.one)
    b.click()
    return r.got


@probe
def sig_attr_connect_none():
    r = Receiver()
    b = qt.QPushButton()
    b.clicked.connect(r.none)
    b.click()
    return r.got


@probe
def sig_attr_connect_returns():
    b = qt.QPushButton()
    return b.clicked.connect(lambda: None) is not None


@probe
def sig_attr_partial():
    r = Receiver()
    b = qt.QPushButton()
    b.clicked.connect(functools.partial(r.star, "p"))
    b.click()
    return r.got


@probe
def sig_attr_typo():
    return qt.QPushButton().clickedd.connect(lambda: None)


@probe
def sig_attr_emit():
    r = Receiver()
    b = qt.QPushButton()
    b.connect("clicked(bool)", r.one)
    b.clicked.emit(True)
    return r.got


@probe
def sig_call_emits():
    r = Receiver()
    b = qt.QPushButton()
    b.connect("clicked(bool)", r.one)
    b.clicked(True)
    return r.got


@probe
def sig_attr_keeps_receiver_alive():
    got = []

    class K:
        def f(self):
            got.append(1)

    b = qt.QPushButton()
    b.clicked.connect(K().f)
    b.click()
    return got


@probe
def sig_blockSignals():
    r = Receiver()
    s = qt.QSpinBox()
    s.connect("valueChanged(int)", r.one)
    old = s.blockSignals(True)
    s.value = 3
    s.blockSignals(old)
    s.value = 4
    return [old, r.got]


@probe
def sig_signalBlocker():
    r = Receiver()
    s = qt.QSpinBox()
    s.connect("valueChanged(int)", r.one)
    b = qt.QSignalBlocker(s)
    s.value = 3
    b.unblock()
    s.value = 4
    return r.got


@probe
def sig_signalBlocker_with():
    r = Receiver()
    s = qt.QSpinBox()
    s.connect("valueChanged(int)", r.one)
    with qt.QSignalBlocker(s):
        s.value = 3
    return r.got


@probe
def sig_spin_attr():
    r = Receiver()
    s = qt.QSpinBox()
    s.valueChanged.connect(r.one)
    s.value = 3
    return [[type(x).__name__, x] for x in r.got]


@probe
def sig_spin_string_QString():
    r = Receiver()
    s = qt.QSpinBox()
    ok = s.connect("valueChanged(QString)", r.one)
    s.value = 3
    return [ok, r.got]


@probe
def sig_combo_attr():
    r = Receiver()
    c = qt.QComboBox()
    c.addItems(["a", "b"])
    c.currentIndexChanged.connect(r.one)
    c.currentIndex = 1
    return [[type(x).__name__, x] for x in r.got]


@probe
def sig_combo_int():
    r = Receiver()
    c = qt.QComboBox()
    c.addItems(["a", "b"])
    c.connect("currentIndexChanged(int)", r.one)
    c.currentIndex = 1
    return r.got


@probe
def sig_combo_QString():
    r = Receiver()
    c = qt.QComboBox()
    c.addItems(["a", "b"])
    ok = c.connect("currentIndexChanged(QString)", r.one)
    c.currentIndex = 1
    return [ok, r.got]


@probe
def sig_combo_text():
    r = Receiver()
    c = qt.QComboBox()
    c.addItems(["a", "b"])
    c.connect("currentTextChanged(QString)", r.one)
    c.currentIndex = 1
    return r.got


@probe
def sig_check_state():
    r = Receiver()
    c = qt.QCheckBox()
    c.connect("stateChanged(int)", r.one)
    c.connect("toggled(bool)", r.one)
    c.checked = True
    return r.got


@probe
def sig_lineedit_all():
    r = Receiver()
    e = qt.QLineEdit()
    e.connect("textChanged(QString)", r.one)
    e.connect("textEdited(QString)", r.one)
    e.connect("editingFinished()", r.none)
    e.text = "x"
    return r.got


@probe
def sig_tab_changed():
    r = Receiver()
    t = qt.QTabWidget()
    t.addTab(qt.QWidget(), "a")
    t.addTab(qt.QWidget(), "b")
    t.connect("currentChanged(int)", r.one)
    t.currentIndex = 1
    return r.got


@probe
def sig_python_defined():

    class S(qt.QObject):
        changed = qt.Signal(int)

        def __init__(self):
            qt.QObject.__init__(self)

    s = S()
    got = []
    s.changed.connect(got.append)
    s.changed.emit(4)
    return got


@probe
def sig_python_defined_object():

    class S(qt.QObject):
        changed = qt.Signal(object)

        def __init__(self):
            qt.QObject.__init__(self)

    s = S()
    got = []
    s.changed.connect(got.append)
    s.changed.emit({"a": 1})
    return got
