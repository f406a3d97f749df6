"""Experiments and ensembles in the tab Compare, with the real engine on tiny phantoms."""

import json
import shutil
from pathlib import Path

import numpy as np
import pytest
import slicer
from engine_for_tests import use_engine, wait_until

from lossseg.dataset import add_case, create_dataset
from lossseg.images import Geometry, Volume

SIZE = (20, 24, 24)
TINY = {
    "filters": [4, 8, 8],
    "patch": [16, 16, 16],
    "batch": 2,
    "workers": 0,
    "iterations": 8,
    "validations": 1,
    "pictures": 0,
}


def make_dataset(study: Path) -> None:
    """Four small volumes with two bright cubes each, of unequal size."""
    folder = study / "dataset"
    create_dataset(folder, "Blobs", ("MR",), {"background": 0, "lesion": 1})
    rng = np.random.default_rng(3)
    geometry = Geometry(SIZE, (1.0, 1.0, 1.0), (0.0, 0.0, 0.0), (1.0, 0.0, 0.0, 0.0, 1.0, 0.0, 0.0, 0.0, 1.0))
    for index in range(4):
        image = rng.normal(100, 5, SIZE).astype(np.float32)
        label = np.zeros(SIZE, np.uint8)
        label[3:9, 4:10, 3:9] = 1
        label[13:16, 14 + index : 17 + index, 15:18] = 1
        image[label > 0] += 120
        add_case(folder, f"case_{index}", [Volume(image, geometry)], Volume(label, geometry))


@pytest.fixture
def panel(module, monkeypatch, tmp_path):
    from slicer_harness import close_widget, create_widget

    use_engine(monkeypatch, tmp_path)
    monkeypatch.setattr("SlicerLossSegLib.header_panel.HeaderPanel.ask_machine", lambda self: None)
    widget = create_widget(module[0])
    yield widget.panel
    close_widget(widget)


@pytest.fixture(scope="module")
def finished(module, tmp_path_factory):
    """A study folder with a finished experiment of two losses and two folds, made by script."""
    from SlicerLossSegLib.experiment import ExperimentRequest

    monkeypatch = pytest.MonkeyPatch()
    study = tmp_path_factory.mktemp("study")
    use_engine(monkeypatch, study)
    make_dataset(study)
    logic = module[0].SlicerLossSegLogic()
    request = ExperimentRequest(("dice", "iw(dice)"), 2, epochs=3, device="cpu", settings=TINY)
    experiment = logic.experiments.begin(request)
    summary = logic.experiments.run(experiment)
    assert [run["state"] for run in summary["runs"]] == ["finished"] * 4
    assert experiment.is_finished
    logic.close()
    monkeypatch.undo()
    return study


@pytest.fixture
def with_results(panel, finished, tmp_path):
    """The panel with a copy of that study."""
    shutil.copytree(finished, tmp_path, dirs_exist_ok=True)
    compare(panel)
    panel.compare.experiment.ui.experimentCombo.setCurrentIndex(1)
    return panel


def compare(panel):
    panel.ui.tabs.setCurrentIndex(0)
    panel.ui.tabs.setCurrentIndex(panel.ui.tabs.indexOf(panel.ui.comparePage))
    return panel.compare.experiment


def cells(table):
    return [[table.item(row, column).text() for column in range(table.columnCount)] for row in range(table.rowCount)]


def test_reasons_why_nothing_can_be_started(panel, tmp_path):
    experiment = compare(panel)
    ui = experiment.ui
    assert ui.experimentButton.text == "Start"
    assert not ui.experimentButton.enabled
    assert "the dataset has 0" in ui.experimentButton.toolTip
    make_dataset(tmp_path)
    compare(panel)
    assert ui.experimentButton.enabled
    assert "4 annotated cases" in ui.experimentDataLabel.text
    ui.foldsSpin.value = 5
    assert "5 folds need as many" in ui.experimentButton.toolTip
    ui.foldsSpin.value = 2
    ui.budgetSpin.value = 30
    assert ui.experimentCostLabel.text == "2 losses × 2 folds: 4 runs, 2 h 00 in all."
    experiment.losses.tick(())
    experiment.refresh()
    assert "Tick two or more" in ui.experimentButton.toolTip
    assert not ui.reportButton.enabled


