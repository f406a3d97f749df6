"""The training set in the tab Train: adding from the scene, opening, replacing, removing, and folders that are none."""

import json

import numpy as np
import pytest
import slicer
from engine_for_tests import use_engine, wait_until
from training_phantoms import add_case, add_segmentation, add_volume, load, phantom


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


@pytest.fixture
def study(panel):
    return panel.logic.study.folder


def settle(panel):
    panel.train.dataset.refresh()
    wait_until(lambda: panel.train.dataset.is_current, 60)


def cells(panel, row):
    table = panel.train.ui.caseTable
    return [table.item(row, column).text() for column in range(table.columnCount)]


def test_a_case_is_added_from_the_scene(panel, study):
    import getpass

    ui = panel.train.ui
    volume, segmentation = load("First", 1, dark=True)
    ui.addButton.collapsed = False
    assert ui.volume1Selector.currentNode() is volume
    assert "Choose a segmentation" in ui.addCaseButton.toolTip
    ui.segmentationSelector.setCurrentNode(segmentation)
    assert ui.mappingTable.rowCount == 1
    assert ui.addCaseButton.enabled, ui.addCaseButton.toolTip
    ui.addCaseButton.click()
    wait_until(lambda: panel.train.dataset.view.is_measured and panel.train.dataset.view.rows, 60)
    assert "Nothing was trained" in ui.casesNote.text
    assert panel.train.task is None
    name, lesions, smallest, fold, state, by, _when = cells(panel, 0)
    assert (name, lesions, fold, state, by) == ("First", "4", "training", "annotated", getpass.getuser())
    _image, label = phantom(1, dark=True)
    sizes = sorted(int((label_of == 1).sum()) for label_of in split(label))
    assert smallest == str(sizes[0])
    assert ui.casesButton.text == "Training set (1)"
    assert "Lesions per case: 4 to 4" in ui.looksLabel.text

    # The folder is a dataset that other tools open, with the very voxels.
    record = json.loads((study / "dataset" / "dataset.json").read_text())
    assert record["labels"] == {"background": 0, "lesion": 1}
    assert record["channel_names"] == {"0": "image"}
    assert record["numTraining"] == 1
    import SimpleITK as sitk

    written = sitk.GetArrayFromImage(sitk.ReadImage(str(study / "dataset" / "labelsTr" / "First.nii.gz")))
    assert np.array_equal(written, label)
    assert json.loads((study / "cases.json").read_text())["cases"]["First"]["origin"] == "First"

    # With one case nothing can be trained.
    assert "two cases" in ui.trainButton.toolTip


def split(label):
    import cc3d

    found = cc3d.connected_components(label, connectivity=26)
    return [found == number for number in range(1, found.max() + 1)]


def test_segments_are_mapped_by_tag_name_and_terminology(panel):
    from SlicerLossSegLib import segmentation_io
    from SlicerLossSegLib.scene_case import segment_labels
    from SlicerLossSegLib.terminology import term_for

    volume = add_volume("v", phantom(1, dark=False)[0])
    node = add_segmentation("s", phantom(1, dark=False)[1], volume, "Nodule 3")
    inside = node.GetSegmentation()
    ids = [inside.GetSegmentIDs()[0]]
    for name in ("anything", "Segment_1", "aneurysm of the neck"):
        ids.append(inside.AddEmptySegment("", name))
    inside.GetSegment(ids[1]).SetTag(segmentation_io.LABEL_NAME_TAG, "aneurysm")
    entry = slicer.vtkSegment.GetTerminologyEntryTagName()
    inside.GetSegment(ids[2]).SetTag(entry, term_for("nodule").entry)
    labels = {"background": 0, "nodule": 1, "aneurysm": 2}
    assert term_for("nodule").type != term_for("aneurysm").type
    assert [one.label for one in segment_labels(node, labels)] == [1, 2, 1, 2]
    inside.AddEmptySegment("", "who knows")
    assert segment_labels(node, labels)[-1].label is None
    # A dataset with a single label takes everything as that.
    assert segment_labels(node, {"background": 0, "tumour": 1})[-1].label == 1


