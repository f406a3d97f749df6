"""ctkCollapsibleButton and ctkCollapsibleGroupBox."""

from ..binding import Property, QtCore, QtGui, QtWidgets, Signal, shiboken
from ..qtshim.classes import is_a
from ..stand_ins import stand_in, stored

HEADER = 24  # pixels
MARGIN = 4
UNLIMITED = 16777215  # QWIDGETSIZE_MAX


class _Children(QtCore.QObject):
    """Hides a collapsed widget's children; shows those again that nobody hid on purpose meanwhile.

    As in CTK nothing is hidden before the widget is first shown.
    """

    def __init__(self, owner, collapsed):
        super().__init__(owner)
        self._collapsed, self._wanted, self._forcing = collapsed, {}, False

    def eventFilter(self, child, event) -> bool:
        if QtCore.QEvent not in type(event).__mro__:
            # The binding takes an event at the address of a deleted model item for that item, whose type() then jumps
            # anywhere. Only posted events lie where items did; those that matter here are never posted.
            shiboken.invalidate(event)
            return False
        kind = event.type()
        if not self._forcing and kind == QtCore.QEvent.Type.ShowToParent:
            self._wanted[child] = True
            self._apply_to(child)
        elif not self._forcing and kind == QtCore.QEvent.Type.HideToParent:
            self._wanted[child] = False
        return False

    def apply(self) -> None:
        for child in self.parent().children():
            if is_a(child, QtWidgets.QWidget):
                self._watch(child)
                self._apply_to(child)

    def _watch(self, child) -> None:
        if child not in self._wanted:
            states = QtCore.Qt.WidgetAttribute
            on_purpose = child.testAttribute(states.WA_WState_ExplicitShowHide)
            self._wanted[child] = not (on_purpose and child.testAttribute(states.WA_WState_Hidden))
            child.installEventFilter(self)

    def _apply_to(self, child) -> None:
        if not self.parent().testAttribute(QtCore.Qt.WidgetAttribute.WA_WState_Created):
            return
        self._forcing = True
        child.setVisible(self._wanted[child] and not self._collapsed())
        self._forcing = False


class _WatchesChildren:
    def childEvent(self, event):
        # not ChildAdded: the child is half made then, and PySide would take it for a plain QWidget ever after
        if event.type() == QtCore.QEvent.Type.ChildPolished:
            self._children.apply()

    def showEvent(self, event):
        self._children.apply()


@stand_in
class ctkCollapsibleButton(_WatchesChildren, QtWidgets.QAbstractButton):
    """Checked is open."""

    contentsCollapsed = Signal(bool)
    _signals_ = {"contentsCollapsed(bool)": "contentsCollapsed"}

    def __init__(self, *arguments):
        parents = [a for a in arguments if not isinstance(a, str)]
        super().__init__(*parents)
        self.text = next((a for a in arguments if isinstance(a, str)), "")
        self._children = _Children(self, lambda: self.collapsed)
        self.setCheckable(True)
        self.setChecked(True)
        policy = QtWidgets.QSizePolicy.Policy
        self.setSizePolicy(policy.Minimum, policy.Preferred)
        self.setContentsMargins(0, HEADER, 0, 0)
        self.connect("toggled(bool)", self._toggled)

    collapsed = Property(bool, lambda self: not self.checked, lambda self, value: self.setChecked(not value))
    collapsedHeight = stored(int, "collapsedHeight", 14)
    flat = stored(bool, "flat", False)
    contentsFrameShape = stored(int, "contentsFrameShape", 0)
    contentsLineWidth = stored(int, "contentsLineWidth", 1)

    def _toggled(self, opened: bool) -> None:
        self.setMaximumHeight(UNLIMITED if opened else HEADER + self.collapsedHeight)
        self._children.apply()
        self.updateGeometry()
        self.contentsCollapsed.emit(not opened)

    def hitButton(self, position) -> bool:
        return position.y() < HEADER

    def minimumSizeHint(self):
        title = QtCore.QSize(self.fontMetrics().horizontalAdvance(self.text) + HEADER + 2 * MARGIN, HEADER)
        if self.collapsed or self.layout() is None:
            return title
        return self.layout().totalMinimumSize().expandedTo(title)

    def sizeHint(self):
        if self.collapsed or self.layout() is None:
            return self.minimumSizeHint() + QtCore.QSize(0, self.collapsedHeight)
        return self.layout().totalSizeHint().expandedTo(self.minimumSizeHint())

    def paintEvent(self, event):
        painter = QtGui.QPainter(self)
        header = QtCore.QRect(0, 0, self.width, HEADER)
        palette = self.palette
        painter.fillRect(header, palette.button())
        painter.setPen(palette.buttonText().color())
        painter.drawText(header.adjusted(HEADER, 0, -MARGIN, 0), QtCore.Qt.AlignmentFlag.AlignVCenter, self.text)
        painter.setBrush(palette.buttonText())
        corners = [(8, 6), (8, 18), (15, 12)] if self.collapsed else [(6, 9), (16, 9), (11, 16)]
        painter.drawPolygon(QtGui.QPolygon([QtCore.QPoint(*corner) for corner in corners]))
        painter.end()


@stand_in
class ctkCollapsibleGroupBox(_WatchesChildren, QtWidgets.QGroupBox):
    """Checkable; unchecked is collapsed."""

    def __init__(self, *arguments):
        super().__init__(*arguments)
        self._children = _Children(self, lambda: self.collapsed)
        self.setCheckable(True)
        self.connect("toggled(bool)", self._toggled)

    collapsed = Property(bool, lambda self: not self.checked, lambda self, value: self.setChecked(not value))
    collapsedHeight = stored(int, "collapsedHeight", 14)

    def _toggled(self, opened: bool) -> None:
        self.setMaximumHeight(UNLIMITED if opened else HEADER + self.collapsedHeight)
        self._children.apply()
