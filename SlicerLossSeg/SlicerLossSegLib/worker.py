"""Work with files and arrays beside the GUI thread: a thread does it, a timer in the GUI thread takes the answer."""

from __future__ import annotations

import queue
import threading
from collections.abc import Callable
from typing import Any, TypeAlias

import qt

Answers: TypeAlias = "queue.SimpleQueue[tuple[bool, Any]]"


class Worker:
    """Does one piece of work in a thread and tells the GUI thread. The work must touch neither Qt nor MRML.

    Args:
        work: called in the thread.
        done: called in the GUI thread with what `work` returned.
        failed: called in the GUI thread with the exception instead.
    """

    INTERVAL_MS = 20

    def __init__(self, work: Callable[[], Any], done: Callable[[Any], None], failed: Callable[[Exception], None]):
        self._done, self._failed = done, failed
        self._wanted = True
        self._answers: Answers = queue.SimpleQueue()
        self._thread = threading.Thread(target=_answer, args=(work, self._answers), name="LossSeg", daemon=True)
        self._timer = qt.QTimer()
        self._timer.setInterval(self.INTERVAL_MS)
        self._timer.connect("timeout()", self._look)

    def start(self) -> None:
        self._thread.start()
        self._timer.start()

    def drop(self) -> None:
        """Nobody wants the answer any more. The thread ends by itself."""
        self._wanted = False

    def _look(self) -> None:
        # Not before the thread has let go of all that it held: what Qt made must not die in another thread. That is
        # also why the timer goes on, and with it this object, when nobody wants the answer any more.
        if self._thread.is_alive():
            return
        self._timer.stop()
        self._timer.disconnect("timeout()", self._look)
        if self._answers.empty() or not self._wanted:
            return
        is_good, value = self._answers.get()
        (self._done if is_good else self._failed)(value)


def _answer(work: Callable[[], Any], answers: Answers) -> None:
    try:
        answer = (True, work())
    except Exception as error:
        answer = (False, error)
    answers.put(answer)


class Workers:
    """Pieces of work under way; what belongs to a scene or a panel that goes away is dropped together."""

    def __init__(self) -> None:
        self._running: list[Worker] = []

    def start(self, work: Callable[[], Any], done: Callable[[Any], None], failed: Callable[[Exception], None]) -> None:
        """As `Worker`, started and kept until its answer was told."""

        def over(tell: Callable[[Any], None], value: Any) -> None:
            if worker in self._running:
                self._running.remove(worker)
            tell(value)

        worker = Worker(work, lambda value: over(done, value), lambda error: over(failed, error))
        self._running.append(worker)
        worker.start()

    def drop(self) -> None:
        """Nobody wants any of the answers."""
        for worker in self._running:
            worker.drop()
        self._running.clear()
