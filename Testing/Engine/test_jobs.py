"""The job protocol: parameters from JSON, events, cancelling, error kinds and exit codes, `run` and `serve`."""

from __future__ import annotations

import dataclasses
import io
import json
import math
import os
import signal
import subprocess
import sys
import threading
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

import numpy as np
import pytest

from lossseg.errors import Cancelled, ErrorKind, InputError, OutOfMemory
from lossseg.jobs import events
from lossseg.jobs.action import parse_job, read_job
from lossseg.jobs.actions import ACTIONS
from lossseg.jobs.cancel import Cancellation, read_lines
from lossseg.jobs.failure import describe, install_hint
from lossseg.jobs.machine import processor
from lossseg.jobs.reporter import EventReporter, JsonLines
from lossseg.jobs.typed import jsonable, parse

ENGINE = Path(__file__).parents[2] / "SlicerLossSeg"
FAKE = [sys.executable, str(Path(__file__).with_name("fake_engine.py"))]


@dataclass(frozen=True)
class Sample:
    size: tuple[int, int, int]
    name: str = "a"
    minutes: float | None = dataclasses.field(default=None, metadata={"low": 0.5, "high": 10})
    kind: Literal["tof", "ct"] = "tof"
    fold: int | Literal["all"] = 0
    paths: tuple[Path, ...] = ()
    groups: dict[str, Path] = dataclasses.field(default_factory=dict)
    deep: bool = True


def environment() -> dict[str, str]:
    return {**os.environ, "PYTHONPATH": str(ENGINE), "COLUMNS": "100"}


def start(*arguments: str, **options) -> subprocess.Popen[str]:
    return subprocess.Popen(
        [*FAKE, *arguments],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        encoding="utf-8",
        env=environment(),
        **options,
    )


def run_job(folder: Path, record: object) -> tuple[int, list[events.Event], str]:
    """Exit code, events and stderr of `run` with a job file; every line of stdout must be an event of the schema."""
    (folder / "job.json").write_text(json.dumps(record), encoding="utf-8")
    process = start("run", str(folder / "job.json"))
    out, log = process.communicate(timeout=300)
    return process.returncode, [events.from_line(line)[0] for line in out.splitlines()], log


# Parameters from JSON


def test_values_keep_their_types():
    sample = parse(
        Sample,
        {"size": [1, 2.0, 3], "minutes": 2, "fold": "all", "paths": ["a", "b"], "groups": {"ce": "models"}},
        "test",
    )
    expected = Sample((1, 2, 3), "a", 2.0, "tof", "all", (Path("a"), Path("b")), {"ce": Path("models")})
    assert sample == expected
    assert isinstance(sample.minutes, float)


@pytest.mark.parametrize(
    ("record", "message", "hint"),
    [
        ({"size": [1, 2, 3], "minuts": 1}, "there is no `minuts`", "Did you mean `minutes`?"),
        ({}, "`size` is missing", ""),
        ({"size": [1, 2]}, "`size` must have 3 values, not 2", ""),
        ({"size": "1 2 3"}, "`size` must be a list, not '1 2 3'", ""),
        ({"size": [1, 2, 3.5]}, "`size` must be a whole number, not 3.5", ""),
        ({"size": [1, 2, True]}, "`size` must be a whole number, not True", ""),
        ({"size": [1, 2, 3], "minutes": "ten"}, "`minutes` must be a number, not 'ten'", ""),
        ({"size": [1, 2, 3], "minutes": math.nan}, "`minutes` must be a number, not nan", ""),
        ({"size": [1, 2, 3], "minutes": 0.1}, "`minutes` must be at least 0.5, not 0.1", ""),
        ({"size": [1, 2, 3], "minutes": 11}, "`minutes` must be at most 10, not 11", ""),
        ({"size": [1, 2, 3], "kind": "cd"}, "`kind` cannot be 'cd'", "Known: ct, tof."),
        ({"size": [1, 2, 3], "deep": "yes"}, "`deep` must be true or false, not 'yes'", ""),
        ({"size": [1, 2, 3], "name": None}, "`name` must be a text, not None", ""),
        ({"size": [1, 2, 3], "paths": [1]}, "`paths` must be a path, not 1", ""),
        ([1], "expected an object with fields", ""),
    ],
)
def test_wrong_fields_are_named(record, message, hint):
    with pytest.raises(InputError) as caught:
        parse(Sample, record, "job `x`")
    assert caught.value.message.startswith("job `x`: ")
    assert message in caught.value.message
    assert hint in caught.value.hint


