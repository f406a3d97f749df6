"""Which U-Net, patch and batch suit a spacing, a shape and a memory: the rules of nnU-Net (Isensee et al. 2021).

Nothing here needs torch.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any, NamedTuple

from lossseg.errors import InputError
from lossseg.networks.config import FEWEST_STAGES, DynUNetConfig, Triple
from lossseg.networks.memory import estimate_memory_bytes

FINE = 2.0
"""An axis whose spacing is below this many times the finest one is treated like the finest."""

FEWEST_SAMPLES = 2
LARGEST_SHARE = 0.05
"""Share of all voxels of the data that one batch shows at most (nnU-Net)."""


class Topology(NamedTuple):
    """Kernels and strides, (z, y, x) for each stage, finest first."""

    kernels: tuple[Triple, ...]
    strides: tuple[Triple, ...]

    @property
    def divisor(self) -> Triple:
        z, y, x = (math.prod(stride[axis] for stride in self.strides) for axis in range(3))
        return z, y, x


class Fitted(NamedTuple):
    """A patch (z, y, x) voxels, patches per step, and the config for `lossseg.networks.build`."""

    patch: Triple
    batch: int
    config: dict[str, Any]


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
        kernels.append(_triple(kernel))
        strides.append(_triple([2 if axis in axes else 1 for axis in range(3)]))
        for axis in axes:
            now[axis], size[axis] = 2 * now[axis], math.ceil(size[axis] / 2)
    kernels.append((3, 3, 3))
    wanted = max(stages or 0, FEWEST_STAGES)
    missing = max(wanted - len(strides), 0)
    return Topology(tuple(kernels) + ((3, 3, 3),) * missing, tuple(strides) + ((1, 1, 1),) * missing)


def plan_dynunet(
    spacing: Sequence[float],
    patch: Sequence[int],
    *,
    in_channels: int,
    out_channels: int,
    base_filters: int = 32,
    max_filters: int = 320,
    min_edge: int = 4,
    filters: Sequence[int] | None = None,
    deep_supervision: bool = True,
) -> tuple[dict[str, Any], Triple]:
    """The config of a U-Net for such patches, and the patch rounded up to what the network can take.

    Args:
        spacing: (z, y, x) mm.
        patch: (z, y, x) voxels.
        in_channels: image channels.
        out_channels: classes with the background.
        base_filters: filters of the first stage, doubled at each further one up to `max_filters`
            (nnU-Net 320; 360 for the ADAM 2020 winner).
        min_edge: fewest voxels of an axis in the bottleneck.
        filters: the filters of each stage, instead of the two above; their number is the number of stages.
        deep_supervision: train with an output at every resolution.

    Raises:
        InputError: an argument is not positive.
    """
    _check(spacing, patch)
    topology = plan_topology(spacing, patch, min_edge=min_edge, stages=len(filters) if filters else None)
    doubled = [min(base_filters * 2**stage, max_filters) for stage in range(len(topology.strides))]
    config = {
        "name": DynUNetConfig.name,
        "in_channels": in_channels,
        "out_channels": out_channels,
        "kernels": topology.kernels,
        "strides": topology.strides,
        "filters": tuple(filters) if filters else tuple(doubled),
        "deep_supervision": deep_supervision,
    }
    rounded = [math.ceil(edge / step) * step for edge, step in zip(patch, topology.divisor, strict=True)]
    return DynUNetConfig.from_json(config).to_json(), _triple(rounded)


def first_patch(spacing: Sequence[float], median_shape: Sequence[int], voxels: int = 256**3) -> Triple:
    """The patch to start from: a cube in mm of about `voxels` voxels, cut to the median shape (z, y, x) voxels."""
    edge = (voxels * math.prod(spacing)) ** (1 / 3)
    return _triple([max(min(round(edge / step), most), 1) for step, most in zip(spacing, median_shape, strict=True)])


def fit_patch(
    spacing: Sequence[float],
    median_shape: Sequence[int],
    memory_bytes: int,
    *,
    in_channels: int,
    out_channels: int,
    base_filters: int = 32,
    max_filters: int = 320,
    min_edge: int = 4,
    filters: Sequence[int] | None = None,
    patch: Sequence[int] | None = None,
    batch: int | None = None,
    deep_supervision: bool = True,
    dataset_voxels: int | None = None,
    bytes_per_value: int = 4,
) -> Fitted:
    """The largest patch, then the largest batch, whose training step is estimated to fit into `memory_bytes`.

    From a cube in mm, cut to the median shape, the axis that is longest against the median shape is shortened until
    two patches fit (nnU-Net). With room left the batch grows, but to no more than 5 % of `dataset_voxels`, the number
    of voxels of all cases together, if it is given.

    Args:
        spacing: (z, y, x) mm.
        median_shape: (z, y, x) voxels of the cases at that spacing.
        memory_bytes: for one training step, see `estimate_memory_bytes`.
        patch: fixes the patch (rounded up to what the network can take); batch: fixes the batch.
        bytes_per_value: 4 for float32, 2 under mixed precision.
        in_channels, out_channels, base_filters, max_filters, min_edge, filters, deep_supervision: see `plan_dynunet`.

    Raises:
        InputError: an argument is not positive, or nothing fits into the memory.
    """
    samples = batch or FEWEST_SAMPLES

    def planned(wanted: Sequence[int]) -> tuple[dict[str, Any], Triple, int]:
        config, rounded = plan_dynunet(
            spacing,
            wanted,
            in_channels=in_channels,
            out_channels=out_channels,
            base_filters=base_filters,
            max_filters=max_filters,
            min_edge=min_edge,
            filters=filters,
            deep_supervision=deep_supervision,
        )
        need = estimate_memory_bytes(config, rounded, samples, True, bytes_per_value=bytes_per_value)
        return config, rounded, need

    _check(spacing, median_shape)
    wanted = _triple(patch or first_patch(spacing, median_shape))
    config, chosen, need = planned(wanted)
    while need > memory_bytes:
        stages = len(filters) if filters else None
        shorter = None if patch else _shorten(wanted, median_shape, spacing, min_edge, stages)
        if shorter is None:
            raise InputError(
                f"{memory_bytes / 2**20:.0f} MiB of memory are too little: {samples} patches of {chosen} voxels "
                f"take about {need / 2**20:.0f} MiB.",
                "Give more memory, a smaller batch or patch, or fewer filters.",
            )
        wanted = shorter
        config, chosen, need = planned(wanted)
    if batch is None:
        samples = _batch(config, chosen, memory_bytes, dataset_voxels, bytes_per_value)
    return Fitted(chosen, samples, config)


def _shorten(
    patch: Triple, median_shape: Sequence[int], spacing: Sequence[float], min_edge: int, stages: int | None
) -> Triple | None:
    """`patch` with its longest axis (against the median shape) one step of the network shorter, None at the end.

    The step is that of the network for the shorter patch, so that no possible edge is jumped over.
    """

    def step(edges: Triple, axis: int) -> int:
        return plan_topology(spacing, edges, min_edge=min_edge, stages=stages).divisor[axis]

    for axis in sorted(range(3), key=lambda axis: (patch[axis] / median_shape[axis], patch[axis]), reverse=True):
        shorter = _less(patch, axis, step(_less(patch, axis, step(patch, axis)), axis))
        if shorter[axis] >= min_edge:
            return shorter
    return None


def _less(patch: Triple, axis: int, voxels: int) -> Triple:
    return _triple([max(edge - voxels, 1) if index == axis else edge for index, edge in enumerate(patch)])


def _batch(
    config: dict[str, Any], patch: Triple, memory_bytes: int, dataset_voxels: int | None, bytes_per_value: int
) -> int:
    def need(samples: int) -> int:
        return estimate_memory_bytes(config, patch, samples, True, bytes_per_value=bytes_per_value)

    each = need(2) - need(1)
    fits = 1 + (memory_bytes - need(1)) // each
    if dataset_voxels is not None:
        fits = min(fits, round(LARGEST_SHARE * dataset_voxels / math.prod(patch)))
    return max(int(fits), FEWEST_SAMPLES)


def _check(spacing: Sequence[float], shape: Sequence[int]) -> None:
    if len(spacing) != 3 or not all(math.isfinite(step) and step > 0 for step in spacing):
        raise InputError(
            f"The spacing {tuple(spacing)} is not possible.", "Give three lengths (z, y, x) in mm above 0."
        )
    if len(shape) != 3 or not all(edge >= 1 for edge in shape):
        raise InputError(f"The shape {tuple(shape)} is not possible.", "Give three edges (z, y, x) in voxels above 0.")


def _triple(edges: Sequence[int]) -> Triple:
    z, y, x = (int(edge) for edge in edges)
    return z, y, x
