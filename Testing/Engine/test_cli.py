"""The command line: help, parameters as typed, exit codes, and what a person reads."""

from __future__ import annotations

import io
import json
import os
import resource
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from rich.console import Console
from typer.testing import CliRunner

from lossseg.cli.app import as_command, command_name, make_app
from lossseg.cli.options import parameters, typed_values
from lossseg.cli.show import show
from lossseg.cli.terminal import Terminal, number, remaining
from lossseg.errors import ErrorKind, InputError
from lossseg.images import read_label, write_volume
from lossseg.jobs import events
from lossseg.jobs.actions import ACTIONS
from lossseg.jobs.typed import parse

ENGINE = Path(__file__).parents[2] / "SlicerLossSeg"
COMMANDS = (*map(command_name, ACTIONS.values()), "run", "serve")


def lossseg(*arguments: object, **options) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "lossseg", *map(str, arguments)],
        capture_output=True,
        text=True,
        encoding="utf-8",
        env={**os.environ, "PYTHONPATH": str(ENGINE), "COLUMNS": "100"},
        timeout=6000,
        stdin=subprocess.DEVNULL,
        **options,
    )


def fake(*arguments: object) -> subprocess.CompletedProcess[str]:
    program = Path(__file__).with_name("fake_engine.py")
    return subprocess.run(
        [sys.executable, str(program), *map(str, arguments)],
        capture_output=True,
        text=True,
        encoding="utf-8",
        env={**os.environ, "PYTHONPATH": str(ENGINE), "COLUMNS": "100"},
        timeout=600,
        stdin=subprocess.DEVNULL,
    )


# Help


@pytest.fixture(scope="module")
def help_of():
    app, runner = make_app(), CliRunner()
    return {name: runner.invoke(app, [name, "--help"], prog_name="lossseg").output for name in COMMANDS}


@pytest.mark.parametrize("name", COMMANDS)
def test_help_has_an_example_on_its_own_line(help_of, name):
    assert "Examples:" in help_of[name]
    lines = [line.strip() for line in help_of[name].splitlines()]
    assert any(line.startswith(f"lossseg {name}") or line.endswith(f"lossseg {name}") for line in lines)


@pytest.mark.parametrize("action", ACTIONS.values(), ids=ACTIONS)
def test_the_examples_are_valid(action, monkeypatch):
    """Each example goes through the command's own parser and the parameters' checks."""
    taken = []

    def execute(action, values, output):
        taken.append(parse(action.params, typed_values(action.params, values), action.kind))
        return 0

    monkeypatch.setattr("lossseg.cli.app.execute", execute)
    app = make_app({action.kind: action})
    for line in action.examples:
        answer = CliRunner().invoke(app, [command_name(action), *as_command(action, line)], catch_exceptions=False)
        assert answer.exit_code == 0, answer.output
    assert len(taken) == len(action.examples)


@pytest.mark.parametrize("action", ACTIONS.values(), ids=ACTIONS)
def test_every_option_has_help_and_a_default(action, help_of):
    for parameter in parameters(action.params):
        info = parameter.annotation.__metadata__[0]
        assert info.help and info.help.endswith(".")
    assert "--json" in help_of[command_name(action)] and "--debug" in help_of[command_name(action)]


def test_help_loads_no_torch_and_is_quick():
    code = (
        "import sys\nfrom lossseg.cli.app import make_app\n"
        "try:\n    make_app()(['--help'])\nexcept SystemExit:\n    pass\n"
        "print([n for n in ('torch', 'monai', 'numpy', 'SimpleITK') if n in sys.modules])"
    )
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    answer = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, env={"PYTHONPATH": str(ENGINE)}
    )
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    assert answer.stdout.splitlines()[-1] == "[]", answer.stdout + answer.stderr
    # Processor time, which a busy machine does not stretch; 0.2 s is usual.
    assert after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime < 0.5


def test_version_and_no_arguments():
    assert lossseg("--version").stdout.strip() == __import__("lossseg").__version__
    assert "Commands:" in lossseg().stdout + lossseg().stderr


# What was typed becomes parameters