def test_pause_and_continue_after_a_restart(panel, module, tmp_path):
    from slicer_harness import close_widget, create_widget

    make_dataset(tmp_path)
    experiment = compare(panel)
    ui = experiment.ui
    experiment.settings = TINY
    experiment.losses.tick(("dice", "iw(dice)"))
    ui.foldsSpin.value = 2
    ui.budgetCombo.setCurrentIndex(1)
    ui.budgetSpin.value = 3
    ui.experimentButton.click()
    assert ui.experimentButton.text == "Pause"
    assert len(experiment.runs) == 0
    wait_until(lambda: any(run.state == "finished" for run in experiment.runs), 120)
    rows = cells(ui.runTable)
    assert rows[0][2] == "finished"
    assert len(rows) == 4
    assert 0 <= float(rows[0][3]) <= 1
    wait_until(lambda: any(run.state == "running" for run in experiment.runs), 60)
    folder = experiment.chosen.folder
    ui.experimentButton.click()
    wait_until(lambda: experiment.task is None, 60)
    assert ui.experimentButton.text == "Continue"
    assert "running" not in [row[2] for row in cells(ui.runTable)]
    assert not ui.experimentErrorLabel.text
    first = next(run for run in experiment.runs if run.state == "finished")

    # As after a restart of Slicer: the unfinished experiment is offered.
    again = create_widget(module[0])
    other = compare(again.panel)
    assert other.chosen.folder == folder
    assert other.ui.experimentButton.text == "Continue"
    assert not other.results.froc.chart
    other.ui.experimentButton.click()
    wait_until(lambda: other.task is None, 240)
    assert not other.ui.experimentErrorLabel.text
    assert [run.state for run in other.runs] == ["finished"] * 4
    # What was finished was not trained again.
    assert next(run for run in other.runs if run.key == first.key).seconds == first.seconds
    assert not other.ui.experimentButton.enabled
    assert "is finished" in other.ui.experimentButton.toolTip
    assert other.ui.reportButton.enabled
    close_widget(again)


def test_results_in_table_and_plots(with_results):
    panel = with_results
    experiment = panel.compare.experiment
    record = json.loads(experiment.chosen.results.read_text())
    rows = {row[0]: row[1:] for row in cells(experiment.ui.resultTable)}
    assert experiment.ui.resultTable.horizontalHeaderItem(1).text() == "dice"
    by_name = {one["name"]: one for one in record["losses"]}
    for column, loss in enumerate(("dice", "iw(dice)")):
        expected = by_name[loss]["means"]["dice"]["mean"]
        assert rows["Dice"][column].removesuffix(" ★") == f"{expected:.3f}"
        expected = by_name[loss]["summary"]["false_positives_per_case"]
        assert rows["False positives"][column].removesuffix(" ★") == f"{expected:.2f}"
    assert {"Object Dice", "Recall", "HD95", "FROC average", "Fold 0, dice", "Fold 1, dice"} <= set(rows)
    fold = record["winners"]["folds"][0]
    scores = [fold["values"][loss] for loss in ("dice", "iw(dice)")]
    stars = [text.endswith("★") for text in rows["Fold 0, dice"]]
    shown = [round(score, 3) for score in scores]
    assert stars == [score == max(shown) and len(set(shown)) > 1 for score in shown]
    chart = experiment.results.froc.chart
    names = [chart.GetNthPlotSeriesNode(place).GetName() for place in range(chart.GetNumberOfPlotSeriesNodes())]
    assert names == ["dice", "dice low", "dice high", "iw(dice)", "iw(dice) low", "iw(dice) high"]
    table = chart.GetNthPlotSeriesNode(0).GetTableNode()
    recall = slicer.util.arrayFromTableColumn(table, "y")
    assert recall[-1] == pytest.approx(max(by_name["dice"]["froc"]["recall"]))
    groups = experiment.results.groups.chart
    first = slicer.util.arrayFromTableColumn(groups.GetNthPlotSeriesNode(0).GetTableNode(), "y")
    known = [group["recall"] for group in by_name["dice"]["size_groups"] if group["recall"] is not None]
    assert known
    assert first == pytest.approx(known)
    opened = []
    panel.compare.experiment._interaction.open_file = opened.append
    experiment.ui.reportButton.click()
    assert opened == [experiment.chosen.report]
    assert opened[0].exists()
    # The scene goes, the plots with it; they come back with the next one.
    slicer.mrmlScene.Clear(0)
    assert compare(panel).results.froc.chart.GetNumberOfPlotSeriesNodes() == 6


def make(panel, choice, name):
    """Press Make ensemble and return what Segment then lists."""
    from SlicerLossSegLib.ensemble_maker import Choice

    ensemble = panel.compare.ensemble
    ensemble.ui.choiceCombo.setCurrentIndex(list(Choice).index(choice))
    ensemble.ui.ensembleNameEdit.text = name
    assert ensemble.ui.ensembleButton.enabled, ensemble.ui.ensembleButton.toolTip
    ensemble.ui.ensembleButton.click()
    wait_until(lambda: ensemble._job is None, 60)
    listed = {entry.name: entry for _item, entry in panel.segment.models._ensembles}
    assert name in listed, ensemble.ui.ensembleNoteLabel.text
    return listed[name]


