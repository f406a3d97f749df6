"""Timers and threads."""

import functools

import qt

from probes.asking import probe, spin, until
from probes.receiver import Receiver


@probe
def timer_singleShot_property():
    t = qt.QTimer()
    t.singleShot = True
    return t.singleShot


@probe
def timer_setSingleShot():
    t = qt.QTimer()
    t.setSingleShot(True)
    t.interval = 5
    got = []
    t.connect("timeout()", lambda: got.append(1))
    t.start()
    a = t.active
    spin(60)
    return [a, got, t.active, t.isSingleShot()]


@probe
def timer_isActive_call():
    return [qt.QTimer().isActive(), qt.QTimer().active]


@probe
def timer_static_singleShot():
    got = []
    qt.QTimer.singleShot(5, lambda: got.append(1))
    spin(60)
    return got


@probe
def timer_static_singleShot_method():
    r = Receiver()
    qt.QTimer.singleShot(0, r.none)
    spin(40)
    return r.got


@probe
def timer_static_float():
    got = []
    qt.QTimer.singleShot(5.0, lambda: got.append(1))
    spin(40)
    return got


@probe
def timer_static_partial():
    r = Receiver()
    qt.QTimer.singleShot(0, functools.partial(r.star, 1))
    spin(40)
    return r.got


@probe
def timer_start_ms():
    t = qt.QTimer()
    got = []
    t.timeout.connect(lambda: got.append(1))
    t.start(5)
    spin(80)
    t.stop()
    return len(got) > 2


@probe
def timer_interval_float():
    t = qt.QTimer()
    t.interval = 5.5
    return t.interval


@probe
def timer_dropped_reference():
    got = []
    t = qt.QTimer()
    t.connect("timeout()", lambda: got.append(1))
    t.start(5)
    del t
    spin(60)
    return len(got) > 0


@probe
def timer_with_parent_dropped_reference():
    got = []
    p = qt.QWidget()
    t = qt.QTimer(p)
    t.connect("timeout()", lambda: got.append(1))
    t.start(5)
    del t
    spin(60)
    return len(got) > 0


@probe
def thread_queue_timer():
    import queue
    import threading

    q, got = (queue.Queue(), [])
    th = threading.Thread(target=lambda: q.put(threading.current_thread() is threading.main_thread()))
    th.start()
    t = qt.QTimer()
    t.connect("timeout()", lambda: got.append(q.get()) if not q.empty() else None)
    t.start(5)
    ok = until(lambda: got)
    t.stop()
    return [ok, got]
