"""The job protocol from the Slicer side: every way in which an engine can end."""

import os
from pathlib import Path

import pytest
from engine_for_tests import use_fake_engine, wait_until

from lossseg.errors import ErrorKind, InputError


@pytest.fixture(autouse=True)
def _module(module):
    """The module's packages can be imported."""


@pytest.fixture
def queue():
    from SlicerLossSegLib.jobs import JobQueue

    made = JobQueue(grace_ms=300)
    yield made
    made.close()


def run(queue, monkeypatch, tmp_path, mode, **more):
    from SlicerLossSegLib.jobs import Job

    use_fake_engine(monkeypatch, mode)
    ended = []
    job = queue.add(Job("predict", {"x": 1}, tmp_path / "a job é", on_end=ended.append, **more))
    wait_until(lambda: job.state.is_over, 30)
    assert ended == [job]
    return job


def test_success_is_exit_code_0_and_finished(queue, monkeypatch, tmp_path):
    job = run(queue, monkeypatch, tmp_path, "good")
    assert job.state.value == "finished"
    assert job.summary == {"answer": 42}
    assert job.failure is None


def test_finished_with_another_exit_code_is_a_failure(queue, monkeypatch, tmp_path):
    job = run(queue, monkeypatch, tmp_path, "exit_code")
    assert job.state.value == "failed"
    assert "exit code 3" in job.failure.message
    assert "it went wrong afterwards" in job.log_tail


def test_exit_code_0_without_finished_is_a_failure(queue, monkeypatch, tmp_path):
    job = run(queue, monkeypatch, tmp_path, "silent")
    assert job.state.value == "failed"
    assert "without saying that it finished" in job.failure.message


@pytest.mark.parametrize(
    ("mode", "kind", "sentence"),
    [
        ("error_event", ErrorKind.INPUT, "The volume is empty."),
        ("disk_full", ErrorKind.DISK_FULL, "No room left on the disk."),
        ("killed", ErrorKind.OUT_OF_MEMORY, "memory was used up"),
        ("launcher_killed", ErrorKind.OUT_OF_MEMORY, "memory was used up"),
        ("crash", ErrorKind.INTERNAL, "The engine crashed."),
        ("missing_package", ErrorKind.MISSING_DEPENDENCY, "a_package_that_is_not_installed"),
    ],
)
def test_each_failure_has_its_kind_and_sentence(queue, monkeypatch, tmp_path, mode, kind, sentence):
    job = run(queue, monkeypatch, tmp_path, mode)
    assert job.state.value == "failed"
    assert job.failure.kind is kind
    assert sentence in job.failure.message
    assert job.failure.hint


def test_garbage_on_stdout_goes_to_the_log_and_breaks_nothing(queue, monkeypatch, tmp_path):
    lines = []
    job = run(queue, monkeypatch, tmp_path, "garbage", on_log=lines.append)
    assert job.state.value == "finished"
    assert "Loading weights 50%" in lines
    assert '{"event": "unknown"}' in lines
    assert "späte Meldung" in lines


def test_lines_arrive_in_pieces_and_the_last_without_line_end(queue, monkeypatch, tmp_path):
    job = run(queue, monkeypatch, tmp_path, "pieces")
    assert job.state.value == "finished"
    assert job.warnings[0].message == "höher"


def test_a_program_that_is_not_there(queue, monkeypatch, tmp_path):
    from SlicerLossSegLib import engine
    from SlicerLossSegLib.jobs import Job

    monkeypatch.setattr(engine, "interpreter", lambda: "/nowhere/PythonSlicer")
    job = queue.add(Job("predict", {}, tmp_path))
    wait_until(lambda: job.state.is_over, 10)
    assert job.state.value == "failed"
    assert "/nowhere/PythonSlicer" in job.failure.message


