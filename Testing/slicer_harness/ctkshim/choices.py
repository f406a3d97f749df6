"""ctkComboBox and ctkSearchBox."""

from ..binding import QtWidgets
from ..stand_ins import stand_in, stored


@stand_in
class ctkComboBox(QtWidgets.QComboBox):
    """Shows `defaultText` while nothing is chosen."""

    defaultText = stored(str, "defaultText", "")


@stand_in
class ctkSearchBox(QtWidgets.QLineEdit):
    showSearchIcon = stored(bool, "showSearchIcon", False)
