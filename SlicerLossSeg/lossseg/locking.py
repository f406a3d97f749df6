"""One process at a time works in a folder: studies, trainings and searches hold it while they write there.

The lock is a file that names its holder. Of a holder on this computer its process number tells whether it lives. Of one
on another computer that shares the folder, the file's age does: the holder touches it every few seconds.
"""

from __future__ import annotations

import json
import os
import platform
import secrets
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path

import psutil

from lossseg.errors import InputError
from lossseg.files import translate

LOCK_FILE = ".running.json"
TOUCH_EVERY_S = 10.0
DEAD_AFTER_S = 120.0
"""Age from which a lock of another computer counts as left behind; shared disks may show times a minute late."""

PATIENCE_S = DEAD_AFTER_S + 2 * TOUCH_EVERY_S
"""How long to wait for a folder whose holder may just have died, until that is certain."""

_TOLERANCE_S = 2.0
_ASK_EVERY_S = 0.5
_SETTLE_S = 0.1


@dataclass(frozen=True)
class Holder:
    """Who works in a folder.

    Attributes:
        pid: its process number.
        host: the computer's name.
        since: when the process began, in seconds since 1970.
        mark: what tells two locks of one process apart.
    """

    pid: int
    host: str
    since: float
    mark: str

    @classmethod
    def myself(cls) -> Holder:
        return cls(os.getpid(), platform.node(), psutil.Process().create_time(), secrets.token_hex(4))

    def is_process(self, other: Holder) -> bool:
        """Whether both are the same process."""
        same = (self.pid, self.host) == (other.pid, other.host)
        return same and abs(self.since - other.since) < _TOLERANCE_S

    @property
    def is_here(self) -> bool:
        """Whether it is of this computer."""
        return self.host == platform.node()


@contextmanager
def only_one(folder: Path) -> Iterator[None]:
    """Hold the folder within the block, and make it where it is not there. What a dead process left is taken over.

    A process that holds a folder already may hold it again, as a step within its own work.

    Raises:
        InputError: another process is at work in the folder, or it cannot be written to.
    """
    folder = Path(folder)
    path, me = folder / LOCK_FILE, Holder.myself()
    made = not folder.exists()
    try:
        folder.mkdir(parents=True, exist_ok=True)
        outer = _take(path, me)
    except OSError as error:
        raise translate(error, path) from error
    ended = threading.Event()
    touching = threading.Thread(target=_keep_alive, args=(path, ended), daemon=True)
    touching.start()
    try:
        yield
    finally:
        ended.set()
        touching.join()
        with suppress(OSError):
            if outer is not None:
                path.write_text(outer, encoding="utf-8")
            elif (holder := _read(path)) is None or holder.mark == me.mark:
                path.unlink(missing_ok=True)
        if made:
            # Only what is empty can be removed so.
            with suppress(OSError):
                folder.rmdir()


def wait_until_free(folder: Path, check: Callable[[], None], patience_s: float = PATIENCE_S) -> None:
    """Return as soon as no other process is at work in the folder, or when the patience is spent.

    For work that is started again elsewhere when its process or machine was lost: it may still be ending there.

    Args:
        check: called twice a second; raises when the person asked to stop.
    """
    end = time.monotonic() + patience_s
    while _at_work(Path(folder) / LOCK_FILE) is not None and time.monotonic() < end:
        check()
        time.sleep(_ASK_EVERY_S)


def _take(path: Path, me: Holder) -> str | None:
    """Write the lock. Returns the text of this process's own outer lock, where it has one."""
    text, taken_over = json.dumps(me.__dict__), False
    while True:
        try:
            with open(path, "x", encoding="utf-8") as file:
                file.write(text)
            break
        except FileExistsError:
            holder = _at_work(path)
            if holder is not None:
                raise _refusal(path, holder) from None
            before = _read(path)
            if before is not None and before.is_process(me):
                outer = path.read_text(encoding="utf-8")
                path.write_text(text, encoding="utf-8")
                return outer
            path.unlink(missing_ok=True)
            taken_over = True
    if taken_over:
        # Of two that take over at once, the one whose lock is there a moment later has the folder.
        time.sleep(_SETTLE_S)
        found = _read(path)
        if found is not None and found.mark != me.mark:
            raise _refusal(path, found)
    return None


def _refusal(path: Path, holder: Holder) -> InputError:
    if holder.is_here:
        return InputError(
            f"Process {holder.pid} is at work in {path.parent}.", "Wait until it has ended, or cancel it."
        )
    return InputError(
        f"Process {holder.pid} on the computer {holder.host} is at work in {path.parent}.",
        "Wait until it has ended, or cancel it there. After a crash of that computer the folder is free again in "
        f"{round(DEAD_AFTER_S / 60)} minutes.",
    )


def _at_work(path: Path) -> Holder | None:
    """The other process that holds the folder; None when nobody does, or it is dead, or it is this one."""
    holder = _read(path)
    if holder is None:
        return None
    if not holder.is_here:
        return holder if _age_s(path) < DEAD_AFTER_S else None
    try:
        since = psutil.Process(holder.pid).create_time()
    except psutil.NoSuchProcess:
        return None
    except psutil.Error:
        # It lives, but is another person's, who does not show when it began.
        return holder
    return holder if holder.pid != os.getpid() and abs(since - holder.since) < _TOLERANCE_S else None


def _read(path: Path) -> Holder | None:
    """Who the file names; None where there is none or it is damaged."""
    for _ in range(2):
        try:
            value = json.loads(path.read_text(encoding="utf-8"))
            mark = str(value.get("mark", ""))
            return Holder(int(value["pid"]), str(value["host"]), float(value["since"]), mark)
        except FileNotFoundError:
            return None
        except (ValueError, KeyError, TypeError, AttributeError):
            # It may be in the middle of being written.
            time.sleep(_SETTLE_S)
    return None


def _age_s(path: Path) -> float:
    """Seconds since the file was touched, by the clock of the disk that it lies on."""
    beside = path.with_name(f"{path.name}.{secrets.token_hex(4)}")
    try:
        beside.touch()
        return beside.stat().st_mtime - path.stat().st_mtime
    except FileNotFoundError:
        return DEAD_AFTER_S
    finally:
        beside.unlink(missing_ok=True)


def _keep_alive(path: Path, ended: threading.Event) -> None:
    while not ended.wait(TOUCH_EVERY_S):
        with suppress(OSError):
            os.utime(path)
