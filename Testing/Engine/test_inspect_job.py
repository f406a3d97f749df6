"""The job `inspect`: its summary and files, the command line, and what a process that stays keeps for the next one."""

from __future__ import annotations

import csv
import json
import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from inspect_cases import GEOMETRY, SIZE, logits, target, write
from typer.testing import CliRunner

from lossseg.cli.app import make_app
from lossseg.errors import InputError
from lossseg.images import read_volume, write_volume
from lossseg.inspection.figure import inspection_figure, percent
from lossseg.inspection.inspector import Inspection, Inspector, LossReport
from lossseg.inspection.regions import Kind, Region
from lossseg.inspection.volumes import Scale
from lossseg.jobs import events
from lossseg.jobs.actions.inspect import ACTION, InspectParams
from lossseg.keeping import Keeper
from lossseg.reporting import Silent

ENGINE = Path(__file__).parents[2] / "SlicerLossSeg"
LOSSES = ("dice", "iw(dice)", "boundary")


class Heard(Silent):
    """Notes what is said."""

    def __init__(self) -> None:
        super().__init__()
        self.warnings: list[str] = []
        self.artifacts: list[Path] = []

    def warning(self, message: str, hint: str = "") -> None:
        self.warnings.append(message)

    def artifact(self, kind: str, path: Path) -> None:
        self.artifacts.append(path)


# Summary and files


def test_the_summary_has_the_fields_of_the_protocol(tmp_path):
    files = write(tmp_path, logits())
    summary = ACTION.run(InspectParams(files.prediction, files.reference, ("dice", "dicee"), shift=0.5), Silent())
    assert summary["shift"] == 0.5 and summary["scale"] == "logit" and summary["seconds"] > 0
    assert summary["gradient"] is None and summary["gradient_range"] is None
    good, bad = summary["losses"]
    assert set(good) == {"expression", "value", "gradient", "error", "seconds"}
    assert good["error"] is None and 0 < good["value"] < 1 and good["gradient"] > 0
    assert bad["value"] is None and bad["gradient"] is None and "Did you mean 'dice'?" in bad["error"]
    assert ACTION.failed(summary)
    parts = summary["components"]
    assert [part["kind"] for part in parts] == ["lesion", "lesion", "false_positive", "background"]
    assert sum(part["voxels"] for part in parts) == np.prod(SIZE)
    assert all(list(part["shares"]) == ["dice"] for part in parts)
    assert sum(part["shares"]["dice"] for part in parts) == pytest.approx(1)
    assert len(parts[0]["centroid_ras"]) == 3 and parts[-1]["centroid_ras"] is None


def test_all_files_are_written(tmp_path):
    files = write(tmp_path, logits())
    out, heard = tmp_path / "out", Heard()
    params = InspectParams(files.prediction, files.reference, LOSSES, gradient_of="iw(dice)", shift=-1.0, out=out)
    summary = ACTION.run(params, heard)
    names = {"inspect.csv", "inspect.json", "inspect.png", "gradient.nrrd"}
    assert {path.name for path in out.iterdir()} == names == {path.name for path in heard.artifacts}
    written = json.loads((out / "inspect.json").read_text(encoding="utf-8"))
    assert written == {name: summary[name] for name in ("losses", "components", "shift", "scale")}
    with (out / "inspect.csv").open(encoding="utf-8", newline="") as file:
        rows = list(csv.DictReader(file))
    assert [row["kind"] for row in rows] == ["lesion", "lesion", "false_positive", "background"]
    assert [row["found"] for row in rows] == ["yes", "yes", "", ""]
    for name in LOSSES:
        expected = [part["shares"][name] for part in summary["components"]]
        np.testing.assert_allclose([float(row[f"share of {name}"]) for row in rows], expected, rtol=1e-8)
    assert (out / "inspect.png").read_bytes().startswith(b"\x89PNG")
    gradient = read_volume(out / "gradient.nrrd")
    assert gradient.geometry.matches(GEOMETRY)
    expected = Inspector(files.prediction, files.reference).gradient("iw(dice)", shift=-1.0)
    np.testing.assert_array_equal(gradient.array, expected)
    assert summary["gradient"] == out / "gradient.nrrd"
    assert summary["gradient_range"] == [expected.min(), expected.max()]
    # Lesions are to be raised, all else is to be lowered.
    assert expected.min() < 0 and (expected[target() > 0] < 0).all()


