"""How long work tells of its progress without knowing who listens (a terminal, a job's JSON lines, a test)."""

from __future__ import annotations

import time
from collections.abc import Callable
from pathlib import Path
from typing import Protocol

from lossseg.errors import Cancelled


class Reporter(Protocol):
    """What a listener offers. Work calls `check()` at least once a second and lets `Cancelled` pass through."""

    def progress(self, stage: str, done: int, total: int, eta_s: float | None = None) -> None: ...

    def metric(self, name: str, step: int, value: float, series: str = "") -> None: ...

    def artifact(self, kind: str, path: Path) -> None: ...

    def warning(self, message: str, hint: str = "") -> None: ...

    def check(self) -> None:
        """Raises `Cancelled` when the person asked to stop."""


class Silent:
    """A reporter nobody listens to; `cancel` turns the next `check()` into `Cancelled`."""

    def __init__(self, cancelled: Callable[[], bool] = lambda: False) -> None:
        self._cancelled = cancelled

    def progress(self, stage: str, done: int, total: int, eta_s: float | None = None) -> None:
        self.check()

    def metric(self, name: str, step: int, value: float, series: str = "") -> None:
        pass

    def artifact(self, kind: str, path: Path) -> None:
        pass

    def warning(self, message: str, hint: str = "") -> None:
        pass

    def check(self) -> None:
        if self._cancelled():
            raise Cancelled()


class Stage:
    """Counts the items of one stage of work and reports each with the remaining time, in seconds.

    >>> stage = Stage(Silent(), "preprocess", total=2)
    >>> stage.advance()
    """

    def __init__(self, reporter: Reporter, name: str, total: int, clock: Callable[[], float] = time.monotonic) -> None:
        self._reporter, self._name, self._total, self._clock = reporter, name, total, clock
        self._done, self._started = 0, clock()
        reporter.progress(name, 0, total)

    def advance(self, items: int = 1) -> None:
        self._done += items
        spent = self._clock() - self._started
        eta = spent / self._done * max(self._total - self._done, 0) if self._done else None
        self._reporter.check()
        self._reporter.progress(self._name, self._done, self._total, eta)
