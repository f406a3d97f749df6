"""Components of a dense list of voxels: cc3d, slab by slab.

A slab stays in the processor's cache and its labels in memory that is used again, so that this takes less time than
cc3d on the whole array although slabs overlap by a slice: its voxels have a label from either slab, which tells what
belongs together.
"""

from __future__ import annotations

import cc3d
import numpy as np
from scipy.sparse import coo_array
from scipy.sparse.csgraph import connected_components

_VOXELS_PER_SLAB = 1 << 21


def by_slabs(voxels: np.ndarray, shape: tuple[int, int, int], connectivity: int) -> tuple[int, np.ndarray]:
    """Components of the voxels at flat C-order indices (ascending, each once) of a grid of `shape` (z, y, x).

    Every side of the grid is an even number of voxels: cc3d has room for as many labels as a volume of even sides can
    need, and refuses lattices of single voxels in others.

    Returns:
        Their number, and the component of each voxel, (n,) int32 from 1, numbered by their first voxel.
    """
    depth, height, width = shape
    plane = height * width
    thickness = max(1, (_VOXELS_PER_SLAB // plane - 1) | 1)  # odd, and with the slice that slabs share even
    buffer = np.zeros((min(thickness + 1, depth), height, width), bool)
    parts: list[np.ndarray] = []
    pairs: list[np.ndarray] = []
    shared = np.zeros(0, np.int64)
    count = 0
    for z in range(0, depth, thickness):
        edges = np.searchsorted(voxels, [z * plane, (z + 1) * plane, (z + thickness) * plane, buffer.size + z * plane])
        inside = voxels[edges[0] : edges[3]] - z * plane
        slab = buffer.reshape(-1)
        slab[inside] = True
        labels, found = cc3d.connected_components(buffer, connectivity=connectivity, return_N=True)
        slab[inside] = False
        of_voxel = labels.reshape(-1)[inside].astype(np.int64) + (count - 1)
        if z:
            pairs.append(np.stack((shared, of_voxel[: edges[1] - edges[0]])))
        parts.append(of_voxel[: edges[2] - edges[0]])
        shared = of_voxel[edges[2] - edges[0] :]
        count += int(found)
    return _number(np.concatenate(parts), np.concatenate([np.zeros((2, 0), np.int64), *pairs], axis=1), count)


def _number(of_voxel: np.ndarray, pairs: np.ndarray, count: int) -> tuple[int, np.ndarray]:
    graph = coo_array((np.ones(pairs.shape[1]), (pairs[0], pairs[1])), shape=(count, count))
    components, component = connected_components(graph, directed=False)
    number = np.empty(components, np.int32)
    # cc3d numbers by the first voxel, and so do slabs one after the other: the first of the joined labels decides.
    _, first = np.unique(component, return_index=True)
    number[np.argsort(first)] = np.arange(1, components + 1)
    return int(components), number[component][of_voxel]
