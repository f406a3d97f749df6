"""What stands above the tabs: the study folder, and whether the engine is ready."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import ctk
import slicer
from slicer.i18n import tr as _

from lossseg.errors import MissingDependency
from SlicerLossSegLib.dependencies import RestartNeeded, devices, doctor_line
from SlicerLossSegLib.interaction import Interaction


class HeaderPanel:
    """Study folder and state of the engine.

    Args:
        ui: the widgets of SlicerLossSeg.ui by name.
        on_study: called when another study folder was chosen.
        on_ready: called when the engine's packages were found, installed, or found missing.
    """

    def __init__(
        self,
        ui: Any,
        logic: Any,
        interaction: Interaction,
        on_study: Callable[[], None],
        on_ready: Callable[[], None],
    ) -> None:
        self._ui, self._logic, self._interaction = ui, logic, interaction
        self._on_study, self._on_ready = on_study, on_ready
        self.devices: list[tuple[str, str]] = devices({})
        self._asked = False
        ui.studyPath.filters = ctk.ctkPathLineEdit.Dirs
        ui.studyPath.currentPath = str(logic.study.folder)
        ui.studyPath.connect("currentPathChanged(QString)", self._study_chosen)
        ui.setUpButton.connect("clicked()", self.set_up_from_internet)
        ui.wheelsButton.connect("clicked()", self.set_up_from_folder)
        self.refresh()

    def refresh(self) -> None:
        """Look at the metadata of the installed packages; nothing is imported, started or downloaded."""
        missing = self._logic.set_up.missing()
        self._ui.setUpButton.visible = self._ui.wheelsButton.visible = bool(missing)
        if missing:
            text = _("Not ready: {n} packages are missing.").format(n=len(missing))
        else:
            text = self._machine or _("Ready.")
        self._ui.statusLabel.text = text
        self._ui.statusLabel.toolTip = ", ".join(missing)

    _machine = ""

    def ask_machine(self) -> None:
        """Let the engine say which device and memory it has, once, when its packages are there."""
        if self._asked or not self._logic.set_up.is_ready:
            return
        self._asked = True
        self._logic.start_doctor(self._answered)

    def set_up_from_internet(self) -> None:
        self._logic.set_up.wheel_folder = None
        self.set_up()

    def set_up_from_folder(self) -> None:
        """As in a hospital's network: the wheels were brought on a disk."""
        set_up = self._logic.set_up
        folder = self._interaction.choose_folder(_("Folder with wheels"), set_up.wheel_folder or Path.home())
        if folder is not None:
            set_up.wheel_folder = folder
            self.set_up()

    def set_up(self) -> None:
        """Ask, install, check. Afterwards the panel says whether the engine is ready."""
        set_up = self._logic.set_up
        if not self._interaction.confirm(set_up.question(), "\n".join(set_up.missing())):
            return
        self._install()

    def resume_set_up(self) -> None:
        """Go on with what the person agreed to before Slicer was started anew."""
        if self._logic.set_up.is_pending and self._logic.set_up.missing():
            self._install()

    def _install(self) -> None:
        self._ui.setUpButton.enabled = False
        self._ui.statusLabel.text = _("Installing; this takes some minutes…")
        slicer.app.processEvents()
        try:
            self._logic.set_up.install()
        except RestartNeeded:
            if self._interaction.confirm(
                _(
                    "The PyTorch extension was installed. Slicer must be started anew; the set-up then goes on by "
                    "itself."
                )
            ):
                slicer.util.restart()
        except MissingDependency as error:
            self._interaction.tell_error(error.message, error.hint)
        finally:
            self._ui.setUpButton.enabled = True
            self.refresh()
            self._on_ready()

    def _answered(self, summary: dict[str, Any]) -> None:
        if not summary:
            self._asked = False
            return
        self._machine = _("Ready. {machine}.").format(machine=doctor_line(summary))
        self.devices = devices(summary)
        self.refresh()
        self._on_ready()

    def _study_chosen(self, path: str) -> None:
        if path and Path(path) != self._logic.study.folder:
            self._logic.choose_study(Path(path))
            self._on_study()

    def release(self) -> None:
        self._ui.studyPath.disconnect("currentPathChanged(QString)", self._study_chosen)
