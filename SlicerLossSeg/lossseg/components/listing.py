"""Lists of voxels: where a mask is not 0, and which voxels of one list are in another."""

from __future__ import annotations

import numpy as np

_WORD = np.dtype(np.uint64)

# Above this share of words that are not 0, listing voxels word by word costs more than listing them one by one.
_MOST_WORDS = 1 / 16


def foreground(mask: np.ndarray) -> np.ndarray:
    """(n,) int64: flat C-order indices, ascending, of the voxels that are not 0.

    Eight bytes are looked at as one number, most of which are 0 in a lesion mask: 512 x 512 x 140 bytes take little
    longer than it takes to read them.
    """
    flat = mask.reshape(-1) if mask.flags.c_contiguous else np.ascontiguousarray(mask).reshape(-1)
    words = _words(flat)
    if words is None:
        return _one_by_one(flat)
    filled = np.flatnonzero(words != 0)
    if len(filled) > _MOST_WORDS * len(words):
        return _one_by_one(flat)
    voxels_per_word = _WORD.itemsize // flat.itemsize
    inside = np.flatnonzero(flat[: len(words) * voxels_per_word].reshape(len(words), voxels_per_word)[filled] != 0)
    word, offset = np.divmod(inside, voxels_per_word)
    listed: np.ndarray = filled[word] * voxels_per_word + offset
    rest = len(words) * voxels_per_word
    return listed if rest == len(flat) else np.concatenate((listed, rest + np.flatnonzero(flat[rest:] != 0)))


def places(voxels: np.ndarray, among: np.ndarray) -> np.ndarray:
    """(n,) int64: the place of each of `voxels` (n,) in the ascending list `among`, -1 where it is not in it."""
    if not len(among):
        return np.full(len(voxels), -1)
    place = np.searchsorted(among, voxels)
    place[place == len(among)] = 0
    place[among[place] != voxels] = -1
    return place


def _words(flat: np.ndarray) -> np.ndarray | None:
    """As many whole words as there are, None for what cannot be looked at so."""
    if flat.dtype.kind not in "biuf" or flat.itemsize >= _WORD.itemsize or _WORD.itemsize % flat.itemsize:
        return None
    whole = len(flat) * flat.itemsize // _WORD.itemsize
    if flat.ctypes.data % _WORD.itemsize or not whole:
        return None
    return flat[: whole * _WORD.itemsize // flat.itemsize].view(_WORD)


def _one_by_one(flat: np.ndarray) -> np.ndarray:
    return np.flatnonzero(flat if flat.dtype == bool else flat != 0)
