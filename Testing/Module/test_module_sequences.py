"""Sequences: one table for all frames, the panel shows that of the frame in the browser, and everything is saved."""

import csv
import json

import numpy as np
import pytest
import slicer
from engine_for_tests import use_engine, wait_until

FRAMES = ("0", "0.5", "1")
SHAPE = (12, 24, 24)


@pytest.fixture
def panel(module, monkeypatch, tmp_path):
    from slicer_harness import close_widget, create_widget

    use_engine(monkeypatch, tmp_path / "study")
    monkeypatch.setattr("SlicerLossSegLib.header_panel.HeaderPanel.ask_machine", lambda self: None)
    widget = create_widget(module[0])
    yield widget.panel
    close_widget(widget)


def grid():
    from SlicerLossSegLib.volumes import Grid

    return Grid(SHAPE, np.diag([1.0, 1.0, 2.0, 1.0]))


def mask_of(frame):
    """Two lesions; the first one grows from frame to frame."""
    mask = np.zeros(SHAPE, np.uint8)
    mask[2:4, 2:4, 2 : 4 + FRAMES.index(frame)] = 1
    mask[8:10, 12:16, 12:16] = 1
    return mask


def sequence_of(arrays, class_name="vtkMRMLScalarVolumeNode"):
    from SlicerLossSegLib.volumes import add_scalar_volume

    sequence = slicer.mrmlScene.AddNewNodeByClass("vtkMRMLSequenceNode", "heart")
    sequence.SetIndexName("time")
    sequence.SetIndexUnit("s")
    volume = add_scalar_volume("frame", np.zeros(SHAPE, np.int16), grid())
    for value, array in zip(FRAMES, arrays, strict=True):
        slicer.util.updateVolumeFromArray(volume, array.astype(np.int16))
        sequence.SetDataNodeAtValue(volume, value)
    slicer.mrmlScene.RemoveNode(volume)
    browser = slicer.mrmlScene.AddNewNodeByClass("vtkMRMLSequenceBrowserNode", "browser")
    browser.AddSynchronizedSequenceNode(sequence)
    return sequence, browser


def segmented(panel, frames=FRAMES, keep=False):
    """A sequence and the result of its frames, shown in the tab Review. The engine's part is done here."""
    from SlicerLossSegLib.assessment import assess
    from SlicerLossSegLib.case_list import sequence_cases
    from SlicerLossSegLib.segment_result import Collected, show_result

    sequence, browser = sequence_of([100 * mask_of(frame) for frame in FRAMES])
    for case in sequence_cases(sequence):
        if case.sequence[1] in frames:
            probability = np.full(SHAPE, 0.75, np.float32) if keep else None
            seen = assess(mask_of(case.sequence[1]), grid(), {"chamber": 1}, probability=probability)
            result = show_result(case, Collected(seen, probability, None))
            panel.segment._found(result)
    return sequence, browser, result


def go_to(browser, frame):
    browser.SetSelectedItemNumber(FRAMES.index(frame))
    slicer.app.processEvents()


def voxels(panel):
    return [row.voxels for row in panel.review.table.rows]


def test_results_play_together_with_the_volumes(panel):
    from SlicerLossSegLib.case_list import loaded_cases
    from SlicerLossSegLib.lesion_table import Role, tables

    sequence, browser, result = segmented(panel, keep=True)
    (node,) = tables()
    made = {role: node.GetNodeReference(role) for role in (Role.VOLUME, Role.SEGMENTATION, Role.PROBABILITY)}
    assert made[Role.VOLUME] is sequence
    for role in (Role.SEGMENTATION, Role.PROBABILITY):
        assert [made[role].GetNthIndexValue(place) for place in range(3)] == list(FRAMES)
        assert browser.IsSynchronizedSequenceNode(made[role])
    # The scene holds what is shown, and nothing for each frame.
    (proxy,) = slicer.util.getNodesByClass("vtkMRMLSegmentationNode")
    assert proxy is result.table.shown(Role.SEGMENTATION)
    assert not proxy.GetDisplayNode().GetVisibility2DFill()
    assert [case.name for case in loaded_cases(1)] == [browser.GetProxyNode(sequence).GetName()]
    assert [result.table.rows[0].confidence_max, result.probability.GetName()] == [0.75, "heart 1 probability"]
    column = node.GetTable().GetColumnByName("frame")
    assert [column.GetValue(place) for place in range(6)] == ["0", "0", "0.5", "0.5", "1", "1"]


