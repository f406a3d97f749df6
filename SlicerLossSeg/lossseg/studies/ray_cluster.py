"""The runs of a study on a Ray cluster whose machines share the folders of dataset, study and cache.

A run that lost its machine is started again elsewhere by Ray and goes on from its checkpoint in the study's folder.
"""

from __future__ import annotations

import os
import signal
import socket
import threading
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import lossseg
from lossseg.errors import Cancelled, DiskFull, InputError, MissingDependency
from lossseg.studies.executor import Watcher
from lossseg.studies.remote_reporter import Message, RemoteReporter, hand_on
from lossseg.studies.single_run import RunOrder, RunOutcome, attempt

LOCAL = "local"
_WAIT_S = 0.2
_ASK_EVERY_S = 1.0
_GRACE_S = 600.0
_RETRIES = 5
_REACH_S = 10.0


class OnRay:
    """Every run is a task of the cluster, which does as many at once as it has room for.

    Args:
        address: of the cluster that this machine belongs to ("auto" or "HOST:6379"), or "local" to start one here.
        gpus: share of a GPU that a run takes; 0.5 puts two on one.
        cpus: processor cores that a run takes.
        retries: how often a run is started again after its machine or process was lost.
    """

    def __init__(self, address: str, *, gpus: float = 0.0, cpus: float = 1.0, retries: int = _RETRIES) -> None:
        self._address, self._gpus, self._cpus, self._retries = address, gpus, cpus, retries

    def run(self, orders: Sequence[RunOrder], watcher: Watcher) -> None:
        ray = _ray()
        ours = not ray.is_initialized()
        if ours:
            _connect(ray, self._address)
        try:
            self._run(ray, orders, watcher)
        finally:
            if ours:
                ray.shutdown()

    def _run(self, ray: Any, orders: Sequence[RunOrder], watcher: Watcher) -> None:
        from ray.util.scheduling_strategies import NodeAffinitySchedulingStrategy

        # Beside this process: whichever other machine is lost, its messages are not.
        here = NodeAffinitySchedulingStrategy(ray.get_runtime_context().get_node_id(), soft=False)
        mailbox = ray.remote(_Mailbox).options(num_cpus=0, scheduling_strategy=here).remote()
        task = ray.remote(_work).options(num_cpus=self._cpus, num_gpus=self._gpus, max_retries=self._retries)
        tasks = {task.remote(order, mailbox): order.key for order in orders}
        started: set[str] = set()
        try:
            while tasks:
                watcher.check()
                ready, _ = ray.wait(list(tasks), num_returns=1, timeout=_WAIT_S)
                _hand_on(ray, mailbox, watcher, started)
                for reference in ready:
                    outcome = _outcome(ray, reference, tasks.pop(reference))
                    if isinstance(outcome, DiskFull | Cancelled):
                        raise outcome
                    watcher.ended(outcome)
        except BaseException:
            for reference, key in tasks.items():
                if key not in started:
                    ray.cancel(reference, recursive=False)
            ray.get(mailbox.stop.remote())
            _wind_up(ray, {reference: key for reference, key in tasks.items() if key in started}, watcher)
            raise
        finally:
            ray.kill(mailbox)


class _Mailbox:
    """Holds what the runs post until this process asks for it."""

    def __init__(self) -> None:
        self._posts: list[tuple[str, Message | None]] = []
        self._stopped = False

    def post(self, key: str, message: Message | None) -> None:
        """None says that the run has begun."""
        self._posts.append((key, message))

    def take(self) -> list[tuple[str, Message | None]]:
        taken, self._posts = self._posts, []
        return taken

    def stop(self) -> None:
        self._stopped = True

    def stopped(self) -> bool:
        return self._stopped


