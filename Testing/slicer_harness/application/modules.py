"""slicer.modules: descriptions of the loaded modules, and their manager."""

import slicer

from ..binding import Property, QtCore, QtGui, Signal
from ..stand_ins import stand_in, stored


def _read_only(kind, name: str):
    attribute = f"_{name}"
    return Property(kind, lambda self: getattr(self, attribute))


@stand_in
class qSlicerLoadableModule(QtCore.QObject):
    """A module of Slicer written in C++: its logic, no panel."""

    def __init__(self, name: str, logic=None):
        super().__init__()
        self._name, self._logic, self._path, self._title = name, logic, "", name

    name = _read_only(str, "name")
    path = _read_only(str, "path")
    title = _read_only(str, "title")

    def logic(self):
        return self._logic

    def mrmlScene(self):
        return slicer.mrmlScene

    def widgetRepresentation(self):
        return None


@stand_in
class qSlicerScriptedLoadableModule(QtCore.QObject):
    """`parent` of the class that a scripted module's file declares."""

    def __init__(self, path: str, name: str):
        super().__init__()
        self._path, self._name, self._widget, self._make_widget = path, name, None, None

    name = _read_only(str, "name")
    path = _read_only(str, "path")
    title = stored(str, "title", "")
    helpText = stored(str, "helpText", "")
    acknowledgementText = stored(str, "acknowledgementText", "")
    categories = stored("QStringList", "categories", [])
    contributors = stored("QStringList", "contributors", [])
    dependencies = stored("QStringList", "dependencies", [])
    associatedNodeTypes = stored("QStringList", "associatedNodeTypes", [])
    hidden = stored(bool, "hidden", False)
    index = stored(int, "index", -1)
    icon = stored(QtGui.QIcon, "icon", QtGui.QIcon())

    def logic(self):
        """The C++ logic, which a scripted module does not have; its Python logic is the widget's own."""

    def mrmlScene(self):
        return slicer.mrmlScene

    def widgetRepresentation(self):
        """The parent of the panel; made when first asked for, as in Slicer."""
        if self._widget is None:
            self._make_widget()
        return self._widget


@stand_in
class qSlicerModuleManager(QtCore.QObject):
    moduleLoaded = Signal(str)
    moduleAboutToBeUnloaded = Signal(str)
    _signals_ = {
        "moduleLoaded(QString)": "moduleLoaded",
        "moduleAboutToBeUnloaded(QString)": "moduleAboutToBeUnloaded",
    }

    def _modules(self) -> list:
        kinds = (qSlicerLoadableModule, qSlicerScriptedLoadableModule)
        return [value for value in vars(slicer.modules).values() if isinstance(value, kinds)]

    def module(self, name: str):
        """The module of that name (case counts), None when there is none."""
        return next((module for module in self._modules() if module.name == name), None)

    def modulesNames(self) -> list[str]:
        return [module.name for module in self._modules()]
