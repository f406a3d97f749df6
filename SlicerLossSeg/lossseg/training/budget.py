"""How far a run is: by steps or by the clock, so that the schedule completes in the budget."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Protocol


class Budget(Protocol):
    """Tells the share of the run that is done, in [0, 1]; 1 ends it."""

    def done(self, step: int) -> float: ...

    def remaining_s(self, step: int) -> float | None:
        """Seconds left, or None before the first step."""
        ...

    def counted(self, step: int) -> tuple[str, int, int]:
        """What is counted ("steps" or "seconds"), how much of it is done, and of how much."""
        ...

    @property
    def seconds(self) -> float:
        """Seconds spent so far, those before an interruption included."""
        ...


class Clock:
    """Seconds since the start; `before` carries those of the part of the run before an interruption."""

    def __init__(self, before: float = 0.0, now: Callable[[], float] = time.monotonic) -> None:
        self._now, self._zero = now, now() - before

    @property
    def seconds(self) -> float:
        return self._now() - self._zero


class Steps:
    """A budget of a number of optimizer steps."""

    def __init__(self, total: int, clock: Clock, start: int = 0) -> None:
        self._total, self._clock, self._start, self._before = total, clock, start, clock.seconds

    def done(self, step: int) -> float:
        return min(step / self._total, 1.0)

    def remaining_s(self, step: int) -> float | None:
        taken = step - self._start
        return (self.seconds - self._before) / taken * (self._total - step) if taken else None

    def counted(self, step: int) -> tuple[str, int, int]:
        return "steps", min(step, self._total), self._total

    @property
    def seconds(self) -> float:
        return self._clock.seconds


class Minutes:
    """A budget of wall-clock minutes; `reserve` seconds of it are kept for what follows the last step."""

    def __init__(self, minutes: float, clock: Clock) -> None:
        self._total, self._clock, self.reserve = minutes * 60, clock, 0.0

    def done(self, step: int) -> float:
        available = max(self._total - self.reserve, 1e-9)
        return min(self.seconds / available, 1.0)

    def remaining_s(self, step: int) -> float | None:
        return max(self._total - self.seconds, 0.0)

    def counted(self, step: int) -> tuple[str, int, int]:
        return "seconds", min(round(self.seconds), round(self._total)), round(self._total)

    @property
    def seconds(self) -> float:
        return self._clock.seconds
