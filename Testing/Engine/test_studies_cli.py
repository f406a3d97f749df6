"""The job `study` and the choices of `ensemble` as a person meets them."""

from __future__ import annotations

import io
import json
from dataclasses import MISSING, fields
from pathlib import Path

import pytest
from rich.console import Console
from training_fakes import blobs
from typer.testing import CliRunner

from lossseg.cli.app import make_app
from lossseg.cli.show import show
from lossseg.cli.terminal import Terminal
from lossseg.jobs import events
from lossseg.jobs.actions.study import ACTION, TRAINING, StudyParams
from lossseg.jobs.actions.train import TrainParams
from lossseg.jobs.typed import parse

SIZES = ("--filters", "4,8,8", "--patch", 16, 16, 16, "--batch", 2)
SMALL = ("--epochs", 1, "--iterations", 2, "--folds", 2, *SIZES, "--workers", 0, "--device", "cpu")


def lossseg(*arguments: object):
    return CliRunner().invoke(make_app(), [*map(str, arguments)], prog_name="lossseg")


def shown(kind: str, summary: dict) -> str:
    text = io.StringIO()
    show(kind, summary, Console(file=text, width=140, soft_wrap=True, highlight=False))
    return text.getvalue()


def test_every_setting_of_a_training_is_one_of_a_study():
    study, train = ({field.name: field for field in fields(cls)} for cls in (StudyParams, TrainParams))
    own = {"dataset", "out", "loss", "fold", "cross_validate", "resume", "finish"}
    assert set(TRAINING) == train.keys() - own and own & study.keys() == {"dataset", "out"}
    for name in TRAINING:
        assert study[name].metadata == train[name].metadata
        assert study[name].default == train[name].default or study[name].default is MISSING


def test_losses_may_hold_commas():
    record = {"dataset": "d", "out": "o", "losses": ["tversky(alpha=0.3, beta=0.7)", "ce"], "only_folds": [0, 2]}
    params = parse(StudyParams, record, "study")
    assert params.losses == ("tversky(alpha=0.3, beta=0.7)", "ce") and params.only_folds == (0, 2)
    assert params.parallel == 1 and params.ray is None and params.epochs is None


@pytest.fixture(scope="module")
def study(tmp_path_factory) -> tuple[Path, object]:
    root = tmp_path_factory.mktemp("Stüdies")
    blobs(root / "data")
    losses = ("--loss", "tversky(alpha=0.3, beta=0.7)", "--loss", "ce")
    return root, lossseg("study", root / "data", root / "study", *losses, *SMALL, "--only-folds", "1")


def test_a_study_from_the_command_line(study):
    root, answer = study
    assert answer.exit_code == 0, answer.output
    for words in ("2 of 2 runs finished", "fold 1", "minutes", "tversky_alpha_0.3_beta_0.7/fold_1", "report.html"):
        assert words in answer.output
    state = json.loads((root / "study" / "study.json").read_text(encoding="utf-8"))
    assert [run["key"] for run in state["runs"]] == ["tversky_alpha_0.3_beta_0.7/fold_1", "ce/fold_1"]
    again = lossseg("study", root / "data", root / "study", "--loss", "ce", *SMALL, "--seed", 3)
    assert again.exit_code == 2 and "begun with seed = 0, now it is 3" in again.output


def test_a_greedy_ensemble_from_the_command_line(study, tmp_path):
    root, _ = study
    models = [root / "study" / name / "fold_1" for name in ("tversky_alpha_0.3_beta_0.7", "ce")]
    answer = lossseg("ensemble", tmp_path / "e.json", *models, "--greedy")
    assert answer.exit_code == 0, answer.output
    for words in ("Greedy selection in", "held-out Dice", "ensemble", "validation dice", "a little too good"):
        assert words in answer.output
    assert (tmp_path / "e.json").exists()


def test_a_failed_run_ends_with_one_and_its_sentence():
    run = {"key": "ce/fold_0", "state": "failed", "seconds": 3.0, "steps": None, "scores": {}, "sentence": "It broke."}
    summary = {"out": "o", "runs": [run], "winners": {"score": "dice", "folds": [], "means": {}}, "report": None}
    assert ACTION.failed(summary)
    assert not ACTION.failed(summary | {"runs": [run | {"state": "finished"}]})
    assert "0 of 1 run finished" in shown("study", summary) and "ce/fold_0: It broke." in shown("study", summary)


def test_the_runs_of_a_study_share_a_bar():
    text = io.StringIO()
    with Terminal(Console(file=text, force_terminal=True, width=120, highlight=False)) as terminal:
        terminal(events.Progress("a/fold_0: train, steps", 5, 40, 70.0))
        terminal(events.Progress("b/fold_0: train, steps", 25, 40, 30.0))
        assert len(terminal._bars._tasks) == 1
        terminal(events.Progress("evaluate a", 1, 2))
        assert len(terminal._bars._tasks) == 2
    assert "b/fold_0: train, steps" in text.getvalue() and "25/40" in text.getvalue()
