"""The job `evaluate`: what it is told, what it writes, what a person reads, and how it ends."""

import io
import json
import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from rich.console import Console

from lossseg.cli.show import show
from lossseg.errors import InputError
from lossseg.images import Geometry, write_volume
from lossseg.jobs.actions.evaluate import ACTION, EvaluateParams, model_names
from lossseg.jobs.events import Finished, from_line
from lossseg.jobs.typed import jsonable, parse
from lossseg.reporting import Silent

ENGINE = Path(__file__).parents[2] / "SlicerLossSeg"
SHAPE = (8, 12, 12)
GEOMETRY = Geometry(SHAPE, (2.0, 1.0, 1.0))


def write(path: Path, array: np.ndarray) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    write_volume(path, array, GEOMETRY)


@pytest.fixture
def data(tmp_path):
    """Seven cases with a large and a small lesion; `good` finds both, `poor` the large one and something else."""
    rng = np.random.default_rng(0)
    for number in range(7):
        reference = np.zeros(SHAPE, np.uint8)
        reference[2:6, 2:6, 2 : 5 + number % 3] = 1
        reference[6, 10, 10] = 1
        write(tmp_path / "labelsTr" / f"P{number}.nii.gz", reference)
        for model, sure in (("good", 0.95), ("poor", 0.7)):
            probability = np.where(reference > 0, sure, 0.05) + rng.uniform(0, 0.04, SHAPE)
            if model == "poor":
                probability[6, 10, 10] = 0.2
                probability[0, 9:11, 1] = 0.8
                probability[2:4, 2:6] = 0.3
            write(tmp_path / model / f"P{number}.nii.gz", (probability > 0.5).astype(np.uint8))
            write(tmp_path / model / f"P{number}_probability.nii.gz", probability.astype(np.float32))
    return tmp_path


class Listener(Silent):
    def __init__(self):
        super().__init__()
        self.warnings, self.artifacts = [], []

    def warning(self, message, hint=""):
        self.warnings.append(message)

    def artifact(self, kind, path):
        self.artifacts.append(path)


def run(reporter=None, **params):
    record = {name: jsonable(value) for name, value in params.items()}
    return jsonable(ACTION.run(parse(EvaluateParams, record, "job `evaluate`"), reporter or Listener()))


def printed(summary) -> str:
    file = io.StringIO()
    show("evaluate", summary, Console(file=file, width=140))
    return file.getvalue()


def test_one_model(data, monkeypatch):
    monkeypatch.setitem(sys.modules, "matplotlib", None)
    listener = Listener()
    out = data / "out"
    summary = run(
        listener, predictions=data / "poor", references=data / "labelsTr", prob=data / "poor", out=out, groups="3"
    )
    assert not ACTION.failed(summary)
    assert {path.name for path in out.iterdir()} == {
        "lesions.csv",
        "lesions.json",
        "cases.csv",
        "summary.json",
        "report.html",
    }
    assert sorted(listener.artifacts) == sorted(out.iterdir())
    assert summary["summary"]["lesion_recall"] == 0.5
    assert summary["summary"]["false_positives_per_case"] == 1
    # The false positive is as sure as any lesion or surer.
    assert summary["froc"]["at"][-1] == {"false_positives_per_image": 8.0, "recall": 0.5}
    assert summary["froc"]["at"][0]["recall"] == 0
    assert summary["means"]["dice"]["title"] == "Dice"
    assert [group["range"] for group in summary["size_groups"]] == ["under 3 mm", "3 mm and more"]
    text = printed(summary)
    assert "7 cases evaluated, 0 could not be." in text
    assert "7 of 14 lesions" in text
    assert "0 lesions merged with another" in text
    assert "Average precision" in text
    report = (out / "report.html").read_text(encoding="utf-8")
    # Seven misses and seven false alarms, outlines only.
    assert report.count("<figure>") == 14
    assert "There were no images to show" in report


def test_several_models_are_compared(data, monkeypatch):
    # Without matplotlib a sentence stands in the place of each figure.
    monkeypatch.setitem(sys.modules, "matplotlib", None)
    out = data / "out"
    summary = run(
        predictions=(data / "good", data / "poor"),
        references=data / "labelsTr",
        prob=(data / "good", data / "poor"),
        out=out,
        pictures=2,
    )
    assert {path.name for path in out.iterdir()} == {
        "good",
        "poor",
        "comparison.csv",
        "comparison.json",
        "comparison.html",
    }
    compared = {measure["key"]: measure for measure in summary["comparison"]["measures"]}
    assert compared["dice"]["standing"] == {"good": "best", "poor": "worse than the best"}
    assert compared["dice"]["values"]["good"] == 1
    assert compared["pooled_lesion_recall"]["values"] == {"good": 1.0, "poor": 0.5}
    assert summary["models"]["good"]["cases"] == 7
    text = printed(summary)
    assert "7 cases of 7 patients are compared" in text
    assert "1.000 ★" in text
    page = (out / "comparison.html").read_text(encoding="utf-8")
    assert 'href="good/report.html"' in page
    assert page.count("figure needs matplotlib") == 6
    assert "<td>Dice</td>" in page
    assert "<script" not in page


