"""The metrics of a run as lines of a file, for learning curves of what was trained long ago or is training now."""

from __future__ import annotations

import json
import math
from pathlib import Path
from types import TracebackType
from typing import TextIO

from lossseg.files import translate, write_text
from lossseg.reporting import Reporter

HISTORY = "history.jsonl"


class HistoryReporter:
    """Hands everything on to another reporter and keeps each metric as one line of a file.

    A line is {"name", "step", "value", "series"}; an undefined value is null. Lines are flushed one by one, so that
    the file can be read while the run goes on. What was told after the step that a run goes on from is dropped, since
    it will be told again.

    Args:
        path: the file; it is made, or shortened, on entering the context.
        step: that the run goes on from; 0 for a new one.
    """

    def __init__(self, path: Path, reporter: Reporter, *, step: int = 0) -> None:
        self._path, self._reporter, self._step = path, reporter, step
        self._file: TextIO | None = None

    def __enter__(self) -> HistoryReporter:
        if self._path.exists():
            lines = self._path.read_text(encoding="utf-8", errors="replace").splitlines()
            write_text(self._path, "".join(f"{line}\n" for line in lines if _is_kept(line, self._step)))
        try:
            self._path.parent.mkdir(parents=True, exist_ok=True)
            self._file = open(self._path, "a", encoding="utf-8")
        except OSError as error:
            raise translate(error, self._path) from error
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._file is not None:
            self._file.close()
            self._file = None

    def metric(self, name: str, step: int, value: float, series: str = "") -> None:
        self._reporter.metric(name, step, value, series)
        if self._file is None:
            return
        record = {
            "name": name,
            "step": int(step),
            "value": float(value) if math.isfinite(value) else None,
            "series": series,
        }
        try:
            self._file.write(json.dumps(record, allow_nan=False) + "\n")
            self._file.flush()
        except OSError as error:
            raise translate(error, self._path) from error

    def progress(self, stage: str, done: int, total: int, eta_s: float | None = None) -> None:
        self._reporter.progress(stage, done, total, eta_s)

    def artifact(self, kind: str, path: Path) -> None:
        self._reporter.artifact(kind, path)

    def warning(self, message: str, hint: str = "") -> None:
        self._reporter.warning(message, hint)

    def check(self) -> None:
        self._reporter.check()


def _is_kept(line: str, step: int) -> bool:
    try:
        return int(json.loads(line)["step"]) <= step
    except (ValueError, KeyError, TypeError):
        # A line that was cut off.
        return False
