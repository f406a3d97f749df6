"""Running one job: from its parameters to events and an exit code."""

from __future__ import annotations

import sys
import traceback
from collections.abc import Callable
from enum import Enum

from lossseg import __version__
from lossseg.errors import ErrorKind, LossSegError
from lossseg.jobs.action import Job
from lossseg.jobs.cancel import Cancellation
from lossseg.jobs.device import NOT_USED, choose
from lossseg.jobs.events import Failed, Finished, Started
from lossseg.jobs.failure import describe
from lossseg.jobs.reporter import EventReporter, Listener
from lossseg.jobs.typed import jsonable
from lossseg.keeping import Keeper


class Log(Enum):
    """Which errors go to stderr with their traceback, besides the `error` event that each becomes."""

    NONE = "none"
    UNEXPECTED = "unexpected"
    ALL = "all"


def run_job(
    job: Job,
    listener: Listener,
    cancellation: Cancellation,
    log: Log = Log.UNEXPECTED,
    keeper: Keeper | None = None,
) -> int:
    """Do `job` and tell `listener`: `started`, what the work reports, then `finished` or `error`.

    A process that stays hands on its `keeper`. It is emptied for a job on a device, which may need the memory.

    Returns the exit code: 0, 2 for bad input, 130 for cancelled, else 1; also 1 when it finished but a part failed.
    """
    part_failed = False

    def work() -> None:
        nonlocal part_failed
        asked = job.action.device(job.params) if job.action.device else None
        choice = NOT_USED if asked is None else choose(asked)
        listener(Started(job.action.kind, __version__, choice.device, choice.reason))
        reporter = EventReporter(listener, cancellation.requested)
        reporter.check()
        if keeper is not None and asked is not None:
            keeper.clear()
        if keeper is not None and job.action.keeping is not None:
            found = job.action.keeping(job.params, reporter, keeper)
        else:
            found = job.action.run(job.params, reporter)
        summary = jsonable(found)
        part_failed = job.action.failed(summary)
        listener(Finished(summary))

    return guarded(work, listener, cancellation, log) or int(part_failed)


def guarded(work: Callable[[], None], listener: Listener, cancellation: Cancellation, log: Log = Log.UNEXPECTED) -> int:
    """Call `work`; an exception from it becomes an `error` event and its exit code, else the exit code is 0."""
    try:
        work()
    except BaseException as error:
        failure = describe(error)
        if cancellation.requested() and failure.kind is ErrorKind.INTERNAL:
            # A worker process that got the same Ctrl-C dies in ways of its own.
            failure = Failed(ErrorKind.CANCELLED, "Cancelled.")
        expected = failure.kind is ErrorKind.CANCELLED or isinstance(error, LossSegError)
        if log is Log.ALL or (log is Log.UNEXPECTED and not expected):
            traceback.print_exc(file=sys.stderr)
        return report(failure, listener)
    return 0


def report(failure: Failed, listener: Listener) -> int:
    """Tell `listener` of `failure`; returns its exit code. A listener that is gone cannot be told."""
    try:
        listener(failure)
    except (BrokenPipeError, ValueError):
        sys.stderr.write("Nobody reads the events any more.\n")
    return failure.kind.exit_code
