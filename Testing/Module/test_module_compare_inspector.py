"""The loss inspector in the tab Compare, with the real engine."""

import os
import signal

import numpy as np
import pytest
import slicer
from compare_scene import LARGE, SMALL, add_probability, add_segmentation, grid, probability_array, truth_array
from engine_for_tests import use_engine, wait_until


@pytest.fixture(scope="module")
def shared_engine(module):
    """One process for all tests of this file: its start takes longer than all that is asked of it."""
    from SlicerLossSegLib.warm_engine import WarmEngine

    class Shared(WarmEngine):
        def end(self):
            self.forget()

    made = Shared()
    yield made
    WarmEngine.end(made)


@pytest.fixture
def panel(module, monkeypatch, tmp_path, shared_engine):
    from slicer_harness import close_widget, create_widget

    use_engine(monkeypatch, tmp_path)
    monkeypatch.setattr("SlicerLossSegLib.logic.WarmEngine", lambda: shared_engine)
    monkeypatch.setattr("SlicerLossSegLib.header_panel.HeaderPanel.ask_machine", lambda self: None)
    widget = create_widget(module[0])
    yield widget.panel
    close_widget(widget)


def choose(panel, prediction, reference, losses=("dice", "iw(dice)")):
    inspector = panel.compare.inspector
    panel.ui.tabs.setCurrentIndex(panel.ui.tabs.indexOf(panel.ui.comparePage))
    inspector.ui.predictionSelector.setCurrentNode(prediction)
    inspector.ui.inspectReferenceSelector.setCurrentNode(reference)
    inspector.losses.tick(losses)
    inspector.refresh()
    return inspector


def answer_of(inspector, act):
    """What the table shows after `act` made the panel ask."""
    before = inspector.shares.answer
    act()
    wait_until(lambda: inspector.shares.answer not in (None, before) or inspector.ui.inspectErrorLabel.text, 60)
    assert not inspector.ui.inspectErrorLabel.text
    return inspector.shares.answer


def pressed(inspector):
    return answer_of(inspector, inspector.ui.inspectButton.click)


def rows(inspector):
    model = inspector.ui.shareView.model()
    return [
        [inspector.shares.text(row, column) for column in range(model.columnCount())] for row in range(model.rowCount())
    ]


def test_who_is_heard_and_who_is_drowned(panel):
    inspector = choose(panel, add_probability(), add_segmentation(truth_array()))
    answer = pressed(inspector)
    large, small, background = rows(inspector)
    assert [row[0] for row in (large, small, background)] == ["Lesion 1", "Lesion 2", "Background"]
    assert (large[1], small[1]) == ("1600", "16.0")
    for column in (2, 3):
        assert sum(float(row[column]) for row in (large, small, background)) == pytest.approx(100, abs=0.2)
    large, small = answer.components[0], answer.components[1]
    # All 808 voxels of the lesions weigh the same in dice, so the lesion with 100 times the voxels is heard 100 times.
    assert large.shares["dice"] / small.shares["dice"] == pytest.approx(800 / 8, rel=0.02)
    assert large.shares["iw(dice)"] == pytest.approx(small.shares["iw(dice)"], rel=0.02)
    header = inspector.ui.shareView.model().horizontalHeaderItem(3)
    assert header.text().startswith("iw(dice)\n")
    assert "Sum of the gradient" in header.toolTip()


def test_a_false_positive_has_a_row_of_its_own(panel):
    inspector = choose(panel, add_probability(false_positive=True), add_segmentation(truth_array()), ("ce",))
    answer = pressed(inspector)
    assert [row[0] for row in rows(inspector)] == ["Lesion 1", "Lesion 2", "Background", "False 1"]
    false = next(one for one in answer.components if one.kind.value == "false_positive")
    assert false.voxels == 12
    # |dL/dz| of the cross-entropy is |p - y| in each voxel.
    error = np.abs(probability_array(True) - truth_array())
    assert false.shares["ce"] == pytest.approx(12 * 0.8 / error.sum(), rel=1e-3)


