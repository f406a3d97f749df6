"""Asking a running job to stop: a line on stdin, Ctrl-C or SIGTERM."""

from __future__ import annotations

import os
import signal
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from types import FrameType

CANCEL = "cancel"


class Cancellation:
    """A request to stop that any thread may make and the job's thread looks at."""

    def __init__(self) -> None:
        self._event = threading.Event()

    def request(self) -> None:
        self._event.set()

    def clear(self) -> None:
        self._event.clear()

    def requested(self) -> bool:
        return self._event.is_set()


def read_lines(descriptor: int, take: Callable[[str], None], at_end: Callable[[], None] = lambda: None) -> None:
    """Start a daemon thread that hands each line of a file descriptor to `take`, then calls `at_end`.

    It reads the descriptor and not `sys.stdin`: a thread blocked in a buffered reader holds that reader's lock, and the
    interpreter aborts when it finds the lock taken on its way out.
    """

    def read() -> None:
        rest = b""
        while True:
            try:
                piece = os.read(descriptor, 65536)
            except OSError:
                piece = b""
            *lines, rest = (rest + piece).split(b"\n")
            if not piece and rest:
                lines.append(rest)
            for line in lines:
                take(line.decode("utf-8", errors="replace").strip())
            if not piece:
                at_end()
                return

    threading.Thread(target=read, name="stdin", daemon=True).start()


def watch_stdin(cancellation: Cancellation) -> None:
    """Cancel when the line `cancel` comes in. The end of stdin is no cancel: many callers give none."""
    read_lines(0, lambda line: cancellation.request() if line == CANCEL else None)


@contextmanager
def signals(cancellation: Cancellation, also: Callable[[], None] = lambda: None) -> Iterator[None]:
    """Within the block the first Ctrl-C or SIGTERM asks the job to stop at its next check, so that it can save a
    checkpoint, and calls `also`; the second stops it where it is. Only the main thread can do this; in others the block
    does nothing."""
    if threading.current_thread() is not threading.main_thread():
        yield
        return

    def ask(number: int, frame: FrameType | None) -> None:
        if cancellation.requested():
            raise KeyboardInterrupt
        cancellation.request()
        also()

    before = {number: signal.signal(number, ask) for number in (signal.SIGINT, signal.SIGTERM)}
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
