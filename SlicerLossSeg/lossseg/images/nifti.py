"""Where ITK's NIfTI reader silently gives other voxels than the file holds.

It turns NaN and infinite voxels into 0, and for `a.nii.gz` beside an `a.nii` it reads the voxels of `a.nii`.
"""

from __future__ import annotations

import gzip
import math
import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import IO, cast

import numpy as np
import SimpleITK as sitk

_FLOATS = {16: "f4", 64: "f8"}
_LITTLE_ENDIAN_STARTS = (348, 540)
_BLOCK = 1 << 22


@contextmanager
def apart(path: Path) -> Iterator[Path]:
    """Yields `path`, or a link to it in a folder of its own where an unpacked file of the same name lies beside it."""
    if not path.name.endswith(".nii.gz") or not path.with_name(path.name.removesuffix(".gz")).exists():
        yield path
        return
    with tempfile.TemporaryDirectory() as folder:
        link = Path(folder) / path.name
        try:
            link.symlink_to(path.resolve())
        except OSError:
            shutil.copyfile(path, link)
        yield link


def data_span(reader: sitk.ImageFileReader) -> tuple[int, int]:
    """The (first, end) byte of the voxels in the unpacked file; `reader` has read the file's information."""
    # The file's own type counts: the reader announces another one when the header scales the values.
    sizes = (int(reader.GetMetaData(f"dim[{axis}]")) for axis in range(1, int(reader.GetMetaData("dim[0]")) + 1))
    voxels = math.prod(max(size, 1) for size in sizes)
    first = int(float(reader.GetMetaData("vox_offset")))
    return first, first + voxels * int(reader.GetMetaData("bitpix")) // 8


def non_finite_voxels(path: Path, reader: sitk.ImageFileReader) -> int:
    """The number of NaN and infinite voxels of a complete NIfTI file, counted block by block."""
    kind = _FLOATS.get(int(reader.GetMetaData("datatype")))
    if kind is None:
        return 0
    first, end = data_span(reader)
    broken = 0
    with _unpacked(path) as file:
        start = file.read(first)
        little = int.from_bytes(start[:4], "little") in _LITTLE_ENDIAN_STARTS
        dtype = np.dtype(("<" if little else ">") + kind)
        left = end - first
        while left > 0 and (block := file.read(min(_BLOCK, left))):
            left -= len(block)
            values = np.frombuffer(block, dtype, count=len(block) // dtype.itemsize)
            broken += values.size - int(np.count_nonzero(np.isfinite(values)))
    return broken


def _unpacked(path: Path) -> IO[bytes]:
    with path.open("rb") as file:
        packed = file.read(2) == b"\x1f\x8b"
    return cast(IO[bytes], gzip.open(path, "rb")) if packed else path.open("rb")
