"""The same work on many items, in processes, with results in the order of the items."""

from __future__ import annotations

import os
import signal
from collections import deque
from collections.abc import Callable, Generator, Sequence
from concurrent.futures import Future, ProcessPoolExecutor
from concurrent.futures import TimeoutError as StillRunning
from concurrent.futures.process import BrokenProcessPool
from multiprocessing import get_context
from typing import TypeVar

import SimpleITK as sitk

from lossseg.errors import OutOfMemory

Item = TypeVar("Item")
Result = TypeVar("Result")

_WAIT_S = 0.2
_AHEAD = 3
_MOST = 4
_ITEMS_EACH = 8


def sensible_workers(items: int) -> int:
    """How many processes are worth their start for that many cases: one per core this process may use, at most 4."""
    cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    return max(1, min(cores, _MOST, items // _ITEMS_EACH))


def in_order(
    work: Callable[[Item], Result], items: Sequence[Item], workers: int, check: Callable[[], None]
) -> Generator[Result, None, None]:
    """The result of `work` on each item, in the order of the items.

    A few items per worker are under way at a time, so memory does not grow with their number. One worker is this
    process itself.

    Args:
        work: a function at the top of a module, whose items and results can be pickled.
        items: in the order in which results are wanted.
        workers: processes.
        check: called at least every 0.2 s (with one worker: between items); what it raises stops the work.

    Raises:
        OutOfMemory: a process was killed, which is what a system does that has no memory left.
    """
    workers = min(workers, len(items))
    if workers <= 1:
        for item in items:
            check()
            yield work(item)
        return
    # Started anew and not forked: SimpleITK's threads do not survive a fork.
    pool = ProcessPoolExecutor(workers, get_context("spawn"), _begin, (workers,))
    try:
        left, running = iter(items), deque[Future[Result]]()
        for item in left:
            running.append(pool.submit(work, item))
            if len(running) >= _AHEAD * workers:
                yield _result(running.popleft(), check)
        while running:
            yield _result(running.popleft(), check)
    except BrokenProcessPool as error:
        raise OutOfMemory(
            "A worker process was killed, most likely for lack of memory.", "Use fewer workers (--workers 1)."
        ) from error
    finally:
        pool.shutdown(wait=False, cancel_futures=True)


def _result(future: Future[Result], check: Callable[[], None]) -> Result:
    while True:
        check()
        try:
            return future.result(timeout=_WAIT_S)
        except StillRunning:
            continue


def _begin(workers: int) -> None:
    """A worker leaves Ctrl-C to the process that started it, and the other cores to the other workers."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    threads = sitk.ProcessObject.GetGlobalDefaultNumberOfThreads()
    sitk.ProcessObject.SetGlobalDefaultNumberOfThreads(max(1, threads // workers))
