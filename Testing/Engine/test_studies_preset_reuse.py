"""The preset of filter reuse: a model for each muscle, two by two, with the figures that the paper has."""

from __future__ import annotations

import re
from pathlib import Path

import numpy as np
import pytest
from preset_fakes import rows, run, shown, shrink

from lossseg.dataset import add_case, create_dataset
from lossseg.errors import InputError, MissingDependency
from lossseg.evaluation.learning_curves import read_history
from lossseg.evaluation.voxel_tally import fine_bin
from lossseg.files import read_json
from lossseg.images import Geometry, Volume, read_label, read_volume
from lossseg.reporting import Silent
from lossseg.studies import presets
from lossseg.studies.presets import preset, report
from lossseg.studies.presets.figures import Drawn, figures
from lossseg.studies.presets.parts import parts
from lossseg.studies.presets.series import series

DICE, TVERSKY = "dice", "tversky(alpha=learn, beta=learn)"
FOLDERS = {DICE: "dice", TVERSKY: "tversky_alpha_learn_beta_learn"}
LABELS = ("upper part", "lower")


def two_parts(folder: Path) -> Path:
    """Four cases of two bright bodies, labels 1 and 2."""
    create_dataset(folder, "Parts", ("US",), {"background": 0, LABELS[0]: 1, LABELS[1]: 2})
    rng = np.random.default_rng(3)
    geometry = Geometry((20, 16, 16), (1.0, 1.0, 1.0))
    for number in range(4):
        image, label = rng.normal(100, 10, geometry.size), np.zeros(geometry.size, np.uint8)
        label[2 + number : 12, 2:7, 3:12], label[5:18, 9:14, 2 : 8 + number] = 1, 2
        image[label > 0] += 40
        add_case(folder, f"case_{number}", [Volume(image.astype(np.float32), geometry)], Volume(label, geometry))
    return folder


@pytest.fixture(scope="module")
def made(tmp_path_factory):
    """A run of the whole experiment in seconds: its folder, its summary, and the preset."""
    folder = tmp_path_factory.mktemp("reuse")
    with pytest.MonkeyPatch.context() as patched:
        changes = {"epochs": 2, "iterations": 4, "validations": 2, "only_folds": [1], "filters": [2, 2, 2]}
        chosen = shrink(patched, "filter_reuse", **changes)
        summary = run("filter_reuse", folder / "out", dataset=two_parts(folder / "parts"))
    with pytest.raises(InputError, match="holds the preset filter_reuse at scale small"):
        run("adam_2020", folder / "out")
    return folder / "out", summary, chosen


def drawn(made) -> Drawn:
    out, _, chosen = made
    return Drawn(chosen, series(chosen, out, parts(chosen, LABELS)))


def test_the_paper_has_a_binary_model_for_each_muscle():
    chosen = preset("filter_reuse")
    assert chosen.each_label and chosen.drawn == ("learning", "validation", "cases", "precision_recall", "learned")
    studies = parts(chosen, ("Soleus", "soleus"))
    assert [(each.arm, each.label) for each in studies[:2]] == [("shared", "Soleus"), ("shared", "soleus")]
    assert studies[0].name == "shared/soleus" and re.fullmatch(r"shared/soleus_[0-9a-f]{6}", studies[1].name)
    assert [each.arm for each in studies] == ["shared"] * 2 + ["learned"] * 2
    assert [each.name for each in parts(preset("adam_2020"), ("a", "b"))] == ["nnunet"]


def test_a_run_is_two_by_two_for_each_label(made):
    out, summary, _ = made
    expected = [(arm, label, loss) for arm in ("shared", "learned") for label in LABELS for loss in (DICE, TVERSKY)]
    assert [(each["arm"], each["label"], each["loss"]) for each in summary["runs"]] == expected
    assert all(each["state"] == "finished" and each["fold"] == 1 for each in summary["runs"])
    cards = [read_json(path) for path in sorted(out.glob("*/*/*/fold_1/model.json"))]
    assert len(cards) == 8
    assert all(card["plan"]["network"]["out_channels"] == 2 and len(card["plan"]["labels"]) == 2 for card in cards)
    assert sorted(card["plan"]["network"]["shared"] for card in cards) == [False] * 4 + [True] * 4
    images = {path.stat().st_ino for path in out.glob("cache/*/case_0/image.npy")}
    assert len(list(out.glob("cache/*/case_0/image.npy"))) == 2 and len(images) == 1
    # Each label is by itself, in the colour of foreground.
    for label, value in zip(LABELS, (1, 2), strict=True):
        folder = out / "labels" / label.replace(" ", "_")
        alone = read_label(folder / "labelsTr" / "case_2.nii.gz").array
        np.testing.assert_array_equal(alone, read_label(out.parent / "parts/labelsTr/case_2.nii.gz").array == value)


