"""The registry of probes, answers as JSON, and waiting."""

import enum
import io
import pathlib
import re
import sys
import tempfile
import time

import numpy as np
import slicer

PROBES = {}
TEMPORARY = pathlib.Path(tempfile.mkdtemp(prefix="probe-"))


def probe(function):
    """Decorator: the function is a probe of its own name."""
    PROBES[function.__name__] = function
    return function


def plain(value):
    """The value as JSON can hold it, the same in both worlds."""
    if isinstance(value, enum.Enum) and not isinstance(value, int | str):
        value = value.value
    if value is None or isinstance(value, bool | str):
        return value
    if isinstance(value, int | np.integer):
        return int(value)
    if isinstance(value, float | np.floating):
        return round(float(value), 6)
    if isinstance(value, list | tuple):
        return [plain(item) for item in value]
    if isinstance(value, dict):
        return {str(key): plain(item) for key, item in value.items()}
    return f"<{_kind(value)}>"


def _kind(value) -> str:
    if isinstance(value, pathlib.PurePath):
        return f"Path {value}"
    if isinstance(value, type):
        return f"class {value.__name__}"
    if hasattr(value, "GetClassName"):
        return value.GetClassName()
    if callable(getattr(value, "className", None)):
        return value.className()
    return "method" if callable(value) else type(value).__name__


def answer(function) -> dict:
    """{"value": ...} or {"error": class, "message": ...}, with the last line that was printed."""
    out = io.StringIO()
    old = sys.stdout, sys.stderr
    sys.stdout = sys.stderr = out
    try:
        result = {"value": plain(function())}
    except Exception as error:
        message = re.sub(r"(/\w[\w.-]*){2,}", "PATH", re.sub(r"0x[0-9a-f]+", "0x", str(error)[:160]))
        result = {"error": type(error).__name__, "message": message}
    finally:
        sys.stdout, sys.stderr = old
    printed = out.getvalue().strip()
    return {**result, "printed": printed.splitlines()[-1][:200]} if printed else result


def spin(milliseconds=30):
    """Let the event loop run for a while."""
    end = time.perf_counter() + milliseconds / 1000
    while time.perf_counter() < end:
        slicer.app.processEvents()
        time.sleep(0.001)


def until(condition, milliseconds=4000) -> bool:
    """Let the event loop run until the condition holds, at most so long; whether it holds."""
    end = time.perf_counter() + milliseconds / 1000
    while not condition() and time.perf_counter() < end:
        slicer.app.processEvents()
        time.sleep(0.002)
    return bool(condition())
