"""Ending a process together with everything that it started, without any package that Slicer may lack.

Killing the process alone is not enough: Slicer's Python is a launcher that starts the interpreter proper, and that one
starts workers.
"""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from collections import defaultdict
from contextlib import suppress
from pathlib import Path


def kill_tree(pid: int) -> None:
    """End the process `pid` and its descendants at once. Those that are gone already are passed over."""
    if pid <= 0:
        return
    if os.name == "nt":
        subprocess.run(["taskkill", "/F", "/T", "/PID", str(pid)], capture_output=True, check=False)
        return
    # Descendants first looked up, then ended from the root down: an orphan could no longer be told from a stranger.
    for each in (pid, *descendants(pid)):
        with suppress(ProcessLookupError, PermissionError):
            os.kill(each, signal.SIGKILL)


def descendants(pid: int) -> list[int]:
    """Children of `pid`, their children, and so on, parents before children. POSIX only."""
    children = defaultdict(list)
    for child, parent in _pairs():
        children[parent].append(child)
    found, front = [], [pid]
    while front:
        front = [child for parent in front for child in children[parent]]
        found += front
    return found


def _pairs() -> list[tuple[int, int]]:
    """(process, its parent) for every process of the machine that can be seen."""
    if sys.platform.startswith("linux"):
        pairs = []
        for status in Path("/proc").glob("[0-9]*/stat"):
            with suppress(OSError, ValueError, IndexError):
                # The name in parentheses may hold blanks and parentheses; state and parent follow the last one.
                after = status.read_text(errors="replace").rpartition(")")[2].split()
                pairs.append((int(status.parent.name), int(after[1])))
        return pairs
    listed = subprocess.run(["ps", "-A", "-o", "pid=,ppid="], capture_output=True, text=True, check=False).stdout
    return [(int(one), int(other)) for one, other in (line.split() for line in listed.splitlines() if line.strip())]
