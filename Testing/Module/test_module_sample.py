"""The first minute: a sample without any data, and the self-test that goes the whole way with it."""

import sys

import slicer
from engine_for_tests import use_engine, wait_until


def test_the_sample_is_registered_and_made_by_the_engine(module, monkeypatch, tmp_path):
    import SampleData

    from SlicerLossSegLib import sample_data

    use_engine(monkeypatch, tmp_path)
    slicer.app.startupCompleted.emit()
    (source,) = slicer.modules.sampleDataSources[sample_data.CATEGORY][-1:]
    assert source.sampleName == "CT phantom with nodules"
    volume, truth = SampleData.SampleDataLogic().downloadFromSource(source)
    assert volume.GetName() == "CTPhantom"
    assert volume.GetImageData().GetDimensions() == (96, 96, 48)
    assert truth.GetSegmentation().GetNumberOfSegments() == 1
    assert slicer.util.getNodesByClass("vtkMRMLLabelMapVolumeNode") == []


def test_the_button_makes_it_and_chooses_it(module, monkeypatch, tmp_path):
    from slicer_harness import close_widget, create_widget

    use_engine(monkeypatch, tmp_path)
    monkeypatch.setattr("SlicerLossSegLib.header_panel.HeaderPanel.ask_machine", lambda self: None)
    widget = create_widget(module[0])
    ui = widget.panel.segment.ui
    ui.sampleButton.click()
    assert not ui.sampleButton.enabled
    wait_until(lambda: ui.sampleButton.enabled)
    assert ui.channel1Selector.currentNode().GetName() == "CTPhantom"
    close_widget(widget)


def test_the_self_test_goes_the_whole_way(module, monkeypatch, tmp_path):
    from SlicerLossSegLib import module_test

    use_engine(monkeypatch, tmp_path)
    module_test.sample_is_segmented()
    assert "torch" not in sys.modules
    assert "monai" not in sys.modules


def test_the_line_says_what_the_machine_has(module, monkeypatch, tmp_path):
    from slicer_harness import close_widget, create_widget

    use_engine(monkeypatch, tmp_path)
    widget = create_widget(module[0])
    panel = widget.panel
    wait_until(lambda: not widget.logic._questions.jobs)
    assert "cores" in panel.ui.statusLabel.text
    assert "GB memory" in panel.ui.statusLabel.text
    combo = panel.segment.ui.deviceCombo
    assert [combo.itemData(place) for place in (0, combo.count - 1)] == ["auto", "cpu"]
    close_widget(widget)
