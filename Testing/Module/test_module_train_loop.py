"""Two rounds of the correction loop in the tab Train: the real panel, the real engine process, phantoms."""

import itertools
import json
import time

import pytest
import qt
import slicer
from engine_for_tests import use_engine, wait_until
from training_phantoms import FINE_TUNING, SETTINGS, add_case, load, phantom


@pytest.fixture
def panel(module, monkeypatch, tmp_path):
    """The module's panel at the tab Train, with an empty study in a folder with spaces and accents."""
    from slicer_harness import close_widget, create_widget

    use_engine(monkeypatch, tmp_path / "Étude à moi")
    widget = create_widget(module[0])
    wait_until(lambda: not widget.logic._questions.jobs)
    widget.panel.logic = widget.logic
    widget.panel.ui.tabs.setCurrentIndex(2)
    yield widget.panel
    close_widget(widget)


def settle(panel):
    """Wait until the list of cases is up to date."""
    panel.train.dataset.refresh()
    wait_until(lambda: panel.train.dataset.is_current, 60)


def train(panel, epochs):
    """Press Train and wait for the end; meanwhile the GUI lives.

    What counts is the processor time that Slicer itself, with all its threads, used between two calls of a timer:
    another program may keep this one waiting for longer.
    """
    ticks = []
    timer = qt.QTimer()
    timer.setInterval(10)
    timer.connect("timeout()", lambda: ticks.append(time.process_time()))
    timer.start()
    panel.train.ui.budgetUnitCombo.setCurrentIndex(1)
    panel.train.ui.budgetSpin.value = epochs
    assert panel.train.ui.trainButton.enabled, panel.train.ui.trainButton.toolTip
    panel.train.ui.trainButton.click()
    assert panel.train.ui.trainButton.text == "Stop"
    wait_until(lambda: panel.train.task is None, 300)
    timer.stop()
    assert panel.train.ui.errorLabel.text == ""
    assert len(ticks) > 100
    assert max(later - now for now, later in itertools.pairwise(ticks)) < 0.1


def draw(table, truth):
    """What a person would do with the brush: the lesions that were missed."""
    from SlicerLossSegLib import segmentation_io

    segmentation, volume = table.linked("LossSeg.segmentation"), table.volumes[0]
    segment_id = segmentation_io.segment_ids(segmentation)[0]
    array = slicer.util.arrayFromSegmentBinaryLabelmap(segmentation, segment_id, volume)
    found, _ids = segmentation_io.read(segmentation, table.grid)
    array[(truth > 0) & (found == 0)] = 1
    slicer.util.updateSegmentBinaryLabelmapFromArray(array, segmentation, segment_id, volume)


