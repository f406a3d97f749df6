"""Jobs of the engine: one process each, one after the other, events read from the lines that it prints.

A job succeeded when its process ended with exit code 0 **and** said `finished`. Whatever else happens, the person gets
one sentence, a hint, and the end of the log.
"""

from __future__ import annotations

import codecs
import shutil
from collections import deque
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from enum import Enum
from pathlib import Path
from typing import Any

import qt
from slicer.i18n import tr as _

from lossseg.errors import ErrorKind, InputError
from lossseg.jobs.events import Artifact, Event, Failed, Finished, Metric, Progress, Started, Warned, from_line
from SlicerLossSegLib import engine, failures
from SlicerLossSegLib.process_tree import kill_tree
from SlicerLossSegLib.worker import Worker

GRACE_MS = 3000
"""How long a cancelled engine may take to save what it has."""

_LOG_LINES = 5000
_TAIL_LINES = 50


class State(Enum):
    """Where a job is."""

    WAITING = "waiting"
    PREPARING = "preparing"
    RUNNING = "running"
    CANCELLING = "cancelling"
    COLLECTING = "collecting"
    FINISHED = "finished"
    FAILED = "failed"
    CANCELLED = "cancelled"

    @property
    def is_over(self) -> bool:
        return self in (State.FINISHED, State.FAILED, State.CANCELLED)


@dataclass(eq=False)
class Job:
    """One job and what has become of it.

    Attributes:
        kind, parameters: what the engine is asked to do.
        folder: for job.json and whatever the job needs; made when the job starts.
        prepare: called in a thread before the process starts, to write its input.
        collect: called in a thread after success, to read its output; what it returns becomes `collected`.
        on_change: called when `state`, `progress` or `artifacts` changed.
        on_log: called with each new line of the log.
        on_metric: called with each point of a live curve.
        on_end: called once, when the job is over.
        keep_folder: what is in `folder` outlives the job; when the application goes away the engine gets the time to
            save what it has.
        failure: why it failed, else None. `log_tail` goes with it.
    """

    kind: str
    parameters: Mapping[str, Any]
    folder: Path
    prepare: Callable[[], None] | None = None
    collect: Callable[[Job], Any] | None = None
    on_change: Callable[[Job], None] = lambda job: None
    on_log: Callable[[str], None] = lambda line: None
    on_metric: Callable[[Metric], None] = lambda metric: None
    on_end: Callable[[Job], None] = lambda job: None
    keep_folder: bool = False
    state: State = State.WAITING
    started: Started | None = None
    progress: Progress | None = None
    artifacts: list[Artifact] = field(default_factory=list)
    warnings: list[Warned] = field(default_factory=list)
    summary: dict[str, Any] = field(default_factory=dict)
    failure: Failed | None = None
    collected: Any = None
    log: deque[str] = field(default_factory=lambda: deque(maxlen=_LOG_LINES))

    @property
    def log_tail(self) -> str:
        return "\n".join(list(self.log)[-_TAIL_LINES:])


class JobQueue:
    """Runs jobs one after the other.

    Args:
        make_process: returns a new QProcess, or in tests what behaves like one.
        grace_ms: between `cancel` on the engine's stdin and the end of its whole process tree.
    """

    def __init__(self, make_process: Callable[[], Any] | None = None, grace_ms: int = GRACE_MS) -> None:
        self._make_process = make_process or qt.QProcess
        self._grace_ms = grace_ms
        self._waiting: deque[Job] = deque()
        self._run: _Run | None = None

    @property
    def current(self) -> Job | None:
        return self._run.job if self._run else None

    @property
    def jobs(self) -> list[Job]:
        """The running job and those that wait."""
        return ([self._run.job] if self._run else []) + list(self._waiting)

    def add(self, job: Job) -> Job:
        self._waiting.append(job)
        if self._run is None:
            self._next()
        return job

    def cancel(self, job: Job) -> None:
        """Ask the job to stop. It is over when `on_end` was called."""
        if self._run is not None and self._run.job is job:
            self._run.cancel()
        elif job in self._waiting:
            self._waiting.remove(job)
            _end(job, State.CANCELLED)

    def close(self) -> None:
        """End everything at once, with no word to anybody: the module or the application goes away."""
        self._waiting.clear()
        if self._run is not None:
            self._run.abandon()
            if not self._run.job.keep_folder:
                shutil.rmtree(self._run.job.folder, ignore_errors=True)
            self._run = None

    def _next(self) -> None:
        if not self._waiting:
            return
        self._run = _Run(self._waiting.popleft(), self._make_process, self._grace_ms, self._over)
        self._run.start()

    def _over(self, job: Job) -> None:
        # The next one starts after the caller has heard of this one, who may have added, cancelled or closed.
        self._run = None
        job.on_end(job)
        if self._run is None:
            self._next()


def _end(job: Job, state: State) -> None:
    job.state = state
    job.on_change(job)
    job.on_end(job)


