"""Small things that one trips over when walking through the tabs Segment and Review."""

import numpy as np
import pytest
import qt
import slicer
from engine_for_tests import use_engine

SHAPE = (12, 24, 24)


@pytest.fixture
def panel(module, monkeypatch, tmp_path):
    from slicer_harness import close_widget, create_widget

    use_engine(monkeypatch, tmp_path / "study")
    monkeypatch.setattr("SlicerLossSegLib.header_panel.HeaderPanel.ask_machine", lambda self: None)
    widget = create_widget(module[0])
    widget.parent.resize(406, 860)
    widget.parent.show()
    yield widget.panel
    close_widget(widget)


def result_of(name):
    from SlicerLossSegLib.assessment import assess
    from SlicerLossSegLib.segment_case import CaseInput
    from SlicerLossSegLib.segment_result import Collected, show_result
    from SlicerLossSegLib.volumes import Grid, add_scalar_volume

    grid = Grid(SHAPE, np.diag([1.0, 1.0, 2.0, 1.0]))
    array = np.zeros(SHAPE, np.uint8)
    array[2:4, 2:4, 2:4] = array[8:10, 12:16, 12:16] = 1
    volume = add_scalar_volume(name, array.astype(np.int16), grid)
    return show_result(CaseInput(name, (volume,)), Collected(assess(array, grid, {"lesion": 1}), None, None))


def window(panel):
    return panel._whole.window()


def test_review_takes_the_keys_and_goes_to_no_lesion_by_itself(panel):
    panel.segment._found(result_of("a"))
    panel.segment.ui.reviewButton.click()
    assert window(panel).focusWidget() is panel.review.ui.lesionView
    assert panel.review.lesions.current is None
    assert not panel.review.ui.acceptButton.enabled
    assert "Choose a lesion" in panel.review.ui.acceptButton.toolTip
    panel.review.ui.nextButton.click()
    assert panel.review.ui.acceptButton.enabled
    assert "(A)" in panel.review.ui.acceptButton.toolTip


def test_another_result_begins_without_a_chosen_lesion(panel):
    first, second = result_of("a"), result_of("b")
    panel.review.walk_through(first.table)
    panel.review.ui.nextButton.click()
    assert panel.review.lesions.current == "p1"
    panel.review.ui.tableSelector.setCurrentNode(second.table.node)
    assert panel.review.lesions.current is None


def test_no_verdict_is_cut(panel):
    panel.review.walk_through(result_of("a").table)
    panel.ui.tabs.setCurrentIndex(1)
    panel.review.ui.nextButton.click()
    panel.review.ui.acceptButton.click()
    view = panel.review.ui.lesionView
    assert view.columnWidth(2) >= view.sizeHintForColumn(2)


def test_the_tab_is_left_with_the_editor_closed(panel):
    panel.review.walk_through(result_of("a").table)
    panel.ui.tabs.setCurrentIndex(1)
    panel.review.ui.correctButton.click()
    assert panel.review.ui.reviewStack.currentIndex == 1
    panel.ui.tabs.setCurrentIndex(0)
    panel.ui.tabs.setCurrentIndex(1)
    assert panel.review.ui.reviewStack.currentIndex == 0
    # Slicer's editor does not keep the panel wide.
    slicer.app.processEvents()
    hint = panel._whole.minimumSizeHint
    assert (hint() if callable(hint) else hint).width() < 400


def test_why_many_volumes_cannot_be_segmented(panel):
    ui = panel.segment.ui
    ui.demoButton.click()
    ui.manyButton.collapsed = False
    reasons = []
    for place in range(3):
        ui.sourceCombo.setCurrentIndex(place)
        assert not ui.segmentAllButton.enabled
        reasons.append(ui.segmentAllButton.toolTip)
    for reason, words in zip(reasons, ("No volume is loaded", "Choose a sequence", "Choose a folder"), strict=True):
        assert words in reason


def test_columns_of_the_model_list_explain_themselves(panel):
    header = panel.segment.ui.modelTree.model()
    tips = [header.headerData(column, qt.Qt.Horizontal, qt.Qt.ToolTipRole) for column in range(5)]
    assert "Recall of small lesions" in tips[2]
    assert all(tips)


def test_the_result_of_many_volumes_is_not_cut(panel):
    from SlicerLossSegLib.segment_case import CaseInput

    panel.segment.ui.manyButton.collapsed = False
    slicer.app.processEvents()
    cases = [CaseInput(f"volume {number}") for number in range(3)]
    panel.segment.many.list.show(cases)
    cases[0].note = "17 lesions"
    panel.segment.many.list.update(cases[0])
    table = panel.segment.ui.caseTable
    slicer.app.processEvents()
    assert sum(table.columnWidth(column) for column in range(3)) >= table.viewport().width - 1
    assert table.columnWidth(2) >= table.sizeHintForColumn(2)
