"""Volumes that may be larger than memory: slices that are read and written slab by slab."""

from __future__ import annotations

import shutil
import tempfile
from pathlib import Path
from typing import IO

import numpy as np

from lossseg.files import translate

IN_MEMORY = 64 * 2**20
"""Up to so many bytes a stack lies in memory."""

Shape = tuple[int, int, int, int]


class Stack:
    """Float32 values (channels, z, y, x), 0 until they are written.

    A small one lies in memory. A larger one lies in a file without a name in the folder for temporary files (`TMPDIR`),
    which is gone with the stack or the process, unless the disk lacks the room.

    Args:
        shape: (channels, z, y, x).
        in_memory: the largest number of bytes that is kept in memory.
    """

    def __init__(self, shape: Shape, in_memory: int | None = None) -> None:
        self.shape = shape
        channels, depth, height, width = shape
        size = 4 * channels * depth * height * width
        self._array: np.ndarray | None = None
        self._file: IO[bytes] | None = None
        if size > (IN_MEMORY if in_memory is None else in_memory) and _has_room(size):
            self._file = tempfile.TemporaryFile(buffering=0)  # noqa: SIM115, it lives as long as the stack
            self._file.truncate(size)
        else:
            self._array = np.zeros(shape, np.float32)

    @classmethod
    def of(cls, array: np.ndarray) -> Stack:
        """A stack in memory of `array` (channels, z, y, x) float32 itself."""
        channels, z, y, x = array.shape
        stack = cls((channels, 0, 0, 0))
        stack.shape, stack._array = (channels, z, y, x), array
        return stack

    @property
    def on_disk(self) -> bool:
        return self._file is not None

    def read(self, first: int, end: int) -> np.ndarray:
        """The slices (channels, end - first, y, x), to look at only.

        Raises:
            DiskFull or InputError: the file failed.
        """
        if self._file is None:
            assert self._array is not None
            return self._array[:, first:end]
        channels, _, height, width = self.shape
        slab = np.empty((end - first, channels, height, width), np.float32)
        self._whole(self._file.readinto, slab.data.cast("B"), first)  # type: ignore[attr-defined]
        return slab.swapaxes(0, 1)

    def write(self, first: int, values: np.ndarray) -> None:
        """Replace the slices from `first` on by `values` (channels, n, y, x).

        Raises:
            DiskFull or InputError: the file failed.
        """
        if self._file is None:
            assert self._array is not None
            self._array[:, first : first + values.shape[1]] = values
        else:
            slab = np.ascontiguousarray(values.swapaxes(0, 1), np.float32)
            self._whole(self._file.write, slab.data.cast("B"), first)

    def _whole(self, move: object, data: memoryview, first: int) -> None:
        """All of `data` to or from the file: the system may stop in between after 2 GiB."""
        channels, _, height, width = self.shape
        assert self._file is not None and callable(move)
        try:
            self._file.seek(4 * channels * height * width * first)
            while len(data):
                moved = move(data)
                if not moved:
                    raise OSError("the temporary file ends too early")
                data = data[moved:]
        except OSError as error:
            raise translate(error, Path(tempfile.gettempdir()) / "temporary volume") from error


def _has_room(size: int) -> bool:
    try:
        return shutil.disk_usage(tempfile.gettempdir()).free > 2 * size
    except OSError:
        return False