def typed(kind: str, **values):
    cls = ACTIONS[kind].params
    given = {parameter.name: None for parameter in parameters(cls)} | values
    return parse(cls, typed_values(cls, given), kind)


def test_texts_become_numbers_paths_and_groups():
    train = typed("train", dataset=Path("d"), out=Path("o"), filters="8, 16,32", windows=["CT=-1000:300"], fold="2")
    assert (train.filters, train.windows, train.fold) == ((8, 16, 32), {"CT": (-1000.0, 300.0)}, 2)
    assert typed("train", dataset=Path("d"), out=Path("o"), fold="all").fold == "all"
    ensemble = typed("ensemble", out=Path("e"), groups=["a=x/y", "b=z"], weights="1,2.5")
    assert ensemble.groups == {"a": Path("x/y"), "b": Path("z")}
    assert ensemble.weights == (1.0, 2.5)
    assert typed("predict", model=Path("m"), input=[Path("a")], out=Path("o")).input == Path("a")
    assert typed("predict", model=Path("m"), input=[Path("a"), Path("b")], out=Path("o")).input == (
        Path("a"),
        Path("b"),
    )


@pytest.mark.parametrize(
    ("kind", "values", "words"),
    [
        ("train", {"filters": "8,x"}, "--filters cannot read 'x'"),
        ("train", {"windows": ["CT"]}, "--window cannot read 'CT'"),
        ("train", {"windows": ["CT=1"]}, "must have 2 values"),
        ("train", {"fold": "last"}, "`fold`"),
        ("train", {"minutes": 0.0}, "at least 0.01"),
        ("ensemble", {"groups": ["=x"]}, "--group cannot read '=x'"),
    ],
)
def test_texts_of_another_form_are_refused(kind, values, words):
    with pytest.raises(InputError) as caught:
        typed(kind, **({"dataset": Path("d")} if kind == "train" else {}), out=Path("o"), **values)
    assert words in caught.value.message


def test_settings_of_training_match_the_engine():
    """Every setting of the engine is an option, with the same default."""
    pytest.importorskip("torch")
    from dataclasses import MISSING, fields

    from lossseg.training import TrainingSettings

    def default(field):
        return field.default_factory() if field.default_factory is not MISSING else field.default

    options = {field.name: default(field) for field in fields(ACTIONS["train"].params)}
    settings = {field.name: default(field) for field in fields(TrainingSettings)}
    assert settings.keys() - options.keys() == set()
    assert {name: options[name] for name in settings} == settings


def test_settings_of_prediction_match_the_engine():
    pytest.importorskip("torch")
    from dataclasses import fields

    from lossseg.inference import PredictSettings

    options = {field.name: field.default for field in fields(ACTIONS["predict"].params)}
    settings = {field.name: field.default for field in fields(PredictSettings)}
    assert {name: options.get(name, "absent") for name in settings} == settings


# Exit codes and sentences


def test_bad_input_is_one_sentence_and_a_hint():
    answer = fake("fake", "bad_input")
    assert answer.returncode == 2
    assert answer.stdout == ""
    lines = [line for line in answer.stderr.splitlines() if not line.startswith("fake:")]
    assert lines == ["Error: scan.nii.gz is no image.", "  Give another file."]


def test_an_unexpected_error_shows_no_traceback_without_debug():
    answer = fake("fake", "crash")
    assert answer.returncode == 1
    assert "Traceback" not in answer.stderr
    assert "(ZeroDivisionError): a bug." in answer.stderr and "--debug" in answer.stderr
    assert "Traceback" in fake("fake", "crash", "--debug").stderr


def test_a_missing_folder_is_bad_input(tmp_path):
    absent = tmp_path / "späces and accénts"
    for arguments in (
        ("plan", absent),
        ("evaluate", absent, absent),
        ("ensemble", tmp_path / "e.json", absent),
        ("run", absent / "job.json"),
    ):
        answer = lossseg(*arguments)
        assert answer.returncode == 2, answer.stderr
        said = answer.stderr
        if arguments[0] == "run":
            said = events.from_line(answer.stdout)[0].message
        assert "späces and accénts" in said
        assert "Traceback" not in answer.stderr
    assert not list(tmp_path.iterdir())


