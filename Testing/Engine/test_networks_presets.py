"""Presets: what their files say, and the filter-reuse experiment on tiny phantoms."""

from __future__ import annotations

import json
import re
from pathlib import Path

import pytest

from lossseg.errors import InputError
from lossseg.jobs.actions import ACTIONS, study
from lossseg.jobs.actions.preset import PresetParams
from lossseg.jobs.typed import parse
from lossseg.losses import normal_form
from lossseg.reporting import Silent
from lossseg.studies import presets
from lossseg.studies.presets import preset, read_preset

RUN = ACTIONS["preset"].run


@pytest.mark.parametrize("name", presets.presets())
def test_every_preset_can_be_done(name):
    """Its losses are expressions, and at each scale the settings are those of a study."""
    chosen = preset(name)
    assert chosen.name == name and chosen.arms and {"small", "paper"} <= set(chosen.scales)
    assert chosen.scale("small").phantoms is not None
    assert len({normal_form(loss) for loss in chosen.losses}) == len(chosen.losses)
    for scale in chosen.scales.values():
        for arm in chosen.arms:
            record = chosen.study(arm, scale) | {"dataset": "data", "out": "out"}
            params = parse(study.StudyParams, record, name)
            assert params.losses == chosen.losses


def test_filter_reuse_is_that_of_the_paper():
    chosen = preset("filter_reuse")
    networks = [chosen.study(arm, chosen.scale("paper"))["network"] for arm in chosen.arms]
    assert networks == ["shared_dilation", "learned_dilation"]
    assert chosen.losses == ("dice", "tversky(alpha=learn, beta=learn)")
    assert chosen.study(chosen.arms[0], chosen.scale("paper"))["epochs"] == 1000
    learned = chosen.losses[1]
    figures = [chosen.figures(arm, loss, "dice") for arm in ("shared", "learned") for loss in (learned, "dice")]
    assert [each.value for (each,) in figures] == [0.81, 0.76, 0.68, 0.49]
    assert chosen.figures("shared", "dice", "hd95") == ()


def test_list_and_show():
    listed = RUN(PresetParams("list"), Silent())["presets"]
    assert [each["name"] for each in listed] == list(presets.presets())
    shown = RUN(PresetParams("show", "filter_reuse"), Silent())["preset"]
    assert shown["arms"][1]["settings"] == {"network": "learned_dilation"} and shown["assumed"]


@pytest.mark.parametrize(
    ("params", "sentence"),
    [
        (PresetParams("show"), "No preset was named."),
        (PresetParams("show", "filter-reuse"), "There is no preset filter-reuse. Did you mean filter_reuse?"),
        (PresetParams("run", "filter_reuse"), "No folder was named"),
        (PresetParams("run", "filter_reuse", Path("o"), scale="big"), "has no scale big. Choose one of: paper, small."),
        (PresetParams("run", "filter_reuse", Path("o"), scale="paper"), "has no data of its own. Give --dataset"),
    ],
)
def test_what_cannot_be_done(params, sentence, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    with pytest.raises(InputError, match=re.escape(sentence)):
        RUN(params, Silent())
    assert not list(tmp_path.iterdir())


def test_files_that_are_no_presets(tmp_path):
    good = json.loads((Path(presets.__file__).parent / "filter_reuse.json").read_text(encoding="utf-8"))

    def read(**changes):
        path = tmp_path / "preset.json"
        path.write_text(json.dumps(good | changes), encoding="utf-8")
        return read_preset(path)

    assert read() == preset("filter_reuse")
    with pytest.raises(InputError, match=r"preset.json is no preset."):
        read(format="lossseg-study")
    with pytest.raises(InputError, match="has version 2. This engine reads version 1."):
        read(version=2)
    with pytest.raises(InputError, match="cannot be read as a preset"):
        read(arms=[{"name": "shared", "setings": {}}])
    with pytest.raises(InputError, match="has a figure for ce in shared. Name an arm and a loss"):
        read(published=[{"arm": "shared", "loss": "ce", "figures": {"dice": 1.0}}])
    with pytest.raises(InputError, match="has the measure dicee. Known: dice, hd95"):
        read(published=[{"arm": "shared", "loss": "dice", "figures": {"dicee": 1.0}}])
    with pytest.raises(InputError, match="has the measure fp."):
        read(measures=["dice", "fp"])
    with pytest.raises(InputError, match="has the figure pie. Known: learning, "):
        read(figures=["cases", "pie"])
    with pytest.raises(InputError, match="an ensemble of models of different labels"):
        read(best_of_folds=True)
