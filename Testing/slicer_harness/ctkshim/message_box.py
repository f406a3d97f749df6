"""ctkMessageBox, which slicer.util.messageBox opens outside of testing mode."""

from ..binding import QtWidgets
from ..stand_ins import stand_in, stored


@stand_in
class ctkMessageBox(QtWidgets.QMessageBox):
    _in_designer_ = False
    dontShowAgainSettingsKey = stored(str, "dontShowAgainSettingsKey", "")
    dontShowAgainVisible = stored(bool, "dontShowAgainVisible", False)
    dontShowAgain = stored(bool, "dontShowAgain", False)