def test_json_has_no_nan_paths_or_arrays():
    value = {
        "a": math.nan,
        "b": [np.float32(0.5), math.inf],
        "c": Path("x"),
        "d": np.arange(3),
        "e": ErrorKind.INPUT,
        "f": Sample((1, 2, 3)),
        5: True,
        "g": np.int64(7),
    }
    plain = jsonable(value)
    assert plain["a"] is None and plain["b"] == [0.5, None] and plain["c"] == "x" and plain["d"] == [0, 1, 2]
    assert plain["e"] == "input" and plain["f"]["size"] == [1, 2, 3] and plain["5"] is True and plain["g"] == 7
    json.dumps(plain, allow_nan=False)


def test_a_job_names_its_kind():
    with pytest.raises(InputError, match="no job `trian`") as caught:
        parse_job({"job": "trian"}, ACTIONS)
    assert caught.value.hint == "Did you mean `train`?"
    with pytest.raises(InputError, match="no field `job`"):
        parse_job({"params": {}}, ACTIONS)
    with pytest.raises(InputError, match="no `parms` in a job"):
        parse_job({"job": "doctor", "parms": {}}, ACTIONS)


def test_paths_in_a_job_file_are_relative_to_it(tmp_path):
    folder = tmp_path / "a study"
    folder.mkdir()
    record = {"job": "predict", "params": {"model": "m", "input": ["a", "/b"], "out": "../out"}, "id": 3}
    (folder / "job.json").write_text(json.dumps(record))
    job = read_job(folder / "job.json", ACTIONS)
    assert job.params.model == folder / "m"
    assert job.params.input == (folder / "a", Path("/b"))
    assert job.params.out == folder / ".." / "out"
    assert job.id == "3"
    assert parse_job(record, ACTIONS).params.model == Path("m")


# Events


EXAMPLES = [
    events.Started("train", "0.1.0", "cpu", "it was asked for"),
    events.Progress("train", 3, 10, 12.5),
    events.Progress("train", 3, 10),
    events.Metric("dice", 2, 0.5, "validation"),
    events.Metric("dice", 2, None),
    events.Artifact("model", "models/über"),
    events.Warned("Careful.", "Do this."),
    events.Failed(ErrorKind.DISK_FULL, "No room.", "Free some."),
    events.Finished({"scores": {"dice": None}, "files": ["a"]}),
]


@pytest.mark.parametrize("event", EXAMPLES, ids=lambda event: event.event)
def test_an_event_survives_its_line(event):
    for job_id in (None, "7"):
        line = events.to_line(event, job_id)
        assert "\n" not in line and line.isascii()
        assert events.from_line(line) == (event, job_id)


def test_every_kind_of_event_has_an_example():
    assert {type(event) for event in EXAMPLES} == set(events.KINDS.values())
    assert events.fields_of("progress") == ("stage", "done", "total", "eta_s")
    assert [events.is_last(event) for event in EXAMPLES] == [False] * 7 + [True, True]


@pytest.mark.parametrize(
    "line",
    [
        "Epoch 1: 100%",
        "[]",
        '{"job": "x"}',
        '{"event": "progres", "stage": "a", "done": 1, "total": 2}',
        '{"event": "progress", "stage": "a", "done": 1}',
        '{"event": "progress", "stage": "a", "done": "1", "total": 2}',
        '{"event": "artifact", "kind": "a", "path": "b", "extra": 1}',
        '{"event": "error", "kind": "odd", "message": "m", "hint": ""}',
    ],
)
def test_what_is_no_event_is_refused(line):
    with pytest.raises(InputError):
        events.from_line(line)


