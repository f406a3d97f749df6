"""Events for a person at a terminal: bars with the remaining time, warnings and errors. All of it on stderr."""

from __future__ import annotations

import math
import time
from collections.abc import Callable
from types import TracebackType

from rich.console import Console
from rich.markup import escape
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TaskID, TextColumn, TimeElapsedColumn

from lossseg.errors import ErrorKind
from lossseg.jobs import events
from lossseg.jobs.device import NOT_USED

_EVERY_S = 20.0
_AT_LEAST_S = 2.0
_METRICS = ("loss", "dice", "recall", "false_positives")


class Terminal:
    """A listener that draws. Where stderr is no terminal (a log file, CI) it writes a line now and then, no bars."""

    def __init__(self, console: Console | None = None, clock: Callable[[], float] = time.monotonic) -> None:
        self._console = console or Console(stderr=True, soft_wrap=True, highlight=False)
        self._clock = clock
        self._bars: _Bars | _Lines = _Bars(self._console) if self._console.is_terminal else _Lines(self._console, clock)

    def __enter__(self) -> Terminal:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._bars.close()

    def __call__(self, event: events.Event) -> None:
        if isinstance(event, events.Started) and event.reason != NOT_USED.reason:
            self._console.print(f"[dim]Computing on {escape(event.reason)}[/]")
        elif isinstance(event, events.Progress):
            self._bars.progress(event)
        elif isinstance(event, events.Metric):
            self._bars.metric(event)
        elif isinstance(event, events.Artifact):
            self._console.print(f"[dim]{escape(event.kind)}: {escape(event.path)}[/]")
        elif isinstance(event, events.Warned):
            self._say("[yellow]Warning:[/]", event.message, event.hint)
        elif isinstance(event, events.Failed):
            self._bars.close()
            cancelled = event.kind is ErrorKind.CANCELLED
            self._say("" if cancelled else "[red]Error:[/]", event.message, event.hint)

    def _say(self, head: str, message: str, hint: str) -> None:
        self._console.print(f"{head} {escape(message)}".strip())
        if hint:
            self._console.print(f"  {escape(hint)}")


class _Metrics:
    """The newest value of the curves that tell most, in words, kept for the stage during which they came."""

    def __init__(self) -> None:
        self._values: dict[str, dict[str, float | None]] = {}
        self.stage = ""

    def take(self, event: events.Metric) -> None:
        self._values.setdefault(self.stage, {})[event.name] = event.value

    def __str__(self) -> str:
        values = self._values.get(self.stage, {})
        return "  ".join(f"{name.replace('_', ' ')} {number(values[name])}" for name in _METRICS if name in values)


class _Bars:
    """One bar per stage; it starts anew when the stage does, for the next case. The runs of a study share one."""

    def __init__(self, console: Console) -> None:
        self._metrics = _Metrics()
        self._tasks: dict[str, TaskID] = {}
        self._progress = Progress(
            TextColumn("{task.description}"),
            BarColumn(bar_width=30),
            MofNCompleteColumn(),
            TimeElapsedColumn(),
            TextColumn("[cyan]{task.fields[left]}"),
            TextColumn("[dim]{task.fields[metrics]}"),
            console=console,
        )
        self._open = False

    def progress(self, event: events.Progress) -> None:
        self._metrics.stage = event.stage
        if not self._open:
            self._progress.start()
            self._open = True
        left = "" if event.done >= event.total else remaining(event.eta_s)
        bar = _bar(event.stage)
        if bar not in self._tasks:
            self._tasks[bar] = self._progress.add_task(event.stage, total=event.total, left=left, metrics="")
        elif event.done == 0 and self._progress.tasks[self._tasks[bar]].finished:
            self._progress.reset(self._tasks[bar])
        self._progress.update(
            self._tasks[bar], description=event.stage, completed=event.done, total=event.total, left=left
        )

    def metric(self, event: events.Metric) -> None:
        self._metrics.take(event)
        bar = _bar(self._metrics.stage)
        if bar in self._tasks:
            self._progress.update(self._tasks[bar], metrics=escape(str(self._metrics)))

    def close(self) -> None:
        if self._open:
            self._progress.stop()
            self._open = False


def _bar(stage: str) -> str:
    """The bar of a stage: "RUN: what" counts all runs of a study, whichever is spoken of."""
    return "all runs" if ": " in stage else stage


class _Lines:
    """A line at the begin of each stage, every twenty seconds after, and at its end."""

    def __init__(self, console: Console, clock: Callable[[], float]) -> None:
        self._console, self._clock = console, clock
        self._metrics = _Metrics()
        self._last: dict[str, float] = {}

    def progress(self, event: events.Progress) -> None:
        self._metrics.stage = event.stage
        now, ended = self._clock(), event.done >= event.total
        if now - self._last.get(event.stage, -math.inf) < (_AT_LEAST_S if ended else _EVERY_S):
            return
        self._last[event.stage] = now
        parts = [
            f"{event.stage}: {event.done}/{event.total}",
            "" if ended else remaining(event.eta_s),
            str(self._metrics),
        ]
        self._console.print(escape("  ".join(part for part in parts if part)))

    def metric(self, event: events.Metric) -> None:
        self._metrics.take(event)

    def close(self) -> None:
        pass


def remaining(seconds: float | None) -> str:
    """A remaining time in words: "0:45 left", "1:02:30 left"; empty where unknown."""
    if seconds is None:
        return ""
    minutes, rest = divmod(round(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    return (f"{hours}:{minutes:02}:{rest:02}" if hours else f"{minutes}:{rest:02}") + " left"


def number(value: float | None) -> str:
    """A measure with three decimals, or "n/a" where it is undefined."""
    return "n/a" if value is None else f"{value:.3f}"
