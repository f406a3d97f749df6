"""What a process keeps between two pieces of work, so that the second need not make again what the first made."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Callable, Hashable
from glob import escape
from pathlib import Path
from typing import Any, TypeVar

from lossseg.errors import InputError

T = TypeVar("T")

Stamp = tuple[str, int, int, int]
"""Which file, and in which state: its full path, size in bytes, time of the last change in ns, and number on disk."""

_LIMIT_BYTES = 2 << 30


def stamp(path: Path) -> Stamp:
    """The stamp of a file, which a change of the file changes.

    Raises:
        InputError: there is no such file.
    """
    path = Path(path)
    try:
        found = path.stat()
    except OSError as error:
        raise InputError(f"{path} does not exist.", "Check the path.") from error
    if path.is_dir():
        raise InputError(f"{path} is a folder, not a volume.", "Give a file.")
    parts = [found]
    if path.suffix.lower() == ".mhd":
        # Its voxels lie in another file beside it.
        parts += [beside.stat() for beside in path.parent.glob(f"{escape(path.stem)}.*")]
    newest = max(part.st_mtime_ns for part in parts)
    return str(path.absolute()), sum(part.st_size for part in parts), newest, found.st_ino


class Keeper:
    """Values by their keys, up to so many bytes; beyond, those that were asked for the longest ago are let go.

    >>> keeper = Keeper()
    >>> keeper.get("answer", lambda: 42)
    42
    >>> keeper.get("answer", lambda: 0)
    42
    """

    def __init__(self, limit_bytes: int = _LIMIT_BYTES) -> None:
        self._limit = limit_bytes
        self._held: OrderedDict[Hashable, tuple[Any, int]] = OrderedDict()
        self._bytes = 0

    @property
    def held_bytes(self) -> int:
        """Bytes of all that is kept now."""
        return self._bytes

    def get(self, key: Hashable, make: Callable[[], T], size: Callable[[T], int] = lambda value: 0) -> T:
        """The value of that key, made where it is not kept.

        Args:
            key: what the value was made from and how, so that two values of one key are the same.
            make: makes it; what it raises goes through and nothing is kept.
            size: bytes of the value. One above the limit is not kept.
        """
        if key in self._held:
            self._held.move_to_end(key)
            known: T = self._held[key][0]
            return known
        value = make()
        taken = size(value)
        if taken <= self._limit:
            self._held[key] = value, taken
            self._bytes += taken
            while self._bytes > self._limit:
                _, (_, freed) = self._held.popitem(last=False)
                self._bytes -= freed
        return value

    def clear(self) -> None:
        """Let everything go."""
        self._held.clear()
        self._bytes = 0
