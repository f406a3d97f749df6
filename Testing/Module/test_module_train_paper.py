"""Train as in a paper: what is taken over from the engine's presets, in the tab Train and by the engine."""

import json

import pytest
from engine_for_tests import use_engine, wait_until
from training_phantoms import SETTINGS, add_case

TAKEN = {
    "adam_2020": (
        "dice + topk(k=0.1)",
        {
            "network": "unet",
            "max_filters": 360,
            "optimizer": "sgd",
            "learning_rate": 0.01,
            "momentum": 0.99,
            "schedule": "poly",
        },
    ),
    "filter_reuse": (
        "tversky(alpha=learn, beta=learn)",
        {"network": "shared_dilation", "dilations": [1, 2, 3, 4], "optimizer": "adamw"},
    ),
    "inverse_weighting": (
        "iw(dice(squared=True))",
        {
            "network": "residual_unet",
            "optimizer": "sgd",
            "learning_rate": 0.01,
            "momentum": 0.9,
            "schedule": "step",
            "step_at": 0.8,
            "step_factor": 0.1,
            "oversampling": 0.5,
            "ema_decay": 0.0,
        },
    ),
    "spinal_losses": ("dice_focal", {"network": "unet", "optimizer": "adamw"}),
}
TINY = {name: SETTINGS[name] for name in ("patch", "batch", "iterations", "workers")}


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


def start_from(ui, text):
    """Choose the one start whose text holds `text`."""
    (place,) = [place for place in range(ui.startCombo.count) if text in ui.startCombo.itemText(place)]
    ui.startCombo.setCurrentIndex(place)


def test_what_is_taken_over_is_what_the_engine_takes():
    from lossseg.jobs.actions.train import TrainParams
    from lossseg.jobs.typed import parse
    from lossseg.studies.presets import presets
    from SlicerLossSegLib.papers import papers

    found = {paper.name: paper for paper in papers()}
    assert {name: (paper.loss, dict(paper.settings)) for name, paper in found.items()} == TAKEN
    for name, preset in presets().items():
        assert found[name].losses == preset.losses
        assert found[name].loss in preset.losses
        assert found[name].source == preset.paper
        assert found[name].is_published == bool(preset.published)
        taken = parse(TrainParams, {"dataset": "data", "out": "out", **found[name].settings}, name)
        assert taken.patch is taken.batch is taken.epochs is taken.minutes is None
        assert taken.windows == {}


def test_each_arm_of_a_paper_is_a_condition_of_its_own():
    from SlicerLossSegLib.papers import conditions

    found = {one.name: one for one in conditions()}
    assert list(found) == [
        "adam_2020",
        "filter_reuse",
        "filter_reuse/learned",
        "inverse_weighting",
        "spinal_losses",
    ]
    assert found["filter_reuse/learned"].settings["network"] == "learned_dilation"
    assert found["filter_reuse"].title == "Filter reuse and parametric Tversky: Shared dilated filters"
    assert found["adam_2020"].title == "ADAM 2020"


