"""slicer.app."""

import logging
import os
import tempfile
from pathlib import Path

from ..binding import Property, QtCore, QtGui, QtWidgets, Signal
from ..stand_ins import stand_in

VERSION = (5, 12)


@stand_in
class qSlicerApplication(QtWidgets.QApplication):
    """The parts of Slicer's application that a scripted module reaches; `_logic` and the managers are set by boot()."""

    startupCompleted = Signal()
    mrmlSceneChanged = Signal(object)
    _signals_ = {"startupCompleted()": "startupCompleted", "mrmlSceneChanged(vtkMRMLScene*)": "mrmlSceneChanged"}

    def __init__(self, arguments: list[str]):
        super().__init__(arguments)
        self.setQuitOnLastWindowClosed(False)
        self.setFont(QtGui.QFont("Sans Serif", 9))  # Slicer's; Qt 5 would take 12 points without a screen
        self.setOrganizationName("slicer.org")
        self.setOrganizationDomain("www.slicer.org")
        self.setApplicationName("Slicer")
        self.setApplicationVersion(".".join(map(str, VERSION)))
        self._folder = Path(tempfile.mkdtemp(prefix="slicer-harness-"))
        for name in ("tmp", "cache", "home/bin", "home/share"):
            (self._folder / name).mkdir(parents=True)
        self._settings = QtCore.QSettings()  # of the temporary folder that boot() sets
        self._scene, self._logic, self._layout_manager, self._module_manager, self._io_manager = [None] * 5
        self._restarts = 0

    # ------------------------------------------------------------------------------------------ paths and versions
    temporaryPath = Property(str, lambda self: str(self._folder / "tmp"))
    cachePath = Property(str, lambda self: str(self._folder / "cache"))
    slicerHome = Property(str, lambda self: str(self._folder / "home"))
    slicerSharePath = Property(str, lambda self: "share")
    slicerUserSettingsFilePath = Property(str, lambda self: self._settings.fileName())
    slicerRevisionUserSettingsFilePath = Property(str, lambda self: self._settings.fileName())
    mainApplicationName = Property(str, lambda self: "Slicer")
    majorVersion = Property(int, lambda self: VERSION[0])
    minorVersion = Property(int, lambda self: VERSION[1])
    revision = Property(str, lambda self: "0")
    os = Property(str, lambda self: "linux")
    arch = Property(str, lambda self: "amd64")
    documentationBaseUrl = Property(str, lambda self: "https://slicer.readthedocs.io/en/latest/")

    def moduleDocumentationUrl(self, name: str) -> str:
        return f"{self.documentationBaseUrl}user_guide/modules/{name.lower()}.html"

    # ------------------------------------------------------------------------------------------ parts
    def mrmlScene(self):
        return self._scene

    def applicationLogic(self):
        return self._logic

    def moduleLogic(self, name: str):
        return self._logic.GetModuleLogic(name)

    def layoutManager(self):
        return self._layout_manager

    def moduleManager(self):
        return self._module_manager

    def coreIOManager(self):
        return self._io_manager

    def ioManager(self):
        return self._io_manager

    def settings(self):
        return self._settings

    def userSettings(self):
        return self._settings

    def revisionUserSettings(self):
        return self._settings

    # ------------------------------------------------------------------------------------------ behaviour
    @staticmethod
    def testingEnabled() -> bool:
        return True

    def pauseRender(self) -> None:
        """Views are drawn when a test asks for it."""

    def resumeRender(self) -> None:
        """See pauseRender."""

    def setRenderPaused(self, paused: bool) -> None:
        """See pauseRender."""

    def startupEnvironment(self):
        environment = QtCore.QProcessEnvironment()
        for key, value in os.environ.items():
            environment.insert(key, value)
        return environment

    def showConsoleMessage(self, text: str, error: bool = False) -> None:
        logging.log(logging.ERROR if error else logging.INFO, text)

    def restart(self) -> None:
        self._restarts += 1
