"""Intensity schemes: from the image's units to network input, one channel at a time."""

from __future__ import annotations

from collections.abc import Callable, Iterable

import numpy as np

from lossseg.preprocessing.plan import ChannelKind, ChannelScheme

_SMALLEST_STD = 1e-8


def normalise(
    array: np.ndarray, scheme: ChannelScheme, inside: np.ndarray | None = None, body: np.ndarray | None = None
) -> np.ndarray:
    """`array` (z, y, x) in the image's units as float32 network input.

    Args:
        inside: organ mask (z, y, x) bool; voxels outside get the lowest value of the scheme's range first.
        body: (z, y, x) bool, what a `nonzero` scheme measures and keeps; default the voxels that are not 0.
    """
    values = array.astype(np.float32)
    if inside is not None:
        values[~inside] = scheme.low if scheme.low is not None else values.min()
    match scheme.kind:
        case ChannelKind.WINDOW:
            low, high = _range(scheme)
            np.clip(values, low, high, out=values)
            values -= low
            values /= high - low
        case ChannelKind.CT:
            np.clip(values, *_range(scheme), out=values)
            values -= np.float32(scheme.mean)
            values /= np.float32(max(scheme.std or 0.0, _SMALLEST_STD))
        case ChannelKind.ZSCORE:
            measured = (body if body is not None else values != 0) if scheme.nonzero else None
            mean, std = _moments(values, measured if measured is not None and measured.any() else None)
            values -= np.float32(mean)
            values /= np.float32(max(std, _SMALLEST_STD))
            if measured is not None:
                values[~measured] = 0
        case ChannelKind.RESCALE:
            values -= values.min()
            values /= np.float32(max(float(values.max()), _SMALLEST_STD))
    return values


def moments(parts: Callable[[], Iterable[np.ndarray]]) -> tuple[float, float]:
    """Mean and standard deviation of float32 values in double precision, part by part.

    No copy of a volume in 64 bits: `parts` gives its slices, or what counts of them, once for each of two passes.
    """
    count, total = 0, 0.0
    for part in parts():
        count, total = count + part.size, total + float(part.sum(dtype=np.float64))
    mean = total / count
    squares = sum(float(np.square(part.astype(np.float64) - mean).sum()) for part in parts())
    return mean, float(np.sqrt(squares / count))


def _moments(values: np.ndarray, where: np.ndarray | None) -> tuple[float, float]:
    if where is None:
        return moments(lambda: values)
    return moments(lambda: (plane[inside] for plane, inside in zip(values, where, strict=True)))


def _range(scheme: ChannelScheme) -> tuple[float, float]:
    assert scheme.low is not None and scheme.high is not None, scheme
    return scheme.low, scheme.high
