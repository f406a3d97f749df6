"""Whether an image file holds all the voxels that its header announces.

The NIfTI reader of ITK returns arbitrary voxels for a truncated file, and its writers do not notice a full disk. Both
show in the number of bytes, which is cheap to look up: the size of the file, or the size a gzip stream notes in its
last four bytes (RFC 1952).
"""

from __future__ import annotations

import math
import zlib
from collections.abc import Iterator
from pathlib import Path

import SimpleITK as sitk

from lossseg.images.formats import image_ending
from lossseg.images.nifti import data_span

_GZIP_MAGIC = b"\x1f\x8b"
_GZIP = zlib.MAX_WBITS | 16
_CHUNK = 1 << 20
_HEADER_LIMIT = 1 << 16
_BYTES = {
    **dict.fromkeys((sitk.sitkInt8, sitk.sitkUInt8), 1),
    **dict.fromkeys((sitk.sitkInt16, sitk.sitkUInt16), 2),
    **dict.fromkeys((sitk.sitkInt32, sitk.sitkUInt32, sitk.sitkFloat32), 4),
    **dict.fromkeys((sitk.sitkInt64, sitk.sitkUInt64, sitk.sitkFloat64), 8),
}


def is_complete(path: Path, reader: sitk.ImageFileReader) -> bool:
    """Whether `path` holds all its voxels; `reader` has read its information. True where a format cannot be judged."""
    ending = image_ending(path)
    if ending in (".nii", ".nii.gz"):
        return _holds(path, 0, data_span(reader)[1])
    stored = math.prod(reader.GetSize()) * _BYTES.get(reader.GetPixelID(), 1)
    return _nrrd_complete(path, stored) if ending == ".nrrd" else _meta_complete(path, stored)


def _nrrd_complete(path: Path, stored: int) -> bool:
    head, offset = _header(path, b"\n\n", b"\r\n\r\n")
    fields = _fields(head, ":")
    if "datafile" in fields or "data file" in fields:
        return True
    return fields.get("encoding") not in ("raw", "gzip", "gz") or _holds(path, offset, stored)


def _meta_complete(path: Path, stored: int) -> bool:
    head, offset = _header(path, b"ElementDataFile = LOCAL\n", b"ElementDataFile = LOCAL\r\n")
    fields = _fields(head, "=")
    data = fields.get("elementdatafile", "LOCAL")
    if fields.get("compresseddata", "").lower() == "true":
        stored = int(fields.get("compresseddatasize", "1"))
    if data == "LOCAL":
        return path.stat().st_size - offset >= stored
    raw = path.with_name(data)
    # A list of slices ("LIST", "slice%03d.raw") is left to the reader.
    return data.startswith("LIST") or "%" in data or (raw.is_file() and raw.stat().st_size >= stored)


def _header(path: Path, *ends: bytes) -> tuple[str, int]:
    """The text header of a file and where its data begin."""
    with path.open("rb") as file:
        start = file.read(_HEADER_LIMIT)
    cuts = [start.index(end) + len(end) for end in ends if end in start]
    cut = min(cuts, default=len(start))
    return start[:cut].decode("latin-1"), cut


def _fields(header: str, separator: str) -> dict[str, str]:
    pairs = (line.partition(separator) for line in header.splitlines() if separator in line)
    return {name.strip().lower(): value.lstrip("=").strip() for name, _, value in pairs}


def _holds(path: Path, offset: int, needed: int) -> bool:
    """Whether the data of `path` from byte `offset` on, unpacked where packed, are at least `needed` bytes."""
    size = path.stat().st_size
    with path.open("rb") as file:
        file.seek(offset)
        if file.read(2) != _GZIP_MAGIC:
            return size - offset >= needed
        file.seek(max(size - 4, offset))
        if int.from_bytes(file.read(4), "little") == needed % 2**32:
            return True
    # Several gzip members, or bytes after the voxels, leave another number at the end: then it takes unpacking.
    return sum(_unpacked_members(path, offset)) >= needed


def _unpacked_members(path: Path, offset: int) -> Iterator[int]:
    """Yields the unpacked length of each whole member of a gzip stream: a member without its end does not count."""
    with path.open("rb") as file:
        file.seek(offset)
        member, length = zlib.decompressobj(_GZIP), 0
        packed = file.read(_CHUNK)
        while packed:
            try:
                length += len(member.decompress(packed))
            except zlib.error:
                return
            packed = member.unused_data or file.read(_CHUNK)
            if member.eof:
                yield length
                member, length = zlib.decompressobj(_GZIP), 0
