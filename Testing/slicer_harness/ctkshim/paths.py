"""ctkPathLineEdit."""

from fnmatch import fnmatch

from ..binding import Property, QtWidgets, Signal
from ..stand_ins import stand_in, stored

ALL_BUT_DOT = 24663  # the filters that a new widget has in Slicer


@stand_in
class ctkPathLineEdit(QtWidgets.QWidget):
    """A path is valid when it is not empty and fits a name filter; whether it exists is the caller's question.

    currentPathChanged is sent for valid paths only, so clearing the field sends validInputChanged(False) alone.
    """

    currentPathChanged = Signal(str)
    validInputChanged = Signal(bool)
    _signals_ = {"currentPathChanged(QString)": "currentPathChanged", "validInputChanged(bool)": "validInputChanged"}
    Dirs, Files, Readable, Writable, Executable, Hidden = 0x1, 0x2, 0x10, 0x20, 0x40, 0x100

    def __init__(self, *arguments):
        super().__init__(*[a for a in arguments if not isinstance(a, str | list)])
        self._edit, self._browse = QtWidgets.QLineEdit(), QtWidgets.QToolButton()
        self._browse.text = "..."
        row = QtWidgets.QHBoxLayout(self)
        row.setContentsMargins(0, 0, 0, 0)
        row.setSpacing(0)
        row.addWidget(self._edit, 1)
        row.addWidget(self._browse)
        self._valid = False
        self._edit.connect("textChanged(QString)", self._text_changed)

    def _text_changed(self, text: str) -> None:
        patterns = [pattern for entry in self.nameFilters for pattern in entry.rpartition("(")[2].rstrip(")").split()]
        valid = bool(text) and (not patterns or any(fnmatch(text, pattern) for pattern in patterns))
        if valid:
            self.currentPathChanged.emit(text)
        if valid != self._valid:
            self._valid = valid
            self.validInputChanged.emit(valid)

    currentPath = Property("QVariant", lambda self: self._edit.text, lambda self, value: self._edit.setText(str(value)))
    settingKey = stored(str, "settingKey", "")
    label = stored(str, "label", "")
    nameFilters = stored("QStringList", "nameFilters", [])
    filters = stored(int, "filters", ALL_BUT_DOT)
    showHistoryButton = stored(bool, "showHistoryButton", True)

    def _show_browse(self, value: bool) -> None:
        self._browse.setVisible(value)

    showBrowseButton = Property(bool, lambda self: not self._browse.isHidden(), _show_browse)

    def addCurrentPathToHistory(self) -> None:
        """The history lives in the settings; nothing that a test would ask for."""
