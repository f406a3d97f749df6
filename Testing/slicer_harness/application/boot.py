"""Start the stand-in application, load a module into it, open its panel."""

import importlib.util
import os
import stat
import sys
import tempfile
import types
from pathlib import Path

import slicer
import slicer.util

from .. import ctkshim, errors, qtshim

HERE = Path(__file__).parent
_application = None


def boot():
    """slicer.app, started once per process; before it nothing of a module can be imported.

    Afterwards `import qt, ctk, slicer`, `slicer.ScriptedLoadableModule`, `slicer.parameterNodeWrapper`, `slicer.i18n`,
    `slicer.packaging` and `SampleData` work as in Slicer 5.12, without a display.
    """
    global _application
    if _application is None:
        os.environ.setdefault("QT_QPA_PLATFORM", "offscreen")
        _hide_leaked_names()
        errors.install()
        qt = qtshim.install()
        ctkshim.install()
        _isolate_user(qt)
        _application = _start()
    return _application


def _hide_leaked_names() -> None:
    """slicer-core star-imports slicer.util: `slicer.arrayFromVolume` works with it and fails in the application."""
    for name in [name for name in vars(slicer.util) if not name.startswith("_")]:
        if getattr(slicer, name, None) is getattr(slicer.util, name):
            delattr(slicer, name)


def _isolate_user(qt) -> None:
    """Settings and the documents folder of whoever runs the tests are left alone."""
    home = Path(tempfile.mkdtemp(prefix="slicer-harness-user-"))
    (home / "Documents").mkdir()
    (home / "user-dirs.dirs").write_text(f'XDG_DOCUMENTS_DIR="{home / "Documents"}"\n', encoding="utf-8")
    os.environ["XDG_CONFIG_HOME"] = str(home)
    qt.QSettings.setDefaultFormat(qt.QSettings.IniFormat)
    for scope in (qt.QSettings.UserScope, qt.QSettings.SystemScope):
        qt.QSettings.setPath(qt.QSettings.IniFormat, scope, str(home))


def _start():
    from .. import qmrml
    from .app import qSlicerApplication
    from .io_manager import IOManager
    from .layout_manager import qSlicerLayoutManager
    from .logics import make_logics
    from .modules import qSlicerLoadableModule, qSlicerModuleManager
    from .scene import make_scene
    from .subject_hierarchy import SubjectHierarchyItems

    app = slicer.app = qSlicerApplication(sys.argv[:1])
    _provide_python_slicer(Path(app.slicerHome) / "bin")
    scene = make_scene(Path(app.temporaryPath), Path(app.cachePath))
    logic = slicer.vtkSlicerApplicationLogic()
    logic.SetMRMLScene(scene)
    logic.SetTemporaryPath(app.temporaryPath)
    app._scene, app._logic, app._io_manager = scene, logic, IOManager()
    slicer.modules = sys.modules["slicer.modules"] = types.ModuleType("slicer.modules")
    slicer.moduleNames = types.SimpleNamespace()
    for key, (name, module_logic) in make_logics(logic, scene, Path(app.slicerHome) / "share").items():
        setattr(slicer.modules, key, qSlicerLoadableModule(name, module_logic))
        setattr(slicer.moduleNames, name, name)
    app._module_manager = qSlicerModuleManager()
    app._hierarchy_items = SubjectHierarchyItems(scene)
    qmrml.install()
    _provide_python_modules()
    app._layout_manager = qSlicerLayoutManager(logic, scene)
    return app


def _provide_python_slicer(folder: Path) -> None:
    """A PythonSlicer on the PATH, as the application has: this interpreter."""
    script = folder / "PythonSlicer"
    script.write_text(f'#!/bin/sh\nexec "{sys.executable}" "$@"\n', encoding="utf-8")
    script.chmod(script.stat().st_mode | stat.S_IXUSR)
    os.environ["PATH"] = os.pathsep.join([str(folder), os.environ.get("PATH", "")])


def _provide_python_modules() -> None:
    from .. import parameter_node
    from . import i18n, sample_data, scripted_module

    slicer.__path__.append(str(HERE.parent / "overlay"))  # `import slicer.packaging`, no attribute before it
    sys.modules["SampleData"] = sample_data
    for name, module in (
        ("ScriptedLoadableModule", scripted_module),
        ("i18n", i18n),
        ("parameterNodeWrapper", parameter_node),
    ):
        sys.modules[f"slicer.{name}"] = module
        setattr(slicer, name, module)


def load_module(path: str | Path) -> tuple[types.ModuleType, object]:
    """Import a scripted module's file as the application does; (Python module, instance of its module class)."""
    from .modules import qSlicerScriptedLoadableModule

    path = Path(path)
    name = path.stem
    sys.path.insert(0, str(path.parent))
    spec = importlib.util.spec_from_file_location(name, path)
    python = importlib.util.module_from_spec(spec)
    sys.modules[name] = python
    spec.loader.exec_module(python)
    description = qSlicerScriptedLoadableModule(str(path), name)
    description._make_widget = lambda: _make_panel(name)
    setattr(slicer.modules, name.lower(), description)
    setattr(slicer.moduleNames, name, name)
    instance = getattr(python, name)(description)
    setattr(slicer.modules, f"{name}Instance", instance)
    slicer.app.moduleManager().moduleLoaded.emit(name)
    return python, instance


def _make_panel(name: str) -> None:
    """The panel of a loaded module, set up and not entered."""
    parent = slicer.qSlicerScriptedLoadableModuleWidget()

    def make_python(parent):
        widget = getattr(sys.modules[name], f"{name}Widget")(parent)
        setattr(slicer.modules, f"{name}Widget", widget)
        return widget

    parent._make = make_python
    getattr(slicer.modules, name.lower())._widget = parent
    parent.setMRMLScene(slicer.mrmlScene)
    parent._python = make_python(parent)
    parent._python.setup()


def create_widget(module: types.ModuleType):
    """A loaded module's panel as on its first selection: made, set up, entered. Close it with close_widget()."""
    _make_panel(module.__name__)
    parent = getattr(slicer.modules, module.__name__.lower())._widget
    parent.enter()
    return parent.self()


def close_widget(widget) -> None:
    """What happens to an entered panel when the application ends: exit, cleanup, deletion."""
    parent = widget.parent
    if parent.isEntered:
        parent.exit()
    slicer.app.moduleManager().moduleAboutToBeUnloaded.emit(widget.moduleName)
    parent.setMRMLScene(None)
    parent.deleteLater()
    slicer.app.sendPostedEvents(None, 52)
    slicer.app.processEvents()
    description = getattr(slicer.modules, widget.moduleName.lower())
    if description._widget is parent:
        description._widget = None
