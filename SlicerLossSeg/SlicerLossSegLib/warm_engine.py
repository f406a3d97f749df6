"""One engine process that stays up between questions, so that an answer does not pay for its start.

It is started by the first question, anew after it died, and ended after some idle minutes. One question is worked on
at a time and the newest one wins: an older one that waits is forgotten, one that is worked on is cancelled. Nobody
hears of a forgotten question again.
"""

from __future__ import annotations

import json
from collections import deque
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import qt

from lossseg.errors import InputError
from lossseg.jobs.events import Event, Failed, Finished, Progress, Started, from_line
from SlicerLossSegLib import engine, failures
from SlicerLossSegLib.process_tree import kill_tree

IDLE_MINUTES = 10.0
GRACE_MS = 10_000
"""How long a cancelled question may keep the next one waiting before the process is started anew."""

_LOG_LINES = 200


@dataclass(eq=False)
class Question:
    """One question to the engine.

    Attributes:
        kind, parameters: the job, see `lossseg.jobs.actions`.
        answered: called in the GUI thread with the job's summary.
        failed: called in the GUI thread instead, with a sentence and a hint.
        progressed: called in the GUI thread meanwhile; with None while the process starts.
    """

    kind: str
    parameters: Mapping[str, Any]
    answered: Callable[[dict[str, Any]], None]
    failed: Callable[[Failed], None]
    progressed: Callable[[Progress | None], None] = lambda progress: None
    wanted: bool = True
    id: str = ""


