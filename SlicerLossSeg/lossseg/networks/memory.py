"""How much memory a network takes, estimated from the sizes of its feature maps. No torch."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Any

from lossseg.networks.config import DynUNetConfig, Triple

# Maps of the widest stage that live at once beside the saved ones: gradients into and out of the concatenation and the
# library's reordered copies. Fitted to the peak of whole steps, where the estimate came within a factor of 1.6.
WORKING_MAPS = 10
# The same for prediction: the concatenation, a result, its norm, and copies.
PREDICTION_MAPS = 8
# Logits-sized float32 tensors of a loss, its gradient included.
LOSS_TENSORS = 4
# Weights, gradients, momentum, and a running average of the weights.
COPIES_IN_TRAINING = 4


def estimate_memory_bytes(
    config: Mapping[str, Any], patch: Sequence[int], batch: int, training: bool, *, bytes_per_value: int = 4
) -> int:
    """Bytes that a training step, or a prediction, of `batch` patches takes at its peak, without the library itself.

    Training holds what the backward pass needs: for each convolution its input (the normalised, activated map before
    it; in the decoder the concatenation) and its result before the norm; then working space at the widest stage, the
    loss, and the parameters with gradient, momentum and running average. Prediction holds the skipped maps and, at its
    widest stage, working space. The saved maps agree with what autograd saves to 1 %; the peak of a whole step or
    prediction was within a factor of 1.6 of the estimate where it was measured (float32 and bfloat16 on a CPU), as
    libraries differ in workspace and allocation.

    Args:
        config: a "DynUNet" config.
        patch: (z, y, x) voxels.
        batch: number of patches.
        training: a training step rather than a prediction.
        bytes_per_value: of a feature map: 4 for float32, 2 under mixed precision.

    Raises:
        InputError: the config is wrong.
    """
    network = DynUNetConfig.from_json(config)
    voxels = stage_voxels(network, patch)
    widest = max(filters * count for filters, count in zip(network.filters, voxels, strict=True))
    logits = network.out_channels * voxels[0] * 4
    if training:
        maps = (saved_values(network, patch) + WORKING_MAPS * widest) * bytes_per_value
        return batch * (maps + LOSS_TENSORS * logits) + 4 * COPIES_IN_TRAINING * parameter_count(network)
    skipped = sum(filters * count for filters, count in zip(network.filters[1:-1], voxels[1:-1], strict=True))
    return batch * ((skipped + PREDICTION_MAPS * widest) * bytes_per_value + logits) + 4 * parameter_count(network)


def saved_values(network: DynUNetConfig, patch: Sequence[int]) -> int:
    """Values of feature maps that one patch of `patch` (z, y, x) voxels keeps for the backward pass."""
    voxels = stage_voxels(network, patch)
    total = network.in_channels * voxels[0]
    last = len(voxels) - 1
    for stage, (filters, count) in enumerate(zip(network.filters, voxels, strict=True)):
        encoder = 4 * filters
        decoder = 6 * filters if stage < last else 0
        total += (encoder + decoder) * count
    return total


def stage_voxels(network: DynUNetConfig, patch: Sequence[int]) -> list[int]:
    """Voxels of one feature map of each stage, finest first."""
    edges, counts = list(patch), []
    for stride in network.strides:
        edges = [math.ceil(edge / step) for edge, step in zip(edges, stride, strict=True)]
        counts.append(math.prod(edges))
    return counts


def parameter_count(network: DynUNetConfig) -> int:
    """Number of parameters: two convolutions without bias and two affine norms per block, a transposed convolution
    before each decoder block, an output convolution with bias for each output."""
    total, inputs = 0, network.in_channels
    for filters, kernel in zip(network.filters, network.kernels, strict=True):
        total += _block(inputs, filters, kernel)
        inputs = filters
    stages = range(1, len(network.filters))
    for stage in stages:
        below, filters = network.filters[stage], network.filters[stage - 1]
        total += below * filters * math.prod(network.strides[stage])
        total += _block(2 * filters, filters, network.kernels[stage])
    return total + sum((filters + 1) * network.out_channels for filters in network.filters[: network.levels])


def _block(inputs: int, filters: int, kernel: Triple) -> int:
    return (inputs * filters + filters * filters) * math.prod(kernel) + 4 * filters