class _Run:
    """One job on its way through preparation, the engine's process and collection."""

    def __init__(self, job: Job, make_process: Callable[[], Any], grace_ms: int, over: Callable[[Job], None]) -> None:
        self.job, self._make_process, self._over = job, make_process, over
        self._process: Any = None
        self._worker: Worker | None = None
        self._rest = b""
        self._decoder = codecs.getincrementaldecoder("utf-8")("replace")
        self._line = ""
        self._cancelled = False
        self._grace = qt.QTimer()
        self._grace.setSingleShot(True)
        self._grace.setInterval(grace_ms)
        self._grace.connect("timeout()", self._kill)

    def start(self) -> None:
        if self.job.prepare is None:
            self._launch()
            return
        self._go(State.PREPARING)
        self._worker = Worker(self.job.prepare, self._prepared, self._work_failed)
        self._worker.start()

    def cancel(self) -> None:
        self._cancelled = True
        if self._process is None:
            if self._worker is not None:
                self._worker.drop()
            self._finish(State.CANCELLED)
        elif self.job.state is State.RUNNING:
            self._go(State.CANCELLING)
            self._process.write(qt.QByteArray(b"cancel\n"))
            self._grace.start()

    def abandon(self) -> None:
        """End the process tree and tell nobody."""
        self._cancelled = True
        self._over = lambda job: None
        self.job.on_change = self.job.on_end = lambda job: None
        self.job.on_log = lambda line: None
        self.job.on_metric = lambda metric: None
        if self._worker is not None:
            self._worker.drop()
        self._grace.stop()
        if self._process is not None:
            if self.job.keep_folder:
                self._process.write(qt.QByteArray(b"cancel\n"))
                self._process.waitForFinished(GRACE_MS)
            self._kill()
            self._process.waitForFinished(1000)
        self.job.state = State.CANCELLED

    def _prepared(self, nothing: None) -> None:
        self._worker = None
        self._launch()

    def _work_failed(self, error: Exception) -> None:
        self._worker = None
        self._fail(failures.from_exception(error))

    def _launch(self) -> None:
        try:
            command = engine.command(engine.write_job(self.job.folder, self.job.kind, self.job.parameters))
        except OSError as error:
            self._fail(failures.from_exception(error))
            return
        process = self._process = self._make_process()
        variables = qt.QProcessEnvironment()
        for name, value in command.environment.items():
            variables.insert(name, value)
        process.setProcessEnvironment(variables)
        process.connect("readyReadStandardOutput()", self._read_output)
        process.connect("readyReadStandardError()", self._read_log)
        process.connect("errorOccurred(QProcess::ProcessError)", self._not_started)
        process.connect("finished(int,QProcess::ExitStatus)", self._ended)
        self._go(State.RUNNING)
        process.start(command.program, list(command.arguments))

    def _kill(self) -> None:
        if self._process is not None:
            kill_tree(int(self._process.processId()))

    def _not_started(self, error: Any) -> None:
        if error == qt.QProcess.FailedToStart and not self.job.state.is_over:
            self._fail(failures.not_started(engine.interpreter()))

    def _read_output(self) -> None:
        self._rest += self._process.readAllStandardOutput().data()
        *lines, self._rest = self._rest.split(b"\n")
        for line in lines:
            self._take(line.decode("utf-8", "replace"))

    def _read_log(self) -> None:
        text = self._line + self._decoder.decode(self._process.readAllStandardError().data())
        *lines, self._line = text.replace("\r\n", "\n").replace("\r", "\n").split("\n")
        for line in lines:
            self._write_log(line)

    def _take(self, line: str) -> None:
        if not line.strip():
            return
        try:
            event, _id = from_line(line)
        except InputError:
            # A library that prints on stdout must not break the job.
            self._write_log(line.rstrip())
            return
        self._hear(event)

    def _hear(self, event: Event) -> None:
        job = self.job
        if isinstance(event, Metric):
            job.on_metric(event)
            return
        if isinstance(event, Started):
            job.started = event
            self._write_log(_("Computing on {device}.").format(device=event.reason or event.device))
        elif isinstance(event, Progress):
            job.progress = event
        elif isinstance(event, Artifact):
            job.artifacts.append(event)
        elif isinstance(event, Warned):
            job.warnings.append(event)
            self._write_log(f"{event.message} {event.hint}".rstrip())
        elif isinstance(event, Failed):
            job.failure = event
        elif isinstance(event, Finished):
            job.summary, self._said_finished = event.summary, True
        job.on_change(job)

    _said_finished = False

    def _ended(self, code: int, status: Any) -> None:
        if self.job.state.is_over:
            return
        self._grace.stop()
        self._read_output()
        self._take(self._rest.decode("utf-8", "replace"))
        self._read_log()
        if self._line:
            self._write_log(self._line)
        crashed = status == qt.QProcess.CrashExit
        job = self.job
        if self._cancelled or (job.failure is not None and job.failure.kind is ErrorKind.CANCELLED):
            job.failure = None
            self._finish(State.CANCELLED)
        elif job.failure is not None:
            self._fail(job.failure)
        elif code != 0 or crashed:
            self._fail(failures.of_end(code, crashed, job.log_tail))
        elif not self._said_finished:
            self._fail(failures.silent())
        else:
            self._collect()

    def _collect(self) -> None:
        if self.job.collect is None:
            self._finish(State.FINISHED)
            return
        self._process = None
        self._go(State.COLLECTING)
        job, collect = self.job, self.job.collect
        self._worker = Worker(lambda: collect(job), self._collected, self._work_failed)
        self._worker.start()

    def _collected(self, value: Any) -> None:
        self.job.collected = value
        self._finish(State.FINISHED)

    def _fail(self, failure: Failed) -> None:
        self.job.failure = failure
        self._write_log(f"{failure.message} {failure.hint}".rstrip())
        self._finish(State.FAILED)

    def _finish(self, state: State) -> None:
        self._go(state)
        self._over(self.job)

    def _go(self, state: State) -> None:
        self.job.state = state
        self.job.on_change(self.job)

    def _write_log(self, line: str) -> None:
        self.job.log.append(line)
        self.job.on_log(line)
