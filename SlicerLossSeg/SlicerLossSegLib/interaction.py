"""What the module asks and tells a person in dialogs; tests put their own answers in its place."""

from __future__ import annotations

from pathlib import Path

import qt
import slicer
from slicer.i18n import tr as _


class Interaction:
    """Dialogs of Slicer. Each waits for the person."""

    def confirm(self, text: str, details: str = "") -> bool:
        """Ask for agreement; `details` are behind a button."""
        more = {"detailedText": details} if details else {}
        return bool(slicer.util.confirmOkCancelDisplay(text, windowTitle=_("Loss Segmentation"), **more))

    def tell_error(self, sentence: str, hint: str = "", details: str = "") -> None:
        more = {"detailedText": details} if details else {}
        slicer.util.errorDisplay(f"{sentence} {hint}".strip(), windowTitle=_("Loss Segmentation"), **more)

    def choose_folder(self, title: str, start: Path) -> Path | None:
        chosen = qt.QFileDialog.getExistingDirectory(slicer.util.mainWindow(), title, str(start))
        return Path(chosen) if chosen else None

    def choose_file_to_write(self, title: str, start: Path, filters: str) -> Path | None:
        chosen = qt.QFileDialog.getSaveFileName(slicer.util.mainWindow(), title, str(start), filters)
        return Path(chosen) if chosen else None

    def open_file(self, path: Path) -> None:
        """Open a file in the program that the system has for it."""
        qt.QDesktopServices.openUrl(qt.QUrl.fromLocalFile(str(path)))
