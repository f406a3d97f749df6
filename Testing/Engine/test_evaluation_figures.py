import json
import math
import re
import sys

import numpy as np
import pytest

from lossseg.errors import InputError, MissingDependency
from lossseg.evaluation import (
    Grouping,
    ImageDetections,
    Lesion,
    Outcome,
    froc,
    precision_recall,
    reliability,
    tally,
)
from lossseg.evaluation.figure_style import encode, write_figures
from lossseg.evaluation.figures import froc_figure, precision_recall_figure, reliability_figure
from lossseg.evaluation.learning_curves import learning_curve_figure, read_history
from lossseg.evaluation.lesion_figures import diameter_figure, groups_figure, scatter_figure, wilson

pytest.importorskip("matplotlib")


def lesions(seed: int = 0, count: int = 60) -> list[Lesion]:
    rng = np.random.default_rng(seed)
    rows = []
    for number in range(count):
        volume = float(np.exp(rng.normal(4, 2)))
        found = rng.random() < volume / (volume + 30)
        overlap = float(rng.uniform(0.1, 0.95)) if found else 0.0
        outcome = Outcome.FOUND if found else Outcome.MISSED
        rows.append(
            Lesion(number + 1, outcome, 1, volume, volume ** (1 / 3), (0.0, 0.0, 0.0), math.nan, math.nan, overlap)
        )
    return rows


def texts(figure) -> list[str]:
    """What is written in a figure, without tick labels that matplotlib chose."""
    return [
        text.get_text()
        for text in figure.findobj(lambda artist: type(artist).__name__ in ("Text", "Annotation"))
        if text.get_text()
    ]


def curve(scores=(0.9, 0.3), false=(0.6,), **more):
    return froc([ImageDetections(scores, false), ImageDetections([], [0.2])], rates=(0.5, 1), **more)


def test_a_froc_figure_shows_the_steps_and_the_band():
    figure = froc_figure({"one": curve(merged=3), "two": curve((0.9,), ())}, samples=40)
    (axes,) = figure.axes
    steps = axes.get_lines()[0]
    # From half of the lowest rate on: one lesion above the false positive, the other one after it.
    assert steps.get_xdata().tolist() == [0.25, 0.5, 0.5, 1.0, 2.0]
    assert steps.get_ydata().tolist() == [0.5, 0.5, 1.0, 1.0, 1.0]
    assert axes.get_lines()[1].get_ydata().tolist() == [1.0, 1.0]
    assert len(axes.collections) == 2
    legend = [text.get_text() for text in axes.get_legend().get_texts()]
    assert re.fullmatch(r"one: average recall 1\.000 \(\d\.\d{3} to 1\.000\), 3 merged", legend[0])
    assert "merged" not in legend[1]
    assert [label.get_text() for label in axes.get_xticklabels()] == ["1/2", "1"]
    assert not froc_figure({"one": curve()}, samples=0).axes[0].collections


def test_a_precision_recall_figure_marks_the_highest_dice():
    reference = np.array([1, 0, 1, 1, 0], np.uint8).reshape(1, 1, 5)
    probability = np.array([0.9, 0.8, 0.7, 0.2, 0.0], np.float32).reshape(1, 1, 5)
    figure = precision_recall_figure({"": precision_recall(tally(reference, probability))})
    line, best, guess = figure.axes[0].get_lines()
    assert line.get_xdata() == pytest.approx([0, 1 / 3, 1 / 3, 2 / 3, 1, 1])
    assert line.get_ydata() == pytest.approx([1, 1, 1 / 2, 2 / 3, 3 / 4, 3 / 5])
    assert (best.get_xdata()[0], best.get_ydata()[0]) == pytest.approx((1, 3 / 4))
    assert guess.get_ydata() == pytest.approx([0.6, 0.6])
    assert "average precision 0.806, highest Dice 0.857 at 0.2" in texts(figure)


def test_a_reliability_figure_shows_the_bins_that_hold_voxels():
    reference = np.array([1, 0, 1, 1, 0], np.uint8).reshape(1, 1, 5)
    probability = np.array([0.12, 0.12, 0.97, 0.97, 0.0], np.float32).reshape(1, 1, 5)
    figure = reliability_figure({"model": reliability(tally(reference, probability))})
    above, below = figure.axes
    assert above.get_lines()[1].get_xdata() == pytest.approx([0, 0.12, 0.97])
    assert above.get_lines()[1].get_ydata() == pytest.approx([0, 0.5, 1])
    assert below.get_yscale() == "log"


def test_a_diameter_figure_counts_every_lesion_of_the_reference():
    rows = lesions()
    false = Lesion(99, Outcome.FALSE_POSITIVE, 1, 1.0, 500.0, (0.0, 0.0, 0.0), 0.5, 0.5, 0.0)
    (axes,) = diameter_figure([*rows, false], edges_mm=(5.0,)).axes
    found, missed = (sum(bar.get_height() for bar in bars) for bars in axes.containers)
    assert found == sum(row.outcome is Outcome.FOUND for row in rows)
    assert missed == sum(row.outcome is Outcome.MISSED for row in rows)
    sizes = [row.diameter_mm for row in rows]
    low, high = axes.get_xlim()
    assert low < min(sizes) and max(sizes) < high < 200
    assert 5.0 in [line.get_xdata()[0] for line in axes.get_lines()]