def test_two_rounds_of_the_loop(panel, tmp_path):
    import sys

    from lossseg.dataset import read_rounds
    from SlicerLossSegLib.training_curves import Chart

    logic, ui = panel.logic, panel.train.ui
    study = logic.study.folder
    assert "no case yet" in ui.trainButton.toolTip

    # Round one: three cases with bright lesions; nothing to compare with.
    for seed, name in enumerate(("a", "b", "c")):
        add_case(logic, name, 97 + seed, dark=False, validation=name == "c")
    settle(panel)
    assert panel.train.dataset.view.names == ["a", "b", "c"]
    panel.train.settings = SETTINGS
    train(panel, 4)
    assert panel.train.curves.curves.charts == [Chart.LOSS, Chart.SCORES]
    assert "no old model" in ui.outcomeLabel.text
    assert ui.modelNameEdit.text == "dice_ce"
    (run,) = (study / "runs").glob("*-train")
    assert json.loads((run / "splits.json").read_text()) == [{"train": ["a", "b"], "val": ["c"]}]
    ui.useButton.click()
    assert "being copied" in ui.useButton.toolTip
    wait_until(lambda: panel.train.outcome.task is None, 60)
    assert [card.name for card in logic.study.models()] == ["dice_ce"]
    assert [card.name for card in panel.segment.models.chosen] == ["dice_ce"]
    (first,) = read_rounds(study)
    assert (first.cases, first.model, first.previous, first.used) == (("a", "b"), "models/dice_ce", None, True)
    assert first.scores["dice"] > 0.8

    # Round two. The next case of a folder: one volume of it is in the training set already.
    images = tmp_path / "clinic"
    images.mkdir()
    for name, seed, dark in (("a", 97, False), ("d", 100, True)):
        volume, segmentation = load(name, seed, dark)
        slicer.util.saveNode(volume, str(images / f"{name}.nii.gz"), {})
        slicer.mrmlScene.RemoveNode(volume)
        slicer.mrmlScene.RemoveNode(segmentation)
    ui.nextOrderCombo.setCurrentIndex(1)
    assert "no other to disagree with" in ui.nextCaseButton.toolTip
    ui.nextOrderCombo.setCurrentIndex(0)
    panel.train.next_case.propose(images)
    assert ui.nextCaseButton.text == "Cancel"
    wait_until(lambda: ui.nextCaseButton.text == "Next case…", 200)
    assert "d" in ui.nextLabel.text
    assert "sees the most lesions in it (2)" in ui.nextLabel.text
    volume = panel.segment.channels.volumes[0]
    assert volume.GetName() == "d"
    assert panel.ui.tabs.currentIndex == 0

    # Segment finds the bright lesions only. Review, correct, add: that trains nothing.
    panel.segment.ui.segmentButton.click()
    wait_until(lambda: panel.segment.ui.segmentButton.text == "Segment", 200)
    table = panel.review.table
    assert len(table.rows) == 2
    panel.segment.ui.reviewButton.click()
    panel.review.ui.correctButton.click()
    draw(table, phantom(100, dark=True)[1])
    panel.review.ui.doneButton.click()
    wait_until(lambda: not panel.review._upkeep.busy, 60)
    assert len(table.rows) == 4
    panel.review.ui.trainingSetButton.click()
    wait_until(lambda: "Added to the training set as case d" in panel.review.ui.noteLabel.text, 60)
    panel.ui.tabs.setCurrentIndex(2)
    assert panel.train.task is None
    add_case(logic, "e", 101, dark=True, validation=True)
    settle(panel)
    assert [row.state for row in panel.train.dataset.view.rows] == [*["annotated"] * 3, "corrected", "annotated"]
    panel.train.next_case.propose(images)
    wait_until(lambda: ui.nextCaseButton.text == "Next case…", 200)
    assert "is left to correct" in ui.nextLabel.text
    assert panel.ui.tabs.currentIndex == 2
    assert panel.train.task is None
    assert len(list((study / "runs").glob("*-train"))) == 1
    assert "Fine-tune dice_ce" in ui.startCombo.currentText
    assert ui.rivalCombo.currentText == "dice_ce"
    panel.train.settings = FINE_TUNING
    train(panel, 5)
    comparison = panel.train.outcome.task.comparison
    assert comparison["cases"] == ["c", "e"]
    assert comparison["seen_by_old"] == comparison["seen_by_new"] == []
    gained = [one for one in comparison["lesions"] if (one["old"], one["new"]) == ("missed", "found")]
    # The dark ones of the held-out case, at their places in the phantom.
    assert [one["case"] for one in gained] == ["e", "e"]
    assert comparison["lost"] == 0
    assert "finds 2 that the old one missed and misses 0" in ui.outcomeLabel.text
    assert ui.rivalTable.rowCount == 6
    assert [ui.rivalTable.item(row, 3).text() for row in range(3)] == ["missed", "missed", "found"]
    ui.changedCheck.checked = True
    assert ui.rivalTable.rowCount == 2
    assert "Recall 0.67 → 1.00" in ui.outcomeMeasures.text.replace("recall", "Recall")

    # Declined: the study's models stay as they are, the round is written down.
    second_run = panel.train.outcome.task.run.folder
    before = {path: path.read_bytes() for path in (study / "models").rglob("*") if path.is_file()}
    ui.keepOldButton.click()
    assert {path: path.read_bytes() for path in (study / "models").rglob("*") if path.is_file()} == before
    assert [card.name for card in panel.segment.models.chosen] == ["dice_ce"]
    second = read_rounds(study)[1]
    assert (second.cases, second.previous, second.used) == (("a", "b", "d"), "models/dice_ce", False)
    assert second.model == f"{second_run.relative_to(study.resolve()).as_posix()}/model"
    assert second.scores["recall"] == 1.0
    wait_until(lambda: ui.historyTable.rowCount == 2, 60)
    assert [ui.historyTable.item(row, 4).text() for row in range(2)] == ["no", "yes"]
    assert panel.train.interrupted.run is None

    assert panel.train.outcome.task is None
    assert "torch" not in sys.modules


def test_folds_by_script_become_an_ensemble(module, monkeypatch, tmp_path):
    from lossseg.dataset import read_rounds
    from lossseg.errors import InputError
    from SlicerLossSeg import SlicerLossSegLogic
    from SlicerLossSegLib.training_request import HoldOut, TrainingRequest

    use_engine(monkeypatch, tmp_path / "study")
    logic = SlicerLossSegLogic()
    training = logic.training
    with pytest.raises(InputError, match="no case"):
        training.train(TrainingRequest(epochs=1))
    for seed, name in enumerate(("a", "b")):
        add_case(logic, name, 97 + seed, dark=False)
    request = TrainingRequest(
        "dice + ce", epochs=1, hold_out=HoldOut.FOLDS, folds=2, device="cpu", settings={**SETTINGS, "iterations": 5}
    )
    task = training.train(request)
    assert [folder.name for folder in task.run.models] == ["fold_0", "fold_1"]
    with pytest.raises(InputError, match="no name"):
        training.use(task, "a/b")
    cards = training.use(task, "both")
    assert [card.name for card in cards] == ["both/fold_0", "both/fold_1"]
    (entry,) = logic.study.ensembles()
    assert entry.name == "both"
    assert {member.name for member in entry.members} == {"fold_0", "fold_1"}
    with pytest.raises(InputError, match="has a model both already"):
        training.use(task, "both")
    (one,) = read_rounds(logic.study.folder)
    assert (one.model, one.cases, one.used) == ("models/both", ("a", "b"), True)
    with pytest.raises(InputError, match="dyce"):
        training.train(TrainingRequest("dyce", epochs=1))
    logic.close()