def test_a_click_jumps_to_the_lesion(panel):
    inspector = choose(panel, add_probability(), add_segmentation(truth_array()))
    answer = pressed(inspector)
    inspector.shares.go_to(1)
    z, y, x = (part.start + (part.stop - part.start - 1) / 2 for part in SMALL)
    expected = (grid().affine @ [x, y, z, 1])[:3]
    assert answer.components[1].centroid_ras == pytest.approx(tuple(expected))
    offsets = {node.GetName(): node.GetSliceOffset() for node in slicer.util.getNodesByClass("vtkMRMLSliceNode")}
    assert offsets["Red"] == pytest.approx(expected[2])
    assert offsets["Green"] == pytest.approx(expected[1])


def test_the_shift_is_followed(panel):
    inspector = choose(panel, add_probability(), add_segmentation(truth_array()), ("ce", "dice"))
    pressed(inspector)
    inspector.ui.shiftSlider.value = -4.0
    wait_until(lambda: inspector.shares.answer.shift == -4.0, 30)
    answer = inspector.shares.answer
    logits = np.log(probability_array() / (1 - probability_array())) - 4
    error = np.abs(1 / (1 + np.exp(-logits)) - truth_array())
    (loss,) = (one for one in answer.losses if one.expression == "ce")
    assert loss.gradient == pytest.approx(error.mean(), rel=1e-3)
    # Shifted far down, the background has next to nothing to say.
    assert answer.components[2].shares["ce"] == pytest.approx(error[truth_array() == 0].sum() / error.sum(), rel=1e-2)


def test_a_label_map_and_other_voxels(panel):
    predicted = truth_array()
    predicted[SMALL] = 0
    segmentation = add_segmentation(predicted, "result", add_probability(name="image"))
    inspector = choose(panel, segmentation, add_segmentation(truth_array()), ("ce",))
    assert not inspector.ui.scaleCombo.enabled
    answer = pressed(inspector)
    # A label stands for a probability of 0.999 or 0.001.
    error = np.where(truth_array() == predicted, 0.001, 0.999)
    assert sum(one.voxels for one in answer.components) == error.size
    for place, part in enumerate((LARGE, SMALL)):
        assert answer.components[place].shares["ce"] == pytest.approx(error[part].sum() / error.sum(), rel=1e-3)


def test_segmentations_that_know_no_volume(panel):
    predicted = truth_array()
    predicted[SMALL] = 0
    inspector = choose(panel, add_segmentation(predicted, "result"), add_segmentation(truth_array()), ("ce",))
    answer = pressed(inspector)
    # Of the background only a margin around the segments is known.
    assert [one.voxels for one in answer.components[:2]] == [800, 8]
    margin = 8
    low = [min(LARGE[axis].start, SMALL[axis].start) - margin for axis in range(3)]
    high = [max(LARGE[axis].stop, SMALL[axis].stop) + margin for axis in range(3)]
    whole = np.prod([end - start for start, end in zip(low, high, strict=True)])
    assert whole <= sum(one.voxels for one in answer.components) <= 1.3 * whole


def test_changed_voxels_are_noticed(panel):
    volume = add_probability()
    inspector = choose(panel, volume, add_segmentation(truth_array()), ("ce",))
    before = pressed(inspector)
    files = sorted(path.name for path in panel._logic.inspector._files.folder.iterdir())
    inspector.ask()
    wait_until(lambda: inspector.shares.answer is not before, 30)
    assert sorted(path.name for path in panel._logic.inspector._files.folder.iterdir()) == files
    array = slicer.util.arrayFromVolume(volume)
    array[SMALL] = 0.99
    slicer.util.arrayFromVolumeModified(volume)
    after = answer_of(inspector, inspector.catch_up)
    assert after.components[1].shares["ce"] < before.components[1].shares["ce"] / 10
    names = sorted(path.name for path in panel._logic.inspector._files.folder.iterdir())
    assert len(names) == 2 and names != files