def test_the_mean_of_the_labels_stands_beside_the_paper(made):
    out, summary, _ = made
    by_row = {(row["arm"], row["loss"], row["label"]): row for row in summary["rows"]}
    assert len(by_row) == len(summary["rows"]) == 2 * 2 * 3
    printed = {("shared", TVERSKY): 0.81, ("shared", DICE): 0.76, ("learned", TVERSKY): 0.68, ("learned", DICE): 0.49}
    for (arm, loss), figure in printed.items():
        of_labels = [by_row[arm, loss, label]["figures"][0] for label in LABELS]
        overall = by_row[arm, loss, ""]
        assert [each["value"] for each in overall["figures"][0]["paper"]] == [figure]
        assert all(not each["paper"] for each in of_labels)
        assert overall["figures"][0]["value"] == pytest.approx(np.mean([each["value"] for each in of_labels]))
        files = [out / arm / label.replace(" ", "_") / FOLDERS[loss] / "evaluation" / "cases.csv" for label in LABELS]
        cases = [float(case["dice"]) for file in files for case in rows(file)]
        assert len(cases) == 4 and overall["cases"] == 2
        assert overall["figures"][0]["std"] == pytest.approx(np.std(cases), abs=1e-4)
    table = rows(out / "preset.csv")
    assert [row["label"] for row in table[:3]] == ["mean of all", *LABELS]
    assert [row["dice in the paper"] for row in table[:6:3]] == ["0.7600", "0.8100"]
    assert "mean of all" in shown(summary) and "upper part" in shown(summary)


def test_the_report_has_the_figures_and_the_papers_numbers(made):
    out, summary, chosen = made
    page = (out / "report.html").read_text(encoding="utf-8")
    assert summary["report"] == out / "report.html"
    for name in chosen.drawn:
        assert (out / "figures" / f"{name}.png").read_bytes().startswith(b"\x89PNG")
        assert (out / "figures" / f"{name}.svg").exists()
    assert page.count('<img class="curve wide-curve"') == 5
    assert '<a href="shared/upper_part/report.html">' in page and "Assumed here" in page
    cells = re.findall(r"<td[^>]*>([^<]*)</td>", page)
    first = cells.index("0.7600")
    assert cells[first - 5 : first - 1] == ["shared", "Dice", "mean of all", "2"]


def test_without_matplotlib_there_is_a_page_without_figures(made, tmp_path, monkeypatch):

    def missing(_):
        raise MissingDependency("The learning curve figure needs matplotlib.", "Install it.")

    _, _, chosen = made
    monkeypatch.setattr(report, "figures", missing)
    path = report.write_report(chosen, "small", tmp_path, parts(chosen, LABELS), (), {}, {}, Silent())
    page = path.read_text(encoding="utf-8")
    assert "needs matplotlib" in page and "<img" not in page and not (tmp_path / "figures").exists()


def test_alpha_and_beta_are_recorded_and_drawn(made):
    out, _, _ = made
    courses = {each.name: each for each in read_history(out / "shared" / "lower" / FOLDERS[TVERSKY] / "fold_1")}
    alpha, beta = courses["tversky.alpha"], courses["tversky.beta"]
    assert (alpha.series, beta.series) == ("learned", "learned")
    assert alpha.steps.tolist() == beta.steps.tolist() == [4, 8]
    assert alpha.values + beta.values == pytest.approx(np.ones(2)) and (alpha.values != 0.5).all()
    panels = figures(drawn(made))["learned"].axes
    assert [axes.get_title(loc="left") for axes in panels] == list(LABELS)
    lines = {line.get_label(): line for line in panels[1].get_lines()}
    assert set(lines) == {f"tversky.{name}, {arm}" for name in ("alpha", "beta") for arm in ("shared", "learned")}
    assert lines["tversky.alpha, shared"].get_xdata().tolist() == [4, 8]
    assert lines["tversky.alpha, shared"].get_ydata() == pytest.approx(alpha.values)
    low, high = panels[0].get_ylim()
    assert high - low >= 0.1 - 1e-9, "what hardly moves looks so"