def test_reporter_calls_become_events_without_nan():
    seen: list[events.Event] = []
    reporter = EventReporter(seen.append)
    reporter.metric("loss", 1, math.nan)
    reporter.artifact("label", Path("a.nii.gz"))
    reporter.warning("w")
    assert seen == [events.Metric("loss", 1, None), events.Artifact("label", "a.nii.gz"), events.Warned("w")]


def test_progress_is_thinned_out_but_its_ends_are_told():
    seen: list[events.Progress] = []
    now = [0.0]
    reporter = EventReporter(seen.append, interval=0.1, clock=lambda: now[0])
    for done in range(101):
        reporter.progress("a", done, 100, math.inf)
        now[0] += 0.01
    assert (seen[0].done, seen[-1].done) == (0, 100)
    assert 10 <= len(seen) <= 12
    assert all(event.eta_s is None for event in seen)


def test_progress_raises_once_cancelled():
    cancellation = Cancellation()
    reporter = EventReporter(lambda event: None, cancellation.requested)
    reporter.progress("a", 0, 2)
    cancellation.request()
    with pytest.raises(Cancelled):
        reporter.progress("a", 1, 2)


def test_lines_of_several_threads_stay_whole():
    stream = io.StringIO()
    listener = JsonLines(stream)

    def report(number: int) -> None:
        for step in range(200):
            listener(events.Metric("m" * 50, step, number))

    threads = [threading.Thread(target=report, args=(number,)) for number in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len([events.from_line(line) for line in stream.getvalue().splitlines()]) == 800


# Errors


class OutOfMemoryError(RuntimeError):
    """As torch names its own."""


@pytest.mark.parametrize(
    ("error", "kind", "code", "words"),
    [
        (InputError("a.nii.gz is no image.", "Give another."), "input", 2, "a.nii.gz is no image."),
        (OutOfMemory("All failed."), "out_of_memory", 1, "All failed."),
        (MemoryError(), "out_of_memory", 1, "Out of memory"),
        (OutOfMemoryError("CUDA out of memory. Tried 2 GiB"), "out_of_memory", 1, "Tried 2 GiB"),
        (RuntimeError("DefaultCPUAllocator: can't allocate memory"), "out_of_memory", 1, "can't allocate"),
        (OSError(28, "No space left on device", "/out/a.json"), "disk_full", 1, "/out/a.json"),
        (OSError(28, "No space left on device"), "disk_full", 1, "No room left"),
        (RuntimeError("itk: write failed: No space left on device"), "disk_full", 1, "No room left"),
        (OSError("170190 requested and 2016 written"), "disk_full", 1, "No room left"),
        (PermissionError(13, "Permission denied", "/out/a.json"), "input", 2, "No permission to write /out/a.json"),
        (FileNotFoundError(2, "No such file", "/in/a.json"), "input", 2, "/in/a.json does not exist."),
        (ModuleNotFoundError("No module named 'ray'", name="ray"), "missing_dependency", 1, "package ray"),
        (ModuleNotFoundError("No module named 'lossseg.x'", name="lossseg.x"), "internal", 1, "lossseg.x"),
        (KeyboardInterrupt(), "cancelled", 130, "Cancelled."),
        (Cancelled(), "cancelled", 130, "Cancelled."),
        (BrokenPipeError(32, "Broken pipe"), "cancelled", 130, "Cancelled."),
        (ValueError("first line\nsecond"), "internal", 1, "(ValueError): first line."),
    ],
)
def test_each_error_has_its_kind(error, kind, code, words):
    failure = describe(error)
    assert (failure.kind, failure.kind.exit_code) == (kind, code)
    assert words in failure.message
    assert "\n" not in failure.message


def test_a_missing_package_comes_with_its_command():
    assert install_hint("matplotlib.pyplot") == 'Install it: pip install "lossseg[report]"'
    assert install_hint("cc3d") == "Install it: pip install connected-components-3d"
    assert install_hint("torch") == "Install it: pip install torch"


def test_the_processor_is_named(tmp_path):
    (tmp_path / "cpuinfo").write_text("processor : 0\nmodel name\t: Fast One 9000\n")
    assert processor(tmp_path / "cpuinfo") == "Fast One 9000"
    assert processor(tmp_path / "absent")


# Cancelling


def test_lines_come_whole_and_the_end_is_told():
    receiving, sending = os.pipe()
    lines: list[str] = []
    ended = threading.Event()
    read_lines(receiving, lines.append, ended.set)
    os.write(sending, b"one\ntw")
    os.write(sending, b"o\r\nlast")
    os.close(sending)
    assert ended.wait(60)
    assert lines == ["one", "two", "last"]


# `lossseg run`, in processes of its own


def test_a_job_that_succeeds(tmp_path):
    code, seen, _ = run_job(tmp_path, {"job": "fake", "params": {"file": "x.txt"}})
    assert code == 0
    assert [event.event for event in seen] == ["started", "progress", "progress", "finished"]
    assert seen[-1].summary == {"what": "fine", "undefined": None, "file": str(tmp_path / "x.txt")}


@pytest.mark.parametrize(
    ("what", "code", "kind", "words"),
    [
        ("bad_input", 2, "input", "scan.nii.gz is no image."),
        ("crash", 1, "internal", "(ZeroDivisionError): a bug."),
        ("memory", 1, "out_of_memory", "Out of memory"),
        ("disk", 1, "disk_full", "/data/out.nii.gz"),
        ("missing", 1, "missing_dependency", "package_that_is_not_there"),
    ],
)
def test_a_job_that_fails(tmp_path, what, code, kind, words):
    answer, seen, log = run_job(tmp_path, {"job": "fake", "params": {"what": what}})
    assert answer == code
    assert (seen[0].event, seen[-1].event, seen[-1].kind) == ("started", "error", kind)
    assert words in seen[-1].message
    assert ("Traceback" in log) == (what != "bad_input")


@pytest.mark.parametrize(
    ("record", "words"),
    [
        ({"job": "fake", "params": {"whta": "fine"}}, "there is no `whta`"),
        ({"job": "fake", "params": {"seconds": -1}}, "`seconds` must be at least 0"),
        ({"job": "faek"}, "There is no job `faek`."),
        ([], "A job must be a JSON object."),
    ],
)
def test_a_job_that_cannot_be_read(tmp_path, record, words):
    code, seen, log = run_job(tmp_path, record)
    assert code == 2
    assert [event.event for event in seen] == ["error"]
    assert words in seen[0].message
    assert log == ""


def test_what_libraries_print_is_no_event(tmp_path):
    code, seen, log = run_job(tmp_path, {"job": "fake", "params": {"what": "noisy"}})
    assert code == 0
    assert seen[-1].event == "finished"
    for words in ("from print", "from sys.stdout", "from the descriptor", "from C", "from a child"):
        assert words in log


def test_undefined_values_are_null(tmp_path):
    code, seen, _ = run_job(tmp_path, {"job": "fake", "params": {"what": "nan"}})
    assert code == 0
    assert events.Metric("loss", 3, None, "training") in seen
    assert events.Artifact("label", "späces and accénts.nii.gz") in seen


def wait_for(process: subprocess.Popen[str], name: str) -> None:
    for line in process.stdout:
        if events.from_line(line)[0].event == name:
            return
    raise AssertionError(process.stderr.read())


def test_cancel_on_stdin(tmp_path):
    (tmp_path / "job.json").write_text('{"job": "fake", "params": {"seconds": 60}}')
    process = start("run", str(tmp_path / "job.json"))
    wait_for(process, "progress")
    began = time.monotonic()
    process.stdin.write("no command\ncancel\n")
    process.stdin.flush()
    out, _ = process.communicate(timeout=300)
    assert process.returncode == 130
    assert events.from_line(out.splitlines()[-1])[0].kind is ErrorKind.CANCELLED
    assert time.monotonic() - began < 25


def test_the_end_of_stdin_is_no_cancel(tmp_path):
    (tmp_path / "job.json").write_text('{"job": "fake", "params": {"seconds": 0.5}}')
    process = start("run", str(tmp_path / "job.json"))
    process.stdin.close()
    process.stdin = None
    assert "finished" in process.communicate(timeout=300)[0].splitlines()[-1]
    assert process.returncode == 0


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_a_signal_cancels(tmp_path, number):
    (tmp_path / "job.json").write_text('{"job": "fake", "params": {"seconds": 60}}')
    process = start("run", str(tmp_path / "job.json"))
    wait_for(process, "progress")
    process.send_signal(number)
    out, _ = process.communicate(timeout=300)
    assert process.returncode == 130
    assert events.from_line(out.splitlines()[-1])[0].kind is ErrorKind.CANCELLED


def test_a_job_stops_when_nobody_reads(tmp_path):
    (tmp_path / "job.json").write_text('{"job": "fake", "params": {"seconds": 1}}')
    process = start("run", str(tmp_path / "job.json"))
    wait_for(process, "progress")
    process.stdout.close()
    assert process.wait(300) == 130


# `lossseg serve`


def answers(out: str) -> dict[str | None, list[events.Event]]:
    """Events by job id."""
    by_id: dict[str | None, list[events.Event]] = {}
    for line in out.splitlines():
        event, job_id = events.from_line(line)
        by_id.setdefault(job_id, []).append(event)
    return by_id


def serve(*lines: object) -> dict[str | None, list[events.Event]]:
    process = start("serve", "--no-preload")
    text = "".join((line if isinstance(line, str) else json.dumps(line)) + "\n" for line in lines)
    out, _ = process.communicate(text, timeout=300)
    assert process.returncode == 0
    return answers(out)


def test_serve_goes_on_after_errors():
    seen = serve(
        "garbage",
        {"id": "a", "job": "fake", "params": {"what": "crash"}},
        {"id": "b", "job": "absent"},
        {"id": 3, "job": "fake", "params": {"what": "noisy"}},
        "",
        {"id": "d", "job": "fake"},
    )
    assert [event.event for event in seen[None]] == ["started", "error"]
    assert seen["a"][-1].kind is ErrorKind.INTERNAL
    assert [event.kind for event in seen["b"]] == [ErrorKind.INPUT]
    assert [event.event for event in seen["3"]] == ["started", "progress", "progress", "finished"]
    assert seen["d"][-1].summary["what"] == "fine"


def test_serve_cancels_the_running_job_only():
    process = start("serve", "--no-preload")
    for job_id in ("1", "2"):
        seconds = 60 if job_id == "1" else 0
        process.stdin.write(json.dumps({"id": job_id, "job": "fake", "params": {"seconds": seconds}}) + "\n")
    process.stdin.flush()
    wait_for(process, "progress")
    out, _ = process.communicate("cancel\n", timeout=300)
    seen = answers(out)
    assert seen["1"][-1].kind is ErrorKind.CANCELLED
    assert seen["2"][-1].event == "finished"
    assert process.returncode == 0


def test_serve_cancels_by_id_before_a_job_begins():
    seen = serve({"id": "1", "job": "fake", "params": {"seconds": 0.5}}, {"id": "2", "job": "fake"}, {"cancel": "2"})
    assert seen["1"][-1].event == "finished"
    assert [event.kind for event in seen["2"]] == [ErrorKind.CANCELLED]


def test_a_cancel_that_comes_with_its_job_is_not_lost():
    seen = serve({"id": "1", "job": "fake", "params": {"seconds": 60}}, "cancel")
    assert seen["1"][-1].kind is ErrorKind.CANCELLED


def test_serve_ends_on_sigterm_when_idle():
    process = start("serve", "--no-preload")
    wait_for(process, "started")
    process.send_signal(signal.SIGTERM)
    assert process.wait(300) == 130