def test_wrong_options_end_with_two():
    assert lossseg("phantom", "tof").returncode == 2
    assert lossseg("phantom", "brain", "x").returncode == 2
    answer = lossseg("phantom", "tof", "x", "--cases", 0)
    assert answer.returncode == 2 and "must be at least 1" in answer.stderr
    answer = lossseg("trian")
    assert answer.returncode == 2


def test_json_writes_events_alone(tmp_path):
    answer = lossseg("phantom", "tof", tmp_path / "data", "--cases", 1, "--size", 32, 40, 40, "--json")
    assert answer.returncode == 0
    seen = [events.from_line(line)[0] for line in answer.stdout.splitlines()]
    assert (seen[0].event, seen[-1].event) == ("started", "finished")
    assert seen[-1].summary["dataset"] == str(tmp_path / "data")
    assert (tmp_path / "data" / "dataset.json").exists()


def test_phantom_plan_and_evaluate_for_a_person(tmp_path):
    """Predictions that are the references score one, and everything is written."""
    data = tmp_path / "a däta set"
    answer = lossseg("phantom", "tof", data, "--cases", 2, "--size", 32, 40, 40)
    assert answer.returncode == 0 and "2 cases in" in answer.stdout
    answer = lossseg("plan", data, "--out", tmp_path / "plan.json")
    assert answer.returncode == 0 and "2 annotated" in answer.stdout
    assert json.loads((tmp_path / "plan.json").read_text(encoding="utf-8"))["plan"]["labels"] == {
        "background": 0,
        "aneurysm": 1,
    }
    assert lossseg("plan", data, "--out", tmp_path / "plan.json").returncode == 2
    answer = lossseg("evaluate", data / "labelsTr", data / "labelsTr", "--out", tmp_path / "evaluation")
    assert answer.returncode == 0, answer.stderr
    assert "2 cases evaluated, 0 could not be." in answer.stdout
    written = {path.name for path in (tmp_path / "evaluation").iterdir()}
    assert written == {"lesions.csv", "lesions.json", "cases.csv", "summary.json", "report.html"}
    summary = json.loads((tmp_path / "evaluation" / "summary.json").read_text(encoding="utf-8"))["summary"]
    assert (summary["lesion_recall"], summary["false_positives_per_case"], summary["object_dice"]) == (1.0, 0.0, 1.0)


def test_evaluate_names_cases_that_have_no_partner(tmp_path):
    data = tmp_path / "data"
    lossseg("phantom", "tof", data, "--cases", 1, "--size", 32, 40, 40)
    (tmp_path / "other").mkdir()
    (tmp_path / "other" / "X_1.nii.gz").write_bytes((data / "labelsTr" / "TOF_001.nii.gz").read_bytes())
    answer = lossseg("evaluate", tmp_path / "other", data / "labelsTr")
    assert answer.returncode == 2
    assert "No case could be evaluated" in answer.stderr and "X_1" in answer.stderr


def test_what_predict_writes_beside_the_labels_is_understood(tmp_path):
    """CASE_probability and CASE_disagreement are no cases, and --prob takes the former."""
    data = tmp_path / "data"
    lossseg("phantom", "tof", data, "--cases", 1, "--size", 32, 40, 40)
    results = tmp_path / "results"
    label = read_label(data / "labelsTr" / "TOF_001.nii.gz")
    write_volume(results / "TOF_001.nii.gz", label.array, label.geometry)
    write_volume(results / "TOF_001_probability.nii.gz", label.array.astype(np.float32) * 0.75, label.geometry)
    write_volume(results / "TOF_001_disagreement.nii.gz", label.array.astype(np.float32), label.geometry)
    answer = lossseg("evaluate", results, data / "labelsTr", "--prob", results, "--out", tmp_path / "out")
    assert answer.returncode == 0, answer.stderr
    assert "1 case evaluated, 0 could not be." in answer.stdout
    lesions = json.loads((tmp_path / "out" / "lesions.json").read_text(encoding="utf-8"))["cases"][0]["lesions"]
    assert lesions and all(lesion["confidence_max"] == pytest.approx(0.75) for lesion in lesions)