def test_curves_are_those_of_the_trainings(made):
    out, _, _ = made
    found = figures(drawn(made))
    names = {"Dice, shared", "Parametric Tversky, shared", "Dice, learned", "Parametric Tversky, learned"}
    history = read_history(out / "learned" / "upper_part" / "dice" / "fold_1")
    told = {(each.name, each.series): each for each in history}
    for figure, key in (("learning", ("loss", "training")), ("validation", ("dice", "validation (averaged)"))):
        lines = {line.get_label(): line for line in found[figure].axes[0].get_lines()}
        assert set(lines) == names
        assert lines["Dice, learned"].get_xdata().tolist() == told[key].steps.tolist()
        assert lines["Dice, learned"].get_ydata() == pytest.approx(told[key].values)
    # The first of two validations comes after a tenth of the run, not in its middle.
    assert told["dice", "validation (averaged)"].steps.tolist() == [1, 8]


def test_every_case_is_a_dot_and_the_papers_value_a_bar(made):
    out, _, _ = made
    overall, *labels = figures(drawn(made))["cases"].axes
    assert [axes.get_title(loc="left") for axes in (overall, *labels)] == ["mean of all", *LABELS]
    ticks = [text.get_text() for text in overall.get_xticklabels()]
    place = ticks.index("Parametric Tversky, learned")
    bars = [line.get_ydata()[0] for line in overall.get_lines() if line.get_color() == "black"]
    assert sorted(bars) == [0.49, 0.68, 0.76, 0.81]
    assert not [line for axes in labels for line in axes.get_lines() if line.get_color() == "black"]
    cases = rows(out / "learned" / "lower" / FOLDERS[TVERSKY] / "evaluation" / "cases.csv")
    dots = [line for line in labels[1].get_lines() if line.get_marker() == "o" and len(line.get_xdata()) == 2]
    own = next(line for line in dots if abs(np.mean(line.get_xdata()) - place) < 0.1)
    assert own.get_ydata() == pytest.approx([float(case["dice"]) for case in cases])


def exact_average_precision(truth: np.ndarray, probability: np.ndarray) -> float:
    """By sorting all voxels, equal probabilities together: sum of precision times the recall gained."""
    values = np.unique(probability)[::-1]
    area = recall = 0.0
    for value in values:
        predicted = probability >= value
        hits = np.count_nonzero(truth & predicted)
        area += hits / np.count_nonzero(predicted) * (hits / truth.sum() - recall)
        recall = hits / truth.sum()
    return area


def test_precision_and_recall_are_those_of_the_kept_probabilities(made):
    out, _, _ = made
    panels = figures(drawn(made))["precision_recall"].axes
    legend = [text.get_text() for text in panels[1].get_legend().get_texts()]
    folder = out / "shared" / "lower" / "dice"
    held_out = [row["case"] for row in rows(folder / "evaluation" / "cases.csv")]
    labels = [read_label(out / "labels/lower/labelsTr" / f"{case}.nii.gz").array > 0 for case in held_out]
    kept = [read_volume(folder / "predictions" / f"{case}_probability.nii.gz").array for case in held_out]
    truth, probability = np.concatenate(labels).ravel(), np.concatenate(kept).ravel()
    expected = exact_average_precision(truth, fine_bin(probability))
    assert legend[0] == f"Dice, shared ({expected:.3f})"
    assert expected == pytest.approx(exact_average_precision(truth, probability), abs=0.02)
    one = next(each for each in drawn(made).series if each.part.name == "shared/lower" and each.expression == DICE)

    curve = one.precision_recall(Silent())
    assert curve.recall[-1] == 1 and curve.prevalence == pytest.approx(truth.mean())
    line = panels[1].get_lines()[0]
    assert line.get_xdata()[1:] == pytest.approx(curve.recall) and line.get_ydata()[1:] == pytest.approx(
        curve.precision
    )


def test_the_same_call_goes_on(made, monkeypatch):
    out, summary, chosen = made
    monkeypatch.setattr(presets, "preset", lambda _: chosen)
    trained = {path: path.stat().st_mtime_ns for path in out.rglob("weights.safetensors")}
    again = run("filter_reuse", out, dataset=out.parent / "parts")
    assert again["rows"] == summary["rows"] and len(trained) == 8
    assert trained == {path: path.stat().st_mtime_ns for path in out.rglob("weights.safetensors")}
