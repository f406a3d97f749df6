"""Self-tests that Slicer runs: ctest, or `Slicer --testing --no-splash --python-script test_in_slicer.py`.

They hold what no stand-in for Slicer can: PythonQt, CTK's and Slicer's own widgets, and the installed files.
"""

import sys
import time
import unittest
from pathlib import Path

import qt
import slicer


class InSlicerTest(unittest.TestCase):
    """The module in the application."""

    def setUp(self):
        slicer.mrmlScene.Clear()

    def test_the_panel_is_made_of_slicers_own_widgets(self):
        widget = slicer.util.getModuleWidget("SlicerLossSeg")
        panel = widget.panel
        self.assertEqual(panel.segment.ui.channel1Selector.className(), "qMRMLNodeComboBox")
        self.assertEqual(panel.segment.ui.optionsButton.className(), "ctkCollapsibleButton")
        self.assertEqual(panel.segment.ui.overlapSlider.className(), "ctkSliderWidget")
        self.assertLess(panel._whole.minimumSizeHint.width(), 400)

    def test_opening_again_is_quick(self):
        slicer.util.getModuleWidget("SlicerLossSeg")
        start = time.perf_counter()
        slicer.util.reloadScriptedModule("SlicerLossSeg")
        self.assertLess(time.perf_counter() - start, 2.0)

    def test_signals_arrive(self):
        """What PythonQt answers False to is a connection that was never made."""
        widget = slicer.util.getModuleWidget("SlicerLossSeg")
        called = []
        for name, signal in (
            ("segmentButton", "clicked()"),
            ("modelTree", "itemChanged(QTreeWidgetItem*,int)"),
            ("channel1Selector", "currentNodeChanged(vtkMRMLNode*)"),
            ("folderPath", "currentPathChanged(QString)"),
            ("manyButton", "contentsCollapsed(bool)"),
            ("deviceCombo", "currentIndexChanged(int)"),
        ):
            self.assertTrue(getattr(widget.panel.segment.ui, name).connect(signal, called.append), (name, signal))
        process = qt.QProcess()
        for signal in (
            "finished(int,QProcess::ExitStatus)",
            "errorOccurred(QProcess::ProcessError)",
            "readyReadStandardOutput()",
            "readyReadStandardError()",
        ):
            self.assertTrue(process.connect(signal, called.append), signal)
        selection = widget.panel.review.lesions._selection
        self.assertTrue(selection.connect("currentRowChanged(QModelIndex,QModelIndex)", called.append))

    def test_the_engine_starts_in_slicers_python(self):
        """The engine answers through its own process, with torch or without."""
        from SlicerLossSegLib.logic import SlicerLossSegLogic

        logic = SlicerLossSegLogic()
        loop, answers = qt.QEventLoop(), []

        def answered(summary):
            answers.append(summary)
            loop.quit()

        job = logic.start_doctor(answered)
        if not answers:
            loop.exec_()
        if logic.set_up.is_ready:
            self.assertIn("machine", answers[0], job.log_tail)
        else:
            self.assertEqual(job.failure.kind.value, "missing_dependency", job.log_tail)

    def test_self_test_of_the_module(self):
        from SlicerLossSegLib.module_test import run_self_test

        run_self_test()

    def test_installed_files(self):
        folder = Path(slicer.util.modulePath("SlicerLossSeg")).parent
        for name in (
            "lossseg/jobs/events.py",
            "Resources/requirements.txt",
            "Resources/UI/SegmentPanel.ui",
            "Resources/SegmentationCategoryTypeModifier-LossSeg.term.json",
            "Resources/DemoStudy/ensembles/nodule_phantoms.json",
        ):
            self.assertTrue((folder / name).exists(), name)


if __name__ == "__main__":
    # With --testing Slicer ends with exit code 0 whatever was printed: the result must say it.
    outcome = unittest.TextTestRunner(verbosity=2).run(unittest.defaultTestLoader.loadTestsFromTestCase(InSlicerTest))
    slicer.util.exit(0 if outcome.wasSuccessful() else 1)
    sys.exit()