def test_a_groups_figure_says_what_each_bar_is_a_share_of():
    rows = lesions()
    grouping = Grouping.parse("3,6")
    figure = groups_figure({"one": grouping.groups(rows), "two": grouping.groups(lesions(1))})
    recall, overlap = figure.axes
    groups = grouping.groups(rows)
    assert [bar.get_height() for bar in recall.containers[0]] == pytest.approx([group.recall for group in groups])
    assert [bar.get_height() for bar in overlap.containers[0]] == pytest.approx([g.object_dice for g in groups])
    assert {f"{group.found}/{group.lesions}" for group in groups} <= set(texts(figure))
    empty = groups_figure({"": Grouping.parse("1000").groups(rows)})
    assert "n/a" in texts(empty)


def test_the_interval_of_a_share():
    # Wilson's interval of 8 of 10, from the textbook formula at z = 1.96.
    assert wilson(8, 10) == pytest.approx((0.4902, 0.9433), abs=1e-4)
    assert wilson(0, 5)[0] == 0
    assert wilson(5, 5)[1] == 1
    assert math.isnan(wilson(0, 0)[0])


def test_a_scatter_figure_has_a_point_for_each_lesion():
    rows = lesions()
    figure = scatter_figure({"one": rows, "two": lesions(1)})
    found, missed, median = figure.axes[0].get_lines()
    assert sorted(found.get_ydata()) == pytest.approx(sorted(row.overlap for row in rows if row.overlap))
    assert len(missed.get_xdata()) == sum(row.outcome is Outcome.MISSED for row in rows)
    assert not missed.get_ydata().any()
    assert len(median.get_xdata()) > 1
    assert figure.axes[0].get_xscale() == "log"
    assert figure.axes[1].get_title(loc="left").startswith("two: ")


def test_figures_of_nothing_are_empty_and_no_error():
    for figure in (diameter_figure([]), groups_figure({}), scatter_figure({"": []}), groups_figure({"": ()})):
        assert encode(figure, "png").startswith(b"\x89PNG")


def test_files_of_every_kind_are_the_same_each_time(tmp_path):
    rows = lesions()
    kinds = ("svg", "pdf", "png")
    written = write_figures(tmp_path / "new", {"sizes": diameter_figure(rows)}, kinds)
    assert [path.name for path in written] == [f"sizes.{kind}" for kind in kinds]
    for path, kind, begin in zip(written, kinds, (b"<?xml", b"%PDF", b"\x89PNG"), strict=True):
        assert path.read_bytes().startswith(begin)
        assert path.read_bytes() == encode(diameter_figure(rows), kind)
    with pytest.raises(InputError, match="'gif'"):
        write_figures(tmp_path, {"sizes": diameter_figure(rows)}, ("gif",))


@pytest.mark.parametrize(
    ("make", "name"),
    [
        (lambda: froc_figure({"": curve()}), "FROC"),
        (lambda: scatter_figure({"": []}), "size against overlap"),
        (lambda: learning_curve_figure({}), "learning curve"),
    ],
)
def test_a_figure_says_what_it_needs(make, name, monkeypatch):
    monkeypatch.setitem(sys.modules, "matplotlib", None)
    with pytest.raises(MissingDependency, match=re.escape(f"The {name} figure needs matplotlib.")):
        make()


def events(path, *rows, noise=""):
    lines = [json.dumps({"event": "started", "job": "train"}), noise, "[1, 2]"]
    lines += [
        json.dumps({"event": "metric", "name": name, "step": step, "value": value, "series": series})
        for name, step, value, series in rows
    ]
    path.write_text("\n".join(lines), encoding="utf-8")
    return path


def test_the_history_of_a_training(tmp_path):
    path = events(
        tmp_path / "events.jsonl",
        ("loss", 10, 0.9, "training"),
        ("loss", 30, 0.5, "training"),
        ("loss", 20, 0.7, "training"),
        # Resumed from a checkpoint at step 20.
        ("loss", 30, 0.4, "training"),
        ("dice", 30, None, "validation (averaged)"),
        ("dice", 30, 0.6, "validation (raw)"),
        noise="Epoch 3: no event",
    )
    loss, dice = read_history(path)
    assert (loss.name, loss.series, loss.steps.tolist(), loss.values.tolist()) == (
        "loss",
        "training",
        [10, 20, 30],
        [0.9, 0.7, 0.4],
    )
    assert (dice.series, dice.values.tolist()) == ("validation (raw)", [0.6])
    (figure_axes, validation) = learning_curve_figure({"first": (loss, dice)}).axes
    assert figure_axes.get_title(loc="left") == "Loss"
    assert figure_axes.get_lines()[0].get_ydata().tolist() == [0.9, 0.7, 0.4]
    assert validation.get_legend().get_texts()[0].get_text() == "dice, raw"
    both = learning_curve_figure({"first": (loss,), "second": (loss,)}).axes[0]
    assert [text.get_text() for text in both.get_legend().get_texts()] == ["first", "second"]


def test_the_loss_is_smoothed_and_nothing_else(tmp_path):
    rows = [(name, step, float(step % 2), "training") for name in ("loss", "recall") for step in range(200)]
    loss, recall = read_history(events(tmp_path / "e.jsonl", *rows))
    first, second = learning_curve_figure({"": (loss, recall)}).axes
    assert first.get_lines()[0].get_ydata()[10:] == pytest.approx([0.5] * 190)
    assert second.get_lines()[0].get_ydata().tolist() == recall.values.tolist()


def test_files_without_a_history_are_refused(tmp_path):
    with pytest.raises(InputError, match="holds no metric"):
        read_history(events(tmp_path / "none.jsonl"))
    with pytest.raises(InputError, match=r"cannot be read"):
        read_history(tmp_path / "missing.jsonl")
