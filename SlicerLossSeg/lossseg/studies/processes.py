"""Several runs at once on this machine, each in a process of its own, as many as fit its memory."""

from __future__ import annotations

import multiprocessing
import os
import queue
import signal
import time
from collections import deque
from collections.abc import Sequence
from multiprocessing.process import BaseProcess
from multiprocessing.synchronize import Event
from typing import Any

import torch

from lossseg.errors import Cancelled, DiskFull
from lossseg.networks.memory import estimate_memory_bytes
from lossseg.preprocessing import Plan
from lossseg.studies.executor import Watcher
from lossseg.studies.remote_reporter import RemoteReporter, hand_on
from lossseg.studies.single_run import RunOrder, RunOutcome, attempt
from lossseg.training.memory import free_memory_gb

_WAIT_S = 0.2
_GRACE_S = 600.0
_OF_A_PROCESS_GB = 1.0
_GIB = 2**30


def fitting(wanted: int, plan: Plan, device: torch.device, free_gb: float | None = None) -> int:
    """How many of `wanted` runs by this plan fit the device's free memory at once; at least 1.

    Args:
        free_gb: GiB; default what the device has.
    """
    free = free_memory_gb(device) if free_gb is None else free_gb
    each = estimate_memory_bytes(plan.network, plan.patch, plan.batch, True) / _GIB + _OF_A_PROCESS_GB
    return max(1, min(wanted, int(free / each)))


class InProcesses:
    """`count` runs at a time. The processor's cores are shared out among them."""

    def __init__(self, count: int) -> None:
        self._count = count

    def run(self, orders: Sequence[RunOrder], watcher: Watcher) -> None:
        # Started anew and not forked: torch's and SimpleITK's threads do not survive a fork.
        context = multiprocessing.get_context("spawn")
        posts: Any = context.Queue()
        stop = context.Event()
        threads = max(1, (os.cpu_count() or 1) // self._count)
        waiting, running = deque(orders), dict[str, BaseProcess]()
        try:
            while waiting or running:
                watcher.check()
                while waiting and len(running) < self._count:
                    order = waiting.popleft()
                    process = context.Process(target=_work, args=(order, threads, posts, stop), name=order.key)
                    process.start()
                    running[order.key] = process
                    watcher.started(order.key)
                self._take(posts, running, watcher)
        except BaseException:
            stop.set()
            self._wind_up(posts, running, watcher)
            raise
        finally:
            posts.cancel_join_thread()
            posts.close()

    def _take(self, posts: Any, running: dict[str, BaseProcess], watcher: Watcher) -> None:
        """Hand on what came; a process that died without a word has failed."""
        dead = [key for key, process in running.items() if not process.is_alive()]
        try:
            # What a process posted before it died comes before it is called dead.
            post = posts.get(timeout=_WAIT_S)
        except queue.Empty:
            for key in dead:
                code = running.pop(key).exitcode
                watcher.ended(RunOutcome(key, sentence=_killed(code)))
            return
        key, what = post
        if isinstance(what, RunOutcome):
            if key in running:
                running.pop(key).join()
                watcher.ended(what)
        elif isinstance(what, DiskFull | Cancelled):
            running.pop(key).join()
            raise what
        else:
            hand_on(what, watcher.reporter(key))

    def _wind_up(self, posts: Any, running: dict[str, BaseProcess], watcher: Watcher) -> None:
        """Wait until the runs under way have saved their checkpoints; one that finished just then counts."""
        end = time.monotonic() + _GRACE_S
        while time.monotonic() < end:
            alive = any(process.is_alive() for process in running.values())
            try:
                _, what = posts.get(timeout=_WAIT_S)
            except queue.Empty:
                if not alive:
                    return
                continue
            if isinstance(what, RunOutcome):
                watcher.ended(what)
        for process in running.values():
            process.terminate()


def _work(order: RunOrder, threads: int, posts: Any, stop: Event) -> None:
    """What a process does: one run. Ctrl-C is left to the process that started it."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    torch.set_num_threads(threads)
    parent = multiprocessing.parent_process()

    def cancelled() -> bool:
        return stop.is_set() or (parent is not None and not parent.is_alive())

    reporter = RemoteReporter(lambda message: posts.put((order.key, message)), cancelled)
    try:
        posts.put((order.key, attempt(order, reporter)))
    except DiskFull as error:
        posts.put((order.key, error))
    except Cancelled as error:
        # Told only where nobody asked for it: else everybody is being stopped already.
        if not cancelled():
            posts.put((order.key, error))


def _killed(code: int | None) -> str:
    return (
        f"Its process was killed (exit code {code}), most likely for lack of memory. "
        "Start again with fewer at once; it goes on from its checkpoint."
    )
