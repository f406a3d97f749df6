"""From an engine room's `Reporter` calls to events, and from events to lines on stdout."""

from __future__ import annotations

import math
import os
import sys
import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import TextIO

from lossseg.errors import Cancelled
from lossseg.jobs.events import Artifact, Event, Metric, Progress, Warned, to_line

Listener = Callable[[Event], None]


class EventReporter:
    """A `lossseg.reporting.Reporter` that hands each call on as an event.

    Progress of a stage is passed on at its begin, at its end and at most every `interval` seconds between.
    """

    def __init__(
        self,
        listener: Listener,
        cancelled: Callable[[], bool] = lambda: False,
        *,
        interval: float = 0.1,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._listener, self._cancelled, self._interval, self._clock = listener, cancelled, interval, clock
        self._passed_on: dict[str, float] = {}

    def progress(self, stage: str, done: int, total: int, eta_s: float | None = None) -> None:
        self.check()
        now = self._clock()
        if 0 < done < total and now - self._passed_on.get(stage, -math.inf) < self._interval:
            return
        self._passed_on[stage] = now
        self._listener(Progress(stage, int(done), int(total), _finite(eta_s)))

    def metric(self, name: str, step: int, value: float, series: str = "") -> None:
        self._listener(Metric(name, int(step), _finite(value), series))

    def artifact(self, kind: str, path: Path) -> None:
        self._listener(Artifact(kind, str(path)))

    def warning(self, message: str, hint: str = "") -> None:
        self._listener(Warned(message, hint))

    def check(self) -> None:
        """Raises `Cancelled` when the person asked to stop."""
        if self._cancelled():
            raise Cancelled()


def _finite(value: float | None) -> float | None:
    return float(value) if value is not None and math.isfinite(value) else None


class JsonLines:
    """A listener that writes each event as one line, whole and at once, from any thread."""

    def __init__(self, stream: TextIO, job_id: str | None = None) -> None:
        self._stream, self._job_id = stream, job_id
        self._lock = threading.Lock()

    def __call__(self, event: Event) -> None:
        self.write(event, self._job_id)

    def write(self, event: Event, job_id: str | None) -> None:
        with self._lock:
            self._stream.write(to_line(event, job_id) + "\n")
            self._stream.flush()


def claim_stdout() -> TextIO:
    """The process's stdout for events alone: from now on what anything else prints there, also in C, goes to stderr."""
    sys.stdout.flush()
    claimed = os.fdopen(os.dup(1), "w", encoding="utf-8", newline="\n")
    os.dup2(2, 1)
    sys.stdout = sys.stderr
    return claimed
