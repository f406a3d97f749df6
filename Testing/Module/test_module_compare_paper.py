"""The experiment of a paper on the study's own cases, in the tab Compare."""

import json

import pytest
from engine_for_tests import use_engine, wait_until
from test_module_compare_experiment import TINY, compare, make_dataset

TEN = (
    "bce",
    "iw(bce)",
    "focal(gamma=2, alpha=0.75)",
    "iw(focal(gamma=2, alpha=0.75))",
    "wce(adaptive=True)",
    "dice(squared=True)",
    "iw(dice(squared=True))",
    "asl(beta=1.5)",
    "iw(asl(beta=1.5))",
    "gdice(weight=square, squared=True)",
)
WEIGHTING = {
    "network": "residual_unet",
    "optimizer": "sgd",
    "learning_rate": 0.01,
    "momentum": 0.9,
    "schedule": "step",
    "step_at": 0.8,
    "step_factor": 0.1,
    "oversampling": 0.5,
    "ema_decay": 0.0,
    "score": "object_dice",
}


@pytest.fixture
def panel(module, monkeypatch, tmp_path):
    from slicer_harness import close_widget, create_widget

    use_engine(monkeypatch, tmp_path)
    monkeypatch.setattr("SlicerLossSegLib.header_panel.HeaderPanel.ask_machine", lambda self: None)
    widget = create_widget(module[0])
    widget.panel.logic = widget.logic
    yield widget.panel
    close_widget(widget)


def choose(ui, text):
    """Choose the one paper whose text begins with `text`."""
    combo = ui.experimentPaperCombo
    (place,) = [place for place in range(combo.count) if combo.itemText(place).startswith(text)]
    combo.setCurrentIndex(place)


def test_a_paper_ticks_its_losses_and_brings_its_training(panel):
    experiment = compare(panel)
    ui = experiment.ui
    texts = [ui.experimentPaperCombo.itemText(place) for place in range(ui.experimentPaperCombo.count)]
    assert texts == [
        "no paper: the planned U-Net, losses of your choice",
        "ADAM 2020 (2 losses)",
        "Filter reuse and parametric Tversky: Shared dilated filters (2 losses)",
        "Filter reuse and parametric Tversky: Learned dilated filters (2 losses)",
        "Inverse weighting (10 losses)",
        "Spinal loss analysis (15 losses)",
    ]
    experiment.losses.tick(("dice", "ce"))
    assert experiment.request().settings == {}
    assert ui.experimentPaperNote.isHidden()

    choose(ui, "Inverse weighting")
    assert sorted(experiment.losses.ticked) == sorted(TEN)
    assert experiment.request().settings == WEIGHTING
    assert ui.experimentCostLabel.text.startswith("10 losses × 3 folds: 30 runs")
    assert ui.experimentPaperNote.text == (
        "Residual U-Net with added skips and SGD as for the paper, winners by object dice. "
        "Patch and length follow your data."
    )
    # What a script adds stands above the paper's.
    experiment.settings = {"optimizer": "adamw"}
    assert experiment.request().settings == {**WEIGHTING, "optimizer": "adamw"}
    experiment.settings = {}

    choose(ui, "Filter reuse and parametric Tversky: Learned")
    assert set(experiment.losses.ticked) == {"dice", "tversky(alpha=learn, beta=learn)"}
    assert experiment.request().settings["network"] == "learned_dilation"

    # Without a paper the ticks stay and the planned U-Net is trained.
    choose(ui, "no paper")
    assert set(experiment.losses.ticked) == {"dice", "tversky(alpha=learn, beta=learn)"}
    assert experiment.request().settings == {}


def test_every_paper_is_an_experiment_that_the_engine_takes(panel):
    from lossseg.jobs.actions.study import StudyParams
    from lossseg.jobs.typed import parse

    experiment = compare(panel)
    ui = experiment.ui
    networks = []
    for place in range(1, ui.experimentPaperCombo.count):
        ui.experimentPaperCombo.setCurrentIndex(place)
        request = experiment.request()
        record = {"dataset": "data", "out": "out", "losses": list(request.losses), **request.settings}
        networks.append(parse(StudyParams, record, "study").network)
        assert set(request.losses) == set(experiment.paper.paper.losses)
    assert networks == ["unet", "shared_dilation", "learned_dilation", "residual_unet", "unet"]


def test_the_paper_is_kept_in_the_scene_with_the_ticks(panel):
    experiment = compare(panel)
    choose(experiment.ui, "ADAM 2020")
    assert panel.logic.getParameterNode().experiment_paper == "adam_2020"
    experiment.losses.tick(("dice + ce", "dice + topk(k=0.1)", "ce"))
    experiment._losses_changed()
    panel.connect_scene(None)
    experiment.ui.experimentPaperCombo.setCurrentIndex(0)
    panel.connect_scene(panel.logic.getParameterNode())
    assert experiment.paper.paper.name == "adam_2020"
    assert set(experiment.losses.ticked) == {"dice + ce", "dice + topk(k=0.1)", "ce"}


def test_the_engine_does_the_experiment(panel, tmp_path):
    make_dataset(tmp_path)
    experiment = compare(panel)
    ui = experiment.ui
    choose(ui, "Inverse weighting")
    experiment.losses.tick(("bce", "iw(bce)"))
    experiment.settings = {**TINY, "filters": [4, 8, 8, 8], "iterations": 4}
    ui.foldsSpin.value = 2
    ui.budgetCombo.setCurrentIndex(1)
    ui.budgetSpin.value = 1
    ui.experimentButton.click()
    assert ui.experimentPaperCombo.isHidden()
    wait_until(lambda: experiment.task is None, 240)
    assert not ui.experimentErrorLabel.text, experiment._details
    assert [run.state for run in experiment.runs] == ["finished"] * 4
    assert json.loads(experiment.chosen.results.read_text())["winners"]["score"] == "object_dice"
    cards = [json.loads(path.read_text()) for path in experiment.chosen.out.rglob("model.json")]
    assert sorted(card["loss"] for card in cards) == ["bce", "bce", "iw(bce)", "iw(bce)"]
    assert {card["plan"]["network"]["name"] for card in cards} == {"ResidualUNet"}
    assert {card["training"]["settings"]["momentum"] for card in cards} == {0.9}
    ui.experimentCombo.setCurrentIndex(0)
    assert not ui.experimentPaperCombo.isHidden()


def test_the_time_that_each_run_takes_when_two_are_done_at_once(module):
    from lossseg.jobs.events import Progress
    from lossseg.studies.state import RunState, StudyRun
    from SlicerLossSegLib.experiment_task import remaining

    states = (RunState.FINISHED, RunState.RUNNING, RunState.RUNNING, RunState.WAITING)
    runs = [StudyRun(f"dice/fold_{fold}", "dice", fold, 0, state) for fold, state in enumerate(states)]
    # 150 of 400 steps are done and the others take 50 s: a step takes 0.2 s, and 0.4 s where two runs share the time.
    left = remaining(runs, Progress("dice/fold_1: train", 150, 400, 50.0))
    assert left == pytest.approx({"dice/fold_1": 30.0, "dice/fold_2": 30.0, "dice/fold_3": 40.0})
    # One at a time.
    one = [runs[0], runs[1], StudyRun("dice/fold_2", "dice", 2, 0), runs[3]]
    left = remaining(one, Progress("dice/fold_1: train", 150, 400, 50.0))
    assert left == pytest.approx({"dice/fold_1": 10.0, "dice/fold_2": 20.0, "dice/fold_3": 20.0})
    assert remaining(one, Progress("dice/fold_1: train", 0, 400, None)) == {}