def test_other_voxels_are_resampled_on_the_persons_word_only(panel, study):
    ui = panel.train.ui
    image, label = phantom(1, dark=False)
    volume = add_volume("Fine", image)
    coarse = add_volume("Coarse", image[::2, ::2, ::2].copy(), spacing=2.0)
    segmentation = add_segmentation("coarse truth", label[::2, ::2, ::2].copy(), coarse)
    ui.addButton.collapsed = False
    ui.volume1Selector.setCurrentNode(volume)
    ui.segmentationSelector.setCurrentNode(segmentation)
    assert not ui.resampleCheck.isHidden()
    assert not ui.addCaseButton.enabled
    assert "coarse truth does not lie on the voxels of Fine" in ui.addCaseButton.toolTip
    ui.resampleCheck.checked = True
    assert ui.addCaseButton.enabled, ui.addCaseButton.toolTip
    ui.caseNameEdit.text = "resampled"
    ui.addCaseButton.click()
    wait_until(lambda: panel.train.dataset.view.names == ["resampled"], 60)
    import SimpleITK as sitk

    written = sitk.GetArrayFromImage(sitk.ReadImage(str(study / "dataset" / "labelsTr" / "resampled.nii.gz")))
    assert written.shape == image.shape
    assert (written > 0).sum() == pytest.approx((label > 0).sum(), rel=0.3)

    # The word was for this segmentation; another one is asked for again.
    other = add_segmentation("other truth", label[::2, ::2, ::2].copy(), coarse)
    ui.segmentationSelector.setCurrentNode(other)
    assert not ui.resampleCheck.checked
    assert not ui.addCaseButton.enabled
    ui.segmentationSelector.setCurrentNode(add_segmentation("fine truth", label, volume))
    assert ui.resampleCheck.isHidden()
    assert ui.addCaseButton.enabled


def test_a_segment_without_a_label_waits_for_one(panel, study):
    from lossseg.errors import InputError

    ui = panel.train.ui
    volume, segmentation = load("First", 1, dark=False)
    segmentation.GetSegmentation().AddEmptySegment("", "vessel")
    panel.logic.training.cases.add(volume, segmentation, labels={"background": 0, "lesion": 1, "vessel": 2})
    other = add_segmentation("other", phantom(2, dark=False)[1], volume, "who knows")
    with pytest.raises(InputError, match="who knows has no label"):
        panel.logic.training.cases.add(volume, other, "second")
    settle(panel)
    ui.addButton.collapsed = False
    ui.volume1Selector.setCurrentNode(volume)
    ui.segmentationSelector.setCurrentNode(other)
    assert "label for each segment" in ui.addCaseButton.toolTip
    combo = panel.train.add_form.combo(other.GetSegmentation().GetSegmentIDs()[0])
    combo.setCurrentIndex(combo.findText("vessel"))
    assert ui.addCaseButton.enabled, ui.addCaseButton.toolTip
    ui.caseNameEdit.text = "second"
    ui.addCaseButton.click()
    wait_until(lambda: "second" in panel.train.dataset.view.names, 60)
    import SimpleITK as sitk

    written = sitk.GetArrayFromImage(sitk.ReadImage(str(study / "dataset" / "labelsTr" / "second.nii.gz")))
    assert set(np.unique(written)) == {0, 2}


def test_opened_corrected_and_saved_with_a_copy_of_the_former_label(panel, study):
    from lossseg.images import read_label
    from SlicerLossSegLib.scene_case import opened

    ui = panel.train.ui
    add_case(panel.logic, "First", 1, dark=False)
    settle(panel)
    assert "Select a case" in ui.openCaseButton.toolTip
    panel.train.dataset.select("First")
    assert "Open the case first" in ui.saveLabelButton.toolTip
    ui.openCaseButton.click()
    wait_until(lambda: not panel.train.case_buttons.is_busy, 60)
    (volume,), segmentation = opened("First", study / "dataset")
    image, label = phantom(1, dark=False)
    assert np.array_equal(slicer.util.arrayFromVolume(volume), image)
    (segment_id,) = segmentation.GetSegmentation().GetSegmentIDs()
    assert np.array_equal(slicer.util.arrayFromSegmentBinaryLabelmap(segmentation, segment_id, volume), label)
    # Opening it again shows what is there.
    ui.openCaseButton.click()
    assert len(slicer.util.getNodesByClass("vtkMRMLSegmentationNode")) == 1

    corrected = label.copy()
    corrected[0, :3, :3] = 1
    slicer.util.updateSegmentBinaryLabelmapFromArray(corrected, segmentation, segment_id, volume)
    ui.saveLabelButton.click()
    wait_until(lambda: not panel.train.case_buttons.is_busy and panel.train.dataset.view.is_measured, 60)
    assert "former one is kept" in ui.casesNote.text
    assert np.array_equal(read_label(study / "dataset" / "labelsTr" / "First.nii.gz").array, corrected)
    (kept,) = (study / "bin").glob("*/labelsTr/First.nii.gz")
    assert np.array_equal(read_label(kept).array, label)
    settle(panel)
    assert cells(panel, 0)[1] == "3"
    assert cells(panel, 0)[4] == "corrected"


