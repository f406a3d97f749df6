"""Several runs at once, in processes of their own."""

from __future__ import annotations

import os
import signal
from pathlib import Path

import psutil
import pytest
import torch
from studies_fakes import NAMES, Listener, settings
from training_fakes import blobs

from lossseg.errors import Cancelled
from lossseg.model import load
from lossseg.preprocessing import read_plan
from lossseg.reporting import Silent
from lossseg.studies.processes import InProcesses, fitting
from lossseg.studies.remote_reporter import RemoteReporter, hand_on
from lossseg.studies.state import RunState, StudyState
from lossseg.studies.study import run_study

ENGINE = Path(__file__).parents[2] / "SlicerLossSeg"


@pytest.fixture(scope="module")
def dataset(tmp_path_factory) -> Path:
    return blobs(tmp_path_factory.mktemp("daten") / "Läsionen hell")


@pytest.fixture(scope="module")
def one_by_one(dataset, tmp_path_factory) -> Path:
    """What the same runs give in this process, for comparison."""
    out = tmp_path_factory.mktemp("one") / "study"
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    run_study(dataset, out, settings(only_folds=(0,), training={"iterations": 20}), Silent())
    torch.set_num_threads(threads)
    return out


def processes(count: int):
    return lambda plan, training: InProcesses(count)


def same_weights(one: Path, other: Path) -> bool:
    ours, theirs = load(one).network().state_dict(), load(other).network().state_dict()
    return ours.keys() == theirs.keys() and all(torch.allclose(v, theirs[k], atol=1e-6) for k, v in ours.items())


# Processes


def test_processes_give_what_one_after_the_other_gives(dataset, tmp_path, one_by_one):
    listener = Listener()
    chosen = settings(only_folds=(0,), training={"iterations": 20})
    summary = run_study(dataset, tmp_path / "study", chosen, listener, processes(2))
    assert [run["state"] for run in summary["runs"]] == ["finished", "finished"]
    for name in NAMES:
        assert same_weights(tmp_path / "study" / name / "fold_0", one_by_one / name / "fold_0")
    assert {series.split(":")[0] for series, *_ in listener.metrics} == {f"{name}/fold_0" for name in NAMES}
    assert [path.name for kind, path in listener.files if kind == "study"] == ["study.json"] * 5
    assert listener.stages[-1][1] == listener.stages[-1][2]


def test_processes_are_paused_with_their_checkpoints(dataset, tmp_path):
    out, chosen = tmp_path / "study", settings(only_folds=(0,), training={"iterations": 3000})
    with pytest.raises(Cancelled):
        run_study(dataset, out, chosen, Listener(pause_after=6), processes(2))
    assert {run.state for run in StudyState.read(out).runs} == {RunState.WAITING}
    assert not [child for child in psutil.Process().children() if "spawn_main" in " ".join(child.cmdline())]
    saved = [out / name / "fold_0" / "checkpoints" / "last.safetensors" for name in NAMES]
    assert any(path.exists() for path in saved)


def test_a_killed_process_is_a_failed_run_that_goes_on(dataset, tmp_path):
    out, chosen = tmp_path / "study", settings("dice + ce", only_folds=(0,), training={"iterations": 60})
    killed: list[int] = []

    class Killer(Listener):
        def metric(self, name: str, step: int, value: float, series: str = "") -> None:
            super().metric(name, step, value, series)
            for child in psutil.Process().children():
                if not killed and "spawn_main" in " ".join(child.cmdline()):
                    killed.append(child.pid)
                    os.kill(child.pid, signal.SIGKILL)

    summary = run_study(dataset, out, chosen, Killer(), processes(2))
    assert len(killed) == 1 and [run["state"] for run in summary["runs"]] == ["failed"]
    assert "was killed" in summary["runs"][0]["sentence"]
    again = run_study(dataset, out, chosen, Silent(), processes(2))
    assert [(run["state"], run["steps"]) for run in again["runs"]] == [("finished", 60)]


def test_a_failed_run_in_a_process_is_named(dataset, tmp_path):
    chosen = settings("dice + ce", only_folds=(0,), training={"learning_rate": 10.0, "patch": (16, 16, 16)})
    out = tmp_path / "study"
    folder = out / "dice_ce" / "fold_0"

    class Breaker(Listener):
        """Leaves a damaged checkpoint where the run is to begin."""

        def artifact(self, kind: str, path: Path) -> None:
            super().artifact(kind, path)
            if kind == "study" and not folder.exists():
                (folder / "checkpoints").mkdir(parents=True)
                (folder / "checkpoints" / "last.safetensors").write_bytes(b"damaged")
                (folder / "training.json").write_text("{}")

    summary = run_study(dataset, out, chosen, Breaker(), processes(2))
    assert [run["state"] for run in summary["runs"]] == ["failed"]
    assert summary["runs"][0]["sentence"] and summary["report"] is None


def test_as_many_runs_as_fit_the_memory(one_by_one):
    plan, cpu = read_plan(one_by_one / "plan.json"), torch.device("cpu")
    assert fitting(4, plan, cpu, free_gb=64.0) == 4
    assert fitting(4, plan, cpu, free_gb=2.5) == 2
    assert fitting(4, plan, cpu, free_gb=0.1) == 1


def test_what_is_told_in_another_process_is_told_here():
    posts: list = []
    now = [0.0]
    remote = RemoteReporter(posts.append, lambda: now[0] > 5, lambda: now[0])
    for step in range(5):
        remote.progress("train, steps", step, 4)
        now[0] += 0.1
    remote.metric("loss", 3, 0.5, "training")
    remote.artifact("model", Path("m"))
    remote.warning("slow", "wait")
    here = Listener()
    for post in posts:
        hand_on(post, here)
    assert [done for _, done, _, _ in here.stages] == [0, 2, 4]
    assert here.metrics == [("training", "loss", 3, 0.5)]
    assert here.files == [("model", Path("m"))] and here.warnings == ["slow"]
    now[0] = 6.0
    with pytest.raises(Cancelled):
        remote.check()
