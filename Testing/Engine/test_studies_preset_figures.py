"""Figures of presets from results that are written down by hand."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from lossseg.evaluation.learning_curves import Course
from lossseg.images import Geometry, write_volume
from lossseg.reporting import Silent
from lossseg.studies.presets import preset, presets
from lossseg.studies.presets.drawn import FIGURES
from lossseg.studies.presets.figures import _MAKERS, Drawn, figures
from lossseg.studies.presets.parts import parts
from lossseg.studies.presets.report import _TITLES
from lossseg.studies.presets.series import Band, Series


def made(name: str, losses: tuple[str, ...], folder: Path = Path(), **record: Any) -> list[Series]:
    """The series of some losses of a preset of one arm."""
    chosen = preset(name)
    (part,) = parts(chosen, ("lesion",))
    places = [chosen.losses.index(loss) for loss in losses]
    return [
        Series(
            part,
            0,
            place,
            loss,
            chosen.entry(loss).name,
            {"folder": f"loss_{place}", **record},
            folder / f"loss_{place}",
            folder,
            (),
        )
        for place, loss in zip(places, losses, strict=True)
    ]


def test_every_figure_has_a_name_words_and_a_maker():
    assert set(FIGURES) == set(_MAKERS) == set(_TITLES)
    assert {name: chosen.drawn for name, chosen in presets().items()} == {
        "adam_2020": ("folds",),
        "filter_reuse": ("learning", "validation", "cases", "precision_recall", "learned"),
        "inverse_weighting": ("sizes", "froc"),
        "spinal_losses": ("cases", "learned"),
    }


def test_a_figure_of_nothing_is_left_out():
    for name in presets():
        assert figures(Drawn(preset(name), [])) == {}


def test_folds_stand_beside_those_of_the_paper():
    losses = preset("adam_2020").losses
    rows = [
        {"fold": fold, "loss": loss, "means": {"dice": value}, "paper": paper}
        for fold, loss, value, paper in (
            (0, losses[0], 0.5, 0.437),
            (0, losses[1], 0.25, 0.4921),
            (1, losses[0], None, 0.5476),
            (1, losses[1], 0.75, 0.4888),
        )
    ]
    drawn = Drawn(preset("adam_2020"), [], ensembles={"nnunet": {"folds": rows}})
    (axes,) = figures(drawn)["folds"].axes
    lines = {line.get_label(): line for line in axes.get_lines()}
    here, paper = lines["Dice + CE, here"], lines["Dice + CE, the paper"]
    np.testing.assert_array_equal(here.get_ydata(), [0.5, np.nan])
    assert paper.get_ydata().tolist() == [0.437, 0.5476] and paper.get_markerfacecolor() == "none"
    assert lines["Dice + TopK, here"].get_ydata().tolist() == [0.25, 0.75]
    assert figures(Drawn(preset("adam_2020"), [], ensembles={"nnunet": {"file": None, "sentence": "No."}})) == {}


def test_a_weighted_loss_has_the_colour_of_the_loss_it_weights():
    group = {"size": "volume_mm3", "low": 0.0, "high": None, "range": ""}
    groups = [
        {**group, "name": "smallest third", "lesions": 4, "found": 1, "recall": 0.25, "object_dice": 0.5},
        {**group, "name": "largest third", "lesions": 0, "found": 0, "recall": None, "object_dice": None},
    ]
    series = made("inverse_weighting", ("bce", "iw(bce)", "dice(squared=True)"), size_groups=groups)
    # Of the first loss one component of three is false, at the lowest score.
    curve = {"false_positives_per_image": [0.0, 0.0, 0.5], "recall": [0.0, 0.5, 0.75], "average_recall": 0.625}
    whole = {"false_positives_per_image": [0.0, 0.25, 20.0], "recall": [0.0, 1.0, 1.0], "average_recall": 0.9}
    none = {"false_positives_per_image": [0.0], "recall": [None], "average_recall": None}
    name = series[0].part.name
    curves = {f"{name}/loss_0": curve, f"{name}/loss_1": whole, f"{name}/loss_5": none}
    found = figures(Drawn(preset("inverse_weighting"), series, curves))
    (axes,) = found["froc"].axes
    plain, weighted = (line for line in axes.get_lines() if line.get_label()[0] != "_")
    assert (plain.get_label(), weighted.get_label()) == ("BCE (0.62)", "iwBCE (0.90)")
    assert plain.get_color() == weighted.get_color()
    assert plain._unscaled_dash_pattern[1] and not weighted._unscaled_dash_pattern[1], "the weighted one is solid"
    assert plain.get_xdata().tolist() == [0.0625, 0.5, 16.0] and plain.get_ydata().tolist() == [0.5, 0.75, 0.75]
    assert weighted.get_ydata().tolist() == [0.0, 1.0, 1.0]
    (end,) = (line for line in axes.get_lines() if line.get_marker() == "o")
    assert (end.get_xdata()[0], end.get_ydata()[0]) == (0.5, 0.75)
    recall, overlap = found["sizes"].axes
    assert [[bar.get_height() for bar in bars] for bars in recall.containers] == [[0.25, 0.0]] * 3
    assert [bar.get_height() for bar in overlap.containers[0]] == [0.5, 0.0]


def test_a_band_holds_every_fold():
    steps = np.array([10, 20, 30])
    first = Course("dice", "validation (averaged)", steps, np.array([0.1, 0.3, 0.5]))
    second = Course("dice", "validation (averaged)", np.array([10, 30, 50]), np.array([0.3, 0.5, 0.9]))
    band = Band.of([first, second])
    assert band.steps.tolist() == [10, 20, 30]
    assert band.low == pytest.approx([0.1, 0.3, 0.5]) and band.high == pytest.approx([0.3, 0.4, 0.5])
    assert band.mean == pytest.approx([0.2, 0.35, 0.5])


def test_precision_and_recall_leave_out_what_is_to_be_ignored_and_cases_without_result(tmp_path):
    (series,) = made("spinal_losses", ("ce",), tmp_path)
    truth = np.zeros((2, 3, 4), np.uint8)
    truth[0, 0], truth[1, 2] = 1, 2
    probability = np.linspace(0.02, 0.95, 24, dtype=np.float32).reshape(truth.shape)
    grid = Geometry(truth.shape, (1.0, 1.0, 1.0))
    for case in ("a", "b"):
        write_volume(tmp_path / "labelsTr" / f"{case}.nii.gz", truth, grid)
        write_volume(series.folder / "predictions" / f"{case}.nii.gz", truth, grid)
        write_volume(series.folder / "predictions" / f"{case}_probability.nii.gz", probability, grid)
    (tmp_path / "dataset.json").write_text(
        '{"channel_names": {"0": "MR"}, "labels": {"background": 0, "bone": 1, "ignore": 2}, "file_ending": ".nii.gz"}',
        encoding="utf-8",
    )
    (series.folder / "evaluation").mkdir()
    (series.folder / "evaluation" / "cases.csv").write_text("case,dice\na,0.5\n", encoding="utf-8")
    curve = series.precision_recall(Silent())
    # Of 20 voxels that count the four of the bone are the least probable.
    assert curve.prevalence == pytest.approx(4 / 20)
    assert curve.recall[-5:] == pytest.approx([0, 0.25, 0.5, 0.75, 1])
    assert curve.precision[-4:] == pytest.approx([1 / 17, 2 / 18, 3 / 19, 4 / 20])
    assert curve.average_precision == pytest.approx(np.mean([1 / 17, 2 / 18, 3 / 19, 4 / 20]))