def test_without_figure_and_gradient_there_are_two_files(tmp_path):
    files = write(tmp_path, logits())
    ACTION.run(InspectParams(files.prediction, files.reference, LOSSES, out=tmp_path / "out", figure=False), Silent())
    assert {path.name for path in (tmp_path / "out").iterdir()} == {"inspect.csv", "inspect.json"}


def test_a_gradient_that_cannot_be_computed_is_a_warning(tmp_path):
    files, heard = write(tmp_path, logits()), Heard()
    params = InspectParams(files.prediction, files.reference, ("dice",), gradient_of="dicee", out=tmp_path / "out")
    summary = ACTION.run(params, heard)
    assert summary["gradient"] is None and not (tmp_path / "out" / "gradient.nrrd").exists()
    assert heard.warnings == ["There is no gradient volume of dicee. There is no loss 'dicee' (in 'dicee')."]


def test_a_missing_class_is_told(tmp_path):
    files, heard = write(tmp_path, logits()), Heard()
    ACTION.run(InspectParams(files.prediction, files.reference, ("ce",), label=3), heard)
    (said,) = heard.warnings
    assert said.endswith("reference.nrrd has no voxel of label 3; labels in it: 1.")


def test_without_matplotlib_there_is_no_figure(tmp_path, monkeypatch):
    monkeypatch.setitem(sys.modules, "matplotlib", None)
    files, heard = write(tmp_path, logits()), Heard()
    ACTION.run(InspectParams(files.prediction, files.reference, ("dice",), out=tmp_path / "out"), heard)
    assert {path.name for path in (tmp_path / "out").iterdir()} == {"inspect.csv", "inspect.json"}
    assert heard.warnings == ["The loss inspector figure needs matplotlib."]


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"gradient_of": "dice"}, "no folder for the gradient"),
        ({"losses": ()}, "No loss is given"),
        ({"losses": ("dicee",)}, "None of the losses can be computed"),
        ({"prediction": Path("absent.nrrd")}, "absent.nrrd does not exist"),
        ({"scale": "probability"}, "holds no probabilities"),
    ],
)
def test_what_cannot_be_answered_is_said(tmp_path, change, words):
    files = write(tmp_path, logits())
    params = {"prediction": files.prediction, "reference": files.reference, "losses": LOSSES, **change}
    with pytest.raises(InputError, match=words):
        ACTION.run(InspectParams(**params), Silent())


# The figure


def report(expression: str, *shares: float) -> LossReport:
    return LossReport(expression, 0.5, 1.0, np.array(shares), None, 0.01)


def lesion(number: int, found: bool = True) -> Region:
    return Region(Kind.LESION, number, 10 * number, 2.0 * number, (0.0, 0.0, 0.0), found=found)


def test_the_figure_has_a_column_for_each_loss_and_a_row_for_each_lesion():
    regions = (
        lesion(1, found=False),
        lesion(2),
        Region(Kind.FALSE_POSITIVE, 1, 5, 1.0, (0.0, 0.0, 0.0)),
        Region(Kind.FALSE_POSITIVE, 2, 9, 1.8, None, 7),
        Region(Kind.BACKGROUND, 1, 1000, 200.0, None, 0),
    )
    failed = LossReport("dicee", None, None, np.zeros(5), "There is none.", 0.0)
    losses = (report("dice", 0.1, 0.2, 0.3, 0.05, 0.35), failed, report("iw(dice)", 0, 0.5, 0.5, 0, 0))
    figure = inspection_figure(Inspection(losses, regions, -2.0, Scale.LOGIT, (1,)))
    first, second = figure.axes
    names = [label.get_text() for label in first.get_yticklabels()]
    assert names == ["lesion 2, 4 mm³", "lesion 1, 2 mm³, missed", "8 false positives, together", "background"]
    assert [text.get_text() for text in first.texts] == ["20 %", "10 %", "35 %", "35 %"]
    assert [text.get_text() for text in second.texts] == ["50 %", "0", "50 %", "0"]
    assert first.get_title(loc="left") == "dice\nvalue 0.5" and second.get_title(loc="left") == "iw(dice)\nvalue 0.5"
    assert figure.get_suptitle() == "Where each loss pulls, every logit shifted by -2"
    assert first.get_xlim()[1] > 1


