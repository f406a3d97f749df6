"""The study folder and the list of models: what is ticked is the ensemble."""

import json
import shutil

import pytest
from engine_for_tests import DEMO_STUDY, use_engine

from lossseg.errors import InputError


@pytest.fixture
def panel(module, monkeypatch, tmp_path):
    from slicer_harness import close_widget, create_widget

    use_engine(monkeypatch, tmp_path / "study")
    monkeypatch.setattr("SlicerLossSegLib.header_panel.HeaderPanel.ask_machine", lambda self: None)
    widget = create_widget(module[0])
    yield widget.panel
    close_widget(widget)


def tick(panel, name, on=True):
    import qt

    tree = panel.segment.ui.modelTree
    for place in range(tree.topLevelItemCount):
        item = tree.topLevelItem(place)
        if item.text(0) == name:
            item.setCheckState(0, qt.Qt.Checked if on else qt.Qt.Unchecked)
            return item
    raise AssertionError(name)


def test_the_demo_ensemble_is_small_and_has_its_cards():
    files = [path for path in DEMO_STUDY.rglob("*") if path.is_file()]
    assert sum(path.stat().st_size for path in files) < 5_000_000
    for card in DEMO_STUDY.rglob("model.json"):
        assert "Not a medical device" in json.loads(card.read_text())["intended_use"]


def test_the_demo_ensemble_becomes_part_of_the_study(panel, tmp_path):
    panel.segment.ui.demoButton.click()
    assert (tmp_path / "study" / "models" / "dice_ce_fold_0" / "weights.safetensors").exists()
    assert panel.segment.models.chosen_ensemble.path == tmp_path / "study" / "ensembles" / "nodule_phantoms.json"
    tree = panel.segment.ui.modelTree
    rows = [[tree.topLevelItem(place).text(column) for column in range(5)] for place in range(tree.topLevelItemCount)]
    assert rows[0][0] == "nodule_phantoms"
    assert rows[1] == ["dice_ce_fold_0", "0.85", "0.64", "dice + ce", "DynUNet 8-16-32"]
    # A second press changes nothing.
    panel.segment.ui.demoButton.click()
    assert len(panel.segment.models.cards) == 3


def test_ticks_and_ensembles_follow_each_other(panel):
    import qt

    panel.segment.ui.demoButton.click()
    tick(panel, "dice_ce_fold_1", on=False)
    assert panel.segment.models.chosen_ensemble is None
    assert [card.name for card in panel.segment.models.chosen] == ["dice_ce_fold_0", "dice_ce_fold_2"]
    assert panel.segment._parameters.models == "dice_ce_fold_0\ndice_ce_fold_2"
    item = tick(panel, "dice_ce_fold_1")
    assert panel.segment.models.chosen_ensemble is not None
    assert item.checkState(0) == qt.Qt.Checked
    tick(panel, "nodule_phantoms", on=False)
    assert panel.segment.models.chosen == []
    assert "Tick a model" in panel.segment.ui.segmentButton.toolTip


def test_channels_of_the_model_get_a_selector_each(panel, tmp_path):
    import numpy as np

    from SlicerLossSegLib.volumes import Grid, add_scalar_volume

    folder = tmp_path / "two channels"
    shutil.copytree(DEMO_STUDY / "models" / "dice_ce_fold_0", folder)
    card = json.loads((folder / "model.json").read_text())
    channel = card["plan"]["channels"][0]
    card["plan"]["channels"] = [{**channel, "name": "FLAIR"}, {**channel, "name": "T1"}]
    (folder / "model.json").write_text(json.dumps(card))
    grid = Grid((3, 4, 5), np.eye(4))
    t1 = add_scalar_volume("Patient t1 mprage", np.zeros((3, 4, 5), np.int16), grid)
    flair = add_scalar_volume("Patient FLAIR", np.zeros((3, 4, 5), np.int16), grid)
    panel.segment.sources._interaction.choose_folder = lambda title, start: folder
    panel.segment.ui.addModelButton.click()
    ui = panel.segment.ui
    assert [card.name for card in panel.segment.models.chosen] == ["two channels"]
    assert (ui.channel1Label.text, ui.channel2Label.text) == ("FLAIR:", "T1:")
    assert not ui.channel3Selector.isVisibleTo(panel._whole)
    assert ui.channel2Selector.currentNode() is t1
    assert ui.channel1Selector.currentNode() is flair
    assert ui.segmentButton.enabled
    ui.channel1Selector.setCurrentNode(None)
    assert "Choose a volume for FLAIR" in ui.segmentButton.toolTip
    # Models of different tasks make no ensemble.
    panel.segment.ui.demoButton.click()
    tick(panel, "two channels")
    assert "not trained for the same task" in ui.segmentButton.toolTip


