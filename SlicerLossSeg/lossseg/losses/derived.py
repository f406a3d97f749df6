"""Voxel weights that are not kept."""

from __future__ import annotations

from collections.abc import Callable
from types import EllipsisType
from typing import TypeAlias

from torch import Tensor


class DerivedWeights:
    """Weights made from maps where a sum looks at them, block by block, so that they take no memory of their own.

    Args:
        make: the weights of some voxels from the maps at these voxels.
        maps: tensors of one shape.
    """

    def __init__(self, make: Callable[..., Tensor], *maps: Tensor) -> None:
        self._make, self._maps = make, maps

    def __getitem__(self, place: slice | Tensor | EllipsisType) -> Tensor:
        return self._make(*(values[place] for values in self._maps))

    def reshape(self, *shape: int) -> DerivedWeights:
        return DerivedWeights(self._make, *(values.reshape(*shape) for values in self._maps))


VoxelWeights: TypeAlias = Tensor | DerivedWeights
