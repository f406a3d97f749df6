"""One process at a time works on a study."""

from __future__ import annotations

import json
import os
import platform
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

import psutil

from lossseg.errors import InputError
from lossseg.files import translate

LOCK_FILE = ".running.json"
_TOLERANCE_S = 2.0


@contextmanager
def only_one(folder: Path) -> Iterator[None]:
    """Hold the folder within the block. What a killed process left is taken over.

    Raises:
        InputError: another process is at work in the folder, or it cannot be written to.
    """
    path = Path(folder) / LOCK_FILE
    me = {"pid": os.getpid(), "host": platform.node(), "since": psutil.Process().create_time()}
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        holder = _holder(path)
        if holder is not None:
            raise InputError(
                f"Process {holder} is at work on the study in {folder}.", "Wait until it has ended, or cancel it."
            )
        path.write_text(json.dumps(me), encoding="utf-8")
    except OSError as error:
        raise translate(error, path) from error
    try:
        yield
    finally:
        with suppress(OSError):
            path.unlink(missing_ok=True)


def _holder(path: Path) -> str | None:
    """The process that holds the folder, in words; None when nobody does. Of another computer it cannot be known."""
    try:
        value = json.loads(path.read_text(encoding="utf-8"))
        pid, host, since = int(value["pid"]), str(value["host"]), float(value["since"])
    except FileNotFoundError:
        return None
    except (ValueError, KeyError, TypeError):
        return None
    if host != platform.node() or pid == os.getpid():
        return None
    try:
        alive = abs(psutil.Process(pid).create_time() - since) < _TOLERANCE_S
    except psutil.Error:
        return None
    return str(pid) if alive else None
