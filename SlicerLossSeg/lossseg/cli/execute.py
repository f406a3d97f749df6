"""Doing a command's job: events as JSON lines, or as bars and tables for a person."""

from __future__ import annotations

import sys
import warnings
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from lossseg.cli.options import typed_values
from lossseg.jobs.action import Action, Job, read_job
from lossseg.jobs.cancel import Cancellation, signals, watch_stdin
from lossseg.jobs.events import Event, Finished
from lossseg.jobs.reporter import JsonLines, Listener, claim_stdout
from lossseg.jobs.runner import Log, guarded, run_job
from lossseg.jobs.serve import Server
from lossseg.jobs.typed import parse


@dataclass(frozen=True)
class Output:
    """How a command tells what it does."""

    json: bool
    debug: bool


def execute(action: Action, typed: dict[str, Any], output: Output) -> int:
    """Do `action` with what was typed; returns the exit code."""

    def job() -> Job:
        return Job(
            action, parse(action.params, typed_values(action.params, typed), f"lossseg {action.kind.replace('_', '-')}")
        )

    if output.json:
        return _with_lines(job, output)
    return _for_a_person(action.kind, job, output)


def run_file(path: Path, actions: dict[str, Action], output: Output) -> int:
    """Do the job in a file; returns the exit code."""
    return _with_lines(lambda: read_job(path, actions), output)


def serve(actions: dict[str, Action], preload: bool) -> int:
    """Do the jobs that come on stdin until it ends; returns the exit code."""
    return Server(actions, claim_stdout()).serve(preload=preload)


def _with_lines(make_job: Callable[[], Job], output: Output) -> int:
    cancellation = Cancellation()
    listener = JsonLines(claim_stdout())
    watch_stdin(cancellation)
    return _run(make_job, listener, cancellation, Log.ALL if output.debug else Log.UNEXPECTED)


def _for_a_person(kind: str, make_job: Callable[[], Job], output: Output) -> int:
    from lossseg.cli.show import show
    from lossseg.cli.terminal import Terminal

    if not output.debug:
        # Libraries' advice to programmers; --debug shows it.
        warnings.simplefilter("ignore")
    summary: dict[str, Any] = {}
    with Terminal() as terminal:

        def listener(event: Event) -> None:
            terminal(event)
            if isinstance(event, Finished):
                summary.update(event.summary)

        code = _run(make_job, listener, Cancellation(), Log.ALL if output.debug else Log.NONE)
    if summary:
        show(kind, summary)
    return code


def _run(make_job: Callable[[], Job], listener: Listener, cancellation: Cancellation, log: Log) -> int:
    codes: list[int] = []

    def work() -> None:
        codes.append(run_job(make_job(), listener, cancellation, log))

    with signals(cancellation):
        code = guarded(work, listener, cancellation, log)
    sys.stderr.flush()
    return codes[0] if codes else code
