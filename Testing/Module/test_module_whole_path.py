"""From a loaded file to a saved scene and on: the real panel, the real engine process, the real demo ensemble."""

import itertools
import math
import re
import shutil
import time

import numpy as np
import pytest
import qt
import slicer
import vtk
from engine_for_tests import DEMO_STUDY, load_phantom, load_truth, phantom_files, use_engine, wait_until


@pytest.fixture
def panel(module, monkeypatch, tmp_path):
    """The module's panel with the real engine and an empty study in a folder with spaces and accents."""
    from slicer_harness import close_widget, create_widget

    use_engine(monkeypatch, tmp_path / "Étude à moi")
    widget = create_widget(module[0])
    wait_until(lambda: not widget.logic._questions.jobs)
    yield widget.panel
    close_widget(widget)


def segment(panel):
    """Press Segment and wait; returns the lesion table."""
    assert panel.segment.ui.segmentButton.enabled, panel.segment.ui.segmentButton.toolTip
    panel.segment.ui.segmentButton.click()
    assert panel.segment.ui.segmentButton.text == "Cancel"
    wait_until(lambda: panel.segment.ui.segmentButton.text == "Segment")
    assert panel.segment.ui.errorLabel.text == ""
    return panel.review.table


def test_whole_path(panel, tmp_path):
    from SlicerLossSegLib import segmentation_io
    from SlicerLossSegLib.lesion_row import Verdict
    from SlicerLossSegLib.lesion_table import LesionTable, Role, tables

    # A volume is loaded, the demo ensemble taken, and Segment pressed.
    volume = load_phantom()
    assert "Tick a model" in panel.segment.ui.segmentButton.toolTip
    panel.segment.ui.demoButton.click()
    assert [card.name for card in panel.segment.models.chosen] == [
        "dice_ce_fold_0",
        "dice_ce_fold_1",
        "dice_ce_fold_2",
    ]
    assert panel.segment.ui.channel1Selector.currentNode() is volume
    panel.segment.ui.probabilityCheck.checked = True
    table = segment(panel)

    # The result: segmentation with the volume's geometry, one segment per lesion, terminology, outlines.
    segmentation = table.linked(Role.SEGMENTATION)
    ids = segmentation_io.segment_ids(segmentation)
    assert len(ids) == len(table.rows) >= 3
    assert segmentation.GetNodeReference(segmentation.GetReferenceImageGeometryReferenceRole()) is volume
    tag = vtk.reference("")
    segment_node = segmentation.GetSegmentation().GetSegment(ids[0])
    assert segment_node.GetTag(segment_node.GetTerminologyEntryTagName(), tag)
    assert "SCT^27925004^Nodule" in str(tag)
    assert segmentation.GetSegmentation().GetNumberOfLayers() == 1
    assert not segmentation.GetDisplayNode().GetVisibility2DFill()
    total = sum(row.volume_mm3 for row in table.rows) / 1000
    assert f"{len(ids)} lesions, {total:.2f} ml" in panel.segment.ui.resultLabel.text
    values, _ids = segmentation_io.read(segmentation, table.grid)
    assert [int((values == place + 1).sum()) for place in range(len(ids))] == [row.voxels for row in table.rows]
    assert all(0.5 < row.confidence_max <= 1.0 for row in table.rows)
    probability = slicer.util.arrayFromVolume(table.linked(Role.PROBABILITY))
    assert probability[values == 1].max() == pytest.approx(table.rows[0].confidence_max, abs=1e-6)

    # Review: a jump goes to the lesion's centre and emphasizes its outline.
    panel.segment.ui.reviewButton.click()
    assert panel.ui.tabs.currentIndex == 1
    assert panel.review.ui.tableSelector.currentNode() is table.node
    panel.review.ui.nextButton.click()
    row = table.row(panel.review.lesions.current)
    red = slicer.mrmlScene.GetNodeByID("vtkMRMLSliceNodeRed")
    matrix = red.GetSliceToRAS()
    assert [matrix.GetElement(axis, 3) for axis in range(3)] == pytest.approx(list(row.centroid_ras), abs=1e-6)
    display = segmentation.GetDisplayNode()
    assert display.GetSegmentOpacity2DOutline(row.segments[0]) == 1.0
    other = next(one for one in ids if one not in row.segments)
    assert display.GetSegmentOpacity2DOutline(other) < 0.5

    # Reject takes the lesion out, undo brings the same voxels back to the same place in the list.
    panel.review.ui.rejectButton.click()
    assert segmentation_io.segment_ids(segmentation) == [one for one in ids if one not in row.segments]
    assert table.row(row.key).verdict is Verdict.REJECTED
    assert panel.review.lesions.current != row.key
    panel.review.ui.undoButton.click()
    assert segmentation_io.segment_ids(segmentation) == ids
    assert np.array_equal(segmentation_io.read(segmentation, table.grid)[0], values)
    assert panel.review.lesions.current == row.key
    assert not panel.review.ui.undoButton.enabled

    # Accept one, reject another, then correct a third in the segment editor: half of it is erased.
    panel.review.ui.acceptButton.click()
    second = table.row(panel.review.lesions.current)
    panel.review.ui.rejectButton.click()
    third = table.row(panel.review.lesions.current)
    panel.review.ui.correctButton.click()
    assert panel.review.ui.reviewStack.currentIndex == 1
    erase_half(segmentation, third.segments[0], volume)
    panel.review.ui.doneButton.click()
    wait_until(lambda: not panel.review._busy)
    after = {one.number: one for one in table.rows}
    # The table numbers lesions anew without the rejected one, which stands at the end.
    kept = [one for one in table.rows if one.verdict is not Verdict.REJECTED]
    assert table.rows[-1].verdict is Verdict.REJECTED
    assert table.rows[-1].voxels == second.voxels
    assert kept[0].verdict is Verdict.ACCEPTED
    assert kept[0].voxels == row.voxels
    values, ids = segmentation_io.read(segmentation, table.grid)
    assert sum(one.voxels for one in kept) == int((values > 0).sum())
    assert sum(one.voxels for one in kept if one.voxels != row.voxels) < sum(
        one.voxels for one in after.values() if one.voxels != row.voxels
    )

    # Compare with the truth.
    truth = load_truth()
    panel.review.ui.referenceSelector.setCurrentNode(truth)
    wait_until(lambda: not panel.review._busy)
    outcomes = {one.outcome for one in table.rows}
    assert "found" in outcomes
    assert 0 < table.measures["recall"] <= 1
    assert f"Sensitivity {table.measures['recall']:.2f}" in panel.review.ui.measuresLabel.text
    panel.review.ui.referenceSelector.setCurrentNode(None)
    wait_until(lambda: not panel.review._busy)
    assert math.isnan(table.measures["dice"])

    # Save, close, load, and go on: the table is the same, the rejected lesion can still be brought back.
    before = table.rows
    path = tmp_path / "Fall ä 1.mrb"
    assert slicer.util.saveScene(str(path))
    slicer.mrmlScene.Clear(0)
    assert panel.review.table is None
    assert panel.review.lesions.keys == []
    slicer.util.loadScene(str(path))
    (node,) = tables()
    panel.review.ui.tableSelector.setCurrentNode(node)
    again = panel.review.table
    assert isinstance(again, LesionTable)
    assert [(one.key, one.number, one.verdict, one.voxels, one.segments) for one in again.rows] == [
        (one.key, one.number, one.verdict, one.voxels, one.segments) for one in before
    ]
    # Slicer writes numbers of a table with six digits.
    for now, then in zip(again.rows, before, strict=True):
        assert now.volume_mm3 == pytest.approx(then.volume_mm3, rel=1e-5)
        assert now.centroid_ras == pytest.approx(then.centroid_ras, rel=1e-5)
        assert now.confidence_max == pytest.approx(then.confidence_max, rel=1e-5, nan_ok=True)
        assert math.isnan(now.overlap)
    rejected = next(one for one in again.rows if one.verdict is Verdict.REJECTED)
    loaded = again.linked(Role.SEGMENTATION)
    count = loaded.GetSegmentation().GetNumberOfSegments()
    panel.review.lesions.go_to(rejected.key)
    panel.review.ui.acceptButton.click()
    assert loaded.GetSegmentation().GetNumberOfSegments() == count + 1
    values, ids = segmentation_io.read(loaded, again.grid)
    assert int((values == 1 + ids.index(rejected.segments[0])).sum()) == second.voxels