def test_a_paper_sets_the_loss_and_the_training(panel):
    ui, train = panel.train.ui, panel.train
    texts = [ui.startCombo.itemText(place) for place in range(ui.startCombo.count)]
    assert [text for text in texts if "as in" in text] == [
        "New network, as in ADAM 2020 (Dice + TopK)",
        "New network, as in Filter reuse and parametric Tversky (Parametric Tversky)",
        "New network, as in Inverse weighting (iwDice Loss)",
        "New network, as in Spinal loss analysis (Dice + focal)",
    ]
    assert ui.startCombo.currentText == "New network, planned from the data"
    assert ui.startNote.isHidden()
    ui.budgetUnitCombo.setCurrentIndex(1)
    ui.budgetSpin.value = 7

    start_from(ui, "ADAM 2020")
    assert ui.expressionEdit.text == "dice + topk(k=0.1)"
    assert train.loss.form.control((1,), "k").value == 0.1
    request = train.form.request(train.loss.expression, {"patch": [8, 8, 8]})
    assert request.settings == {**TAKEN["adam_2020"][1], "patch": [8, 8, 8]}
    assert (request.start_from, request.epochs, request.minutes) == (None, 7, None)
    assert not ui.startNote.isHidden()
    assert ui.startNote.text == (
        "Planned U-Net with at most 360 filters, SGD and the loss Dice + TopK as for the paper. "
        "Patch and length follow your data."
    )
    assert "momentum 0.99" in ui.startNote.toolTip
    assert "Dice + TopK has the best figures of the paper" in ui.startCombo.toolTip

    # The loss may be another one; the line says so.
    ui.expressionEdit.setText("dice + ce")
    assert ui.startNote.text.startswith(
        "Planned U-Net with at most 360 filters and SGD as for the paper, whose loss was"
    )
    assert train.form.request(train.loss.expression).settings == TAKEN["adam_2020"][1]

    start_from(ui, "Spinal")
    assert ui.expressionEdit.text == "dice_focal"
    assert "has no figures yet" in ui.startCombo.toolTip
    assert "AdamW" in ui.startNote.text
    start_from(ui, "planned from the data")
    assert train.form.request("ce").settings == {"network": "unet"}
    assert ui.startNote.isHidden()


def test_looking_at_papers_loses_no_loss_of_ones_own(panel):
    ui = panel.train.ui
    ui.expressionEdit.setText("dice + 0.3*iw(ce)")
    for paper in ("Inverse weighting", "ADAM 2020", "as in Filter reuse"):
        start_from(ui, paper)
        assert ui.expressionEdit.text != "dice + 0.3*iw(ce)"
    start_from(ui, "planned from the data")
    assert ui.expressionEdit.text == "dice + 0.3*iw(ce)"

    # What is written while a paper is chosen is kept as well.
    start_from(ui, "ADAM 2020")
    ui.expressionEdit.setText("dice + topk(k=0.2)")
    start_from(ui, "planned from the data")
    assert ui.expressionEdit.text == "dice + topk(k=0.2)"

    # The list is made anew, as when the tab is shown: the choice stays.
    start_from(ui, "Inverse weighting")
    panel.train.enter()
    assert panel.train.form.paper.name == "inverse_weighting"
    assert ui.expressionEdit.text == "iw(dice(squared=True))"
    assert panel.logic.getParameterNode().loss == "iw(dice(squared=True))"


def test_the_engine_trains_as_in_the_paper(panel):
    ui, train = panel.train.ui, panel.train
    for place, name in enumerate(("a", "b", "c")):
        add_case(panel.logic, name, 97 + place, dark=False, validation=name == "c")
    train.dataset.refresh()
    wait_until(lambda: train.dataset.is_current, 60)
    start_from(ui, "Inverse weighting")
    train.settings = {**TINY, "filters": [4, 8, 8, 8]}
    ui.budgetUnitCombo.setCurrentIndex(1)
    ui.budgetSpin.value = 2
    ui.trainButton.click()
    wait_until(lambda: train.task is None, 300)
    assert ui.errorLabel.text == ""
    (model,) = train.outcome.task.run.models
    card = json.loads((model / "model.json").read_text())
    assert card["loss"] == "iw(dice(squared=True))"
    assert card["plan"]["network"]["name"] == "ResidualUNet"
    used = card["training"]["settings"]
    assert (used["optimizer"], used["momentum"], used["learning_rate"]) == ("sgd", 0.9, 0.01)
    assert (used["schedule"], used["step_at"], used["step_factor"]) == ("step", 0.8, 0.1)
    assert (used["oversampling"], used["ema_decay"], used["epochs"]) == (0.5, 0.0, 2)

    # Put to use, it is what the next training starts from, and the loss stays that of the paper.
    ui.useButton.click()
    wait_until(lambda: train.outcome.task is None, 60)
    wait_until(lambda: "Fine-tune" in ui.startCombo.currentText, 60)
    assert ui.expressionEdit.text == "iw(dice(squared=True))"
    assert ui.startNote.isHidden()
    start_from(ui, "planned from the data")
    assert ui.expressionEdit.text == "iw(dice(squared=True))"
