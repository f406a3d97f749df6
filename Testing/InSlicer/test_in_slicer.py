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
            ("importModelButton", "clicked()"),
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

    def test_selectors_are_made_for_further_channels(self):
        channels = slicer.util.getModuleWidget("SlicerLossSeg").panel.segment.channels
        before = channels.names
        channels.show(["A", "B", "C", "D", "E", "F"])
        try:
            selectors = [selector for _label, selector in channels._rows]
            self.assertEqual(len(selectors), 6)
            self.assertEqual(selectors[5].className(), "qMRMLNodeComboBox")
            # The keyboard goes to what lies within a selector; without it the order of Tab would be wrong.
            self.assertIsNotNone(selectors[5].findChild("QComboBox"))
            volume = slicer.mrmlScene.AddNewNodeByClass("vtkMRMLScalarVolumeNode", "F")
            selectors[5].setCurrentNode(volume)
            self.assertEqual(channels.volumes[5].GetID(), volume.GetID())
            node = channels._node
            if node is not None:
                self.assertEqual(node.GetNodeReferenceID("channel6"), volume.GetID())
        finally:
            channels.show(before)

    def test_the_frame_of_the_browser_is_reviewed(self):
        """A result of three frames made by hand: rejected in one of them, saved in its item, taken back."""
        import numpy as np

        from SlicerLossSegLib import frames
        from SlicerLossSegLib.assessment import assess
        from SlicerLossSegLib.lesion_row import Verdict
        from SlicerLossSegLib.lesion_table import Role
        from SlicerLossSegLib.sequences import show_frame
        from SlicerLossSegLib.shown_table import ShownTable
        from SlicerLossSegLib.volumes import Grid, add_scalar_volume

        try:
            import lossseg.components  # noqa: F401
        except ImportError as error:
            raise unittest.SkipTest(f"Packages that measure lesions are missing: {error}") from error
        grid = Grid((8, 16, 16), np.eye(4))
        volume = add_scalar_volume("frame", np.zeros(grid.shape, np.int16), grid)
        sequence = slicer.mrmlScene.AddNewNodeByClass("vtkMRMLSequenceNode", "heart")
        for value in ("0", "1", "2"):
            sequence.SetDataNodeAtValue(volume, value)
        for number, value in enumerate(("0", "1", "2"), start=1):
            mask = np.zeros(grid.shape, np.uint8)
            mask[2:4, 2:4, 2 : 2 + number] = 1
            table = show_frame(sequence, value, assess(mask, grid, {"chamber": 1}), {})
        switched = []
        shown = ShownTable(lambda: None, switched.append)
        shown.open(table.node)
        browser = frames.browser_of(sequence)
        voxels = []
        for place in range(3):
            browser.SetSelectedItemNumber(place)
            voxels.append([row.voxels for row in shown.current.rows])
        self.assertEqual(voxels, [[4], [8], [12]])
        self.assertTrue(shown.current.judge(shown.current.rows[0].key, Verdict.REJECTED))
        proxy = shown.current.shown(Role.SEGMENTATION)
        self.assertEqual(proxy.GetSegmentation().GetNumberOfSegments(), 0)
        browser.SetSelectedItemNumber(1)
        self.assertEqual(proxy.GetSegmentation().GetNumberOfSegments(), 1)
        browser.SetSelectedItemNumber(2)
        self.assertEqual(proxy.GetSegmentation().GetNumberOfSegments(), 0)
        shown.current.undo()
        self.assertEqual(proxy.GetSegmentation().GetNumberOfSegments(), 1)
        shown.open(None)

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