def test_what_is_no_model_is_refused_in_words(panel, tmp_path):
    told = []
    panel.segment.sources._interaction.choose_folder = lambda title, start: tmp_path
    panel.segment.sources._interaction.tell_error = lambda *words: told.append(words[0])
    panel.segment.ui.addModelButton.click()
    assert "holds no model.json" in told[0]
    assert not list((tmp_path / "study").glob("models/*"))


def test_damaged_models_are_left_out_and_named(module, tmp_path):
    from SlicerLossSegLib.study import Study

    study = Study(tmp_path)
    shutil.copytree(DEMO_STUDY / "models" / "dice_ce_fold_0", tmp_path / "models" / "group" / "fold_0")
    broken = tmp_path / "models" / "broken"
    broken.mkdir()
    (broken / "model.json").write_text("{")
    assert [card.name for card in study.models()] == ["group/fold_0"]
    assert len(study.damaged()) == 1
    assert "broken" in study.damaged()[0]
    with pytest.raises(InputError, match="has a model"):
        (tmp_path / "models" / "fold_0").mkdir()
        study.add_model(tmp_path / "models" / "group" / "fold_0")


def test_options_become_parameters_of_the_job(panel):
    import slicer

    from lossseg.jobs.actions.predict import PredictParams
    from lossseg.jobs.typed import parse
    from SlicerLossSegLib.segment_case import Options

    assert panel.segment.options.read() == Options()
    assert Options().parameters()["precision"] == "auto"
    roi = slicer.mrmlScene.AddNewNodeByClass("vtkMRMLMarkupsROINode", "R")
    roi.SetCenter(1, 2, 3)
    roi.SetSize(10, 20, 30)
    ui = panel.segment.ui
    ui.roiSelector.setCurrentNode(roi)
    ui.mirrorCheck.checked = True
    ui.coarseCheck.checked = True
    ui.eightBitCheck.checked = True
    ui.ownThresholdCheck.checked = True
    ui.thresholdSlider.value = 0.25
    ui.smallestSpin.value = 30
    ui.smallestUnitCombo.setCurrentIndex(1)
    ui.deviceCombo.setCurrentIndex(1)
    ui.disagreementCheck.checked = True
    chosen = panel.segment.options.read().parameters()
    parse(PredictParams, {"model": "m", "input": ["i"], "out": "o", **chosen}, "job")
    assert chosen == {
        "device": "cpu",
        "mirror": True,
        "overlap": 0.5,
        "coarse_to_fine": True,
        "precision": "int8",
        "threshold": 0.25,
        "min_voxels": 0,
        "min_volume_mm3": 30.0,
        "roi": [-4.0, 6.0, -8.0, 12.0, -12.0, 18.0],
        "keep_probability": False,
        "keep_disagreement": True,
        "file_ending": ".nrrd",
    }


def test_eight_bits_need_a_package_and_say_so(panel, monkeypatch):
    box, set_up = panel.segment.ui.eightBitCheck, panel.segment._logic.set_up
    assert box.enabled
    assert "less exact" in box.toolTip
    box.checked = True
    monkeypatch.setattr(set_up, "version_of", lambda name: None if name == "openvino" else "99.0")
    panel.segment.refresh()
    assert box.enabled
    box.checked = False
    panel.segment.refresh()
    assert not box.enabled
    assert "openvino, which is not installed" in box.toolTip


def test_choices_are_saved_with_the_scene(panel, tmp_path):
    import slicer

    ui = panel.segment.ui
    panel.segment.ui.demoButton.click()
    ui.overlapSlider.value = 0.25
    ui.coarseCheck.checked = True
    ui.smallestUnitCombo.setCurrentIndex(1)
    path = tmp_path / "s.mrb"
    assert slicer.util.saveScene(str(path))
    slicer.mrmlScene.Clear(0)
    assert ui.overlapSlider.value == 0.5
    assert not ui.coarseCheck.checked
    slicer.util.loadScene(str(path))
    assert ui.overlapSlider.value == 0.25
    assert ui.coarseCheck.checked
    assert ui.smallestUnitCombo.currentIndex == 1
    assert len(panel.segment.models.chosen) == 3
