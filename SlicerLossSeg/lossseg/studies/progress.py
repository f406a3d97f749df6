"""How far all runs of a study are together, with the remaining time."""

from __future__ import annotations

import time
from collections.abc import Callable, Collection
from pathlib import Path

from lossseg.reporting import Reporter

_TRAINING = "train,"


class Meter:
    """Counts what the trainings of all runs have done, in steps or seconds as their budget is.

    The remaining time goes by the speed of this session, so runs that finished before it count as done, not as fast.
    """

    def __init__(
        self, keys: Collection[str], finished: Collection[str], each: int, clock: Callable[[], float] = time.monotonic
    ) -> None:
        self._each, self._clock, self._started = each, clock, clock()
        self._done = dict.fromkeys(keys, 0) | dict.fromkeys(finished, each)
        self._before = dict.fromkeys(finished, each)

    @property
    def total(self) -> int:
        return self._each * len(self._done)

    @property
    def done(self) -> int:
        return sum(self._done.values())

    @property
    def eta_s(self) -> float | None:
        """Seconds left; None before anything was done in this session."""
        gained = self.done - sum(self._before.values())
        return (self._clock() - self._started) / gained * (self.total - self.done) if gained > 0 else None

    def at(self, key: str, done: int) -> None:
        """A run has done so much; what its first word tells was done before this session."""
        done = min(max(done, 0), self._each)
        self._before.setdefault(key, done)
        self._done[key] = done

    def ended(self, key: str) -> None:
        """The run ended, well or not: nothing of it is left to do."""
        self._before.setdefault(key, 0)
        self._done[key] = self._each


class RunReporter:
    """A run's reports as those of its study: stages and series carry its key, progress is that of all runs."""

    def __init__(self, key: str, reporter: Reporter, meter: Meter) -> None:
        self._key, self._reporter, self._meter = key, reporter, meter

    def progress(self, stage: str, done: int, total: int, eta_s: float | None = None) -> None:
        if stage.startswith(_TRAINING):
            self._meter.at(self._key, done)
        self._reporter.progress(f"{self._key}: {stage}", self._meter.done, self._meter.total, self._meter.eta_s)

    def metric(self, name: str, step: int, value: float, series: str = "") -> None:
        self._reporter.metric(name, step, value, f"{self._key}: {series}" if series else self._key)

    def artifact(self, kind: str, path: Path) -> None:
        # Four files for each predicted case would drown what matters of many runs.
        if kind == "model":
            self._reporter.artifact(kind, path)

    def warning(self, message: str, hint: str = "") -> None:
        self._reporter.warning(f"{self._key}: {message}", hint)

    def check(self) -> None:
        self._reporter.check()