def test_the_panel_follows_the_browser(panel):
    _sequence, browser, _result = segmented(panel)
    assert panel.review.ui.frameText.text == "1 / 3 (time 0 s)"
    assert voxels(panel) == [8, 32]
    go_to(browser, "1")
    assert panel.review.ui.frameText.text == "3 / 3 (time 1 s)"
    assert voxels(panel) == [16, 32]
    go_to(browser, "0.5")
    assert voxels(panel) == [12, 32]
    panel.review.ui.nextButton.click()
    ids = panel.review.table.rows[0].segments
    (proxy,) = slicer.util.getNodesByClass("vtkMRMLSegmentationNode")
    assert proxy.GetDisplayNode().GetSegmentOpacity2DOutline(ids[0]) == 1.0
    assert not panel.review._busy
    # Without a sequence nothing is said of frames.
    panel.review.ui.tableSelector.setCurrentNode(None)
    assert panel.review.ui.frameText.isHidden()


def test_verdicts_and_undo_belong_to_their_frame(panel):
    from SlicerLossSegLib.lesion_row import Verdict

    _sequence, browser, result = segmented(panel)
    items = result.table.node.GetNodeReference("LossSeg.segmentation")
    panel.review.ui.nextButton.click()
    panel.review.ui.rejectButton.click()
    assert [row.verdict for row in panel.review.table.rows] == [Verdict.REJECTED, Verdict.OPEN]
    go_to(browser, "0.5")
    assert [row.verdict for row in panel.review.table.rows] == [Verdict.OPEN, Verdict.OPEN]
    assert not panel.review.ui.undoButton.enabled
    panel.review.ui.nextButton.click()
    panel.review.ui.acceptButton.click()
    assert [items.GetNthDataNode(place).GetSegmentation().GetNumberOfSegments() for place in range(3)] == [1, 2, 2]
    go_to(browser, "0")
    (proxy,) = slicer.util.getNodesByClass("vtkMRMLSegmentationNode")
    assert proxy.GetSegmentation().GetNumberOfSegments() == 1
    panel.review.ui.undoButton.click()
    assert proxy.GetSegmentation().GetNumberOfSegments() == 2
    assert items.GetNthDataNode(0).GetSegmentation().GetNumberOfSegments() == 2
    assert voxels(panel) == [8, 32]
    go_to(browser, "0.5")
    assert [row.verdict for row in panel.review.table.rows] == [Verdict.ACCEPTED, Verdict.OPEN]
    assert panel.review.ui.undoButton.enabled


def test_what_is_painted_in_a_frame_is_measured_when_it_is_left(panel):
    _sequence, browser, _result = segmented(panel)
    panel.review.ui.nextButton.click()
    panel.review.ui.correctButton.click()
    (proxy,) = slicer.util.getNodesByClass("vtkMRMLSegmentationNode")
    volume = panel.review.table.shown("LossSeg.volume")
    first = panel.review.table.rows[0].segments[0]
    painted = slicer.util.arrayFromSegmentBinaryLabelmap(proxy, first, volume)
    painted[2:4, 2:4, 4:7] = 1
    slicer.util.updateSegmentBinaryLabelmapFromArray(painted, proxy, first, volume)
    go_to(browser, "1")
    assert panel.review.ui.reviewStack.currentIndex == 0
    wait_until(lambda: not panel.review._busy)
    assert voxels(panel) == [16, 32]
    go_to(browser, "0")
    assert voxels(panel) == [20, 32]
    assert not panel.review._busy


def test_each_frame_is_compared_with_its_reference(panel):
    """A reference that is a sequence itself plays along; each frame is measured when it is shown."""
    from SlicerLossSegLib import frames, segmentation_io
    from SlicerLossSegLib.assessment import assess

    sequence, browser, _result = segmented(panel)
    readers = frames.create_beside(sequence, "readers")
    for frame in FRAMES:
        truth = mask_of(frame)
        if frame == "1":
            truth[8:10, 12:16, 12:16] = 0
        seen = assess(truth, grid(), {"chamber": 1})
        node = segmentation_io.add_segmentation("reader", None)
        segmentation_io.fill(node, seen.lesions, seen.segments, seen.grid)
        frames.put(readers, frame, node)
    panel.review.ui.referenceSelector.setCurrentNode(frames.shown(readers))
    wait_until(lambda: not panel.review._busy)
    assert [row.outcome for row in panel.review.table.rows] == ["found", "found"]
    go_to(browser, "1")
    wait_until(lambda: not panel.review._busy)
    assert [row.outcome for row in panel.review.table.rows] == ["found", "false positive"]
    assert panel.review.ui.referenceSelector.currentNode() is frames.shown(readers)
    assert "false positives 1" in panel.review.ui.measuresLabel.text
    go_to(browser, "0")
    assert not panel.review._busy
    assert "false positives 0" in panel.review.ui.measuresLabel.text