def test_doctor_tells_versions_and_devices():
    answer = lossseg("doctor", "--json")
    assert answer.returncode == 0
    summary = events.from_line(answer.stdout.splitlines()[-1])[0].summary
    assert summary["packages"]["numpy"] == __import__("numpy").__version__
    assert summary["missing"] == []
    assert summary["torch"]["device"].startswith(("cpu", "cuda", "mps"))
    assert summary["machine"]["cores"] >= 1
    assert {entry["name"] for entry in summary["optional"]} == {"matplotlib", "openvino", "ray", "cma"}


def test_losses_lists_and_explains():
    answer = lossseg("losses")
    assert answer.returncode == 0
    assert "topk(k=0.1)" in answer.stdout and "distribution" in answer.stdout
    assert "Formula:" in lossseg("losses", "topk").stdout
    answer = lossseg("losses", "tpok")
    assert answer.returncode == 2 and "Did you mean `topk`?" in answer.stderr


# What a person sees


def terminal(*seen: events.Event, is_terminal: bool = False) -> str:
    text = io.StringIO()
    console = Console(file=text, force_terminal=is_terminal, width=100, soft_wrap=True, highlight=False)
    clock = iter(range(0, 10**6, 5))
    with Terminal(console, clock=lambda: float(next(clock))) as listener:
        for event in seen:
            listener(event)
    return text.getvalue()


def test_a_log_file_gets_a_line_now_and_then():
    steps = [events.Progress("train", done, 9, 90.0 - 10 * done) for done in range(10)]
    lines = terminal(*steps).splitlines()
    assert lines == ["train: 0/9  1:30 left", "train: 4/9  0:50 left", "train: 8/9  0:10 left", "train: 9/9"]


def test_metrics_stay_with_the_stage_in_which_they_came():
    lines = terminal(
        events.Progress("train", 0, 2),
        events.Metric("loss", 1, 0.25),
        events.Metric("learning_rate", 1, 0.01),
        events.Progress("train", 2, 2),
        events.Progress("report", 1, 1),
    ).splitlines()
    assert lines == ["train: 0/2", "train: 2/2  loss 0.250", "report: 1/1"]


def test_bars_show_the_remaining_time_and_the_newest_metrics():
    text = terminal(
        events.Progress("train", 0, 4),
        events.Metric("loss", 1, 0.5, "training"),
        events.Metric("dice", 1, None, "validation"),
        events.Progress("train", 1, 4, 3725.0),
        is_terminal=True,
    )
    assert "1/4" in text and "1:02:05 left" in text and "loss 0.500  dice n/a" in text


def test_markup_in_messages_is_text():
    text = terminal(events.Warned("[red]odd[/] name", "[b]hint"), events.Failed(ErrorKind.INPUT, "[/x] bad"))
    assert text.splitlines() == ["Warning: [red]odd[/] name", "  [b]hint", "Error: [/x] bad"]


@pytest.mark.parametrize(
    ("seconds", "words"), [(None, ""), (0.4, "0:00 left"), (59.6, "1:00 left"), (3725, "1:02:05 left")]
)
def test_remaining_time_in_words(seconds, words):
    assert remaining(seconds) == words


def test_undefined_is_not_zero():
    assert (number(None), number(0.12345)) == ("n/a", "0.123")


def test_summaries_are_shown():
    text = io.StringIO()
    console = Console(file=text, width=200)
    models = [{"folder": "m/fold_0", "scores": {"dice": 0.5, "recall": None}, "seconds": 90.0}]
    show("train", {"loss": "dice + ce", "models": models}, console)
    show("unknown", {"some_value": [1.23456, None], "other": {"a": 1}}, console)
    shown = text.getvalue()
    assert "dice + ce" in shown and "0.500" in shown and "n/a" in shown and "1.500" in shown
    assert "some value: 1.235, n/a" in shown and "other: a = 1" in shown