class WarmEngine:
    """Keeps one `lossseg serve` process.

    Args:
        make_process: returns a new QProcess.
        idle_minutes: without a question, after which the process is ended.
        grace_ms: see `GRACE_MS`.
    """

    def __init__(
        self,
        make_process: Callable[[], Any] | None = None,
        idle_minutes: float = IDLE_MINUTES,
        grace_ms: int = GRACE_MS,
    ) -> None:
        self._make_process = make_process or qt.QProcess
        self._process: Any = None
        # Qt is still at work in a process whose signal is being heard: it must live on for a while.
        self._last_process: Any = None
        self._ready = self._ending = False
        self._running: Question | None = None
        self._waiting: Question | None = None
        self._asked = 0
        self._rest = b""
        self._log: deque[str] = deque(maxlen=_LOG_LINES)
        self._idle = _timer(round(idle_minutes * 60_000), self.end)
        self._grace = _timer(grace_ms, self._start_anew)

    @property
    def is_warm(self) -> bool:
        """Whether the process is there."""
        return self._process is not None

    @property
    def is_busy(self) -> bool:
        """Whether somebody still waits for an answer."""
        return any(one is not None and one.wanted for one in (self._running, self._waiting))

    @property
    def log_tail(self) -> str:
        return "\n".join(self._log)

    @property
    def process_id(self) -> int:
        """Of the process, 0 without one."""
        return int(self._process.processId()) if self._process is not None else 0

    def ask(self, question: Question) -> Question:
        """Ask, and forget what was asked before."""
        self.forget()
        self._asked += 1
        question.id = str(self._asked)
        self._waiting = question
        self._idle.stop()
        self._next()
        return question

    def forget(self) -> None:
        """Nobody wants the answers any more."""
        if self._waiting is not None:
            self._waiting.wanted = False
            self._waiting = None
        if self._running is not None and self._running.wanted:
            self._running.wanted = False
            self._send({"cancel": self._running.id})
            self._grace.start()

    def end(self) -> None:
        """End the process at once, with no word to anybody. The next question starts another one."""
        for question in (self._running, self._waiting):
            if question is not None:
                question.wanted = False
        self._waiting = None
        process = self._process
        if process is not None:
            self._let_go()
            kill_tree(int(process.processId()))
            process.waitForFinished(1000)

    # --- questions ---------------------------------------------------------------------------------------------

    def _next(self) -> None:
        if self._running is not None or self._waiting is None or self._ending:
            return
        if self._process is None and not self._start():
            return
        question, self._waiting = self._waiting, None
        if question is None:
            return
        self._running = question
        record = engine.job_record(question.kind, question.parameters)
        self._send({"id": question.id, **record})
        if not self._ready:
            question.progressed(None)

    def _send(self, record: dict[str, Any]) -> None:
        if self._process is not None:
            self._process.write(qt.QByteArray(json.dumps(record).encode("ascii") + b"\n"))

    def _hear(self, event: Event, question_id: str | None) -> None:
        question = self._running
        if isinstance(event, Started):
            self._ready = True
        if question is None or question_id != question.id:
            return
        if isinstance(event, Progress) and question.wanted:
            question.progressed(event)
        elif isinstance(event, Finished | Failed):
            self._over(question, event)

    def _over(self, question: Question, event: Finished | Failed) -> None:
        self._running = None
        self._grace.stop()
        self._idle.start()
        if question.wanted:
            question.wanted = False
            if isinstance(event, Finished):
                question.answered(event.summary)
            else:
                question.failed(event)
        # Whoever heard may have asked the next question, or ended everything.
        self._next()

    # --- process -----------------------------------------------------------------------------------------------

    def _start(self) -> bool:
        """Start the process; false when there is none afterwards."""
        command = engine.serve_command()
        process = self._process = self._make_process()
        self._rest, self._ready = b"", False
        self._log.clear()
        variables = qt.QProcessEnvironment()
        for name, value in command.environment.items():
            variables.insert(name, value)
        process.setProcessEnvironment(variables)
        process.connect("readyReadStandardOutput()", self._read_output)
        process.connect("readyReadStandardError()", self._read_log)
        process.connect("errorOccurred(QProcess::ProcessError)", self._not_started)
        process.connect("finished(int,QProcess::ExitStatus)", self._ended)
        process.start(command.program, list(command.arguments))
        return self._process is not None

    def _start_anew(self) -> None:
        """The process does not stop what nobody wants any more."""
        if not self._ready:
            self._grace.start()
            return
        waiting, self._waiting = self._waiting, None
        self.end()
        self._waiting = waiting
        self._next()

    def _let_go(self) -> None:
        process, self._process = self._process, None
        self._running = None
        self._idle.stop()
        self._grace.stop()
        if process is None:
            return
        self._last_process = process
        process.disconnect("readyReadStandardOutput()", self._read_output)
        process.disconnect("readyReadStandardError()", self._read_log)
        process.disconnect("errorOccurred(QProcess::ProcessError)", self._not_started)
        process.disconnect("finished(int,QProcess::ExitStatus)", self._ended)

    def _not_started(self, error: Any) -> None:
        if error == qt.QProcess.FailedToStart:
            question = self._running or self._waiting
            self._waiting = None
            self._died(question, failures.not_started(engine.interpreter()))

    def _ended(self, code: int, status: Any) -> None:
        # Who hears the last answer may ask again: that question is for the next process.
        self._ending = True
        self._read_output()
        self._read_log()
        self._ending = False
        failure = failures.of_end(code, status == qt.QProcess.CrashExit, self.log_tail)
        self._died(self._running, failure)

    def _died(self, question: Question | None, failure: Failed) -> None:
        self._let_go()
        if question is not None and question.wanted:
            question.wanted = False
            question.failed(failure)
        self._next()

    def _read_output(self) -> None:
        if self._process is None:
            return
        self._rest += self._process.readAllStandardOutput().data()
        *lines, self._rest = self._rest.split(b"\n")
        for line in lines:
            text = line.decode("utf-8", "replace").rstrip()
            try:
                event, question_id = from_line(text)
            except InputError:
                self._log.append(text)
                continue
            self._hear(event, question_id)

    def _read_log(self) -> None:
        if self._process is not None:
            text = self._process.readAllStandardError().data().decode("utf-8", "replace")
            self._log.extend(text.splitlines())


def _timer(milliseconds: int, act: Callable[[], None]) -> Any:
    timer = qt.QTimer()
    timer.setSingleShot(True)
    timer.setInterval(milliseconds)
    timer.connect("timeout()", act)
    return timer
