"""Runs on a Ray cluster of this machine that loses machines, processes and the one who asked; needs Ray."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import psutil
import pytest
import torch
from studies_fakes import NAMES, Listener, settings
from training_fakes import blobs

from lossseg.errors import Cancelled, InputError, MissingDependency
from lossseg.model import load
from lossseg.reporting import Silent
from lossseg.studies import ray_cluster
from lossseg.studies.ray_cluster import OnRay
from lossseg.studies.state import RunState, StudyState
from lossseg.studies.study import run_study

ENGINE = Path(__file__).parents[2] / "SlicerLossSeg"
_LIMIT_S = 600.0
MEMORY = 80 * 2**20
HEAD = {"num_cpus": 0, "object_store_memory": MEMORY, "include_dashboard": False}

DRIVER = """
import sys
from pathlib import Path
from studies_fakes import settings
from lossseg.reporting import Silent
from lossseg.studies.ray_cluster import OnRay
from lossseg.studies.study import run_study
chosen = settings(only_folds=(0,), training={"iterations": int(sys.argv[4])})
run_study(Path(sys.argv[1]), Path(sys.argv[2]), chosen, Silent(), lambda plan, _: OnRay(sys.argv[3]))
"""


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


def same_weights(one: Path, other: Path) -> bool:
    ours, theirs = load(one).network().state_dict(), load(other).network().state_dict()
    return ours.keys() == theirs.keys() and all(torch.allclose(v, theirs[k], atol=1e-6) for k, v in ours.items())


def test_without_ray_the_way_to_install_it_is_named(dataset, tmp_path, monkeypatch):
    monkeypatch.setitem(__import__("sys").modules, "ray", None)
    with pytest.raises(MissingDependency, match="Ray is not installed"):
        run_study(dataset, tmp_path / "study", settings(only_folds=(0,)), Silent(), lambda plan, _: OnRay("local"))
    assert {run.state for run in StudyState.read(tmp_path / "study").runs} == {RunState.WAITING}


@pytest.fixture
def made(monkeypatch):
    """A real cluster on this machine: a head without cores."""
    pytest.importorskip("ray", reason='needs Ray: pip install "lossseg[ray]"')
    import ray
    from ray.cluster_utils import Cluster

    monkeypatch.setenv("PYTHONPATH", os.pathsep.join([str(ENGINE), os.environ.get("PYTHONPATH", "")]))
    monkeypatch.setenv("OMP_NUM_THREADS", "1")
    made = Cluster(initialize_head=True, head_node_args=HEAD)
    yield made
    ray.shutdown()
    made.shutdown()


@pytest.fixture
def cluster(made):
    """The cluster with two workers of one core each."""
    return made, [made.add_node(num_cpus=1, object_store_memory=MEMORY) for _ in range(2)]


def working(workers: list) -> list:
    """The machines on which a run is under way, by the processes that they started."""
    found = []
    for worker in workers:
        raylet = psutil.Process(worker.all_processes["raylet"][0].process.pid)
        titles = [" ".join(child.cmdline()) for child in raylet.children(recursive=True)]
        if any(title.startswith("ray::_work") for title in titles):
            found.append(worker)
    return found


def test_a_run_that_lost_its_machine_goes_on_from_its_checkpoint(dataset, tmp_path, cluster):
    """One of two runs was interrupted before; its machine is lost as soon as it is under way again."""
    made, workers = cluster
    out, chosen = tmp_path / "study", settings(only_folds=(0,), training={"iterations": 300})
    with pytest.raises(Cancelled):
        run_study(dataset, out, chosen, Listener(pause_after=3))
    first = StudyState.read(out).runs[0].key
    lost: list = []

    class Breaker(Listener):
        def metric(self, name: str, step: int, value: float, series: str = "") -> None:
            super().metric(name, step, value, series)
            if not lost and series.startswith(first):
                lost.extend(working(workers))
                for worker in lost:
                    made.remove_node(worker, allow_graceful=False)
                if len(lost) == len(workers):
                    made.add_node(num_cpus=1)

    listener = Breaker()
    summary = run_study(dataset, out, chosen, listener, lambda plan, _: OnRay(made.address))
    assert lost, "no machine was at work"
    assert [(run["state"], run["steps"]) for run in summary["runs"]] == [("finished", 300)] * 2
    assert any(f"{first}: Its machine or process was lost." in warning for warning in listener.warnings)
    steps = [step for series, name, step, _ in listener.metrics if name == "loss" and series.startswith(first)]
    assert min(steps) == 30 and steps.count(30) == 2, "it began at its checkpoint of step 20, both times"
    assert (out / "report.html").exists()


def tasks() -> list[psutil.Process]:
    """The processes in which runs are under way."""
    found = []
    for process in psutil.process_iter():
        try:
            if " ".join(process.cmdline()).startswith("ray::_work"):
                found.append(process)
        except psutil.Error:
            continue
    return found


def test_a_run_whose_process_was_killed_is_done_again_by_itself(dataset, tmp_path, cluster):
    made, _ = cluster
    killed: list[int] = []

    class Killer(Listener):
        def metric(self, name: str, step: int, value: float, series: str = "") -> None:
            super().metric(name, step, value, series)
            for task in tasks()[:1] if not killed else []:
                killed.append(task.pid)
                task.kill()

    listener = Killer()
    chosen = settings(only_folds=(0,), training={"iterations": 200})
    summary = run_study(dataset, tmp_path / "study", chosen, listener, lambda plan, _: OnRay(made.address))
    assert len(killed) == 1
    assert [(run["state"], run["steps"]) for run in summary["runs"]] == [("finished", 200)] * 2
    assert sum("machine or process was lost" in warning for warning in listener.warnings) == 1


@pytest.mark.parametrize(("share", "at_once"), [(0.5, 2), (1.0, 1)])
def test_runs_share_a_gpu_as_they_are_told(dataset, tmp_path, made, share, at_once):
    """The cluster counts a GPU that it is told of; the runs themselves compute on the CPU."""
    made.add_node(num_cpus=2, num_gpus=1, object_store_memory=MEMORY)
    most = [0]

    class Counter(Listener):
        def metric(self, name: str, step: int, value: float, series: str = "") -> None:
            super().metric(name, step, value, series)
            most[0] = max(most[0], len({run.key for run in StudyState.read(tmp_path / "study").runs if busy(run)}))

    def busy(run) -> bool:
        return run.state is RunState.RUNNING

    chosen = settings(only_folds=(0,), training={"iterations": 60})
    run_study(dataset, tmp_path / "study", chosen, Counter(), lambda plan, _: OnRay(made.address, gpus=share))
    assert {run.state for run in StudyState.read(tmp_path / "study").runs} == {RunState.FINISHED}
    assert most[0] == at_once


def test_a_study_goes_on_after_the_one_who_asked_for_it_died(dataset, tmp_path, made):
    """One run is finished, the other under way, when the process that watches them is killed."""
    made.add_node(num_cpus=1, object_store_memory=MEMORY)
    out = tmp_path / "study"
    path = os.pathsep.join([str(Path(__file__).parent), os.environ["PYTHONPATH"]])
    driver = subprocess.Popen(
        [sys.executable, "-c", DRIVER, str(dataset), str(out), made.address, "150"],
        env=os.environ | {"PYTHONPATH": path},
    )
    end = time.monotonic() + _LIMIT_S

    def until(true: Callable[[], bool]) -> None:
        while not true():
            assert driver.poll() is None and time.monotonic() < end
            time.sleep(0.1)

    until((out / "study.json").exists)
    until(lambda: [run.state for run in StudyState.read(out).runs] == [RunState.FINISHED, RunState.RUNNING])
    os.kill(driver.pid, signal.SIGKILL)
    driver.wait()
    first, second = (run.key for run in StudyState.read(out).runs)
    kept = (out / first / "weights.safetensors").stat().st_mtime_ns
    listener = Listener()
    chosen = settings(only_folds=(0,), training={"iterations": 150})
    summary = run_study(dataset, out, chosen, listener, lambda plan, _: OnRay(made.address))
    assert [(run["state"], run["steps"]) for run in summary["runs"]] == [("finished", 150)] * 2
    assert (out / first / "weights.safetensors").stat().st_mtime_ns == kept
    assert not [series for series, *_ in listener.metrics if series.startswith(first)]
    assert (out / "report.html").exists() and (out / second / "model.json").exists()


def test_a_study_on_ray_is_paused_and_goes_on(dataset, tmp_path, cluster, one_by_one):
    made, _ = cluster
    out, chosen = tmp_path / "study", settings(only_folds=(0,), training={"iterations": 20})
    with pytest.raises(Cancelled):
        run_study(dataset, out, chosen, Listener(pause_after=1), lambda plan, _: OnRay(made.address))
    assert RunState.RUNNING not in {run.state for run in StudyState.read(out).runs}
    summary = run_study(dataset, out, chosen, Silent(), lambda plan, _: OnRay(made.address))
    assert [run["state"] for run in summary["runs"]] == ["finished", "finished"]
    for name in NAMES:
        assert same_weights(out / name / "fold_0", one_by_one / name / "fold_0")


@pytest.mark.parametrize(
    ("address", "sentence"),
    [("127.0.0.1:1", "The Ray cluster 127.0.0.1:1 does not answer"), ("ray://127.0.0.1:1", "outside of the cluster")],
)
def test_a_cluster_that_does_not_answer_is_named(address, sentence):
    with pytest.raises(InputError, match=sentence):
        ray_cluster._connect(None, address)
