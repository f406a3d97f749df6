"""The convolutions of a network in 8 bits: OpenVINO's graph, with the range of each channel measured on real windows.

A lesion is the far end of the activations of the channel that sees it, twenty standard deviations out and more, so
nothing may be clipped, and one scale for a whole tensor would leave most channels a few dozen levels. The range is
therefore that of each channel, from 0 where it is the output of a rectifier; what a channel is divided by, the weights
of the next convolution are multiplied by, which changes nothing and costs nothing. The sums before a normalisation stay
as they are. Nagel et al., A White Paper on Neural Network Quantization (2021), call the two per-channel ranges and
cross-layer equalisation.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

Name = tuple[str, int]
# With fewer channels or a kernel of one voxel the conversion costs what the convolution saves.
_CHANNELS = 8
# What a leaky rectifier lets through below 0 is less than one of 255 levels.
_NEGLIGIBLE = 0.05
_QUIET = 1e-3


@dataclass(frozen=True, eq=False)
class Range:
    """The lowest and highest value (C,) of each channel of a tensor, float32."""

    low: np.ndarray
    high: np.ndarray

    @property
    def rectified(self) -> bool:
        return bool(-self.low.min() < _NEGLIGIBLE * self.high.max())

    @property
    def scale(self) -> np.ndarray:
        """What each channel is divided by to lie in [-1, 1]; a channel that hardly ever speaks is not blown up."""
        widest = np.maximum(self.high, -self.low)
        highest = float(widest.max()) or 1.0
        return np.maximum(widest, _QUIET * highest).astype(np.float32)


def channel_ranges(graph: Any, windows: Iterable[np.ndarray], core: Any) -> dict[Name, Range]:
    """The range of each tensor that a convolution in 8 bits would read, over all `windows`.

    Args:
        graph: of OpenVINO, with one input.
        windows: each (1, C, z, y, x) float32, all of one size.
        core: OpenVINO's.

    Raises:
        ValueError: no windows.
    """
    from openvino import Model
    from openvino import opset13 as ops

    windows = list(windows)
    if not windows:
        raise ValueError("Nothing to measure ranges on.")
    graph = graph.clone()
    graph.reshape(list(windows[0].shape))
    read = {_name(tensor): tensor for convolution in _chosen(graph) for tensor in _parts(convolution)}
    if not read:
        return {}
    results = []
    for tensor in read.values():
        axes = np.array([axis for axis in range(len(tensor.get_shape())) if axis != 1])
        results += [ops.result(reduce(tensor, ops.constant(axes))) for reduce in (ops.reduce_min, ops.reduce_max)]
    measured = Model(results, graph.get_parameters(), "ranges")
    request = core.compile_model(measured, "CPU", {"INFERENCE_PRECISION_HINT": "f32"}).create_infer_request()
    found: dict[Name, Range] = {}
    for window in windows:
        values = request.infer({0: window})
        for number, name in enumerate(read):
            low, high = values[2 * number].copy(), values[2 * number + 1].copy()
            before = found.get(name, Range(low, high))
            found[name] = Range(np.minimum(low, before.low), np.maximum(high, before.high))
    return found


def quantised(graph: Any, ranges: Mapping[Name, Range]) -> Any:
    """A copy of `graph` whose larger convolutions read 8 bits and have weights of 8 bits, a scale for each output.

    Args:
        ranges: as `channel_ranges` gives them for this graph.
    """
    from openvino import opset13 as ops

    graph = graph.clone()
    made: dict[tuple[Name, bool], Any] = {}
    for convolution in _chosen(graph):
        tensors = _parts(convolution)
        names = [_name(tensor) for tensor in tensors]
        # Tensors side by side need one type.
        signed = not all(ranges[name].rectified for name in names)
        for tensor, name in zip(tensors, names, strict=True):
            if (name, signed) not in made:
                made[name, signed] = _in_8_bits(tensor, ranges[name].scale, signed)
        read = [made[name, signed] for name in names]
        scale = np.concatenate([ranges[name].scale for name in names])
        convolution.input(0).replace_source_output((ops.concat(read, 1) if len(read) > 1 else read[0]).output(0))
        convolution.input(1).replace_source_output(_weights(convolution, scale).output(0))
    graph.validate_nodes_and_infer_types()
    return graph


def _chosen(graph: Any) -> list[Any]:
    """The convolutions that are worth it, in the order of the graph.

    The first that would be is left: what goes wrong there goes through everything, most of all along the skip
    connection at the image's own resolution.
    """
    chosen = []
    for node in graph.get_ordered_ops():
        if node.get_type_name() == "Convolution" and _is_constant(node.input_value(1).get_node()):
            _, channels, *kernel = node.input(1).get_shape()
            if channels >= _CHANNELS and np.prod(kernel) > 1:
                chosen.append(node)
    return chosen[1:]


def _parts(convolution: Any) -> list[Any]:
    """The tensors that a convolution reads, those that are joined by channel each by itself."""
    read = convolution.input_value(0)
    node = read.get_node()
    joined = node.get_type_name() == "Concat" and node.get_attributes()["axis"] == 1
    return [node.input_value(number) for number in range(node.get_input_size())] if joined else [read]


def _in_8_bits(tensor: Any, scale: np.ndarray, signed: bool) -> Any:
    """The tensor divided by the scale of each channel, in 256 levels from -128 / 127 or 0 to 1."""
    from openvino import opset13 as ops

    width = scale.reshape(1, -1, *[1] * (len(tensor.get_partial_shape()) - 2))
    lowest = np.float32(-128 / 127 if signed else 0)
    limits = (width * lowest, width, lowest, np.float32(1))
    return ops.fake_quantize(tensor, *(ops.constant(limit) for limit in limits), 256)


def _weights(convolution: Any, scale: np.ndarray) -> Any:
    """The weights (K, C, z, y, x) times the scale of their input, as whole numbers and a factor for each output."""
    from openvino import opset13 as ops

    values = _constant(convolution.input_value(1).get_node())
    values = values * scale.reshape(1, -1, *[1] * (values.ndim - 2))
    largest = np.abs(values).max(tuple(range(1, values.ndim)), keepdims=True)
    factor = (np.where(largest > 0, largest, 1) / 127).astype(np.float32)
    whole = np.round(values / factor).astype(np.int8)
    return ops.multiply(ops.convert(ops.constant(whole), np.float32), ops.constant(factor))


def _is_constant(node: Any) -> bool:
    while node.get_type_name() == "Convert":
        node = node.input_value(0).get_node()
    return bool(node.get_type_name() == "Constant")


def _constant(node: Any) -> np.ndarray:
    while node.get_type_name() == "Convert":
        node = node.input_value(0).get_node()
    return np.asarray(node.get_data(), np.float32)


def _name(tensor: Any) -> Name:
    return tensor.get_node().get_friendly_name(), tensor.get_index()
