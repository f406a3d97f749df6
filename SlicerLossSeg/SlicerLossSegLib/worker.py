"""Work with files and arrays beside the GUI thread: a thread does it, a timer in the GUI thread takes the answer."""

from __future__ import annotations

import queue
import threading
from collections.abc import Callable
from typing import Any

import qt


class Worker:
    """Does one piece of work in a thread and tells the GUI thread. The work must touch neither Qt nor MRML.

    Args:
        work: called in the thread.
        done: called in the GUI thread with what `work` returned.
        failed: called in the GUI thread with the exception instead.
    """

    INTERVAL_MS = 20

    def __init__(self, work: Callable[[], Any], done: Callable[[Any], None], failed: Callable[[Exception], None]):
        self._work, self._done, self._failed = work, done, failed
        self._answers: queue.SimpleQueue[tuple[Callable[[Any], None], Any]] = queue.SimpleQueue()
        self._timer = qt.QTimer()
        self._timer.setInterval(self.INTERVAL_MS)
        self._timer.connect("timeout()", self._look)

    def start(self) -> None:
        threading.Thread(target=self._run, name="LossSeg", daemon=True).start()
        self._timer.start()

    def drop(self) -> None:
        """Nobody wants the answer any more. The thread ends by itself."""
        self._timer.stop()

    def _run(self) -> None:
        try:
            answer = (self._done, self._work())
        except Exception as error:
            answer = (self._failed, error)
        self._answers.put(answer)

    def _look(self) -> None:
        if self._answers.empty():
            return
        self._timer.stop()
        tell, value = self._answers.get()
        tell(value)
