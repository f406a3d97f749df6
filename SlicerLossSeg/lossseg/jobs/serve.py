"""One engine process that stays warm and answers jobs as they come: an answer to a click must not pay for an import."""

from __future__ import annotations

import json
import queue
import threading
from typing import TextIO

from lossseg import __version__
from lossseg.errors import ErrorKind, InputError
from lossseg.jobs.action import Action, identity, parse_job
from lossseg.jobs.cancel import CANCEL, Cancellation, read_lines, signals
from lossseg.jobs.device import choose
from lossseg.jobs.events import Event, Failed, Started
from lossseg.jobs.reporter import JsonLines
from lossseg.jobs.runner import guarded, report, run_job
from lossseg.keeping import Keeper


class Server:
    """Jobs of one line each, done one after the other in the order they came; every event carries its job's id.

    A line is a job (`{"id": "1", "job": "predict", "params": {...}}`), `cancel` (the running job stops) or
    `{"cancel": "1"}` (that job stops, or does not begin). A line that is neither is answered by an `error` event. At
    the end of stdin the server finishes what it has and ends with exit code 0.
    """

    def __init__(self, actions: dict[str, Action], output: TextIO) -> None:
        self._actions, self._events = actions, JsonLines(output)
        self._cancellation = Cancellation()
        self._keeper = Keeper()
        # A signal handler puts into it while the same thread may be taking from it: only SimpleQueue allows that.
        self._lines: queue.SimpleQueue[str | None] = queue.SimpleQueue()
        self._stopped = False
        self._lock = threading.Lock()
        self._waiting = 0
        self._running: str | None = None
        self._busy = self._cancel_next = False
        self._dropped: set[str] = set()

    def serve(self, descriptor: int = 0, preload: bool = True) -> int:
        """Answer the jobs that come in on a file descriptor until it ends, or until Ctrl-C or SIGTERM."""
        with signals(self._cancellation, self._stop):
            read_lines(descriptor, self.take, lambda: self._lines.put(None))
            self._events(self._ready(preload))
            for line in iter(self._lines.get, None):
                if self._stopped:
                    break
                self._answer(line)
        return ErrorKind.CANCELLED.exit_code if self._stopped else 0

    def take(self, line: str) -> None:
        """What the reading thread does with a line: cancel at once, keep a job for its turn."""
        cancelled = _cancelled_id(line)
        with self._lock:
            if line == CANCEL:
                self._cancel_first()
            elif cancelled is not None and self._busy and self._running == cancelled:
                self._cancellation.request()
            elif cancelled is not None:
                self._dropped.add(cancelled)
            elif line:
                self._waiting += 1
                self._lines.put(line)

    def _cancel_first(self) -> None:
        """Cancel the running job, or the one whose turn it would be next when it came in just before."""
        if self._busy:
            self._cancellation.request()
        elif self._waiting:
            self._cancel_next = True

    def _stop(self) -> None:
        self._stopped = True
        self._lines.put(None)

    def _ready(self, preload: bool) -> Started:
        if not preload:
            return Started("serve", __version__, "cpu", "Nothing was loaded beforehand.")
        try:
            choice = choose()
            import monai.networks.nets  # noqa: F401  (seconds that the first job would wait for)
        except ImportError as error:
            return Started("serve", __version__, "cpu", f"Jobs that need a network will not work: {error}.")
        return Started("serve", __version__, choice.device, choice.reason)

    def _answer(self, line: str) -> None:
        record = _json(line)
        job_id = identity(record)

        def tell(event: Event) -> None:
            self._events.write(event, job_id)

        def work() -> None:
            if record is None:
                raise InputError(f"This line is no JSON: {line[:200]!r}.", 'A job is one line, as {"job": "doctor"}.')
            run_job(parse_job(record, self._actions), tell, self._cancellation, keeper=self._keeper)

        if self._begin(job_id):
            guarded(work, tell, self._cancellation)
        else:
            report(Failed(ErrorKind.CANCELLED, "Cancelled before it began."), tell)
        with self._lock:
            self._running, self._busy = None, False

    def _begin(self, job_id: str | None) -> bool:
        """Take note that the next line's job runs now; false when it was cancelled before."""
        with self._lock:
            cancelled = self._cancel_next or job_id in self._dropped
            self._dropped.discard(job_id or "")
            self._cancel_next = False
            self._waiting -= 1
            self._running, self._busy = job_id, True
            self._cancellation.clear()
            return not cancelled


def _json(line: str) -> object:
    try:
        return json.loads(line)
    except json.JSONDecodeError:
        return None


def _cancelled_id(line: str) -> str | None:
    record = _json(line)
    if isinstance(record, dict) and set(record) == {"cancel"}:
        return str(record["cancel"])
    return None
