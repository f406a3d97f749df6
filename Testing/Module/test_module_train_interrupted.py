"""Trainings that end before their time: stopped, interrupted, crashed; what they had learned is not lost."""

import json

import pytest
import slicer
from engine_for_tests import use_engine, wait_until
from training_phantoms import SETTINGS, add_case


@pytest.fixture
def study(module, monkeypatch, tmp_path):
    """A study with three cases, one of them held out."""
    from SlicerLossSeg import SlicerLossSegLogic

    use_engine(monkeypatch, tmp_path / "study")
    logic = SlicerLossSegLogic()
    for seed, name in enumerate(("a", "b", "c")):
        add_case(logic, name, 97 + seed, dark=False, validation=name == "c")
    logic.close()
    return tmp_path / "study"


@pytest.fixture
def open_panel(module, study):
    """Opens the module's panel at the tab Train; the panels that are still open are closed after the test."""
    from slicer_harness import close_widget, create_widget

    made = []

    def make():
        widget = create_widget(module[0])
        made.append(widget)
        wait_until(lambda: not widget.logic._questions.jobs)
        widget.panel.close = lambda: close_widget(made.pop())
        widget.panel.ui.tabs.setCurrentIndex(2)
        widget.panel.train.settings = SETTINGS
        widget.panel.train.ui.budgetUnitCombo.setCurrentIndex(1)
        wait_until(lambda: widget.panel.train.dataset.view.is_measured, 60)
        return widget.panel

    yield make
    while made:
        close_widget(made.pop())


def start(panel, epochs):
    """Press Train and wait for the first point of the curve."""
    panel.train.ui.budgetSpin.value = epochs
    assert panel.train.ui.trainButton.enabled, panel.train.ui.trainButton.toolTip
    panel.train.ui.trainButton.click()
    wait_until(lambda: panel.train.curves.curves.charts, 200)


def history(study):
    (path,) = (study / "runs").glob("*/model/history.jsonl")
    return [json.loads(line) for line in path.read_text().splitlines()]


def test_cancelled_found_again_and_continued(open_panel, study):
    panel = open_panel()
    ui = panel.train.ui
    assert ui.interruptedBox.isHidden()
    start(panel, 4)
    ui.cancelTrainingButton.click()
    assert not ui.cancelTrainingButton.enabled
    wait_until(lambda: panel.train.task is None, 120)
    assert "can be continued" in ui.resultLabel.text
    assert ui.errorLabel.text == ""
    assert panel.train.interrupted.run is not None
    assert not list((study / "models").glob("*"))
    (run,) = (study / "runs").glob("*-train")
    assert (run / "model" / "checkpoints" / "last.safetensors").exists()
    assert not ui.interruptedBox.isHidden()
    before = [record["step"] for record in history(study) if record["name"] == "loss"]
    panel.close()

    # The next start of Slicer finds it; so do the points before the interruption.
    panel = open_panel()
    ui = panel.train.ui
    assert panel.train.interrupted.run.folder == run.resolve()
    assert "A training was interrupted" in ui.interruptedLabel.text
    assert ui.continueButton.text == "Continue"
    ui.continueButton.click()
    wait_until(lambda: panel.train.task is None, 200)
    assert ui.errorLabel.text == ""
    record = json.loads((run / "model" / "model.json").read_text())["training"]
    assert record["steps"] == 80
    steps = [point["step"] for point in history(study) if point["name"] == "loss"]
    assert steps[: len(before)] == before
    assert steps == sorted(set(steps))
    assert steps[-1] == 80
    assert panel.train.outcome.task is not None
    assert ui.useButton.enabled
    # What waits for a decision is shown once, not as an interrupted training as well.
    assert panel.train.interrupted.run is None


def test_stop_keeps_the_best_so_far(open_panel, study):
    panel = open_panel()
    ui = panel.train.ui
    start(panel, 1000)
    ui.trainButton.click()
    wait_until(lambda: panel.train.task is None, 200)
    assert ui.errorLabel.text == ""
    run = panel.train.outcome.task.run
    assert run.ended
    assert run.is_trained
    record = json.loads((run.model_folder / "model.json").read_text())["training"]
    assert 0 < record["steps"] < 20000
    assert record["finished_early"] is True
    ui.modelNameEdit.text = ""
    assert "name" in ui.useButton.toolTip
    ui.modelNameEdit.text = "stopped"
    ui.useButton.click()
    wait_until(lambda: panel.train.outcome.task is None, 60)
    assert [card.name for card in panel.segment.models.chosen] == ["stopped"]


def test_a_killed_engine_and_a_closed_application(open_panel, study):
    panel = open_panel()
    ui = panel.train.ui
    start(panel, 2)
    from SlicerLossSegLib.process_tree import kill_tree

    kill_tree(int(panel.train._training.jobs._run._process.processId()))
    wait_until(lambda: panel.train.task is None, 60)
    assert "ended the engine" in ui.errorLabel.text
    assert ui.trainButton.text == "Train"
    assert panel.train.interrupted.run is not None
    # Whatever was saved by then, going on leads to the whole training; Slicer closes in its midst once more.
    ui.continueButton.click()
    wait_until(lambda: panel.train.task.job.progress is not None, 200)
    panel.close()
    panel = open_panel()
    ui = panel.train.ui
    ui.continueButton.click()
    wait_until(lambda: panel.train.task is None, 200)
    assert ui.errorLabel.text == ""
    run = panel.train.outcome.task.run
    assert json.loads((run.model_folder / "model.json").read_text())["training"]["steps"] == 40
    panel.close()

    # Undecided: the next start still asks. Discarded: it lies in the bin.
    panel = open_panel()
    ui = panel.train.ui
    assert "waits for your decision" in ui.interruptedLabel.text
    assert ui.keepButton.isHidden()
    ui.discardButton.click()
    assert panel.train.interrupted.run is None
    assert (study / "bin" / "runs" / run.folder.name / "model" / "model.json").exists()
    assert not run.folder.exists()


def test_a_closed_scene_interrupts_and_leaves_nothing_in_the_next(open_panel, study):
    panel = open_panel()
    start(panel, 50)
    panel.train.curves.curves.write()
    assert len(slicer.util.getNodesByClass("vtkMRMLPlotChartNode")) == 1
    slicer.mrmlScene.Clear(0)
    wait_until(lambda: panel.train.task is None, 120)
    slicer.app.processEvents()
    assert slicer.util.getNodesByClass("vtkMRMLPlotChartNode") == []
    assert slicer.util.getNodesByClass("vtkMRMLTableNode") == []
    assert panel.train.interrupted.run is not None
    assert panel.train.ui.trainButton.text == "Train"