def test_a_case_that_fails_is_listed_and_ends_with_one(data):
    write(data / "labelsTr" / "P9.nii.gz", np.zeros(SHAPE, np.uint8))
    listener = Listener()
    summary = run(listener, predictions=data / "good", references=data / "labelsTr")
    assert ACTION.failed(summary)
    assert summary["cases"] == 7
    assert [failure["name"] for failure in summary["failures"]] == ["P9"]
    assert "Not evaluated: P9; the warnings say why." in printed(summary)
    assert listener.warnings == ["Case P9 has no prediction. Add the file or remove its partner."]
    both = run(predictions=(data / "good", data / "poor"), references=data / "labelsTr")
    assert ACTION.failed(both)
    assert [failure["model"] for failure in both["failures"]] == ["good", "poor"]
    assert "Not evaluated: P9 of good, P9 of poor; the warnings say why." in printed(both)


def test_the_command_takes_several_folders_and_ends_with_one_when_a_case_failed(data):
    for number in range(2, 7):
        for folder in ("labelsTr", "good", "poor"):
            (data / folder / f"P{number}.nii.gz").unlink()
    # What is left of them are probabilities, which are no labels.
    (data / "poor" / "P1.nii.gz").write_bytes(b"broken")
    answer = subprocess.run(
        [
            *(sys.executable, "-m", "lossseg", "evaluate", "good", "poor", "labelsTr"),
            *("--label", "lesion=1", "--prob", "good", "--prob", "poor", "--json"),
        ],
        cwd=data,
        capture_output=True,
        text=True,
        env={**os.environ, "PYTHONPATH": str(ENGINE)},
        stdin=subprocess.DEVNULL,
        timeout=600,
    )
    assert answer.returncode == 1, answer.stderr
    last, _ = from_line(answer.stdout.splitlines()[-1])
    assert isinstance(last, Finished)
    assert last.summary["comparison"]["models"] == ["good", "poor"]
    assert last.summary["comparison"]["cases"] == ["P0"]
    assert last.summary["comparison"]["sentences"][1] == "Left out, because another model lacks them: P1 of good."
    assert [failure["name"] for failure in last.summary["failures"]] == ["P1"]


def test_labels_come_from_the_dataset_or_are_named(data):
    (data / "dataset.json").write_text(json.dumps({"labels": {"background": 0, "tumour": 1}}), encoding="utf-8")
    write(data / "good" / "P0.nii.gz", np.full(SHAPE, 7, np.uint8))
    summary = run(predictions=data / "good", references=data / "labelsTr")
    assert "Label value 7 is none of the classes (tumour = 1)" in summary["failures"][0]["message"]
    named = run(predictions=data / "good", references=data / "labelsTr", label={"lesion": 1, "other": "7"})
    assert named["failures"] == []
    assert "dice[other]" in named["means"]
    (data / "dataset.json").write_text('{"labels": {"lesion": [1, 2]}}', encoding="utf-8")
    assert "no reference has" in run(predictions=data / "good", references=data / "labelsTr")["failures"][0]["message"]
    with pytest.raises(InputError, match="--label cannot read lesion=one"):
        run(predictions=data / "good", references=data / "labelsTr", label={"lesion": "one"})


def test_counting_as_published_needs_logits(data):
    for number in range(7):
        write(data / "logits" / f"P{number}.nii.gz", np.zeros(SHAPE, np.float32) - 3)
    with pytest.raises(InputError, match="needs logits"):
        run(predictions=data / "good", references=data / "labelsTr", paper_froc=True)
    summary = run(predictions=data / "good", references=data / "labelsTr", logits=data / "logits", paper_froc=True)
    # All logits are below the lowest threshold of the published table, but not below that of the exact curve.
    assert summary["froc_as_published"] == 0
    assert summary["froc"]["average_recall"] == 1
    assert "as the paper counts" in printed(summary)


def test_figures_are_written_and_drawn_in_the_report(data):
    pytest.importorskip("matplotlib")
    events = data / "events.jsonl"
    events.write_text('{"event": "metric", "name": "loss", "step": 1, "value": 0.5, "series": "training"}\n')
    out = data / "out"
    run(
        predictions=data / "good",
        references=data / "labelsTr",
        history=events,
        out=out,
        pictures=0,
        figures="svg",
        surface=False,
    )
    report = (out / "report.html").read_text(encoding="utf-8")
    assert "Learning curves" in report
    assert report.count("data:image/svg+xml") == 4
    assert {path.name for path in (out / "figures").iterdir()} == {
        "diameters.svg",
        "size_groups.svg",
        "size_against_overlap.svg",
        "learning_curves.svg",
    }


def test_models_are_named_by_what_tells_them_apart():
    assert model_names([Path("/a/one"), Path("/b/two")]) == ["one", "two"]
    assert model_names([Path("/a/one/pred"), Path("/a/two/pred")]) == ["one/pred", "two/pred"]
    assert model_names([Path("/a/pred"), Path("/b/pred"), Path("/b/other")]) == ["a/pred", "b/pred", "b/other"]
    with pytest.raises(InputError, match="given twice"):
        model_names([Path("/a/pred"), Path("/a/pred")])


@pytest.mark.parametrize(
    ("change", "sentence"),
    [
        ({"prob": ("good",)}, "2 folders of predictions and 1 of --prob"),
        ({"figures": "gif", "out": "out"}, "cannot be written as 'gif'"),
        ({"figures": "svg"}, "no folder for the figures"),
        ({"groups": "huge"}, "no size groups 'huge'"),
        ({"images": "nowhere"}, "folder of images nowhere does not exist"),
        ({"history": "nowhere.jsonl"}, "nowhere.jsonl cannot be read"),
        ({"alpha": 0.0}, "level of significance"),
    ],
)
def test_what_cannot_be_done_is_said_before_a_file_is_looked_for(change, sentence):
    with pytest.raises(InputError, match=sentence):
        run(predictions=("good", "poor"), references="truth", **change)