def test_a_frame_without_a_result_says_so(panel):
    _sequence, browser, _result = segmented(panel, frames=("0", "0.5"))
    go_to(browser, "1")
    assert panel.review.table.rows == []
    assert not panel.review.ui.correctButton.enabled
    assert "This frame was not segmented" in panel.review.ui.correctButton.toolTip
    go_to(browser, "0.5")
    assert panel.review.ui.correctButton.enabled


def test_a_stopped_sequence_goes_on_and_a_second_result_leaves_the_first(panel):
    from SlicerLossSegLib.assessment import assess
    from SlicerLossSegLib.lesion_table import tables
    from SlicerLossSegLib.sequences import show_frame

    sequence, _browser, result = segmented(panel, frames=("0", "0.5"))
    seen = assess(mask_of("1"), grid(), {"chamber": 1})
    assert show_frame(sequence, "1", seen, {}).node is result.table.node
    again = show_frame(sequence, "1", seen, {})
    assert tables() == [result.table.node, again.node]
    assert [len(table.rows) for table in result.table.whole()] == [2, 2, 2]
    assert [table.frame for table in again.whole()] == ["1"]


def test_saved_and_restored(panel, tmp_path):
    from SlicerLossSegLib.lesion_row import Verdict
    from SlicerLossSegLib.lesion_table import tables

    _sequence, browser, _result = segmented(panel)
    go_to(browser, "0.5")
    panel.review.ui.nextButton.click()
    panel.review.ui.rejectButton.click()
    path = tmp_path / "heart.mrb"
    assert slicer.util.saveScene(str(path))
    slicer.mrmlScene.Clear(0)
    slicer.util.loadScene(str(path))
    (node,) = tables()
    panel.review.ui.tableSelector.setCurrentNode(node)
    (browser,) = slicer.util.getNodesByClass("vtkMRMLSequenceBrowserNode")
    for frame, expected, open_ones in (("0", [8, 32], 2), ("1", [16, 32], 2), ("0.5", [12, 32], 1)):
        go_to(browser, frame)
        assert voxels(panel) == expected
        assert [row.verdict for row in panel.review.table.rows].count(Verdict.OPEN) == open_ones
    # The rejected lesion comes back when it is accepted.
    items = node.GetNodeReference("LossSeg.segmentation")
    assert items.GetNthDataNode(1).GetSegmentation().GetNumberOfSegments() == 1
    panel.review.lesions.go_to(panel.review.table.rows[0].key)
    panel.review.ui.acceptButton.click()
    assert items.GetNthDataNode(1).GetSegmentation().GetNumberOfSegments() == 2
    panel._logic.recompute(panel.review.table)
    assert voxels(panel) == [12, 32]


def test_all_frames_are_exported(panel, tmp_path):
    _sequence, _browser, result = segmented(panel)
    panel._logic.export(result.table, tmp_path / "heart.csv")
    rows = list(csv.DictReader((tmp_path / "heart.csv").open()))
    assert [(row["case"], row["frame"], row["voxels"]) for row in rows] == [
        ("heart", frame, str(size)) for frame, first in zip(FRAMES, (8, 12, 16), strict=True) for size in (first, 32)
    ]
    panel._logic.export(result.table, tmp_path / "heart.json")
    record = json.loads((tmp_path / "heart.json").read_text())
    assert [(one["frame"], len(one["lesions"])) for one in record["frames"]] == [(frame, 2) for frame in FRAMES]


def test_a_frame_becomes_a_case_of_the_training_set(panel):
    _sequence, browser, _result = segmented(panel)
    go_to(browser, "0.5")
    panel.review.ui.trainingSetButton.click()
    wait_until(lambda: not panel.review._busy)
    dataset = panel._logic.study.dataset_folder
    assert [path.name for path in (dataset / "labelsTr").iterdir()] == ["heart_0_5.nii.gz"]