def _work(order: RunOrder, mailbox: Any) -> RunOutcome | DiskFull | Cancelled:
    """The task: one run on whatever machine it came to."""
    ray = _ray()
    asked = [0.0, False]

    def cancelled() -> bool:
        if not asked[1] and time.monotonic() - asked[0] > _ASK_EVERY_S:
            asked[:] = [time.monotonic(), ray.get(mailbox.stopped.remote())]
        return bool(asked[1])

    ray.get(mailbox.post.remote(order.key, None))
    reporter = RemoteReporter(lambda message: mailbox.post.remote(order.key, message), cancelled)
    try:
        return attempt(order, reporter)
    except (DiskFull, Cancelled) as error:
        return error


def _hand_on(ray: Any, mailbox: Any, watcher: Watcher, started: set[str]) -> None:
    for key, message in ray.get(mailbox.take.remote()):
        if message is not None:
            hand_on(message, watcher.reporter(key))
        elif key in started:
            watcher.reporter(key).warning("Its machine or process was lost.", "It goes on from its last checkpoint.")
        else:
            started.add(key)
            watcher.started(key)


def _outcome(ray: Any, reference: Any, key: str) -> RunOutcome | DiskFull | Cancelled:
    try:
        outcome: RunOutcome | DiskFull | Cancelled = ray.get(reference)
        return outcome
    except ray.exceptions.RayError as error:
        lines = [line.strip() for line in str(error).splitlines() if line.strip()]
        return RunOutcome(key, sentence=f"Ray gave it up: {lines[0] if lines else type(error).__name__}")


def _wind_up(ray: Any, tasks: dict[Any, str], watcher: Watcher) -> None:
    """Wait until the runs under way have saved their checkpoints; one that finished just then counts."""
    end = time.monotonic() + _GRACE_S
    while tasks and time.monotonic() < end:
        ready, _ = ray.wait(list(tasks), num_returns=1, timeout=_WAIT_S)
        for reference in ready:
            outcome = _outcome(ray, reference, tasks.pop(reference))
            if isinstance(outcome, RunOutcome):
                watcher.ended(outcome)


def _connect(ray: Any, address: str) -> None:
    _check_reachable(address)
    # Machines that have the engine at another place, or installed, are not disturbed by a path that they lack.
    paths = [str(Path(lossseg.__file__).parents[1]), os.environ.get("PYTHONPATH", "")]
    environment = {"env_vars": {"PYTHONPATH": os.pathsep.join(filter(None, paths))}}
    before = signal.getsignal(signal.SIGTERM)
    try:
        ray.init(
            address=None if address == LOCAL else address,
            runtime_env=environment,
            include_dashboard=False if address == LOCAL else None,
            log_to_driver=False,
            logging_level="error",
        )
    except (ConnectionError, ValueError, RuntimeError) as error:
        lines = [line.strip() for line in str(error).splitlines() if line.strip()]
        raise _unreachable(address, lines[0] if lines else type(error).__name__) from error
    finally:
        # Ray ends the process on SIGTERM; here it pauses the study.
        if threading.current_thread() is threading.main_thread():
            signal.signal(signal.SIGTERM, before)


def _check_reachable(address: str) -> None:
    """Ask at once what Ray itself would try for many minutes."""
    host, colon, port = address.rpartition(":")
    if address.startswith("ray://"):
        raise InputError(
            f"{address} is the address for a machine outside of the cluster.",
            "Start the study on a machine of the cluster, with --ray auto or HOST:PORT.",
        )
    if not colon:
        return
    try:
        socket.create_connection((host, int(port)), _REACH_S).close()
    except (OSError, ValueError, OverflowError) as error:
        raise _unreachable(address, str(error)) from error


def _unreachable(address: str, why: str) -> InputError:
    return InputError(
        f"The Ray cluster {address} does not answer ({why.rstrip('.')}).", 'Check the address, or give "local".'
    )


def _ray() -> Any:
    try:
        import ray
    except ModuleNotFoundError as error:
        raise MissingDependency("Ray is not installed.", 'Install it: pip install "lossseg[ray]"') from error
    return ray
