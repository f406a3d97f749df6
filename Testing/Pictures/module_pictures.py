"""Pictures of the module at work: its panel beside the four views, one per tab.

    .venv/bin/python Testing/Pictures/module_pictures.py IMAGE REFERENCE MODEL OUT_FOLDER

The panel is the real one, with its Designer files, on the tests' stand-ins for Slicer's application; the views are
drawn by Slicer's own displayable managers. The engine runs in its own process. What the picture shows of a patient
needs that data set's credit where it is shown.
"""

import os
import shutil
import sys
import tempfile
import time
from pathlib import Path

os.environ.setdefault("QT_QPA_PLATFORM", "offscreen")
REPOSITORY = Path(__file__).resolve().parents[2]
sys.path[:0] = [str(REPOSITORY / "Testing"), str(REPOSITORY / "Testing" / "Module")]

import slicer_harness  # noqa: E402

app = slicer_harness.boot()

import qt  # noqa: E402
import slicer  # noqa: E402
from engine_for_tests import ENGINE_PYTHON, all_installed, wait_until  # noqa: E402

from slicer_harness import views  # noqa: E402
from slicer_harness.views.pixels import to_qimage  # noqa: E402

PANEL_WIDTH, HEIGHT, VIEW = 406, 860, 430


def name_study(panel, name: str) -> None:
    """Show a folder as a person would have it in place of the one of this run."""
    edit = panel.ui.studyPath
    before = edit.blockSignals(True)
    edit.currentPath = name
    edit.blockSignals(before)


def picture(panel: qt.QWidget, height: int = HEIGHT) -> qt.QImage:
    """The panel and, to its right, axial, 3D, coronal and sagittal view."""
    panel.resize(PANEL_WIDTH, height)
    app.processEvents()
    whole = qt.QImage(PANEL_WIDTH + 2 * VIEW, height, qt.QImage.Format_RGB32)
    whole.fill(qt.QColor(30, 30, 30))
    painter = qt.QPainter(whole)
    painter.drawPixmap(0, 0, panel.grab())
    for place, name in enumerate(("Red", "1", "Green", "Yellow")):
        shown = views.view(name)
        shown.resize(VIEW - 2, VIEW - 2)
        painter.drawImage(PANEL_WIDTH + place % 2 * VIEW + 1, place // 2 * VIEW + 1, to_qimage(shown.render()))
    painter.end()
    return whole


def main(image: Path, reference: Path, model: Path, out: Path) -> None:
    from SlicerLossSegLib import dependencies, engine
    from SlicerLossSegLib.logic import STUDY_SETTING

    out.mkdir(parents=True, exist_ok=True)
    study = Path(tempfile.mkdtemp()) / "study"
    shutil.copytree(model, study / "models" / "flair", ignore=shutil.ignore_patterns("checkpoints"))
    engine.interpreter = lambda: str(ENGINE_PYTHON)
    dependencies.slicer_installer = all_installed
    qt.QSettings().setValue(STUDY_SETTING, str(study))

    slicer.util.loadVolume(str(image), {"name": "FLAIR"})
    widget = slicer_harness.create_widget(sys.modules["SlicerLossSeg"])
    panel = widget.panel
    widget.parent.resize(PANEL_WIDTH, HEIGHT)
    widget.parent.show()
    wait_until(lambda: "cores" in panel.ui.statusLabel.text)
    name_study(panel, "~/Studies/MS lesions")
    panel.segment.models.tick([card.folder for card in panel.segment.models.cards])
    panel.segment.prefill()
    panel.segment.ui.overlapSlider.value = 0.25
    panel.segment.ui.probabilityCheck.checked = True
    panel.segment.ui.segmentButton.click()
    wait_until(lambda: panel.segment._task.job.progress is not None and panel.segment._task.job.progress.done > 5)
    picture(widget.parent).save(str(out / "module_segmenting.png"))
    start = time.monotonic()
    wait_until(lambda: panel.segment._task is None, 1800)
    print(f"{time.monotonic() - start:.0f} s: {panel.segment.ui.resultLabel.text} {panel.segment.ui.errorLabel.text}")
    picture(widget.parent).save(str(out / "module_segment.png"))

    labels = slicer.util.loadLabelVolume(str(reference), {"name": "reference labels"})
    truth = slicer.mrmlScene.AddNewNodeByClass("vtkMRMLSegmentationNode", "Consensus of the readers")
    truth.CreateDefaultDisplayNodes()
    slicer.modules.segmentations.logic().ImportLabelmapToSegmentationNode(labels, truth)
    truth.GetDisplayNode().SetVisibility(False)
    panel.segment.ui.reviewButton.click()
    panel.review.ui.referenceSelector.setCurrentNode(truth)
    wait_until(lambda: not panel.review._busy, 600)
    rows = panel.review.table.rows
    largest = max((row for row in rows if row.outcome == "found"), key=lambda row: row.volume_mm3)
    panel.review.lesions.go_to(largest.key)
    panel.review.ui.acceptButton.click()
    panel.review.lesions.go_to(largest.key)
    panel.review.table.linked("LossSeg.segmentation").CreateClosedSurfaceRepresentation()
    slicer.app.layoutManager().resetThreeDViews()
    picture(widget.parent).save(str(out / "module_review.png"))
    compare_losses(widget, out)
    slicer_harness.close_widget(widget)
    shutil.rmtree(study.parent)


def compare_losses(widget, out: Path) -> None:
    """The loss inspector on the result that was just reviewed, at a small lesion, with the gradient of one loss."""
    panel = widget.panel
    panel.ui.tabs.setCurrentIndex(panel.ui.tabs.indexOf(panel.ui.comparePage))
    inspector = panel.compare.inspector
    inspector.ui.inspectButton.click()
    wait_until(lambda: inspector.shares.answer is not None or inspector.ui.inspectErrorLabel.text, 120)
    lesions = [one for one in inspector.shares.answer.components if one.kind.value == "lesion"]
    smallest = min(lesions, key=lambda one: one.volume_mm3)
    inspector.ui.gradientCombo.setCurrentIndex(inspector.ui.gradientCombo.findText("iw(dice)"))
    inspector.ui.gradientButton.setChecked(True)
    wait_until(lambda: inspector.shares.answer.gradient is not None, 60)
    inspector.shares.go_to(lesions.index(smallest))
    inspector.shares.sort_by_volume()
    print(f"{len(inspector.shares.answer.losses)} losses: {inspector.shares.answer.seconds:.2f} s")
    picture(widget.parent, 1060).save(str(out / "module_compare.png"))


if __name__ == "__main__":
    slicer_harness.load_module(REPOSITORY / "SlicerLossSeg" / "SlicerLossSeg.py")
    main(*(Path(argument) for argument in sys.argv[1:5]))
