"""Widgets that know the scene: qMRMLWidget and the parents of a module's panel."""

from ..binding import Property, QtWidgets, Signal
from ..stand_ins import stand_in


class WithScene:
    """setMRMLScene(scene) for a widget; `_scene_changed()` is called after a new one is set."""

    _scene = None

    def setMRMLScene(self, scene) -> None:
        if scene is not self._scene:
            self._scene = scene
            self._scene_changed()

    def _scene_changed(self) -> None:
        pass


class _AnnouncesScene(WithScene):
    def _scene_changed(self) -> None:
        self.mrmlSceneChanged.emit(self._scene)


@stand_in
class qMRMLWidget(_AnnouncesScene, QtWidgets.QWidget):
    mrmlSceneChanged = Signal(object)
    _signals_ = {"mrmlSceneChanged(vtkMRMLScene*)": "mrmlSceneChanged"}

    def mrmlScene(self):
        return self._scene


@stand_in
class qSlicerWidget(_AnnouncesScene, QtWidgets.QWidget):
    mrmlSceneChanged = Signal(object)
    _signals_ = {"mrmlSceneChanged(vtkMRMLScene*)": "mrmlSceneChanged"}


@stand_in
class qSlicerScriptedLoadableModuleWidget(qSlicerWidget):
    """The parent of a scripted module's panel; `_make` builds the Python part, as reload() does again."""

    def __init__(self, parent=None):
        super().__init__(parent)
        QtWidgets.QVBoxLayout(self)
        self._entered, self._python, self._make = False, None, None

    moduleName = Property(str, lambda self: type(self._python).__name__.removesuffix("Widget") if self._python else "")
    isEntered = Property(bool, lambda self: self._entered)

    def self(self):
        """The Python object: an instance of the module's ...Widget class."""
        return self._python

    def reload(self) -> None:
        """A new Python object, set up; neither exit() nor enter() is called."""
        self._python = self._make(self)
        self._python.setup()

    def enter(self) -> None:
        self._entered = True
        if hasattr(self._python, "enter"):
            self._python.enter()

    def exit(self) -> None:
        self._entered = False
        if hasattr(self._python, "exit"):
            self._python.exit()
