"""A minimal encoder of indexed PNG (ISO/IEC 15948), so that the pictures of a report need no extra package."""

from __future__ import annotations

import struct
import zlib

import numpy as np


def encode(indices: np.ndarray, palette: np.ndarray) -> bytes:
    """An indexed-colour PNG file.

    Args:
        indices: (height, width) uint8, places in the palette. Neighbouring places should have similar colours: the
            filter that makes the file small works on their differences.
        palette: (colours, 3) uint8, red, green, blue; at most 256 colours.
    """
    height, width = indices.shape
    header = struct.pack(">IIBBBBB", width, height, 8, 3, 0, 0, 0)
    chunks = [(b"IHDR", header), (b"PLTE", palette.tobytes()), (b"IDAT", _smallest(indices)), (b"IEND", b"")]
    return b"\x89PNG\r\n\x1a\n" + b"".join(_chunk(kind, data) for kind, data in chunks)


def _smallest(indices: np.ndarray) -> bytes:
    shifted_right = np.pad(indices, ((0, 0), (1, 0)))[:, :-1]
    shifted_down = np.pad(indices, ((1, 0), (0, 0)))[:-1]
    filters = {0: indices, 1: indices - shifted_right, 2: indices - shifted_down}
    lines = (np.pad(rows, ((0, 0), (1, 0)), constant_values=kind) for kind, rows in filters.items())
    return min((zlib.compress(each.astype(np.uint8).tobytes(), 9) for each in lines), key=len)


def _chunk(kind: bytes, data: bytes) -> bytes:
    return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))