def erase_half(segmentation, segment_id, volume):
    """What a person would do with the eraser."""
    array = slicer.util.arrayFromSegmentBinaryLabelmap(segmentation, segment_id, volume)
    voxels = np.flatnonzero(array)
    array.reshape(-1)[voxels[len(voxels) // 2 :]] = 0
    slicer.util.updateSegmentBinaryLabelmapFromArray(array, segmentation, segment_id, volume)


def test_the_gui_lives_while_a_job_runs(panel):
    """The longest time between two calls of a timer of 10 ms, from the press of Segment to the end of the job.

    What counts is the processor time that Slicer itself, with all its threads, used between two calls: another program
    may keep this one waiting for longer.
    """
    load_phantom()
    panel.segment.ui.demoButton.click()
    ticks = []
    timer = qt.QTimer()
    timer.setInterval(10)

    def tick():
        task = panel.segment._task
        busy = task is not None and task.job.state.value in ("preparing", "running", "collecting")
        ticks.append((time.perf_counter(), time.process_time(), busy))

    timer.connect("timeout()", tick)
    timer.start()
    panel.segment.ui.segmentButton.click()
    wait_for_end(panel)
    timer.stop()
    pairs = [(now, later) for now, later in itertools.pairwise(ticks) if later[2]]
    assert len(pairs) > 50
    wall = max(later[0] - now[0] for now, later in pairs)
    own = max(later[1] - now[1] for now, later in pairs)
    print(
        f"longest stall {1000 * wall:.0f} ms, of which {1000 * own:.0f} ms at most Slicer's own, in {len(pairs)} ticks"
    )
    assert own < 0.1


def wait_for_end(panel):
    """As Slicer waits: in Qt's own event loop."""
    loop, check = qt.QEventLoop(), qt.QTimer()
    check.setInterval(50)
    check.connect("timeout()", lambda: loop.quit() if panel.segment._task is None else None)
    check.start()
    loop.exec_()


def test_a_quick_first_look_finds_the_same_nodules_and_says_that_it_approximates(panel):
    load_phantom()
    panel.segment.ui.demoButton.click()
    whole = [row.centroid_ras for row in segment(panel).rows]
    assert "Approximation" not in panel.segment.ui.resultLabel.text
    panel.segment.ui.coarseCheck.checked = True
    quick = [row.centroid_ras for row in segment(panel).rows]
    assert len(quick) >= 3
    assert all(min(math.dist(place, other) for other in whole) < 2 for place in quick)
    found = re.search(r"Approximation: (\d+) % of it was looked at in full", panel.segment.ui.resultLabel.text)
    assert 0 < int(found[1]) < 100


def test_cancel_in_mid_run_leaves_nothing(panel):
    from SlicerLossSegLib.lesion_table import tables

    load_phantom()
    panel.segment.ui.demoButton.click()
    panel.segment.ui.segmentButton.click()
    job = panel.segment._task.job
    wait_until(lambda: job.progress is not None)
    panel.segment.ui.segmentButton.click()
    wait_until(lambda: panel.segment._task is None, 30)
    assert job.state.value == "cancelled"
    assert panel.segment.ui.resultLabel.text == "Cancelled."
    assert tables() == []
    assert not job.folder.exists()
    assert panel.segment.ui.segmentButton.enabled


def test_a_scene_closed_in_mid_run_gets_nothing_of_the_old_one(panel):
    from SlicerLossSegLib.lesion_table import tables

    load_phantom()
    panel.segment.ui.demoButton.click()
    panel.segment.ui.segmentButton.click()
    job = panel.segment._task.job
    wait_until(lambda: job.state.value == "running")
    slicer.mrmlScene.Clear(0)
    wait_until(lambda: job.state.is_over, 30)
    assert job.state.value == "cancelled"
    slicer.app.processEvents()
    assert tables() == []
    assert slicer.util.getNodesByClass("vtkMRMLSegmentationNode") == []
    load_phantom("next")
    panel.segment.prefill()
    assert panel.segment.ui.segmentButton.text == "Segment"


def test_a_result_that_comes_while_another_module_is_open(panel):
    load_phantom()
    panel.segment.ui.demoButton.click()
    panel.segment.models.tick([panel.segment.models.cards[0].folder])
    panel.segment.ui.segmentButton.click()
    panel.exit()
    wait_until(lambda: panel.segment._task is None)
    panel.enter()
    table = panel.review.table
    assert len(table.rows) >= 2
    assert panel.review.ui.tableSelector.currentNode() is table.node
    assert "lesions" in panel.segment.ui.resultLabel.text
    # Verdicts can still be taken back after a look into another module.
    panel.review.ui.nextButton.click()
    panel.review.ui.rejectButton.click()
    panel.exit()
    panel.enter()
    assert panel.review.table is table
    assert panel.review.ui.undoButton.enabled


def test_logic_without_the_panel(module, monkeypatch, tmp_path):
    """The lines of README."""
    from SlicerLossSeg import SlicerLossSegLogic

    use_engine(monkeypatch, tmp_path)
    logic = SlicerLossSegLogic()
    volume = slicer.util.loadVolume(str(phantom_files()[0]))
    shutil.copytree(DEMO_STUDY, tmp_path / "demo")
    result = logic.segment(volume, tmp_path / "demo" / "ensembles" / "nodule_phantoms.json")
    assert len(result.table.rows) >= 3
    measures = logic.compare(result.table, load_truth())
    assert measures["recall"] > 0.5
    logic.export(result.table, tmp_path / "lesions.csv")
    logic.export(result.table, tmp_path / "lesions.json")
    assert len((tmp_path / "lesions.csv").read_text().splitlines()) == 1 + len(result.table.rows)
    logic.close()


def test_errors_of_the_engine_reach_the_script(module, monkeypatch, tmp_path):
    from lossseg.errors import InputError
    from SlicerLossSeg import SlicerLossSegLogic

    use_engine(monkeypatch, tmp_path)
    logic = SlicerLossSegLogic()
    with pytest.raises(InputError, match="does not exist"):
        logic.segment(load_phantom(), tmp_path / "no model")
    damaged = tmp_path / "models" / "damaged"
    damaged.mkdir(parents=True)
    source = DEMO_STUDY / "models" / "dice_ce_fold_0"
    (damaged / "model.json").write_bytes((source / "model.json").read_bytes())
    (damaged / "weights.safetensors").write_bytes(b"not weights")
    with pytest.raises(InputError, match="damaged"):
        logic.segment(load_phantom(), damaged)
    logic.close()
