"""What the sums of a loss run over: samples, single lesions, or the regions around them.

A row is one overlap, one mean, one error count. Each voxel belongs to one row of its sample, or to all of them.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from functools import cached_property

import numpy as np
import torch
from torch import Tensor

from lossseg.losses.sparse import SparseTarget


@dataclass(frozen=True)
class Rows:
    """R rows over a batch of B samples of N voxels.

    Attributes:
        sample: (R,), the sample of each row, in order.
        places: flat places (M,) in the batch of the voxels that belong to one row; None: every voxel, to its sample.
        owner: (M,), the row of each of them. Voxels that are not listed belong to all rows of their sample.
    """

    sample: Tensor
    places: Tensor | None = None
    owner: Tensor | None = None

    @property
    def per_sample(self) -> bool:
        return self.places is None

    def sum(self, values: Tensor, factors: Tensor | None = None) -> Tensor:
        """(R,) sums of a voxel map (B, *S), or of its product with another."""
        if self.places is None or self.owner is None:
            flat = values.reshape(len(values), -1)
            if factors is None:
                return flat.sum(1)
            pairs = zip(flat, factors.reshape(len(flat), -1), strict=True)
            return torch.stack([torch.dot(one, other) for one, other in pairs])
        values = values if factors is None else values * factors
        flat = values.reshape(len(values), -1)
        own = values.reshape(-1)[self.places]
        sums = values.new_zeros(len(self.sample)).index_add(0, self.owner, own)
        if len(self.places) == values.numel():
            return sums
        shared = flat.sum(1) - values.new_zeros(len(flat)).index_add(0, self.places // flat.shape[1], own)
        return sums + shared[self.sample]

    def owners_of(self, target: SparseTarget) -> Tensor:
        """The row of each foreground voxel of a sparse target, which the listed voxels are."""
        return target.sample if self.owner is None else self.owner

    def voxels(self, target: SparseTarget) -> Tensor:
        """(R,) numbers of the voxels of a sparse target that count."""
        background = target.shape[1] - torch.bincount(target.apart // target.shape[1], minlength=target.shape[0])
        return background[self.sample] + self.sum_foreground(torch.ones_like(target.foreground), target)

    def sum_foreground(self, values: Tensor, target: SparseTarget) -> Tensor:
        """(R,) sums of values at the foreground voxels of a sparse target."""
        return values.new_zeros(len(self.sample)).index_add(0, self.owners_of(target), values)


@dataclass(frozen=True)
class RegionRows(Rows):
    """Rows that share all voxels of the batch among them, as runs: neighbours in memory that belong to one row.

    Attributes:
        starts: (M,), flat places where the runs begin, ascending; a sample begins with one.
        owner_of_run: (M,), the row of each.
        total: number of voxels of the batch.
    """

    starts: Tensor = field(kw_only=True)
    owner_of_run: Tensor = field(kw_only=True)
    total: int = field(kw_only=True)

    @property
    def per_sample(self) -> bool:
        return False

    @cached_property
    def owner_of_voxel(self) -> Tensor:
        """(B * N,), the row of each voxel."""
        return torch.repeat_interleave(self.owner_of_run, self.lengths, output_size=self.total)

    @property
    def lengths(self) -> Tensor:
        """(M,) voxels of each run."""
        return torch.diff(self.starts, append=self.starts.new_tensor([self.total]))

    def sum(self, values: Tensor, factors: Tensor | None = None) -> Tensor:
        values = values if factors is None else values * factors
        return values.new_zeros(len(self.sample)).index_add(0, self.owner_of_voxel, values.reshape(-1))

    def owners_of(self, target: SparseTarget) -> Tensor:
        return self._owners_at(target.foreground)

    def voxels(self, target: SparseTarget) -> Tensor:
        counts = torch.zeros_like(self.sample).index_add_(0, self.owner_of_run, self.lengths)
        for places, sign in ((target.apart, -1), (target.foreground, 1)):
            counts.index_add_(0, self._owners_at(places), torch.ones_like(places), alpha=sign)
        return counts

    def _owners_at(self, places: Tensor) -> Tensor:
        return self.owner_of_run[torch.searchsorted(self.starts, places, right=True) - 1]

    def add_block(self, block: slice, values: Tensor, sums: Tensor) -> None:
        """Adds the values of the voxels of a block to the float64 sums (R,) of their rows, on the CPU."""
        local, owner = self._runs_of(block)
        parts = np.add.reduceat(values.numpy(), local)
        sums.index_add_(0, owner, torch.from_numpy(parts).double())

    def spread(self, block: slice, values: Tensor) -> Tensor:
        """The value (R,) of its row for each voxel of a block, on the CPU."""
        local, owner = self._runs_of(block)
        lengths = np.diff(local, append=block.stop - block.start)
        return torch.from_numpy(np.repeat(values[owner].numpy(), lengths))

    def _runs_of(self, block: slice) -> tuple[np.ndarray, Tensor]:
        """Where the runs of a block begin in it, and their rows."""
        starts = self.starts.numpy()
        first = int(np.searchsorted(starts, block.start, side="right")) - 1
        last = int(np.searchsorted(starts, block.stop))
        return np.maximum(starts[first:last] - block.start, 0), self.owner_of_run[first:last]


def sample_rows(samples: int, device: torch.device) -> Rows:
    return Rows(torch.arange(samples, device=device))


def lesion_rows(lesions: Tensor, foreground: Tensor) -> Rows:
    """One row for each lesion, which holds its own voxels and the background, and no other lesion.

    Args:
        lesions: (B, *S), number of each voxel's lesion. A sample without lesions is one row.
        foreground: flat places of the foreground voxels, ascending.
    """
    return _rows(lesions.reshape(-1), foreground, len(lesions))


def region_rows(nearest: Tensor) -> RegionRows:
    """One row for each region of voxels that have the same nearest lesion.

    Args:
        nearest: (B, *S), number of each voxel's nearest lesion. A sample without lesions (all 0) is one row.
    """
    flat = nearest.reshape(-1)
    voxels = flat.numel() // len(nearest)
    begins = torch.ones(flat.numel(), dtype=torch.bool, device=flat.device)
    torch.ne(flat[1:], flat[:-1], out=begins[1:])
    begins[::voxels] = True
    starts = torch.nonzero(begins)[:, 0]
    numbers = flat[starts].long()
    stride = int(numbers.max()) + 1
    known, owner = torch.unique(starts // voxels * stride + numbers, return_inverse=True)
    return RegionRows(known // stride, starts=starts, owner_of_run=owner, total=flat.numel())


def _rows(numbers: Tensor, places: Tensor, samples: int) -> Rows:
    sample_of_place = places // (numbers.numel() // samples)
    owned = numbers[places].long()
    stride = int(owned.max()) + 1 if len(owned) else 1
    without = torch.ones(samples, dtype=torch.bool, device=numbers.device)
    without[sample_of_place] = False
    # A sample without lesions gets a row that owns no voxel and shares all of them.
    keys = torch.cat([sample_of_place * stride + owned, torch.nonzero(without)[:, 0] * stride])
    known, owner = torch.unique(keys, return_inverse=True)
    return Rows(known // stride, places, owner[: len(places)])
