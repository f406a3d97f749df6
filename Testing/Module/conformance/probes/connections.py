"""connect() and disconnect() with a signature."""

import functools

import qt
import slicer

from probes.asking import probe, spin
from probes.receiver import Receiver, click


@probe
def sig_string_none():
    r = Receiver()
    ok = click("clicked()", r.none)
    return [ok, r.got]


@probe
def sig_string_bool_none():
    r = Receiver()
    ok = click("clicked(bool)", r.none)
    return [ok, r.got]


@probe
def sig_string_bool_one():
    r = Receiver()
    ok = click("clicked(bool)", r.one)
    return [ok, r.got]


@probe
def sig_string_empty_one():
    r = Receiver()
    ok = click("clicked()", r.one)
    return [ok, r.got]


@probe
def sig_string_empty_opt():
    r = Receiver()
    ok = click("clicked()", r.opt)
    return [ok, r.got]


@probe
def sig_string_bool_opt():
    r = Receiver()
    ok = click("clicked(bool)", r.opt)
    return [ok, r.got]


@probe
def sig_string_bool_kw():
    r = Receiver()
    ok = click("clicked(bool)", r.kw)
    return [ok, r.got]


@probe
def sig_string_bool_two():
    r = Receiver()
    ok = click("clicked(bool)", r.two)
    return [ok, r.got]


@probe
def sig_string_star():
    r = Receiver()
    click("clicked(bool)", r.star)
    return r.got


@probe
def sig_string_callable_object():
    r = Receiver()
    click("clicked(bool)", r)
    return r.got


@probe
def sig_string_partial():
    r = Receiver()
    click("clicked(bool)", functools.partial(r.star, "p"))
    return r.got


@probe
def sig_string_partial_too_many():
    r = Receiver()
    click("clicked(bool)", functools.partial(r.one, "p"))
    return r.got


@probe
def sig_string_lambda0():
    got = []
    click("clicked(bool)", lambda: got.append(1))
    return got


@probe
def sig_string_lambda_default():
    got = []
    click("clicked(bool)", lambda checked=None, k=3: got.append([checked, k]))
    return got


@probe
def sig_string_builtin_append():
    got = []
    click("clicked(bool)", got.append)
    return got


@probe
def sig_string_staticmethod():
    Receiver.last = None
    click("clicked(bool)", Receiver.static)
    return Receiver.last


@probe
def sig_unknown():
    return click("clickd(bool)", lambda: None)


@probe
def sig_wrong_args():
    return click("clicked(int)", lambda: None)


@probe
def sig_no_parens():
    return click("clicked", lambda: None)


@probe
def sig_none_slot():
    return click("clicked()", None)


@probe
def sig_disconnect_string():
    r = Receiver()
    b = qt.QPushButton()
    b.connect("clicked()", r.none)
    x = b.disconnect("clicked()", r.none)
    b.click()
    return [x, r.got]


@probe
def sig_disconnect_attr():
    r = Receiver()
    b = qt.QPushButton()
    b.clicked.connect(r.none)
    b.clicked.disconnect(r.none)
    b.click()
    return r.got


@probe
def sig_disconnect_mixed():
    r = Receiver()
    b = qt.QPushButton()
    b.connect("clicked(bool)", r.none)
    b.clicked.disconnect(r.none)
    b.click()
    return r.got


@probe
def sig_disconnect_not_connected():
    b = qt.QPushButton()
    return b.disconnect("clicked()", lambda: None)


@probe
def sig_disconnect_all_of_signal():
    r = Receiver()
    b = qt.QPushButton()
    b.connect("clicked()", r.none)
    b.connect("clicked()", r.star)
    x = b.disconnect("clicked()")
    b.click()
    return [x, r.got]


@probe
def sig_disconnect_attr_not_connected():
    b = qt.QPushButton()
    return b.clicked.disconnect(lambda: None)


@probe
def sig_disconnect_other_signature():
    r = Receiver()
    b = qt.QPushButton()
    b.connect("clicked(bool)", r.none)
    x = b.disconnect("clicked()", r.none)
    b.click()
    return [x, r.got]


@probe
def sig_connect_twice():
    r = Receiver()
    b = qt.QPushButton()
    b.connect("clicked()", r.none)
    b.connect("clicked()", r.none)
    b.click()
    return r.got


@probe
def sig_connect_twice_disconnect_once():
    r = Receiver()
    b = qt.QPushButton()
    b.connect("clicked()", r.none)
    b.connect("clicked()", r.none)
    b.disconnect("clicked()", r.none)
    b.click()
    return r.got


@probe
def sig_keeps_receiver_alive():
    got = []

    class K:
        def f(self):
            got.append(1)

    b = qt.QPushButton()
    b.connect("clicked()", K().f)
    b.click()
    return got


@probe
def sig_exception_in_slot():
    got = []

    def bad():
        raise ValueError("boom")

    b = qt.QPushButton()
    b.connect("clicked()", bad)
    b.connect("clicked()", lambda: got.append(1))
    b.click()
    return got


@probe
def sig_receiver_slot_string():
    a, b = (qt.QCheckBox(), qt.QCheckBox())
    ok = a.connect("toggled(bool)", b, "setChecked(bool)")
    a.checked = True
    return [ok, b.checked]


@probe
def sig_connect_qt_method():
    a, b = (qt.QCheckBox(), qt.QWidget())
    a.connect("toggled(bool)", b.setEnabled)
    a.checked = True
    a.checked = False
    return b.enabled


@probe
def sig_connect_signal_to_signal():
    a, b = (qt.QPushButton(), qt.QPushButton())
    got = []
    b.connect("clicked()", lambda: got.append(1))
    a.connect("clicked()", b, "clicked()")
    a.click()
    return got


@probe
def sig_sender():

    class R(qt.QObject):
        def f(self):
            self.s = self.sender()

    r = R()
    b = qt.QPushButton("x")
    b.connect("clicked()", r.f)
    b.click()
    return r.s


@probe
def sig_destroyed():
    got = []
    w = qt.QLabel()
    w.connect("destroyed()", lambda: got.append(1))
    w.deleteLater()
    slicer.app.processEvents()
    spin(20)
    return got
