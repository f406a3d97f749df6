"""Volumes for the channels of a model: as many selectors as it needs, filled by name, kept in the scene."""

import json
import shutil

import numpy as np
import pytest
import slicer
from engine_for_tests import DEMO_STUDY, use_engine

CHANNELS = ("FLAIR", "T1", "T1ce", "T2", "PD", "SWI")


@pytest.fixture
def panel(module, monkeypatch, tmp_path):
    """A study with a model of six channels, ticked."""
    from slicer_harness import close_widget, create_widget

    use_engine(monkeypatch, tmp_path / "study")
    monkeypatch.setattr("SlicerLossSegLib.header_panel.HeaderPanel.ask_machine", lambda self: None)
    folder = tmp_path / "study" / "models" / "six"
    shutil.copytree(DEMO_STUDY / "models" / "dice_ce_fold_0", folder)
    card = json.loads((folder / "model.json").read_text())
    channel = card["plan"]["channels"][0]
    card["plan"]["channels"] = [{**channel, "name": name} for name in CHANNELS]
    (folder / "model.json").write_text(json.dumps(card))
    widget = create_widget(module[0])
    yield widget.panel
    close_widget(widget)


def add_volume(name):
    from SlicerLossSegLib.volumes import Grid, add_scalar_volume

    return add_scalar_volume(name, np.zeros((3, 4, 5), np.int16), Grid((3, 4, 5), np.eye(4)))


def tick_all(panel):
    panel.segment.models.tick([card.folder for card in panel.segment.models.cards])


@pytest.mark.parametrize(
    ("channels", "names", "expected"),
    [
        (("FLAIR", "T1"), ["Patient t1 mprage", "Patient FLAIR"], {0: 1, 1: 0}),
        # The longer name holds the shorter one.
        (("T1", "T1ce"), ["BraTS_t1ce", "BraTS_t1"], {0: 1, 1: 0}),
        (("T1ce", "T1"), ["sub-01_T1w", "sub-01_T1ce"], {0: 1, 1: 0}),
        (("a", "b"), ["case_0001", "case_0000"], {0: 1, 1: 0}),
        (("T1 post",), ["T1", "T1_post"], {0: 1}),
        (("CT",), ["Spectrum"], {0: 0}),
        (("FLAIR", "DWI"), ["FLAIR"], {0: 0}),
        ((), ["FLAIR"], {}),
    ],
)
def test_volumes_are_matched_by_name(module, channels, names, expected):
    from SlicerLossSegLib.channel_selectors import match

    assert match(channels, range(max(1, len(channels))), names) == expected


def test_no_volume_is_taken_twice(module):
    from SlicerLossSegLib.channel_selectors import match

    assert match(("T1", "T1 again"), (0, 1), ["T1 again"]) == {0: 0}
    assert match(("T1", "T2"), (1,), ["T1", "T2"]) == {1: 1}


def test_six_channels_have_six_selectors(panel):
    volumes = {name: add_volume(f"Patient {name}") for name in reversed(CHANNELS)}
    tick_all(panel)
    channels = panel.segment.channels
    assert channels.names == CHANNELS
    assert channels.volumes == tuple(volumes[name] for name in CHANNELS)
    shown = [(label.text, selector.isVisibleTo(panel._whole)) for label, selector in channels._rows]
    assert shown == [(f"{name}:", True) for name in CHANNELS]
    assert "channel SWI" in channels._rows[5][1].toolTip
    assert panel.segment.ui.segmentButton.enabled
    channels.choose(5, None)
    assert "Choose a volume for SWI" in panel.segment.ui.segmentButton.toolTip
    # The keyboard goes through the channels in their order, then to the models.
    wanted = [selector.findChild("QComboBox") for _label, selector in channels._rows[3:]] + [panel.segment.ui.modelTree]
    chain = [wanted[0]]
    while len(chain) < 1000 and chain[-1] is not panel.segment.ui.modelTree:
        chain.append(chain[-1].nextInFocusChain())
    assert [part for part in chain if part in wanted] == wanted
    # Without the model one selector remains.
    panel.segment.models.tick([])
    assert [selector.isVisibleTo(panel._whole) for _label, selector in channels._rows] == [True] + [False] * 5


def test_further_channels_are_saved_with_the_scene(panel, tmp_path):
    for name in CHANNELS:
        add_volume(f"Patient {name}")
    other = add_volume("another one")
    tick_all(panel)
    panel.segment.channels.choose(5, other)
    path = tmp_path / "six.mrb"
    assert slicer.util.saveScene(str(path))
    slicer.mrmlScene.Clear(0)
    assert panel.segment.channels.volumes == (None,) * len(panel.segment.channels.volumes)
    slicer.util.loadScene(str(path))
    assert [volume.GetName() for volume in panel.segment.channels.volumes] == [
        *(f"Patient {name}" for name in CHANNELS[:5]),
        "another one",
    ]


def test_a_script_chooses_further_channels_through_the_parameter_node(panel):
    tick_all(panel)
    volume = add_volume("by script")
    panel._logic.getParameterNode().parameterNode.SetNodeReferenceID("channel6", volume.GetID())
    assert panel.segment.channels.volumes[5] is volume
