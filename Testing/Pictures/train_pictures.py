"""Pictures of the tabs Train and Compare at work: phantoms, a training and what it gained, an experiment.

    .venv/bin/python Testing/Pictures/train_pictures.py OUT_FOLDER

Everything in them is made: volumes with bright and dark lesions, of which the old model knows the bright ones only.
"""

import os
import shutil
import sys
import tempfile
from pathlib import Path

os.environ.setdefault("QT_QPA_PLATFORM", "offscreen")
REPOSITORY = Path(__file__).resolve().parents[2]
sys.path[:0] = [str(REPOSITORY / "Testing"), str(REPOSITORY / "Testing" / "Module"), str(Path(__file__).parent)]

# It boots the stand-ins, before anything else asks for Qt.
from module_pictures import HEIGHT, PANEL_WIDTH, app, name_study, picture  # noqa: E402

_PANEL_HEIGHT = 1250

import qt  # noqa: E402
import slicer  # noqa: E402
from engine_for_tests import ENGINE_PYTHON, all_installed, wait_until  # noqa: E402
from training_phantoms import FINE_TUNING, SETTINGS, add_case, load  # noqa: E402

import slicer_harness  # noqa: E402


def wait_for_cases(train) -> None:
    train.dataset.refresh()
    wait_until(lambda: train.dataset.is_current, 60)


def whole_panel(widget, path: Path) -> None:
    """The panel alone, at its whole height."""
    widget.parent.resize(PANEL_WIDTH, _PANEL_HEIGHT)
    app.processEvents()
    widget.parent.grab().save(str(path))
    widget.parent.resize(PANEL_WIDTH, HEIGHT)


def main(out: Path) -> None:
    from SlicerLossSegLib import dependencies, engine
    from SlicerLossSegLib.logic import STUDY_SETTING

    out.mkdir(parents=True, exist_ok=True)
    study = Path(tempfile.mkdtemp()) / "study"
    engine.interpreter = lambda: str(ENGINE_PYTHON)
    dependencies.slicer_installer = all_installed
    qt.QSettings().setValue(STUDY_SETTING, str(study))
    widget = slicer_harness.create_widget(sys.modules["SlicerLossSeg"])
    panel, logic = widget.panel, widget.logic
    train = panel.train
    widget.parent.resize(PANEL_WIDTH, HEIGHT)
    widget.parent.show()
    wait_until(lambda: "cores" in panel.ui.statusLabel.text)
    name_study(panel, "~/Studies/Phantoms")

    for place, name in enumerate(("Case_01", "Case_02", "Case_03")):
        add_case(logic, name, 97 + place, dark=False, validation=place == 2)
    panel.ui.tabs.setCurrentIndex(2)
    wait_for_cases(train)
    train.settings = SETTINGS
    train.ui.budgetUnitCombo.setCurrentIndex(1)
    train.ui.budgetSpin.value = 4
    train.ui.trainButton.click()
    wait_until(lambda: train.task is None, 600)
    train.ui.useButton.click()
    add_case(logic, "Case_04", 100, dark=True)
    add_case(logic, "Case_05", 101, dark=True, validation=True)
    wait_for_cases(train)
    volume, segmentation = load("Case_05", 101, dark=True)
    slicer.util.setSliceViewerLayers(background=volume, fit=True)
    segmentation.CreateClosedSurfaceRepresentation()
    segmentation.GetDisplayNode().SetVisibility2DFill(False)
    slicer.app.layoutManager().resetThreeDViews()

    train.ui.lossListButton.collapsed = False
    train.loss.select("iw")
    train.ui.expressionEdit.setText("dice + 0.5*iw(ce)")
    whole_panel(widget, out / "module_train_loss.png")
    train.ui.lossListButton.collapsed = True
    train.settings = FINE_TUNING
    train.ui.budgetSpin.value = 5
    train.ui.trainButton.click()
    wait_until(lambda: train.task is None or len(train.curves.curves.charts) > 1, 600)
    train.ui.curvesButton.click()
    whole_panel(widget, out / "module_training.png")
    train.ui.curvesButton.click()
    wait_until(lambda: train.task is None, 600)
    print(train.ui.outcomeLabel.text, train.ui.errorLabel.text)
    whole_panel(widget, out / "module_train_outcome.png")
    train.ui.casesButton.collapsed = train.ui.lossButton.collapsed = True
    picture(widget.parent).save(str(out / "module_train.png"))
    compare_losses(widget, out)
    slicer_harness.close_widget(widget)
    shutil.rmtree(study.parent)


def compare_losses(widget, out: Path) -> None:
    """An experiment on the same phantoms, as it runs and with its results."""
    panel, experiment = widget.panel, widget.panel.compare.experiment
    ui = experiment.ui
    panel.ui.tabs.setCurrentIndex(panel.ui.tabs.indexOf(panel.ui.comparePage))
    ui.inspectorSection.collapsed, ui.experimentSection.collapsed = True, False
    experiment.settings = SETTINGS
    experiment.losses.tick(("dice_ce", "iw(dice)", "dice_topk"))
    ui.foldsSpin.value = 2
    ui.budgetCombo.setCurrentIndex(1)
    ui.budgetSpin.value = 2
    ui.experimentButton.click()
    wait_until(lambda: any(run.state == "running" for run in experiment.runs[2:]) or experiment.task is None, 600)
    whole_panel(widget, out / "module_experiment_running.png")
    wait_until(lambda: experiment.task is None, 900)
    print(ui.experimentErrorLabel.text, [run.state.value for run in experiment.runs])
    app.processEvents()
    whole_panel(widget, out / "module_experiment.png")


if __name__ == "__main__":
    slicer_harness.load_module(REPOSITORY / "SlicerLossSeg" / "SlicerLossSeg.py")
    main(Path(sys.argv[1]))
