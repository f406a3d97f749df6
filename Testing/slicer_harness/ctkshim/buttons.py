"""ctkDirectoryButton."""

from pathlib import Path

from ..binding import Property, QtWidgets, Signal
from ..stand_ins import stand_in, stored


@stand_in
class ctkDirectoryButton(QtWidgets.QWidget):
    """A folder shown on a button; `text`, when set, is shown in its place."""

    directoryChanged = Signal(str)
    directorySelected = Signal(str)
    _signals_ = {"directoryChanged(QString)": "directoryChanged", "directorySelected(QString)": "directorySelected"}

    def __init__(self, *arguments):
        super().__init__(*[a for a in arguments if not isinstance(a, str)])
        self._directory = next((a for a in arguments if isinstance(a, str)), ".")
        self._button = QtWidgets.QPushButton(self)
        self._button.setMinimumWidth(1)  # the path is elided when there is little room
        row = QtWidgets.QHBoxLayout(self)
        row.setContentsMargins(0, 0, 0, 0)
        row.addWidget(self._button)
        self._show()

    def _set_directory(self, folder) -> None:
        absolute = str(Path(str(folder)).absolute())
        changed = absolute != str(Path(self._directory).absolute())
        if changed:
            self._directory = absolute
            self._show()
        self.directorySelected.emit(absolute)
        if changed:
            self.directoryChanged.emit(absolute)

    def _show(self) -> None:
        self._button.text = self.text or str(Path(self._directory).absolute())

    directory = Property("QVariant", lambda self: self._directory, _set_directory)
    text = stored(str, "text", "", changed=_show)
    caption = stored(str, "caption", "")