def test_cancel_is_a_word_to_the_engine_first(queue, monkeypatch, tmp_path):
    from SlicerLossSegLib.jobs import Job

    use_fake_engine(monkeypatch, "polite")
    job = queue.add(Job("predict", {}, tmp_path))
    wait_until(lambda: job.progress is not None, 20)
    queue.cancel(job)
    assert job.state.value == "cancelling"
    wait_until(lambda: job.state.is_over, 20)
    assert job.state.value == "cancelled"
    assert job.failure is None


def test_an_engine_that_does_not_listen_is_ended_with_all_its_children(queue, monkeypatch, tmp_path):
    from SlicerLossSegLib.jobs import Job

    use_fake_engine(monkeypatch, "deaf")
    job = queue.add(Job("predict", {}, tmp_path))
    wait_until(lambda: any(line.startswith("children") for line in job.log), 20)
    pids = [int(word) for word in next(line for line in job.log if line.startswith("children")).split()[1:]]
    assert len(pids) == 2
    assert all(alive(pid) for pid in pids)
    queue.cancel(job)
    wait_until(lambda: job.state.is_over, 20)
    assert job.state.value == "cancelled"
    wait_until(lambda: not any(alive(pid) for pid in pids), 5)


def test_closing_ends_the_tree_at_once_and_tells_nobody(queue, monkeypatch, tmp_path):
    from SlicerLossSegLib.jobs import Job

    use_fake_engine(monkeypatch, "deaf")
    ended = []
    job = queue.add(Job("predict", {}, tmp_path, on_end=ended.append))
    wait_until(lambda: any(line.startswith("children") for line in job.log), 20)
    pids = [int(word) for word in next(line for line in job.log if line.startswith("children")).split()[1:]]
    queue.close()
    wait_until(lambda: not any(alive(pid) for pid in pids), 5)
    assert ended == []


def test_jobs_queue(queue, monkeypatch, tmp_path):
    from SlicerLossSegLib.jobs import Job

    use_fake_engine(monkeypatch, "good")
    order = []
    jobs = [
        Job("predict", {}, tmp_path / str(place), on_end=lambda job, place=place: order.append(place))
        for place in range(3)
    ]
    for job in jobs:
        queue.add(job)
    assert [job.state.value for job in jobs] == ["running", "waiting", "waiting"]
    queue.cancel(jobs[1])
    assert order == [1]
    wait_until(lambda: jobs[2].state.is_over, 30)
    assert order == [1, 0, 2]
    assert [job.state.value for job in jobs] == ["finished", "cancelled", "finished"]


def test_preparation_and_collection_run_beside_the_gui_thread(queue, monkeypatch, tmp_path):
    import threading

    threads = []
    job = run(
        queue,
        monkeypatch,
        tmp_path,
        "good",
        prepare=lambda: threads.append(threading.current_thread()),
        collect=lambda job: threads.append(threading.current_thread()) or "read",
    )
    assert job.collected == "read"
    assert len(threads) == 2
    assert threading.main_thread() not in threads


def test_a_failed_preparation_is_a_failure_in_words(queue, monkeypatch, tmp_path):
    def prepare():
        raise InputError("The disk is gone.", "Find it.")

    job = run(queue, monkeypatch, tmp_path, "good", prepare=prepare)
    assert (job.failure.message, job.failure.hint) == ("The disk is gone.", "Find it.")


def test_the_job_file_holds_whole_paths_in_utf8(queue, monkeypatch, tmp_path):
    import json

    from SlicerLossSegLib.engine import write_job

    path = write_job(tmp_path / "mit Umlaut ä", "predict", {"model": Path("/a b/é"), "input": [Path("/x")], "n": None})
    assert json.loads(path.read_text(encoding="utf-8")) == {
        "job": "predict",
        "params": {"model": "/a b/é", "input": ["/x"], "n": None},
    }


def alive(pid):
    """Whether a process runs; one that waits to be reaped does not."""
    try:
        state = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0]
    except OSError:
        return False
    return state != "Z" and os.getpid() != pid
