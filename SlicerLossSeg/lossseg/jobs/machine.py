"""The machine's processor and memory."""

from __future__ import annotations

import os
import platform
from pathlib import Path


def usable_cores() -> int:
    """Processor cores that this process may use."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def processor(cpuinfo: Path = Path("/proc/cpuinfo")) -> str:
    """The processor's name as the system tells it."""
    try:
        lines = cpuinfo.read_text(encoding="utf-8", errors="replace").splitlines()
    except OSError:
        lines = []
    for line in lines:
        if line.startswith("model name"):
            return line.split(":", 1)[1].strip()
    return platform.processor() or platform.machine() or "unknown"


def total_memory_gb() -> float | None:
    """Memory of the machine in GiB; None where psutil is missing."""
    return _memory("total")


def available_memory_gb() -> float | None:
    """Memory that is free or can be freed, in GiB; None where psutil is missing."""
    return _memory("available")


def _memory(which: str) -> float | None:
    try:
        import psutil
    except ImportError:
        return None
    return round(getattr(psutil.virtual_memory(), which) / 2**30, 1)