def test_gradient_is_laid_over_the_image(panel):
    volume = add_probability()
    slicer.util.setSliceViewerLayers(background=volume)
    inspector = choose(panel, volume, add_segmentation(truth_array()), ("ce",))
    assert not inspector.ui.gradientButton.enabled
    pressed(inspector)
    answer_of(inspector, lambda: inspector.ui.gradientButton.setChecked(True))
    from SlicerLossSegLib import gradient_overlay

    node = gradient_overlay.volume()
    found = slicer.util.arrayFromVolume(node)
    error = probability_array() - truth_array()
    assert found == pytest.approx(error / error.size, rel=1e-3)
    low, high = node.GetDisplayNode().GetWindowLevelMin(), node.GetDisplayNode().GetWindowLevelMax()
    assert low == pytest.approx(-high)
    assert high == pytest.approx(0.5 / error.size, rel=1e-3)
    colors = node.GetDisplayNode().GetColorNode()
    first, middle, last = ([0.0] * 4 for _ in range(3))
    count = colors.GetNumberOfColors()
    for place, color in ((0, first), (count // 2, middle), (count - 1, last)):
        colors.GetColor(place, color)
    assert first[0] > first[2] and last[2] > last[0]
    assert (first[3], middle[3], last[3]) == pytest.approx((1, 0, 1))
    composite = slicer.util.getNodesByClass("vtkMRMLSliceCompositeNode")[0]
    assert composite.GetForegroundVolumeID() == node.GetID()
    assert composite.GetForegroundOpacity() == pytest.approx(0.6)
    inspector.ui.opacitySlider.value = 0.25
    assert composite.GetForegroundOpacity() == pytest.approx(0.25)
    # It is no volume to segment.
    from SlicerLossSegLib.case_list import loaded_cases

    assert [case.name for case in loaded_cases(1)] == ["probability"]
    inspector.ui.gradientButton.setChecked(False)
    assert gradient_overlay.volume() is None
    assert not composite.GetForegroundVolumeID()


def test_bars_beside_the_table(panel):
    inspector = choose(panel, add_probability(), add_segmentation(truth_array()))
    answer = pressed(inspector)
    chart = inspector.chart.chart
    assert chart.GetNumberOfPlotSeriesNodes() == 2
    series = chart.GetNthPlotSeriesNode(1)
    assert (series.GetName(), series.GetPlotType()) == ("iw(dice)", series.PlotTypeBar)
    shares = slicer.util.arrayFromTableColumn(series.GetTableNode(), "y")
    lesions = [one for one in answer.components if one.kind.value == "lesion"]
    assert len(lesions) == 2
    assert shares == pytest.approx([100 * one.shares["iw(dice)"] for one in lesions])
    inspector.losses.tick(("ce",))
    answer_of(inspector, inspector.ask)
    assert chart.GetNumberOfPlotSeriesNodes() == 1


def test_a_loss_that_cannot_be_computed_says_so_and_the_others_go_on(panel):
    empty = add_segmentation(np.zeros_like(truth_array()), "nothing")
    inspector = choose(panel, add_probability(), empty, ("ce", "blob(dice)"))
    inspector.ui.inspectButton.click()
    wait_until(lambda: inspector.shares.answer is not None or inspector.ui.inspectErrorLabel.text, 60)
    answer = inspector.shares.answer
    assert answer is not None, inspector.ui.inspectErrorLabel.text
    assert [row[0] for row in rows(inspector)][-1] == "Background"
    assert answer.losses[0].error == ""


def test_reasons_and_own_expressions(panel):
    inspector = choose(panel, None, None)
    ui = inspector.ui
    assert not ui.inspectButton.enabled
    assert "Choose a prediction" in ui.inspectButton.toolTip
    truth = add_segmentation(truth_array())
    inspector = choose(panel, truth, truth)
    assert "the same segmentation" in ui.inspectButton.toolTip
    inspector = choose(panel, add_probability(), truth, ())
    assert "Tick a loss" in ui.inspectButton.toolTip
    ui.inspectOwnEdit.text = "dise + ce"
    ui.inspectAddButton.click()
    assert "Did you mean 'dice'" in ui.inspectOwnLabel.text
    assert inspector.losses.ticked == ()
    ui.inspectOwnEdit.text = "dice + 2*ce"
    assert ui.inspectOwnLabel.text == ""
    ui.inspectAddButton.click()
    assert inspector.losses.ticked == ("dice + 2*ce",)
    assert ui.inspectButton.enabled
    assert pressed(inspector).losses[0].expression == "dice + 2*ce"
    assert panel.compare._parameters.inspect_losses == "dice + 2*ce"


def test_closing_the_scene_while_a_question_runs(panel):
    inspector = choose(panel, add_probability(), add_segmentation(truth_array()))
    inspector.ui.inspectButton.click()
    folder = panel._logic.inspector._files.folder
    slicer.mrmlScene.Clear(0)
    assert not panel._logic.inspector.is_busy
    assert inspector.shares.answer is None
    assert not folder.exists()
    # The same engine answers for the next scene.
    inspector = choose(panel, add_probability(), add_segmentation(truth_array()))
    assert len(pressed(inspector).components) == 3


def test_only_the_newest_of_many_shifts_is_answered(panel, monkeypatch):
    inspector = choose(panel, add_probability(), add_segmentation(truth_array()))
    pressed(inspector)
    heard = []
    show = inspector.shares.show

    def hear(answer):
        heard.append(answer.shift if answer is not None else None)
        show(answer)

    monkeypatch.setattr(inspector.shares, "show", hear)
    for step in range(1, 31):
        inspector.ui.shiftSlider.value = step / 10
    wait_until(lambda: inspector.shares.answer.shift == 3.0, 30)
    assert heard == [3.0]


def test_a_slow_answer_can_be_cancelled(panel):
    inspector = choose(panel, add_probability(), add_segmentation(truth_array()))
    inspector._slow_timer.setInterval(0)
    inspector.ui.inspectButton.click()
    wait_until(lambda: inspector.ui.inspectButton.text == "Cancel" or inspector.shares.answer, 20)
    assert inspector.ui.inspectButton.text == "Cancel"
    inspector.ui.inspectButton.click()
    assert inspector.ui.inspectButton.text == "Inspect"
    assert not panel._logic.inspector.is_busy
    inspector._slow_timer.setInterval(1000)
    assert pressed(inspector) is not None


def test_by_script(panel):
    from lossseg.errors import InputError
    from SlicerLossSegLib.inspector import LossQuestion

    question = LossQuestion(add_probability(), add_segmentation(truth_array()), ("dice", "cc(dice)"))
    answer = panel._logic.inspector.answer(question)
    for loss in answer.losses:
        assert sum(one.shares[loss.expression] for one in answer.components) == pytest.approx(1)
    with pytest.raises(InputError, match="No loss is ticked"):
        panel._logic.inspector.answer(LossQuestion(question.prediction, question.reference, ()))


def test_a_dead_engine_is_a_sentence_in_the_panel(panel, monkeypatch):
    from SlicerLossSegLib.process_tree import kill_tree

    inspector = choose(panel, add_probability(), add_segmentation(truth_array()))
    pressed(inspector)
    before = inspector.shares.answer
    # Held, so that it cannot answer before it dies.
    os.kill(panel._logic.warm_engine.process_id, signal.SIGSTOP)
    inspector.ask()
    wait_until(lambda: panel._logic.warm_engine.is_busy, 30)
    kill_tree(panel._logic.warm_engine.process_id)
    wait_until(lambda: inspector.ui.inspectErrorLabel.text or inspector.shares.answer is not before, 30)
    assert "memory was used up" in inspector.ui.inspectErrorLabel.text
    inspector.ui.inspectButton.click()
    wait_until(lambda: inspector.shares.answer is not before, 60)
    assert inspector.ui.inspectErrorLabel.text == ""


def test_the_panel_fits_a_narrow_dock(panel):
    page = panel._compare_widget
    hint = page.minimumSizeHint
    assert (hint() if callable(hint) else hint).width() < 390
