"""Python subclasses, lifetime, events."""

import qt
import slicer

from probes.asking import probe, spin, until


@probe
def virtual_paint_resize():
    hit = set()

    class W(qt.QWidget):
        def __init__(self, parent=None):
            qt.QWidget.__init__(self, parent)

        def paintEvent(self, e):
            hit.add("paint")
            p = qt.QPainter(self)
            p.fillRect(self.rect, qt.QColor("red"))
            p.drawText(qt.QPoint(5, 15), "x")
            p.drawLine(0, 0, 5, 5)
            p.end()

        def resizeEvent(self, e):
            hit.add("resize")

        def showEvent(self, e):
            hit.add("show")

    w = W()
    w.resize(50, 50)
    w.show()
    until(lambda: len(hit) == 3, 600)
    w.hide()
    return sorted(hit)


@probe
def virtual_super_init():

    class W(qt.QWidget):
        def __init__(self):
            super().__init__()
            self.k = 1

    return W().k


@probe
def virtual_sizeHint():

    class W(qt.QWidget):
        def sizeHint(self):
            return qt.QSize(77, 33)

    w = W()
    lay = qt.QVBoxLayout()
    lay.setContentsMargins(0, 0, 0, 0)
    p = qt.QWidget()
    p.setLayout(lay)
    lay.addWidget(w)
    return p.sizeHint.width() if not callable(p.sizeHint) else p.sizeHint().width()


@probe
def virtual_exception():
    hit = []

    class W(qt.QWidget):
        def resizeEvent(self, e):
            hit.append(1)
            raise ValueError("boom")

    w = W()
    w.resize(60, 60)
    w.show()
    spin(60)
    w.hide()
    return len(hit) > 0


@probe
def virtual_mouse_key():
    hit = []

    class W(qt.QWidget):
        def mousePressEvent(self, e):
            hit.append(["mouse", e.button() == qt.Qt.LeftButton, e.x(), e.pos().y()])

        def keyPressEvent(self, e):
            hit.append(["key", e.key() == qt.Qt.Key_A, e.text()])

    w = W()
    w.resize(50, 50)
    slicer.app.sendEvent(
        w,
        qt.QMouseEvent(
            qt.QEvent.MouseButtonPress, qt.QPointF(5, 6), qt.Qt.LeftButton, qt.Qt.LeftButton, qt.Qt.NoModifier
        ),
    )
    slicer.app.sendEvent(w, qt.QKeyEvent(qt.QEvent.KeyPress, qt.Qt.Key_A, qt.Qt.NoModifier, "a"))
    return hit


@probe
def event_filter():

    class F(qt.QObject):
        def __init__(self):
            qt.QObject.__init__(self)
            self.hit = []

        def eventFilter(self, o, e):
            self.hit.append(e.type() == qt.QEvent.KeyPress)
            return False

    f, w = (F(), qt.QLineEdit())
    w.installEventFilter(f)
    slicer.app.sendEvent(w, qt.QKeyEvent(qt.QEvent.KeyPress, qt.Qt.Key_A, qt.Qt.NoModifier, "a"))
    w.removeEventFilter(f)
    return [f.hit, w.text]


@probe
def event_filter_eats():

    class F(qt.QObject):
        def eventFilter(self, o, e):
            return e.type() == qt.QEvent.KeyPress

    f, w = (F(), qt.QLineEdit())
    w.installEventFilter(f)
    slicer.app.sendEvent(w, qt.QKeyEvent(qt.QEvent.KeyPress, qt.Qt.Key_A, qt.Qt.NoModifier, "a"))
    return w.text


@probe
def event_filter_returns_none():

    class F(qt.QObject):
        def eventFilter(self, o, e):
            pass

    f, w = (F(), qt.QLineEdit())
    w.installEventFilter(f)
    slicer.app.sendEvent(w, qt.QKeyEvent(qt.QEvent.KeyPress, qt.Qt.Key_A, qt.Qt.NoModifier, "a"))
    return w.text


@probe
def event_filter_on_widget_subclass():

    class F(qt.QWidget):
        hit = 0

        def eventFilter(self, o, e):
            self.hit += 1
            return False

    f, w = (F(), qt.QLineEdit())
    w.installEventFilter(f)
    w.resize(3, 3)
    w.setEnabled(False)
    return f.hit > 0


@probe
def lifetime_deleteLater():
    w = qt.QLabel("a")
    w.deleteLater()
    spin(30)
    return w.text


@probe
def lifetime_parent_deleted():
    p = qt.QWidget()
    c = qt.QLabel("a", p)
    p.deleteLater()
    spin(30)
    return c.text


@probe
def lifetime_delete():
    w = qt.QLabel("a")
    w.delete()
    return True


@probe
def lifetime_delete_then_use():
    w = qt.QLabel("a")
    w.delete()
    return w.text


@probe
def lifetime_parent_dropped():
    p = qt.QWidget()
    c = qt.QLabel("a", p)
    del p
    import gc

    gc.collect()
    return c.text


@probe
def lifetime_deleted_test():
    w = qt.QLabel("a")
    w.deleteLater()
    spin(30)
    return bool(w)


@probe
def lifetime_subclass_in_layout():

    class L(qt.QLabel):
        def __init__(self):
            qt.QLabel.__init__(self, "a")
            self.mine = 5

    p = qt.QWidget()
    lay = qt.QVBoxLayout(p)
    lay.addWidget(L())
    import gc

    gc.collect()
    return p.findChild(qt.QLabel).mine


@probe
def sizeHint_override_direct():

    class W(qt.QWidget):
        def sizeHint(self):
            return qt.QSize(77, 33)

    w = W()
    w.adjustSize()
    return [w.width, w.height]


@probe
def sizeHint_override_with_init():

    class W(qt.QWidget):
        def __init__(self):
            qt.QWidget.__init__(self)

        def sizeHint(self):
            return qt.QSize(77, 33)

    w = W()
    w.adjustSize()
    return [w.width, w.height]


@probe
def sizeHint_minimum_instead():

    class W(qt.QWidget):
        def __init__(self):
            qt.QWidget.__init__(self)
            self.setMinimumSize(77, 33)

    w = W()
    w.adjustSize()
    return [w.minimumWidth, w.minimumHeight]


@probe
def qobject_parent_keyword():
    w = qt.QWidget()
    t = qt.QTimer(parent=w)
    return t.parent() == w
