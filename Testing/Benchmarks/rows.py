"""What every benchmark hands to the one table that `all.py` makes: rows, their verdict, and peak memory."""

from __future__ import annotations

import ctypes
import json
import sys
import time
from argparse import ArgumentParser
from collections.abc import Callable, Iterable
from dataclasses import asdict, dataclass
from pathlib import Path

_STATUS, _CLEAR = Path("/proc/self/status"), Path("/proc/self/clear_refs")


@dataclass(frozen=True)
class Row:
    """One comparison: `ours` and `peer_value` in one unit, the smaller the better, and the most their ratio may be.

    `memory_gib` is what ours took at its peak, `peer_memory_gib` what the peer took; None where it was not measured.
    A row without a peer has a value only, and `aim` is then the most that the value itself may be.
    """

    group: str
    what: str
    ours: float
    unit: str = "s"
    peer: str = ""
    peer_value: float | None = None
    aim: float | None = None
    memory_gib: float | None = None
    peer_memory_gib: float | None = None

    @property
    def ratio(self) -> float | None:
        return None if self.peer_value is None else self.ours / self.peer_value

    @property
    def met(self) -> bool | None:
        """Whether the aim is met; None where there is none."""
        judged = self.ours if self.peer_value is None else self.ratio
        return None if self.aim is None or judged is None else judged <= self.aim

    @property
    def verdict(self) -> str:
        return {None: "", True: "pass", False: "MISSED"}[self.met]


def add_argument(parser: ArgumentParser) -> None:
    parser.add_argument("--rows", type=Path, metavar="FILE", help="append the rows to this file as JSON lines")


def keep(rows: Iterable[Row], file: Path | None) -> bool:
    """Append rows to a file, if there is one; True if no aim is missed."""
    rows = list(rows)
    if file is not None:
        with file.open("a", encoding="utf-8") as opened:
            opened.writelines(json.dumps(asdict(row)) + "\n" for row in rows)
    return not any(row.met is False for row in rows)


def read(file: Path) -> list[Row]:
    return [Row(**json.loads(line)) for line in file.read_text(encoding="utf-8").splitlines()] if file.exists() else []


def markdown(rows: Iterable[Row]) -> str:
    """The table of all rows."""
    lines = [
        "| | what | ours | peer | peer's | ratio | aim | | peak memory, GiB | peer's |",
        "|---|---|---|---|---|---|---|---|---|---|",
    ]
    for row in rows:
        cells = (
            row.group,
            row.what,
            _amount(row.ours, row.unit),
            row.peer,
            _amount(row.peer_value, row.unit),
            _short(row.ratio),
            _short(row.aim),
            row.verdict,
            _short(row.memory_gib),
            _short(row.peer_memory_gib),
        )
        lines.append(f"| {' | '.join(cells)} |")
    return "\n".join(lines)


def _short(value: float | None) -> str:
    return "" if value is None else f"{value:.2g}" if value < 0.1 else f"{value:.2f}"


def _amount(value: float | None, unit: str) -> str:
    if value is None:
        return ""
    if unit == "s" and value < 0.1:
        return f"{1e3 * value:.3g} ms"
    return f"{value:.3g} {unit}"


def quickest(work: Callable[[], object], turns: int) -> tuple[float, float | None]:
    """Seconds of the quickest turn, and GiB that the turns took at their peak beyond what the process held before.

    Memory is None where the system has no way to ask (Linux has).
    """
    before = _resident("VmRSS", reset=True)
    best = float("inf")
    for _ in range(turns):
        started = time.perf_counter()
        work()
        best = min(best, time.perf_counter() - started)
    peak = _resident("VmHWM")
    return best, None if before is None or peak is None else (peak - before) / 2**30


def _resident(field: str, reset: bool = False) -> float | None:
    """Bytes of VmRSS (now) or VmHWM (the most since the last reset), once freed memory went back to the system."""
    if sys.platform != "linux" or not _CLEAR.exists():
        return None
    if reset:
        trim = getattr(ctypes.CDLL(None), "malloc_trim", None)
        if trim is not None:
            trim(ctypes.c_size_t(0))
        _CLEAR.write_text("5")
    return 1024.0 * next(int(line.split()[1]) for line in _STATUS.read_text().splitlines() if line.startswith(field))
