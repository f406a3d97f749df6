"""A target by the places of its foreground, for where that is rare."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property

import numpy as np
import torch
from torch import Tensor

from lossseg import components

# A block of float32 voxels and the quantities at them fit into the cache of a core.
BLOCK = 1 << 19


@dataclass(frozen=True)
class SparseTarget:
    """Which voxels of a batch (B, N) are foreground and which are left out, as ascending flat places."""

    shape: tuple[int, int]
    foreground: Tensor
    apart: Tensor

    @staticmethod
    def of(labels: Tensor, valid: Tensor | None) -> SparseTarget:
        """From labels (B, *S) that are 0 or 1, on the CPU; `valid` is False where a voxel must not count."""
        truth = _as_mask(labels)
        foreground = _places(truth if valid is None else truth & valid)
        apart = foreground if valid is None else _places(truth | ~valid)
        return SparseTarget((len(truth), truth[0].numel()), foreground, apart)

    @cached_property
    def sample(self) -> Tensor:
        """The sample of each foreground voxel."""
        return self.foreground // self.shape[1]

    def blocks(self, size: int) -> Iterator[tuple[int, slice, Tensor]]:
        """Sample, flat slice of at most `size` voxels, and the places within it that are not plain background."""
        samples, voxels = self.shape
        starts = [s * voxels + start for s in range(samples) for start in range(0, voxels, size)]
        stops = [min(start + size, (start // voxels + 1) * voxels) for start in starts]
        apart = self.apart.numpy()
        ends = np.searchsorted(apart, stops)
        begin = 0
        for start, stop, end in zip(starts, stops, ends, strict=True):
            yield start // voxels, slice(start, stop), self.apart[begin:end] - start
            begin = end


def _places(mask: Tensor) -> Tensor:
    return torch.from_numpy(components.foreground(mask.numpy()))


def _as_mask(labels: Tensor) -> Tensor:
    """Where 0/1 labels are 1, without a copy where their type allows."""
    return labels.view(torch.bool) if labels.element_size() == 1 else labels != 0


def count_foreground(labels: Tensor) -> int:
    """How many of the 0/1 labels are 1, of any shape."""
    if labels.device.type == "cpu":
        return int(np.count_nonzero(_as_mask(labels).numpy()))
    return int(torch.count_nonzero(labels))
