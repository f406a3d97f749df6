"""Who does the runs of a study: this process, one after the other, unless another executor is handed in."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol

from lossseg.reporting import Reporter
from lossseg.studies.single_run import RunOrder, RunOutcome, attempt


class Watcher(Protocol):
    """Whom an executor tells what happens to the runs."""

    def started(self, key: str) -> None: ...

    def ended(self, outcome: RunOutcome) -> None: ...

    def reporter(self, key: str) -> Reporter:
        """Hears what the run reports; its `check` raises `Cancelled` when the study is to be paused."""
        ...

    def check(self) -> None:
        """Raises `Cancelled` when the study is to be paused."""
        ...


class RunExecutor(Protocol):
    """Does runs that depend on nothing but the files of the study."""

    def run(self, orders: Sequence[RunOrder], watcher: Watcher) -> None:
        """Do all runs; returns when each has ended.

        Raises:
            Cancelled: the study is to be paused; the runs under way have saved their checkpoints.
            DiskFull: a run had no room; the others under way have saved theirs.
        """
        ...


class OneByOne:
    """In this process, one after the other: each run has the whole machine."""

    def run(self, orders: Sequence[RunOrder], watcher: Watcher) -> None:
        for order in orders:
            watcher.check()
            watcher.started(order.key)
            watcher.ended(attempt(order, watcher.reporter(order.key)))