def test_of_many_lesions_the_figure_shows_the_largest_and_the_smallest():
    regions = (*(lesion(number) for number in range(1, 61)), Region(Kind.BACKGROUND, 1, 1000, 200.0, None, 0))
    losses = (report("dice + focal_tversky(alpha=0.3, beta=0.7)", *[0.01] * 60, 0.4),)
    (axes,) = inspection_figure(Inspection(losses, regions, 0.0, Scale.LOGIT, (1,))).axes
    names = [label.get_text() for label in axes.get_yticklabels()]
    assert len(names) == 26 and names[0].startswith("lesion 60,") and names[-2].startswith("lesion 1,")
    assert names[12] == "36 lesions between, together" and axes.texts[12].get_text() == "36 %"
    title = axes.get_title(loc="left").splitlines()
    assert max(map(len, title)) < 21 and "".join(title[:-1]).replace(" ", "") == losses[0].expression.replace(" ", "")


def test_percents_tell_small_shares():
    assert [percent(share) for share in (1, 0.5, 0.0995, 0.0123, 0.00012, 1e-6, 0)] == [
        "100 %",
        "50 %",
        "10 %",
        "1.2 %",
        "0.012 %",
        "<0.001 %",
        "0",
    ]


# The command line


def test_the_command_prints_shares(tmp_path):
    files = write(tmp_path, logits())
    arguments = ["inspect", str(files.prediction), str(files.reference), "--loss", "dice", "--loss", "dicee"]
    arguments += ["--loss", "tversky(alpha=0.3, beta=0.7)"]
    answer = CliRunner().invoke(make_app(), arguments)
    assert answer.exit_code == 1
    lines = [line.split() for line in answer.stdout.splitlines()]
    assert lines[2][:3] == ["2", "tversky(alpha=0.3,", "beta=0.7)"]
    by_name = {tuple(line[:2]): line for line in lines if line}
    shares = ACTION.run(InspectParams(files.prediction, files.reference, ("dice",)), Silent())["components"]
    assert float(by_name["lesion", "1"][3]) == pytest.approx(100 * shares[0]["shares"]["dice"], rel=0.05)
    assert "Did you mean 'dice'?" in answer.stdout
    assert {("lesion", "2"), ("1", "false")} <= set(by_name)


# A process that stays


def ask(keeper: Keeper, files, **options):
    assert ACTION.keeping is not None
    params = InspectParams(files.prediction, files.reference, **{"losses": LOSSES, **options})
    summary = ACTION.keeping(params, Silent(), keeper)
    return [part["shares"] for part in summary["components"]], [loss["value"] for loss in summary["losses"]]


def test_the_second_question_reads_and_makes_nothing_again(tmp_path, monkeypatch):
    from lossseg.inspection import inspector

    files, keeper, counted = write(tmp_path, logits()), Keeper(), []
    for name in ("read_prediction", "read_reference", "regions_of", "make_maps", "gradient"):
        original = getattr(inspector, name)

        def counting(*arguments, _name=name, _original=original, **options):
            counted.append(_name)
            return _original(*arguments, **options)

        monkeypatch.setattr(inspector, name, counting)
    first = ask(keeper, files)
    assert set(counted) == {"read_prediction", "read_reference", "regions_of", "make_maps", "gradient"}
    counted.clear()
    assert ask(keeper, files) == first
    assert counted == []
    shifted = ask(keeper, files, shift=-1.0)
    assert shifted != first and counted == ["gradient"] * 3
    counted.clear()
    assert ask(keeper, files, losses=("dice", "focal"), shift=-1.0)[1][0] == shifted[1][0]
    assert counted == ["gradient"]
    fresh = ask(Keeper(), files, shift=-1.0)
    assert fresh == shifted


