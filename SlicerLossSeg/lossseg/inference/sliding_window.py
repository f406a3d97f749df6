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

    def corners(self, needed: np.ndarray | None = None) -> list[Triple]:
        """The starts (z, y, x) of all windows in reading order, or only of those that touch the mask `needed`."""
        corners = product(*self.starts)
        return [corner for corner in corners if needed is None or needed[self.inside(corner)].any()]

    def inside(self, corner: Triple) -> Box:
        """The part of the image that the window at `corner` covers."""
        return _box((max(s, 0), min(s + p, n)) for s, p, n in zip(corner, self.patch, self.size, strict=True))

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
    logits is the sigmoid of their difference, so nothing is lost and half the memory is. The sum of the weights is the
    outer product of three vectors and takes no memory either.

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
    axes = [axis.to(image.device) for axis in weights or [gaussian(length) for length in windows.patch]]
    blend = axes[0][:, None, None] * axes[1][:, None] * axes[2]
    fill = torch.tensor(tuple(padding) or (0.0,) * len(image), device=image.device)
    total: torch.Tensor | None = None
    corners = windows.corners(needed)
    for first in range(0, len(corners), batch):
        chosen = corners[first : first + batch]
        logits = _single_foreground(forward(_cut(image, windows, chosen, fill)).to(image.device, torch.float32))
        if total is None:
            total = torch.zeros((logits.shape[1], *windows.size), device=image.device)
        for corner, window_logits in zip(chosen, logits, strict=True):
            there, here = windows.inside(corner), windows.covered(corner)
            total[(..., *there)].addcmul_(window_logits[(..., *here)], blend[here])
        after_windows(len(chosen))
    if total is None:
        return torch.full((1, *windows.size), BACKGROUND_LOGIT, device=image.device)
    _divide_by_weights(total, windows, axes)
    if needed is not None:
        _blank(total, torch.from_numpy(~needed).to(image.device))
    return total


def foreground_probabilities(logits: torch.Tensor) -> torch.Tensor:
    """Probabilities (K - 1, z, y, x) of the foreground classes, in place of `logits` as `sliding_logits` gives them.

    One channel is the logit of a single foreground class (sigmoid); K > 1 channels are background first (softmax).
    """
    if len(logits) == 1:
        return logits.sigmoid_()
    for plane in logits.unbind(1):
        plane.copy_(plane.softmax(0))
    return logits[1:]


def _cut(image: torch.Tensor, windows: Windows, corners: Sequence[Triple], fill: torch.Tensor) -> torch.Tensor:
    """The windows (n, C, *patch) at `corners`; what hangs over the image is `fill` (C,)."""
    cut = torch.empty((len(corners), image.shape[0], *windows.patch), dtype=torch.float32, device=image.device)
    for window, corner in zip(cut, corners, strict=True):
        if any(size < length for size, length in zip(windows.size, windows.patch, strict=True)):
            window[:] = fill[:, None, None, None]
        window[(..., *windows.covered(corner))] = image[(..., *windows.inside(corner))]
    return cut


def _single_foreground(logits: torch.Tensor) -> torch.Tensor:
    return logits[:, 1:2] - logits[:, 0:1] if logits.shape[1] == 2 else logits


def _divide_by_weights(total: torch.Tensor, windows: Windows, axes: Sequence[torch.Tensor]) -> None:
    for axis, weights in enumerate(axes):
        size, patch = windows.size[axis], windows.patch[axis]
        sums = torch.zeros(size, device=total.device)
        for start in windows.starts[axis]:
            low, high = max(start, 0), min(start + patch, size)
            sums[low:high] += weights[low - start : high - start]
        total.div_(sums.reshape([-1 if axis == other else 1 for other in range(3)]))


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
