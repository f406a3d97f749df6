"""What a run in another process reports, as messages that any channel carries."""

from __future__ import annotations

import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

from lossseg.errors import Cancelled
from lossseg.reporting import Reporter

Message = tuple[str, tuple[Any, ...]]
"""The name of a method of `Reporter` and its arguments; paths travel as they are."""

_EVERY_S = 0.2


class RemoteReporter:
    """Posts what it hears; progress of a stage at its begin and end and a few times a second between."""

    def __init__(
        self,
        post: Callable[[Message], None],
        cancelled: Callable[[], bool],
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._post, self._cancelled, self._clock = post, cancelled, clock
        self._posted: dict[str, float] = {}

    def progress(self, stage: str, done: int, total: int, eta_s: float | None = None) -> None:
        self.check()
        now = self._clock()
        if 0 < done < total and now - self._posted.get(stage, -_EVERY_S) < _EVERY_S:
            return
        self._posted[stage] = now
        self._post(("progress", (stage, int(done), int(total), eta_s)))

    def metric(self, name: str, step: int, value: float, series: str = "") -> None:
        self._post(("metric", (name, int(step), float(value), series)))

    def artifact(self, kind: str, path: Path) -> None:
        self._post(("artifact", (kind, Path(path))))

    def warning(self, message: str, hint: str = "") -> None:
        self._post(("warning", (message, hint)))

    def check(self) -> None:
        if self._cancelled():
            raise Cancelled()


def hand_on(message: Message, reporter: Reporter) -> None:
    """Report here what was posted there."""
    name, arguments = message
    getattr(reporter, name)(*arguments)