def test_a_file_that_changed_is_read_again(tmp_path):
    files, keeper = write(tmp_path, logits()), Keeper()
    first = ask(keeper, files)
    write_volume(files.prediction, logits(seed=1), GEOMETRY)
    second = ask(keeper, files)
    assert second != first and second == ask(Keeper(), files)
    smaller = target()
    smaller[14:16] = 0
    write_volume(files.reference, smaller, GEOMETRY)
    third = ask(keeper, files)
    assert len(third[0]) == len(second[0]) == 4 and third == ask(Keeper(), files)
    files.reference.unlink()
    with pytest.raises(InputError, match="does not exist"):
        ask(keeper, files)


def test_other_labels_and_scales_are_other_questions(tmp_path):
    truth = target()
    truth[14:16, 14:16, 14:16] = 2
    files, keeper = write(tmp_path, logits() * 0 + 0.5, truth), Keeper()
    answers = [ask(keeper, files, label=label) for label in (None, 1, 2)]
    assert [len(shares) for shares, _ in answers] == [3, 2, 2]
    probability = ask(keeper, files)
    logit = ask(keeper, files, scale="logit")
    assert logit != probability == ask(keeper, files, scale="probability")


def answer(process: subprocess.Popen[str], params: dict) -> events.Event:
    """The last event of the job `inspect`."""
    process.stdin.write(json.dumps({"id": "1", "job": "inspect", "params": params}) + "\n")
    process.stdin.flush()
    for line in process.stdout:
        event, _ = events.from_line(line)
        if events.is_last(event):
            return event
    raise AssertionError("The engine ended.")


def test_serve_reads_a_file_only_when_it_changed(tmp_path):
    files = write(tmp_path, logits())
    expected = ask(Keeper(), files, shift=2.0)
    params = {"prediction": str(files.prediction), "reference": str(files.reference), "losses": list(LOSSES)}
    with subprocess.Popen(
        [sys.executable, "-m", "lossseg", "serve", "--no-preload"],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
        encoding="utf-8",
        env={**os.environ, "PYTHONPATH": str(ENGINE)},
    ) as process:
        assert answer(process, params).summary["shift"] == 0
        before = files.prediction.stat()
        with files.prediction.open("r+b") as file:
            file.write(b"x" * before.st_size)
        os.utime(files.prediction, ns=(before.st_atime_ns, before.st_mtime_ns))
        second = answer(process, params | {"shift": 2.0}).summary
        assert [part["shares"] for part in second["components"]] == expected[0]
        os.utime(files.prediction, ns=(before.st_atime_ns, before.st_mtime_ns + 1_000_000))
        failed = answer(process, params | {"shift": 2.0})
        assert failed.event == "error" and "prediction.nrrd cannot be read" in failed.message
        process.stdin.close()
    assert process.returncode == 0


def test_a_job_on_a_device_gets_the_memory_back():
    from lossseg.jobs.action import Action, Job
    from lossseg.jobs.cancel import Cancellation
    from lossseg.jobs.runner import run_job

    keeper, held = Keeper(), []
    keeper.get("volume", lambda: "voxels", lambda value: 100)

    def run(params, reporter):
        held.append(keeper.held_bytes)
        return {}

    for device in (None, lambda params: "cpu"):
        job = Job(Action("any", "Any.", object, run, (), device=device), None)
        assert run_job(job, lambda event: None, Cancellation(), keeper=keeper) == 0
    assert held == [100, 0]