def test_scripts_get_the_shown_frame(panel):
    _sequence, browser, result = segmented(panel)
    go_to(browser, "1")
    (proxy,) = slicer.util.getNodesByClass("vtkMRMLSegmentationNode")
    table = panel._logic.table_of(proxy)
    assert (table.node, table.frame) == (result.table.node, "1")
    assert [row.voxels for row in table.rows] == [16, 32]


def ended_task(panel):
    """A task whose engine has just finished with three frames; `over` says whether it told its end."""
    from SlicerLossSegLib.assessment import assess
    from SlicerLossSegLib.case_list import sequence_cases
    from SlicerLossSegLib.jobs import Job, State
    from SlicerLossSegLib.segment_case import Options
    from SlicerLossSegLib.segment_result import Collected
    from SlicerLossSegLib.segment_task import SegmentTask
    from SlicerLossSegLib.volumes import short_folder

    sequence, _browser = sequence_of([100 * mask_of(frame) for frame in FRAMES])
    cases, over = sequence_cases(sequence), []
    task = SegmentTask(cases, None, Options(), on_end=over.append)
    task._codes = {case.name: case for case in cases}
    task.job = Job("predict", {}, short_folder("segment"), state=State.FINISHED)
    task.job.collected = {
        case.name: Collected(assess(mask_of(case.sequence[1]), grid(), {"chamber": 1}), None, None) for case in cases
    }
    task._ended(task.job)
    return task, over


def test_slicer_lives_between_two_frames_that_are_shown(panel):
    task, over = ended_task(panel)
    assert (len(task.results), over) == (1, [])
    wait_until(lambda: over, 30)
    assert [result.table.frame for result in task.results] == list(FRAMES)
    assert [case.state.value for case in task.cases] == ["done"] * 3
    assert not task.job.folder.exists()


def test_a_scene_closed_between_two_frames_gets_no_more_of_them(panel):
    from SlicerLossSegLib.lesion_table import tables

    task, over = ended_task(panel)
    panel._logic._tasks.append(task)
    slicer.mrmlScene.Clear(0)
    wait_until(lambda: over, 30)
    panel._logic._tasks.remove(task)
    assert tables() == []
    assert len(task.results) == 1


def test_a_sequence_through_the_engine(panel):
    """Two frames of the phantom, the second one upside down, from Segment all to their lesions in Review."""
    from engine_for_tests import load_phantom

    volume = load_phantom("lung")
    sequence = slicer.mrmlScene.AddNewNodeByClass("vtkMRMLSequenceNode", "breath")
    array = slicer.util.arrayFromVolume(volume)
    for value in ("0", "1"):
        sequence.SetDataNodeAtValue(volume, value)
        slicer.util.updateVolumeFromArray(volume, np.ascontiguousarray(array[::-1]))
    slicer.mrmlScene.RemoveNode(volume)
    ui = panel.segment.ui
    ui.demoButton.click()
    panel.segment.models.tick([panel.segment.models.cards[0].folder])
    ui.overlapSlider.value = 0.0
    ui.probabilityCheck.checked = True
    ui.manyButton.collapsed = False
    ui.sourceCombo.setCurrentIndex(1)
    ui.sequenceSelector.setCurrentNode(sequence)
    ui.segmentAllButton.click()
    wait_until(lambda: panel.segment._task is None)
    assert ui.errorLabel.text == ""
    assert ui.resultLabel.text == "2 of 2 volumes segmented."
    first = panel.review.table
    # A sequence without a browser got one.
    (browser,) = slicer.util.getNodesByClass("vtkMRMLSequenceBrowserNode")
    assert (first.frame, browser.GetMasterSequenceNode()) == ("0", sequence)
    browser.SetSelectedItemNumber(1)
    second = panel.review.table
    assert second.frame == "1"
    assert min(len(first.rows), len(second.rows)) >= 2
    assert [row.centroid_ras for row in first.rows] != [row.centroid_ras for row in second.rows]
    probability = slicer.util.arrayFromVolume(second.linked("LossSeg.probability"))
    assert probability.max() == pytest.approx(max(row.confidence_max for row in second.rows), abs=1e-6)
