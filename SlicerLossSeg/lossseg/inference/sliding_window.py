"""A network run window by window over an image, the logits blended with Gaussian weights.

Windows and blending follow nnU-Net (Isensee et al., Nature Methods 2021): neighbours overlap by half, weights fall
off as a Gaussian with a standard deviation of an eighth of the window.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from itertools import product

import numpy as np
import torch

Triple = tuple[int, int, int]
Box = tuple[slice, slice, slice]

BACKGROUND_LOGIT = -1e4
"""Stands for "no foreground" where nothing was computed: finite, and a probability of exactly 0 in float32."""


@dataclass(frozen=True)
class Windows:
    """Windows of one size over a grid: every combination of the starts of the three axes.

    Args:
        size: the image (z, y, x) in voxels.
        patch: the window (z, y, x) in voxels.
        starts: per axis, first voxel of each window; negative on an axis on which the image is smaller than the
            window, which then hangs over by the same amount on both sides.
    """

    size: Triple
    patch: Triple
    starts: tuple[tuple[int, ...], tuple[int, ...], tuple[int, ...]]

    def corners(self, needed: np.ndarray | None = None, start: int = 0) -> list[Triple]:
        """The starts (z, y, x) of all windows in reading order that reach the slice `start` or one behind it.

        With a mask `needed` only of those that touch it.
        """
        corners = (corner for corner in product(*self.starts) if corner[0] + self.patch[0] > start)
        return [corner for corner in corners if needed is None or needed[self.inside(corner)].any()]

    def inside(self, corner: Triple) -> Box:
        """The part of the image that the window at `corner` covers."""
        return _box((max(s, 0), min(s + p, n)) for s, p, n in zip(corner, self.patch, self.size, strict=True))

    def batches(self, corners: Sequence[Triple], most: int) -> list[list[Triple]]:
        """`corners` in order, at most so many together, and none more than three windows from the first.

        Windows far apart would need all the slices in between.
        """
        batches: list[list[Triple]] = []
        for corner in corners:
            if not batches or len(batches[-1]) == most or corner[0] - batches[-1][0][0] > 3 * self.patch[0]:
                batches.append([])
            batches[-1].append(corner)
        return batches

    def slices(self, corners: Sequence[Triple]) -> range:
        """From the first to the last slice that the windows at `corners`, in reading order, cover."""
        return range(self.inside(corners[0])[0].start, self.inside(corners[-1])[0].stop)

    def covered(self, corner: Triple) -> Box:
        """The part of the window at `corner` that lies on the image."""
        return _box((max(-s, 0), min(n - s, p)) for s, p, n in zip(corner, self.patch, self.size, strict=True))


def place_windows(size: Sequence[int], patch: Sequence[int], overlap: float = 0.5) -> Windows:
    """The fewest windows that overlap by at least `overlap` [0, 1), evenly spread, the last ending at the border."""
    z, y, x = (_axis_starts(n, p, overlap) for n, p in zip(size, patch, strict=True))
    return Windows(_triple(size), _triple(patch), (z, y, x))


def gaussian(length: int, centre: float | None = None) -> torch.Tensor:
    """Weights (length,) float32 along one axis of a window: standard deviation length / 8, 1 at `centre` (middle)."""
    offset = torch.arange(length, dtype=torch.float64) - ((length - 1) / 2 if centre is None else centre)
    return torch.exp(-0.5 * (offset / (length / 8)) ** 2).float()


@torch.no_grad()
def sliding_logits(
    image: torch.Tensor,
    forward: Callable[[torch.Tensor], torch.Tensor],
    windows: Windows,
    *,
    batch: int = 1,
    padding: Sequence[float] = (),
    needed: np.ndarray | None = None,
    after_windows: Callable[[int], None] = lambda count: None,
    weights: Sequence[torch.Tensor] | None = None,
) -> torch.Tensor:
    """Blended logits of `image` (C, z, y, x) float32, computed and summed on the image's device.

    Two classes are summed as one channel, the difference of their logits: blending is linear, and the softmax of two
    logits is the sigmoid of their difference, so nothing is lost and half the memory is.

    Args:
        forward: windows (n, C, *patch) float32 -> logits (n, K, *patch) of any floating type, on any device.
        batch: windows per call of `forward`.
        padding: per channel the value where a window hangs over the image; default 0.
        needed: bool (z, y, x); windows that touch no True voxel are skipped, and voxels that are False come out as
            background. Every window that touches a True voxel is computed, so the values there are exact.
        after_windows: called with the number of windows done since the last call; may raise to stop.
        weights: along each axis of a window; default `gaussian`.

    Returns:
        float32 (1, z, y, x): the foreground's logit, for K = 1 or 2, or when nothing is needed; else (K, z, y, x).
    """
    slabs = sliding_slabs(
        lambda first, end: image[:, first:end],
        forward,
        windows,
        batch=batch,
        padding=padding,
        needed=needed,
        after_windows=after_windows,
        weights=weights,
        whole=True,
    )
    for _, logits in slabs:
        return logits
    return torch.full((1, *windows.size), BACKGROUND_LOGIT, device=image.device)


@torch.no_grad()
def sliding_slabs(
    read: Callable[[int, int], torch.Tensor],
    forward: Callable[[torch.Tensor], torch.Tensor],
    windows: Windows,
    *,
    batch: int = 1,
    padding: Sequence[float] = (),
    needed: np.ndarray | None = None,
    after_windows: Callable[[int], None] = lambda count: None,
    weights: Sequence[torch.Tensor] | None = None,
    start: int = 0,
    whole: bool = False,
) -> Iterator[tuple[int, torch.Tensor]]:
    """As `sliding_logits`, slab by slab: sums are kept only for the slices that windows still reach.

    Args:
        read: gives the slices (C, end - first, y, x) float32 of the image, on the device on which to sum.
        start: the first slice that is wanted.
        whole: keep the sums of all slices and give them at once.

    Yields:
        (first slice, logits (K, n, y, x) of the slices from there on) in ascending order, to the bit what
        `sliding_logits` gives there. The tensor is valid until the next one is asked for. Slices that no window reached
        are left out.
    """
    batches = windows.batches(windows.corners(needed, start), batch)
    spans = [windows.slices(chosen) for chosen in batches]
    rows = windows.size[0] if whole else max((len(span) for span in spans), default=0)
    sums: _Sums | None = None
    piece: torch.Tensor | None = None
    held = range(0)
    for chosen, span in zip(batches, spans, strict=True):
        if piece is None or span != held:
            piece = None
            piece, held = read(span.start, span.stop), span
        if sums is not None and not whole:
            yield from sums.finished(span.start, needed)
        cut = _cut(piece, windows, chosen, padding, span.start)
        logits = _single_foreground(forward(cut).to(piece.device, torch.float32))
        if sums is None:
            axes = [axis.to(piece.device) for axis in weights or [gaussian(length) for length in windows.patch]]
            sums = _Sums(windows, axes, logits.shape[1], rows, 0 if whole else span.start, start)
        sums.add(chosen, logits)
        after_windows(len(chosen))
    if sums is not None:
        sums.reached = max(sums.reached, windows.size[0] if whole else 0)
        yield from sums.finished(windows.size[0], needed)


class _Sums:
    """Weighted sums of logits (K, rows, y, x) from the slice `base` on, for slices that are not finished.

    The sum of the weights is the outer product of three vectors and takes no memory.
    """

    def __init__(
        self, windows: Windows, axes: Sequence[torch.Tensor], channels: int, rows: int, base: int, start: int
    ) -> None:
        self._windows, self._axes, self._start = windows, axes, start
        self._blend = axes[0][:, None, None] * axes[1][:, None] * axes[2]
        self._base = self.reached = base
        self._total = torch.zeros((channels, rows, *windows.size[1:]), device=axes[0].device)

    def add(self, corners: Sequence[Triple], logits: torch.Tensor) -> None:
        for corner, window_logits in zip(corners, logits, strict=True):
            (z, y, x), here = self._windows.inside(corner), self._windows.covered(corner)
            rows = slice(z.start - self._base, z.stop - self._base)
            self._total[:, rows, y, x].addcmul_(window_logits[(..., *here)], self._blend[here])
            self.reached = max(self.reached, z.stop)

    def finished(self, until: int, needed: np.ndarray | None) -> Iterator[tuple[int, torch.Tensor]]:
        """What no window from the slice `until` on reaches, which then is forgotten."""
        stop = min(until, self.reached)
        done = stop - self._base
        first = max(self._base, self._start)
        if first < stop:
            part = self._total[:, first - self._base : done]
            _divide_by_weights(part, self._windows, self._axes, first)
            if needed is not None:
                _blank(part, torch.from_numpy(~needed[first:stop]).to(part.device))
            yield first, part
        if until > self._base:
            kept = self.reached - stop
            # Slice by slice: source and target overlap, and a copy would take the memory of as many slices.
            for place in range(kept):
                self._total[:, place] = self._total[:, done + place]
            self._total[:, kept:] = 0
            self._base = until
            self.reached = max(self.reached, until)


def foreground_probabilities(logits: torch.Tensor) -> torch.Tensor:
    """Probabilities (K - 1, z, y, x) of the foreground classes, in place of `logits` as `sliding_logits` gives them.

    One channel is the logit of a single foreground class (sigmoid); K > 1 channels are background first (softmax).
    """
    if len(logits) == 1:
        return logits.sigmoid_()
    for plane in logits.unbind(1):
        plane.copy_(plane.softmax(0))
    return logits[1:]


def _cut(
    piece: torch.Tensor, windows: Windows, corners: Sequence[Triple], padding: Sequence[float], first: int
) -> torch.Tensor:
    """The windows (n, C, *patch) at `corners`, from the slices `piece` of the image, which begin at `first`.

    What hangs over the image is `padding`, one value for each channel.
    """
    cut = torch.empty((len(corners), piece.shape[0], *windows.patch), dtype=torch.float32, device=piece.device)
    fill = torch.tensor(tuple(padding) or (0.0,) * len(piece), device=piece.device)
    for window, corner in zip(cut, corners, strict=True):
        if any(size < length for size, length in zip(windows.size, windows.patch, strict=True)):
            window[:] = fill[:, None, None, None]
        z, y, x = windows.inside(corner)
        window[(..., *windows.covered(corner))] = piece[:, z.start - first : z.stop - first, y, x]
    return cut


def _single_foreground(logits: torch.Tensor) -> torch.Tensor:
    return logits[:, 1:2] - logits[:, 0:1] if logits.shape[1] == 2 else logits


def _divide_by_weights(part: torch.Tensor, windows: Windows, axes: Sequence[torch.Tensor], first: int) -> None:
    """Divide the sums (K, n, y, x) of the slices from `first` on by the weights of all windows, in place."""
    for axis, weights in enumerate(axes):
        size, patch = windows.size[axis], windows.patch[axis]
        sums = torch.zeros(size, device=part.device)
        for start in windows.starts[axis]:
            low, high = max(start, 0), min(start + patch, size)
            sums[low:high] += weights[low - start : high - start]
        if axis == 0:
            sums = sums[first : first + part.shape[1]]
        part.div_(sums.reshape([-1 if axis == other else 1 for other in range(3)]))


def _blank(total: torch.Tensor, where: torch.Tensor) -> None:
    foreground = total if len(total) == 1 else total[1:]
    foreground.masked_fill_(where, BACKGROUND_LOGIT)
    if len(total) > 1:
        total[0].masked_fill_(where, 0.0)


def _axis_starts(size: int, patch: int, overlap: float) -> tuple[int, ...]:
    if size <= patch:
        return (-((patch - size) // 2),)
    step = max(1.0, patch * (1 - overlap))
    steps = math.ceil((size - patch) / step - 1e-9)
    return tuple(round((size - patch) / steps * index) for index in range(steps + 1))


def _box(bounds: Iterator[tuple[int, int]]) -> Box:
    z, y, x = (slice(low, high) for low, high in bounds)
    return z, y, x


def _triple(values: Sequence[int]) -> Triple:
    z, y, x = (int(value) for value in values)
    return z, y, x
