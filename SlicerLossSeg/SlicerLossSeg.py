"""Loss Segmentation: segment small targets in large volumes, and review the result lesion by lesion."""

import sys
from pathlib import Path

import slicer
from slicer.i18n import tr as _
from slicer.i18n import translate
from slicer.ScriptedLoadableModule import (
    ScriptedLoadableModule,
    ScriptedLoadableModuleTest,
    ScriptedLoadableModuleWidget,
)
from slicer.util import VTKObservationMixin

from SlicerLossSegLib import sample_data
from SlicerLossSegLib.logic import SlicerLossSegLogic
from SlicerLossSegLib.module_test import run_self_test
from SlicerLossSegLib.module_widget import ModuleWidget

__all__ = ["SlicerLossSeg", "SlicerLossSegLogic", "SlicerLossSegTest", "SlicerLossSegWidget"]

_PACKAGES = ("SlicerLossSegLib", "lossseg")


class SlicerLossSeg(ScriptedLoadableModule):
    """What Slicer shows of the module before it is opened."""

    def __init__(self, parent):
        ScriptedLoadableModule.__init__(self, parent)
        parent.title = _("Loss Segmentation")
        parent.categories = [translate("qSlicerAbstractCoreModule", "Segmentation")]
        parent.dependencies = []
        parent.contributors = ["The SlicerLossSeg contributors"]
        parent.helpText = _(
            "Segments small targets in large volumes (aneurysms, nodules, lesions) with ensembles of networks, and "
            "lists each lesion in a table to jump to, accept, reject or correct. Not a medical device: a person must "
            "check every result."
        )
        parent.acknowledgementText = _(
            "Networks and transforms: MONAI. Methods: Ma J., Loss Ensembles for Extremely Imbalanced Segmentation "
            "(2020); Shirokikh B. et al., Universal Loss Reweighting (MICCAI 2020)."
        )
        slicer.app.connect("startupCompleted()", self._started)

    def _started(self):
        sample_data.register(Path(self.resourcePath("Icons/SlicerLossSegSample.png")))


class SlicerLossSegWidget(ScriptedLoadableModuleWidget, VTKObservationMixin):
    """The module's panel and its life cycle; what it does is in SlicerLossSegLib."""

    def __init__(self, parent=None):
        ScriptedLoadableModuleWidget.__init__(self, parent)
        VTKObservationMixin.__init__(self)
        self.logic = None
        self.panel = None

    def setup(self):
        ScriptedLoadableModuleWidget.setup(self)
        self.logic = SlicerLossSegLogic()
        self.panel = ModuleWidget(self.layout, self.logic, Path(self.resourcePath("UI")))
        scene = slicer.mrmlScene
        for event, observer in (
            (scene.StartCloseEvent, self.onSceneStartClose),
            (scene.EndCloseEvent, self.onSceneEndClose),
            (scene.EndImportEvent, self.onSceneEndImport),
        ):
            self.addObserver(scene, event, observer)
        # After Reload there is no enter().
        self.panel.connect_scene(self.logic.getParameterNode())

    def enter(self):
        if not self.panel.is_connected:
            self.panel.connect_scene(self.logic.getParameterNode())
        self.panel.enter()

    def exit(self):
        self.panel.exit()

    def cleanup(self):
        self.removeObservers()
        self.panel.release()
        self.logic.close()

    def onSceneStartClose(self, caller, event):
        self.logic.scene_closes()
        self.panel.connect_scene(None)

    def onSceneEndClose(self, caller, event):
        if self.parent.isEntered:
            self.panel.connect_scene(self.logic.getParameterNode())

    def onSceneEndImport(self, caller, event):
        if self.parent.isEntered:
            self.panel.connect_scene(self.logic.getParameterNode())

    def onReload(self):
        for name in [name for name in sys.modules if name.partition(".")[0] in _PACKAGES]:
            del sys.modules[name]
        ScriptedLoadableModuleWidget.onReload(self)


class SlicerLossSegTest(ScriptedLoadableModuleTest):
    """What Reload and Test runs, and ctest: see Testing/InSlicer."""

    def setUp(self):
        slicer.mrmlScene.Clear()

    def runTest(self):
        self.setUp()
        run_self_test()