def test_ensemble_of_the_winners_and_by_hand(with_results):
    import qt

    from SlicerLossSegLib.ensemble_maker import Choice

    panel = with_results
    experiment = panel.compare.experiment
    folder = experiment.chosen.folder
    record = json.loads(experiment.chosen.results.read_text())
    entry = make(panel, Choice.WINNERS, "winners")
    expected = []
    for fold in record["winners"]["folds"]:
        winner = max(("dice", "iw(dice)"), key=lambda loss, fold=fold: fold["values"][loss])
        expected.append(f"{'iw_dice' if winner.startswith('iw') else 'dice'}_fold_{fold['fold']}")
    assert [member.name for member in entry.members] == expected
    assert "Best dice of each fold" in entry.chosen
    models = panel.segment._logic.study.models_folder
    assert all(member.parent == (models / folder.name).resolve() for member in entry.members)

    ensemble = panel.compare.ensemble
    ensemble.ui.choiceCombo.setCurrentIndex(list(Choice).index(Choice.TICKED))
    assert "Tick a model" in ensemble.ui.ensembleButton.toolTip
    for place in (0, 1):
        ensemble.ui.memberList.item(place).setCheckState(qt.Qt.Checked)
    entry = make(panel, Choice.TICKED, "by_hand")
    assert [member.name for member in entry.members] == ["dice_fold_0", "iw_dice_fold_0"]
    assert "has an ensemble by_hand already" in name_problem(panel, "by_hand")
    assert "is no name" in name_problem(panel, "a/b")

    # The experiment may go: the models were copied.
    shutil.rmtree(folder)
    panel.segment.show_models()
    listed = {entry.name for _item, entry in panel.segment.models._ensembles}
    assert listed == {"winners", "by_hand"}
    panel.segment.models.tick(list(entry.members))
    assert panel.segment.models.chosen_ensemble.name == "by_hand"


def test_ensemble_of_the_best_and_greedy(with_results):
    from SlicerLossSegLib.ensemble_maker import Choice

    panel = with_results
    panel.compare.ensemble.ui.bestSpin.value = 1
    entry = make(panel, Choice.BEST, "best")
    means = {}
    for loss in ("dice", "iw(dice)"):
        runs = [run for run in panel.compare.experiment.runs if run.loss == loss]
        means[runs[0].group] = sum(run.scores["dice"] for run in runs) / len(runs)
    best = max(means, key=means.get)
    assert [member.name for member in entry.members] == [f"{best}_fold_0", f"{best}_fold_1"]
    entry = make(panel, Choice.GREEDY, "greedy")
    record = json.loads(entry.path.read_text())
    assert {Path(member["path"]).name for member in record["members"]} == {member.name for member in entry.members}
    assert all(member["weight"] > 0 for member in record["members"])
    assert panel.compare.ensemble.ui.ensembleNoteLabel.text.startswith("greedy: ")


def name_problem(panel, name):
    panel.compare.ensemble.ui.ensembleNameEdit.text = name
    assert not panel.compare.ensemble.ui.ensembleButton.enabled
    return panel.compare.ensemble.ui.ensembleButton.toolTip


@pytest.mark.parametrize("damage", ["job.json", "study/study.json", "study/results.json"])
def test_damaged_experiments_answer_with_a_sentence(with_results, damage):
    experiment = with_results.compare.experiment
    folder = experiment.chosen.folder
    (folder / damage).write_text("{")
    compare(with_results)
    if damage == "study/results.json":
        assert "results.json" in experiment.ui.experimentErrorLabel.text
        assert [run.state for run in experiment.runs] == ["finished"] * 4
    else:
        assert experiment.chosen is None
        assert experiment.ui.experimentCombo.count == 1


def test_too_few_cases_by_script(panel, tmp_path):
    from lossseg.errors import InputError
    from SlicerLossSegLib.experiment import ExperimentRequest

    make_dataset(tmp_path)
    with pytest.raises(InputError, match="4 annotated cases, fewer than the 5 folds"):
        panel._logic.experiments.begin(ExperimentRequest(("dice",), 5, epochs=1))
    with pytest.raises(InputError, match="No loss is ticked"):
        panel._logic.experiments.begin(ExperimentRequest((), 2, epochs=1))
    assert not (tmp_path / "runs").exists()
