"""Kernels and strides for a spacing and a patch, by the rule of nnU-Net (Isensee et al. 2021). Needs no torch."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import NamedTuple

from lossseg.networks.config import FEWEST_STAGES, Triple, total

FINE = 2.0
"""An axis whose spacing is below this many times the finest one is treated like the finest."""


class Topology(NamedTuple):
    """Kernels and strides, (z, y, x) for each stage, finest first."""

    kernels: tuple[Triple, ...]
    strides: tuple[Triple, ...]

    @property
    def divisor(self) -> Triple:
        return total(self.strides)


def plan_topology(
    spacing: Sequence[float], patch: Sequence[int], *, min_edge: int = 4, stages: int | None = None
) -> Topology:
    """Kernels and strides for patches of `patch` (z, y, x) voxels at `spacing` (z, y, x) mm.

    nnU-Net's rule: at each stage every axis is halved that keeps at least `min_edge` voxels and whose spacing is below
    twice the finest of such axes; a single such axis only while it has at least 3 `min_edge` voxels. The kernel along
    an axis is 1 until its spacing comes below twice the finest, then 3; 3 everywhere in the bottleneck. There are at
    least three stages, if need be without a stride; `stages` fixes their number.
    """
    now, size, kernel = [float(edge) for edge in spacing], [int(edge) for edge in patch], [1, 1, 1]
    kernels: list[Triple] = []
    strides: list[Triple] = [(1, 1, 1)]
    while stages is None or len(strides) < stages:
        axes = [axis for axis in range(3) if size[axis] >= 2 * min_edge]
        finest = min((now[axis] for axis in axes), default=0.0)
        axes = [axis for axis in axes if now[axis] < FINE * finest]
        if not axes or (len(axes) == 1 and size[axes[0]] < 3 * min_edge):
            break
        kernel = [3 if now[axis] < FINE * min(now) else kernel[axis] for axis in range(3)]
        kernels.append(triple(kernel))
        strides.append(triple([2 if axis in axes else 1 for axis in range(3)]))
        for axis in axes:
            now[axis], size[axis] = 2 * now[axis], math.ceil(size[axis] / 2)
    kernels.append((3, 3, 3))
    wanted = max(stages or 0, FEWEST_STAGES)
    missing = max(wanted - len(strides), 0)
    return Topology(tuple(kernels) + ((3, 3, 3),) * missing, tuple(strides) + ((1, 1, 1),) * missing)


def triple(edges: Sequence[int]) -> Triple:
    """Three whole numbers as a tuple (z, y, x)."""
    z, y, x = (int(edge) for edge in edges)
    return z, y, x
