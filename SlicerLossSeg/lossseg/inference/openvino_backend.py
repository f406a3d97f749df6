"""A network run by OpenVINO, which takes half the time of torch on many processors.

The network is translated once; the translation (an XML graph and its numbers) lies beside the model's weights, in
`openvino/KEY`, and may be deleted at any time. Nothing in it is code.
"""

from __future__ import annotations

import hashlib
import json
import secrets
import shutil
import sys
import warnings
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import torch
from torch import nn

from lossseg.inference.backend import Precision
from lossseg.inference.device import cpu_has_bf16
from lossseg.model import Model

_GRAPH, _FOLDER, _WEIGHTS = "network.xml", "openvino", "weights.safetensors"


def is_installed() -> bool:
    return find_spec("openvino") is not None


def can_be_kept(model: Model) -> bool:
    """Whether the model has a file of weights, beside which a translation can be kept."""
    return (model.folder / _WEIGHTS).exists()


class OpenVinoBackend:
    """Runs a translated network on the CPU, compiled for each shape of windows when that first comes.

    Args:
        graph: as `translate` makes it, for any shape of windows.
        precision: all but "full" compute in bf16 where the CPU has instructions for it.
        threads: how many; default as many as torch takes.
    """

    def __init__(self, graph: Any, precision: Precision, threads: int | None = None) -> None:
        self._graph, self._ready = graph, {}  # type: ignore[var-annotated]
        narrow = precision is not Precision.FULL and cpu_has_bf16()
        self._settings = {
            "INFERENCE_PRECISION_HINT": "bf16" if narrow else "f32",
            "INFERENCE_NUM_THREADS": threads or torch.get_num_threads(),
            "PERFORMANCE_HINT": "LATENCY",
        }

    def run(self, windows: torch.Tensor) -> torch.Tensor:
        """See `Backend.run`; two classes come as one channel, the difference of their logits."""
        request = self._ready.get(windows.shape)
        if request is None:
            request = self._ready[windows.shape] = self._compile(list(windows.shape))
        outputs = request.infer({0: windows.numpy()}, share_inputs=True, share_outputs=False)
        return torch.from_numpy(outputs[0])

    def _compile(self, shape: list[int]) -> Any:
        graph = self._graph.clone()
        graph.reshape(shape)
        return _openvino().Core().compile_model(graph, "CPU", self._settings).create_infer_request()


def openvino_backend(model: Model, device: torch.device, precision: Precision) -> OpenVinoBackend:
    """The model's network on OpenVINO: a `BackendFactory` for the CPU."""
    return OpenVinoBackend(graph_of(model), precision)


def graph_of(model: Model) -> Any:
    """The model's network as a graph of OpenVINO, read from beside its weights or translated and kept there.

    Raises:
        RuntimeError: OpenVINO cannot translate the network.
    """
    kept = cache_folder(model) / _GRAPH
    if kept.exists():
        # A damaged translation is made anew.
        with suppress(RuntimeError):
            return _openvino().Core().read_model(kept)
    graph = translate(model.network(), (1, model.plan.inputs, *model.plan.patch))
    # A folder that may not be written to only costs the translation another time.
    with suppress(OSError, RuntimeError), kept_whole(kept.parent) as beside:
        save(graph, beside / _GRAPH)
    return graph


def cache_folder(model: Model) -> Path:
    """Where the translation of this very network by this version of OpenVINO lies."""
    digest = hashlib.sha256(json.dumps(model.network_config, sort_keys=True).encode())
    with open(model.folder / _WEIGHTS, "rb") as weights:
        while block := weights.read(2**20):
            digest.update(block)
    digest.update(_openvino().__version__.encode())
    return model.folder / _FOLDER / digest.hexdigest()[:16]


def translate(network: nn.Module, shape: tuple[int, ...]) -> Any:
    """A graph of a network in evaluation mode, for windows (n, C, z, y, x) of any n and size.

    Raises:
        RuntimeError: OpenVINO lacks an operation of the network.
    """
    _openvino()
    from openvino.frontend import FrontEndManager
    from openvino.frontend.pytorch.ts_decoder import TorchScriptPythonDecoder

    with torch.inference_mode(), warnings.catch_warnings():
        # The network's checks of shapes are of no concern to the graph, which is compiled for shapes that fit.
        warnings.simplefilter("ignore")
        traced = torch.jit.trace(_Difference(network.eval()), torch.zeros(shape), check_trace=False)
    frontend = FrontEndManager().load_by_framework("pytorch")
    # The graph is read from the decoder while it is converted: it must not be collected before.
    decoder = TorchScriptPythonDecoder(traced)
    loaded = frontend.load(decoder)
    return frontend.convert(loaded)


class _Difference(nn.Module):
    """Of two classes the difference of their logits, which is all that blending needs: half the numbers to write."""

    def __init__(self, network: nn.Module) -> None:
        super().__init__()
        self.network = network

    def forward(self, windows: torch.Tensor) -> torch.Tensor:
        logits: torch.Tensor = self.network(windows)
        return logits[:, 1:2] - logits[:, 0:1] if logits.shape[1] == 2 else logits


def core() -> Any:
    """What reads and compiles graphs."""
    return _openvino().Core()


def save(graph: Any, path: Path) -> None:
    """Write a graph, `path` and its numbers beside it, all in 32 bits that are so in the graph."""
    _openvino().save_model(graph, path, compress_to_fp16=False)


@contextmanager
def kept_whole(folder: Path) -> Iterator[Path]:
    """A folder to write to that takes the place of `folder` when all is written; what else lies beside it goes."""
    beside = folder.with_name(f".{secrets.token_hex(4)}")
    beside.mkdir(parents=True)
    try:
        yield beside
        for former in folder.parent.iterdir():
            if former != beside and former.is_dir():
                shutil.rmtree(former, ignore_errors=True)
        beside.rename(folder)
    finally:
        shutil.rmtree(beside, ignore_errors=True)


def _openvino() -> Any:
    """The package, without the part of it that reports its use over the network."""
    if "openvino" not in sys.modules:
        # None stands for a module that cannot be imported; OpenVINO then goes without.
        sys.modules["openvino_telemetry"] = None  # type: ignore[assignment]
    import openvino

    return openvino
