"""Many volumes: those of the scene, a folder, a sequence; stop and go on. The engine is replaced by its files."""

import json
import shutil

import numpy as np
import pytest
import slicer
from engine_for_tests import DEMO_STUDY, load_phantom, phantom_files, use_engine, wait_until


@pytest.fixture
def panel(module, monkeypatch, tmp_path):
    from slicer_harness import close_widget, create_widget

    use_engine(monkeypatch, tmp_path / "study")
    monkeypatch.setattr("SlicerLossSegLib.header_panel.HeaderPanel.ask_machine", lambda self: None)
    widget = create_widget(module[0])
    yield widget.panel
    close_widget(widget)


def states(panel):
    return [(case.name, case.state.value) for case in panel.segment.many.list.cases]


def test_the_volumes_of_the_scene_are_listed_without_results(panel):
    from SlicerLossSegLib.case_list import loaded_cases
    from SlicerLossSegLib.lesion_table import LesionTable, Role
    from SlicerLossSegLib.volumes import Grid, add_scalar_volume

    grid = Grid((3, 4, 5), np.eye(4))
    for name in ("b", "a", "a probability", "p_0000", "p_0001"):
        add_scalar_volume(name, np.zeros(grid.shape, np.int16), grid)
    table = LesionTable.create("t", grid, {"x": 1})
    table.link(Role.PROBABILITY, slicer.util.getNode("a probability"))
    assert [case.name for case in loaded_cases(1)] == ["a", "b", "p_0000", "p_0001"]
    assert [(case.name, len(case.volumes)) for case in loaded_cases(2)] == [("p", 2)]
    panel.segment.ui.manyButton.collapsed = False
    assert states(panel) == [("a", "waiting"), ("b", "waiting"), ("p_0000", "waiting"), ("p_0001", "waiting")]


def test_a_folder_goes_through_the_engine_and_on_after_a_stop(panel, tmp_path):
    folder = tmp_path / "dossier à traiter"
    folder.mkdir()
    for name in ("one", "two"):
        shutil.copyfile(phantom_files()[0], folder / f"{name}.nii.gz")
    ui = panel.segment.ui
    ui.demoButton.click()
    for name in ("dice_ce_fold_1", "dice_ce_fold_2"):
        item = next(item for item, card in panel.segment.models._models if card.name == name)
        import qt

        item.setCheckState(0, qt.Qt.Unchecked)
    ui.overlapSlider.value = 0.0
    ui.manyButton.collapsed = False
    ui.sourceCombo.setCurrentIndex(2)
    ui.folderPath.currentPath = str(folder)
    wait_until(lambda: len(panel.segment.many.list.cases) == 2)
    assert ui.segmentAllButton.enabled
    ui.segmentAllButton.click()
    wait_until(lambda: states(panel)[0][1] in ("segmented", "done"))
    ui.segmentAllButton.click()
    wait_until(lambda: panel.segment._task is None)
    assert states(panel)[0] == ("one", "done")
    results = folder / "lossseg"
    assert (results / "one.nrrd").exists()
    record = json.loads((results / "one.lesions.json").read_text())
    assert record["cases"][0]["case"] == "one"
    assert len(record["cases"][0]["lesions"]) >= 2
    assert (results / "one.lesions.csv").read_text().splitlines()[1].startswith("one,1,")
    if states(panel)[1][1] != "done":
        assert ui.segmentAllButton.enabled
        ui.segmentAllButton.click()
        wait_until(lambda: panel.segment._task is None)
    assert states(panel) == [("one", "done"), ("two", "done")]
    assert not ui.segmentAllButton.enabled
    # What is done is found again.
    ui.listButton.click()
    wait_until(lambda: not panel.segment.many.is_listing)
    assert states(panel) == [("one", "done"), ("two", "done")]


def test_a_volume_that_cannot_be_used_stops_nothing_else(panel):
    """A bad volume is named before anything starts."""
    slicer.mrmlScene.AddNewNodeByClass("vtkMRMLScalarVolumeNode", "empty")
    load_phantom()
    panel.segment.ui.demoButton.click()
    panel.segment.ui.channel1Selector.setCurrentNode(slicer.util.getNode("empty"))
    panel.segment.ui.segmentButton.click()
    assert "empty holds no voxels" in panel.segment.ui.errorLabel.text
    assert panel.segment.ui.segmentButton.text == "Segment"
    assert panel._logic.jobs.jobs == []


def test_a_model_folder_and_an_ensemble_file_are_models_for_scripts(module):
    from SlicerLossSegLib.logic import _model

    path, ensemble, channels = _model(DEMO_STUDY / "ensembles" / "nodule_phantoms.json")
    assert (path.name, ensemble, channels) == ("nodule_phantoms.json", None, ("CT",))
    path, ensemble, channels = _model(DEMO_STUDY / "models" / "dice_ce_fold_1")
    assert (path.name, ensemble, channels) == ("dice_ce_fold_1", None, ("CT",))
