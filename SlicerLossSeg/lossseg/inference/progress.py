"""Progress over the windows of all members of an ensemble."""

from __future__ import annotations

import time
from collections.abc import Callable

from lossseg.reporting import Reporter


class MemberProgress:
    """Reports each window of the present member, with the remaining time in seconds of this and all later members."""

    def __init__(
        self,
        reporter: Reporter,
        members: int,
        name: str = "segment",
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._reporter, self._members, self._name, self._clock = reporter, members, name, clock
        self._member = self._done = self._total = self._all_done = 0
        self._spent, self._last = 0.0, clock()

    def start(self, member: int, windows: int) -> None:
        """Begin member `member`, counted from 0, of so many windows; again after an attempt that failed."""
        self._member, self._done, self._total, self._last = member, 0, windows, self._clock()
        self._tell()

    def advance(self, windows: int) -> None:
        now = self._clock()
        self._spent, self._last = self._spent + now - self._last, now
        self._done, self._all_done = self._done + windows, self._all_done + windows
        self._tell()

    def _tell(self) -> None:
        self._reporter.check()
        name = self._name
        if self._members > 1:
            name += f": member {self._member + 1} of {self._members}"
        # Members not begun are taken to have as many windows as this one.
        left = self._total - self._done + (self._members - self._member - 1) * self._total
        eta = self._spent / self._all_done * left if self._all_done else None
        self._reporter.progress(name, self._done, self._total, eta)