def test_removed_to_the_bin_and_brought_back(panel, study):
    ui = panel.train.ui
    add_case(panel.logic, "First", 1, dark=False)
    add_case(panel.logic, "Second", 2, dark=False)
    settle(panel)
    files = sorted(path.name for path in (study / "dataset").rglob("First*"))
    panel.train.dataset.select("First")
    assert not ui.undoRemoveButton.enabled
    ui.removeCaseButton.click()
    wait_until(lambda: panel.train.dataset.view.names == ["Second"], 60)
    assert sorted(path.name for path in (study / "bin").rglob("First*.nii.gz")) == files
    assert not list((study / "dataset").rglob("First*"))
    ui.undoRemoveButton.click()
    wait_until(lambda: panel.train.dataset.view.names == ["First", "Second"], 60)
    assert sorted(path.name for path in (study / "dataset").rglob("First*")) == files
    assert not ui.undoRemoveButton.enabled


def test_held_out_and_trained_on_again(panel):
    ui = panel.train.ui
    add_case(panel.logic, "First", 1, dark=False)
    add_case(panel.logic, "Second", 2, dark=False)
    settle(panel)
    panel.train.dataset.select("Second")
    assert ui.validationButton.text == "Hold out"
    ui.validationButton.click()
    wait_until(lambda: panel.train.dataset.view.validation == ["Second"], 60)
    assert [cells(panel, row)[3] for row in range(2)] == ["training", "validation"]
    assert ui.validationButton.text == "Train on"
    ui.validationButton.click()
    wait_until(lambda: panel.train.dataset.view.validation == [], 60)


def test_what_was_measured_is_kept_until_a_file_changes(panel, study, monkeypatch):
    from SlicerLossSegLib import dataset_view

    add_case(panel.logic, "First", 1, dark=False)
    add_case(panel.logic, "Second", 2, dark=False)
    cases = panel.logic.training.cases
    first = cases.view()
    looked = []
    look = dataset_view._look
    monkeypatch.setattr(dataset_view, "_look", lambda dataset, case: looked.append(case.name) or look(dataset, case))
    assert cases.view() == first
    assert looked == []
    label = study / "dataset" / "labelsTr" / "Second.nii.gz"
    label.write_bytes((study / "dataset" / "labelsTr" / "First.nii.gz").read_bytes())
    assert cases.view().rows[1].smallest_mm3 == first.rows[0].smallest_mm3
    assert looked == ["Second"]
    (study / "cache" / "facts.json").write_text("{ half a file")
    assert len(cases.view().rows) == 2
    assert looked == ["Second", "First", "Second"]


def test_a_foreign_or_damaged_folder_answers_with_a_sentence(panel, study):
    ui = panel.train.ui
    (study / "dataset").mkdir(parents=True)
    (study / "dataset" / "holiday.jpg").write_bytes(b"no dataset")
    settle(panel)
    assert "is no dataset: it has no dataset.json" in ui.looksLabel.text
    assert not ui.trainButton.enabled
    assert "is no dataset" in ui.trainButton.toolTip
    (study / "dataset" / "dataset.json").write_text("{ half a file")
    settle(panel)
    assert "dataset.json is not valid JSON" in ui.looksLabel.text
    (study / "dataset" / "dataset.json").write_text('{"name": "x"}')
    settle(panel)
    assert "dataset.json" in ui.looksLabel.text
    assert ui.looksLabel.text.count(".") >= 2
    assert panel.train.dataset.view.rows == ()


def test_a_truncated_case_says_so_in_its_row_and_stops_training(panel, study):
    ui = panel.train.ui
    for seed, name in enumerate(("First", "Second")):
        add_case(panel.logic, name, seed, dark=False)
    path = study / "dataset" / "imagesTr" / "Second_0000.nii.gz"
    path.write_bytes(path.read_bytes()[:2000])
    settle(panel)
    assert [cells(panel, row)[4] for row in range(2)] == ["annotated", "cannot be read"]
    assert "Second_0000.nii.gz" in ui.trainButton.toolTip
    assert not ui.trainButton.enabled


def test_a_damaged_register_answers_with_a_sentence(panel, study):
    add_case(panel.logic, "First", 1, dark=False)
    (study / "cases.json").write_text("[1, 2]")
    settle(panel)
    assert "cases.json is no register of cases" in panel.train.ui.looksLabel.text


def test_looking_can_be_stopped_and_ends_with_the_tab(panel):
    add_case(panel.logic, "First", 1, dark=False)
    add_case(panel.logic, "Second", 2, dark=False)
    dataset = panel.train.dataset
    dataset.refresh()
    wait_until(lambda: dataset.is_looking or dataset.view.is_measured, 60)
    panel.ui.tabs.setCurrentIndex(0)
    assert not dataset.is_looking
    assert panel.train.ui.lookingBar.isHidden()
    panel.ui.tabs.setCurrentIndex(2)
    wait_until(lambda: dataset.view.is_measured, 60)
    assert dataset.view.names == ["First", "Second"]
