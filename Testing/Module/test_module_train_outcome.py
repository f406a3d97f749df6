"""What the tab Train shows at the end of a training, on runs that nobody has to train for."""

import shutil

import pytest
import slicer
from engine_for_tests import DEMO_STUDY, use_engine, wait_until
from training_phantoms import add_case


@pytest.fixture
def panel(module, monkeypatch, tmp_path):
    from slicer_harness import close_widget, create_widget

    use_engine(monkeypatch, tmp_path / "study")
    monkeypatch.setattr("SlicerLossSegLib.header_panel.HeaderPanel.ask_machine", lambda self: None)
    widget = create_widget(module[0])
    widget.panel.logic = widget.logic
    widget.panel.ui.tabs.setCurrentIndex(2)
    yield widget.panel
    close_widget(widget)


def make_run(logic, loss="dice + ce"):
    """A run whose model is there already: that of the demo ensemble."""
    from SlicerLossSegLib.training_request import TrainingRequest
    from SlicerLossSegLib.training_run import TrainingRun

    run = TrainingRun.create(logic.study, TrainingRequest(loss, epochs=1), "somebody")
    source = DEMO_STUDY / "models" / "dice_ce_fold_0"
    run.model_folder.mkdir()
    for name in ("model.json", "weights.safetensors"):
        shutil.copyfile(source / name, run.model_folder / name)
    return run


def lesion(case, number, volume, old, new, place=(1.0, 2.0, 3.0)):
    return {
        "case": case,
        "number": number,
        "volume_mm3": volume,
        "diameter_mm": 3.0,
        "centroid_ras": list(place),
        "old": old,
        "new": new,
        "old_confidence": 0.5 if old == "found" else None,
        "new_confidence": 0.9 if new == "found" else None,
        "old_overlap": 0.0,
        "new_overlap": 0.0,
    }


def comparison(**changes):
    return {
        "cases": ["a", "b"],
        "seen_by_old": [],
        "seen_by_new": [],
        "lesions": [
            lesion("a", 1, 500.0, "found", "found"),
            lesion("a", 2, 20.0, "found", "missed"),
            lesion("b", 1, 4.25, "missed", "found", (-11.0, 7.0, 5.0)),
        ],
        "false_positives": [{"case": "b", "model": "new", "volume_mm3": 9.0, "centroid_ras": [0, 0, 0]}],
        "measures": {"old": {"dice": 0.5, "small_recall": None}, "new": {"dice": 0.625, "small_recall": 1.0}},
        "gained": 1,
        "lost": 1,
        **changes,
    }


def test_what_changed_comes_first_the_smallest_of_it_at_the_top(panel):
    from SlicerLossSegLib.rival_table import headline

    ui, table = panel.train.ui, panel.train.outcome.table
    table.show(comparison())
    cells = [[ui.rivalTable.item(row, column).text() for column in range(7)] for row in range(3)]
    assert cells == [
        ["b", "1", "4.2", "missed", "found", "n/a", "0.90"],
        ["a", "2", "20", "found", "missed", "0.50", "n/a"],
        ["a", "1", "500", "found", "found", "0.50", "0.90"],
    ]
    assert [ui.rivalTable.item(row, 0).font().bold() for row in range(3)] == [True, True, False]
    assert ui.outcomeMeasures.text == "Dice 0.50 → 0.62, small lesions n/a → 1.00"
    assert ui.outcomeWarning.isHidden()
    assert "finds 1 that the old one missed and misses 1" in headline(comparison())
    assert "False positives: 0 before, 1 now" in headline(comparison())


def test_a_model_that_saw_the_cases_is_named(panel):
    panel.train.outcome.table.show(comparison(seen_by_new=["a", "b"]))
    text = panel.train.ui.outcomeWarning.text
    assert "The new model was trained on 2 of these cases (a, b), so it looks better than it is." in text
    assert "The old model" not in text


def test_a_row_jumps_to_its_lesion_when_the_case_is_open(panel):
    add_case(panel.logic, "b", 1, dark=False)
    panel.train.dataset.refresh()
    wait_until(lambda: panel.train.dataset.is_current, 60)
    panel.train.dataset.select("b")
    panel.train.ui.openCaseButton.click()
    wait_until(lambda: not panel.train.case_buttons.is_busy, 60)
    panel.train.outcome.table.show(comparison())
    panel.train.ui.rivalTable.selectRow(0)
    matrix = slicer.mrmlScene.GetNodeByID("vtkMRMLSliceNodeRed").GetSliceToRAS()
    assert [matrix.GetElement(axis, 3) for axis in range(3)] == pytest.approx([-11.0, 7.0, 5.0])


def test_a_model_goes_into_the_study_that_it_was_trained_in(panel, tmp_path):
    logic, ui = panel.logic, panel.train.ui
    add_case(logic, "a", 1, dark=False)
    add_case(logic, "b", 2, dark=False)
    run = make_run(logic)
    assert [case.fold for case in logic.training.cases.view().rows].count("validation") == 1
    panel.train.enter()
    assert "waits for your decision" in ui.interruptedLabel.text
    ui.continueButton.click()
    assert panel.train.outcome.task.run.folder == run.folder
    # What waits for a decision is not offered once more above, also not when the tab is entered again.
    assert panel.train.interrupted.run is None
    panel.ui.tabs.setCurrentIndex(0)
    panel.ui.tabs.setCurrentIndex(2)
    assert panel.train.interrupted.run is None
    logic.choose_study(tmp_path / "other")
    ui.modelNameEdit.text = "new"
    ui.useButton.click()
    wait_until(lambda: panel.train.outcome.task is None, 60)
    assert (tmp_path / "study" / "models" / "new" / "model.json").exists()
    assert not (tmp_path / "other").exists()
    assert logic.training.rounds() == ()
    logic.choose_study(tmp_path / "study")
    (one,) = logic.training.rounds()
    assert (one.model, one.previous, one.used) == ("models/new", None, True)
    # The name is taken now.
    again = make_run(logic)
    panel.train._go_on(again)
    assert ui.modelNameEdit.text == "dice_ce"
    ui.modelNameEdit.text = "new"
    assert not ui.useButton.enabled
    assert "has a model new already" in ui.useButton.toolTip


def test_a_damaged_run_is_passed_over(panel, tmp_path):
    logic = panel.logic
    add_case(logic, "a", 1, dark=False)
    add_case(logic, "b", 2, dark=False)
    sound, damaged = make_run(logic), make_run(logic)
    (damaged.folder / "run.json").write_text("{ half a file")
    assert [run.folder for run in logic.training.undecided()] == [sound.folder]


def test_every_case_held_out_leaves_nothing_to_train_on(panel):
    from lossseg.errors import InputError
    from SlicerLossSegLib.training_request import TrainingRequest

    logic = panel.logic
    for name in ("a", "b"):
        add_case(logic, name, ord(name), dark=False, validation=True)
    with pytest.raises(InputError, match="Every case is set aside"):
        logic.training.start_training(TrainingRequest(epochs=1))
    assert logic.training.undecided() == []
    assert list((logic.study.folder / "runs").iterdir()) == []
