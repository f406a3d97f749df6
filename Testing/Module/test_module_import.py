"""Importing an nnU-Net model: the button, the job's ways to end, and what is in the study afterwards."""

import pytest
from engine_for_tests import use_engine, use_fake_engine, wait_until


@pytest.fixture
def panel(module, monkeypatch, tmp_path):
    from slicer_harness import close_widget, create_widget

    use_engine(monkeypatch, tmp_path / "Étude à moi")
    monkeypatch.setattr("SlicerLossSegLib.header_panel.HeaderPanel.ask_machine", lambda self: None)
    widget = create_widget(module[0])
    yield widget.panel
    close_widget(widget)


def choose(panel, folder):
    """Answer the dialog with this folder; returns where the dialog's titles go."""
    titles = []

    def chosen(title, start):
        titles.append(title)
        return folder

    panel.segment.sources._interaction.choose_folder = chosen
    return titles


def test_the_result_is_ticked_and_named(panel, monkeypatch, tmp_path):
    use_fake_engine(monkeypatch, "import")
    titles = choose(panel, tmp_path / "nnUNetTrainer__nnUNetPlans__3d_fullres")
    ui = panel.segment.ui
    ui.importModelButton.click()
    assert titles == ["Result folder of an nnU-Net training, or a MONAI bundle"]
    assert ui.importModelButton.text == "Cancel import"
    assert "A model is being imported" in ui.segmentButton.toolTip
    job = panel.segment.sources._job
    assert job.parameters["source"] == tmp_path / "nnUNetTrainer__nnUNetPlans__3d_fullres"
    wait_until(lambda: not panel.segment.sources.is_importing, 60)
    assert [card.name for card in panel.segment.models.chosen] == ["Dataset001/fold_0", "Dataset001/fold_1"]
    assert panel.segment.models.chosen_ensemble.name == "Dataset001"
    assert ui.resultLabel.text == "2 models imported."
    assert ui.errorLabel.text == "The original resamples with order 3."
    assert ui.importModelButton.text == "Import model…"
    assert not job.folder.exists()
    assert not ui.progressBar.isVisibleTo(panel._whole)


def test_an_error_is_one_sentence_and_the_study_stays(panel, monkeypatch, tmp_path):
    use_fake_engine(monkeypatch, "error_event")
    choose(panel, tmp_path)
    ui = panel.segment.ui
    ui.importModelButton.click()
    wait_until(lambda: not panel.segment.sources.is_importing, 60)
    assert ui.errorLabel.text == "The volume is empty. Choose another one."
    assert panel.segment.models.cards == []
    assert ui.importModelButton.enabled


def test_cancel_stops_the_import(panel, monkeypatch, tmp_path):
    use_fake_engine(monkeypatch, "polite")
    choose(panel, tmp_path)
    ui = panel.segment.ui
    ui.importModelButton.click()
    wait_until(lambda: panel.segment.sources._job.progress is not None, 60)
    ui.importModelButton.click()
    assert not ui.importModelButton.enabled
    wait_until(lambda: not panel.segment.sources.is_importing, 60)
    assert ui.resultLabel.text == "Cancelled."
    assert ui.errorLabel.text == ""


def test_nothing_happens_when_no_folder_is_chosen(panel):
    choose(panel, None)
    panel.segment.ui.importModelButton.click()
    assert not panel.segment.sources.is_importing
    assert panel._logic.jobs.jobs == []


def test_why_it_cannot_be_pressed(panel):
    panel.segment.sources.refresh("A job is running.")
    assert not panel.segment.ui.importModelButton.enabled
    assert "A job is running." in panel.segment.ui.importModelButton.toolTip
    panel.segment.refresh()
    assert "plans.json" in panel.segment.ui.importModelButton.toolTip
    # What is dropped on the panel is not taken for a model.
    assert not panel.segment.ui.importModelButton.acceptDrops
    assert not panel.segment.ui.modelTree.acceptDrops


def test_scripts_get_folders_or_the_reason(module, monkeypatch, tmp_path):
    from lossseg.errors import InputError
    from SlicerLossSeg import SlicerLossSegLogic

    use_engine(monkeypatch, tmp_path / "study")
    logic = SlicerLossSegLogic()
    use_fake_engine(monkeypatch, "import")
    found = logic.import_model(tmp_path)
    assert [folder.name for folder in found.models] == ["fold_0", "fold_1"]
    assert found.ensemble == tmp_path / "study" / "ensembles" / "Dataset001.json"
    use_fake_engine(monkeypatch, "error_event")
    with pytest.raises(InputError, match="The volume is empty"):
        logic.import_model(tmp_path)
    logic.close()


def test_a_folder_of_something_else_is_refused_by_the_engine(panel, tmp_path):
    """The engine itself: one sentence that names the folder, and nothing half-imported."""
    folder = tmp_path / "Été, rien de nnU-Net"
    folder.mkdir()
    (folder / "notes.txt").write_text("nothing here")
    choose(panel, folder)
    ui = panel.segment.ui
    ui.importModelButton.click()
    wait_until(lambda: not panel.segment.sources.is_importing, 120)
    assert str(folder) in ui.errorLabel.text
    assert "\n" not in ui.errorLabel.text
    assert "Traceback" not in ui.errorLabel.text
    assert panel.segment.models.cards == []
    study = panel._logic.study
    assert not [path for path in study.folder.rglob("*") if path.is_file()]
