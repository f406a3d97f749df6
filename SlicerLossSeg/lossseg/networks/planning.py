"""Which network, patch and batch suit a spacing, a shape and a memory: the rules of nnU-Net (Isensee et al. 2021).

Nothing here needs torch.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple

from lossseg.errors import InputError
from lossseg.networks.catalogue import DEFAULT, Wishes, entry_of, rates_of
from lossseg.networks.config import Triple
from lossseg.networks.configs import read_config
from lossseg.networks.memory import estimate_memory_bytes
from lossseg.networks.topology import Topology, plan_topology, triple

FEWEST_SAMPLES = 2
LARGEST_SHARE = 0.05
"""Share of all voxels of the data that one batch shows at most (nnU-Net)."""


@dataclass(frozen=True)
class Design:
    """Which network to plan, and what of it is fixed.

    Attributes:
        network: a name of `lossseg.networks.catalogue.NETWORKS`.
        base_filters: filters of the first stage, for the further ones multiplied as the network has it (mostly
            doubled) up to `max_filters` (nnU-Net 320; 360 for the ADAM 2020 winner). None: the network's own.
        filters: the filters of each stage, instead of the two above; their number is the number of stages.
        dilations: rates of dilated filters in voxels of the finest axis, for networks that have such.
        min_edge: fewest voxels of an axis in the bottleneck.
        deep_supervision: train with an output at every resolution, where the network has them.
    """

    network: str = DEFAULT
    base_filters: int | None = None
    max_filters: int = 320
    filters: tuple[int, ...] | None = None
    dilations: tuple[int, ...] | None = None
    min_edge: int = 4
    deep_supervision: bool = True

    def topology(self, spacing: Sequence[float], patch: Sequence[int]) -> Topology:
        """Kernels and strides of the network for patches of `patch` (z, y, x) voxels at `spacing` (z, y, x) mm."""
        entry = entry_of(self.network)
        stages = len(self.filters) + entry.pooled_last if self.filters else entry.stages
        planned = plan_topology(spacing, patch, min_edge=self.min_edge, stages=stages)
        if stages is None and entry.most_stages and len(planned.strides) > entry.most_stages:
            return plan_topology(spacing, patch, min_edge=self.min_edge, stages=entry.most_stages)
        return planned


class Fitted(NamedTuple):
    """A patch (z, y, x) voxels, patches per step, and the config for `lossseg.networks.build`."""

    patch: Triple
    batch: int
    config: dict[str, Any]


def plan_network(
    spacing: Sequence[float],
    patch: Sequence[int],
    design: Design | None = None,
    *,
    in_channels: int,
    out_channels: int,
) -> tuple[dict[str, Any], Triple]:
    """The config of a network for such patches, and the patch rounded up to what the network can take.

    Args:
        spacing: (z, y, x) mm.
        patch: (z, y, x) voxels.
        in_channels: image channels.
        out_channels: classes with the background.

    Raises:
        InputError: an argument is not positive, the network is unknown, or the design does not fit it.
    """
    _check(spacing, patch)
    design = design or Design()
    entry, topology = entry_of(design.network), design.topology(spacing, patch)
    count = len(topology.strides) - entry.pooled_last
    wishes = Wishes(
        in_channels=in_channels,
        out_channels=out_channels,
        spacing=(float(spacing[0]), float(spacing[1]), float(spacing[2])),
        filters=design.filters or entry.widths(count, design.base_filters, design.max_filters),
        deep_supervision=design.deep_supervision,
        dilations=rates_of(entry, design.dilations),
    )
    config = read_config(entry.make(wishes, topology))
    rounded = [math.ceil(edge / step) * step for edge, step in zip(patch, config.divisor, strict=True)]
    return config.to_json(), triple(rounded)


def first_patch(spacing: Sequence[float], median_shape: Sequence[int], voxels: int = 256**3) -> Triple:
    """The patch to start from: a cube in mm of about `voxels` voxels, cut to the median shape (z, y, x) voxels."""
    edge = (voxels * math.prod(spacing)) ** (1 / 3)
    return triple([max(min(round(edge / step), most), 1) for step, most in zip(spacing, median_shape, strict=True)])


def fit_patch(
    spacing: Sequence[float],
    median_shape: Sequence[int],
    memory_bytes: int,
    design: Design | None = None,
    *,
    in_channels: int,
    out_channels: int,
    patch: Sequence[int] | None = None,
    batch: int | None = None,
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
        in_channels, out_channels: see `plan_network`.

    Raises:
        InputError: an argument is not positive, the design is not possible, or nothing fits into the memory.
    """
    design = design or Design()
    samples = batch or FEWEST_SAMPLES

    def planned(wanted: Sequence[int]) -> tuple[dict[str, Any], Triple, int]:
        config, rounded = plan_network(spacing, wanted, design, in_channels=in_channels, out_channels=out_channels)
        need = estimate_memory_bytes(config, rounded, samples, True, bytes_per_value=bytes_per_value)
        return config, rounded, need

    _check(spacing, median_shape)
    wanted = triple(patch or first_patch(spacing, median_shape))
    config, chosen, need = planned(wanted)
    while need > memory_bytes:
        shorter = None if patch else _shorten(wanted, median_shape, spacing, design)
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


def _shorten(patch: Triple, median_shape: Sequence[int], spacing: Sequence[float], design: Design) -> Triple | None:
    """`patch` with its longest axis (against the median shape) one step of the network shorter, None at the end.

    The step is that of the network for the shorter patch, so that no possible edge is jumped over.
    """

    def step(edges: Triple, axis: int) -> int:
        return design.topology(spacing, edges).divisor[axis]

    for axis in sorted(range(3), key=lambda axis: (patch[axis] / median_shape[axis], patch[axis]), reverse=True):
        shorter = _less(patch, axis, step(_less(patch, axis, step(patch, axis)), axis))
        if shorter[axis] >= design.min_edge:
            return shorter
    return None


def _less(patch: Triple, axis: int, voxels: int) -> Triple:
    return triple([max(edge - voxels, 1) if index == axis else edge for index, edge in enumerate(patch)])


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
