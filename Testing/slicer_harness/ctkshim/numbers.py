"""ctkDoubleSpinBox and ctkSliderWidget: they show some digits and keep the whole value."""

from ..binding import Property, QtCore, QtWidgets, Signal
from ..stand_ins import stand_in, stored

KEPT_DECIMALS = 12


class _Spin(QtWidgets.QDoubleSpinBox):
    def __init__(self):
        super().__init__()
        self._shown = 2
        self.setDecimals(KEPT_DECIMALS)
        self.setRange(0, 99.99)

    def textFromValue(self, value: float) -> str:
        return f"{value:.{self._shown}f}"


class _Number(QtWidgets.QWidget):
    """The properties of the spin box self._spin."""

    def _set_decimals(self, count: int) -> None:
        self._spin._shown = count
        self._spin.setValue(self._spin.value)

    def _set_step(self, step: float) -> None:
        if not 0 < step <= self._spin.maximum - self._spin.minimum:
            raise ValueError(
                f"a step of {step} is out of bounds: Slicer keeps the old one (set minimum and maximum first)"
            )
        self._spin.setSingleStep(step)

    value = Property(
        float,
        lambda self: round(self._spin.value, KEPT_DECIMALS),
        lambda self, value: self._spin.setValue(float(value)),
    )

    def _set_end(self, name: str, value: float) -> None:
        setattr(self._spin, name, value)
        self._range_changed()

    def _range_changed(self) -> None:
        """A slider's handle stands elsewhere then."""

    minimum = Property(float, lambda self: self._spin.minimum, lambda self, value: self._set_end("minimum", value))
    maximum = Property(float, lambda self: self._spin.maximum, lambda self, value: self._set_end("maximum", value))
    singleStep = Property(float, lambda self: self._spin.singleStep, _set_step)
    decimals = Property(int, lambda self: self._spin._shown, _set_decimals)
    suffix = Property(str, lambda self: self._spin.suffix, lambda self, value: self._spin.setSuffix(value))
    prefix = Property(str, lambda self: self._spin.prefix, lambda self, value: self._spin.setPrefix(value))


@stand_in
class ctkDoubleSpinBox(_Number):
    valueChanged = Signal(float)
    editingFinished = Signal()
    _signals_ = {"valueChanged(double)": "valueChanged", "editingFinished()": "editingFinished"}

    def __init__(self, parent=None):
        super().__init__(parent)
        self._spin = _Spin()
        row = QtWidgets.QHBoxLayout(self)
        row.setContentsMargins(0, 0, 0, 0)
        row.addWidget(self._spin)
        self._spin.connect("valueChanged(double)", self.valueChanged.emit)
        self._spin.connect("editingFinished()", self.editingFinished.emit)

    readOnly = Property(bool, lambda self: self._spin.readOnly, lambda self, value: self._spin.setReadOnly(value))


@stand_in
class ctkSliderWidget(_Number):
    valueChanged = Signal(float)
    valueIsChanging = Signal(float)
    _signals_ = {"valueChanged(double)": "valueChanged", "valueIsChanging(double)": "valueIsChanging"}
    _STEPS = 10000

    def __init__(self, parent=None):
        super().__init__(parent)
        self._slider = QtWidgets.QSlider(QtCore.Qt.Orientation.Horizontal)
        self._slider.setRange(0, self._STEPS)
        self._spin = _Spin()
        row = QtWidgets.QHBoxLayout(self)
        row.setContentsMargins(0, 0, 0, 0)
        row.addWidget(self._slider, 1)
        row.addWidget(self._spin)
        self._spin.connect("valueChanged(double)", self._from_spin)
        self._slider.connect("valueChanged(int)", self._from_slider)

    def _range_changed(self) -> None:
        low, high, value = self._spin.minimum, self._spin.maximum, self._spin.value
        blocked = self._slider.blockSignals(True)
        self._slider.setValue(round((value - low) / (high - low) * self._STEPS) if high > low else 0)
        self._slider.blockSignals(blocked)

    def _from_spin(self, value: float) -> None:
        self._range_changed()
        self.valueIsChanging.emit(value)
        self.valueChanged.emit(value)

    def _from_slider(self, position: int) -> None:
        low, high = self._spin.minimum, self._spin.maximum
        self._spin.setValue(low + (high - low) * position / self._STEPS)

    def reset(self) -> None:
        self._spin.setValue(self._spin.minimum)

    pageStep = stored(float, "pageStep", 10.0)
    tracking = stored(bool, "tracking", True)
