"""How near to the machine's limits: operations over its measured peak, bytes over its measured bandwidth.

    python Testing/Benchmarks/limits.py

The peak is that of the larger of a matrix product of 2048 x 2048 and a convolution of 64 x 64 channels on 32 x 32 x 32
voxels; the bandwidth is that of copying 256 MiB, read and written bytes together. A multiplication with its addition
counts as two operations (torch's FlopCounterMode). Bytes are those that cannot be saved: each operand read and each
result written once. The network is the one of the other benchmarks. Wall clock of the quickest turn, all threads.
"""

from __future__ import annotations

import argparse
import sys
import tempfile
from collections.abc import Callable, Iterator
from importlib.util import find_spec
from pathlib import Path

import numpy as np
import torch
from prediction_speed import CPU, PATCH, model_in
from rows import Row, add_argument, keep, markdown, quickest
from torch.utils.flop_counter import FlopCounterMode
from training_speed import batch, ours

from lossseg.evaluation import evaluate_case
from lossseg.inference.backend import Precision, TorchBackend
from lossseg.inference.device import reduced_precision
from lossseg.inference.openvino_backend import openvino_backend
from lossseg.losses import build

SIDE, TURNS = 2048, 12
CHANNELS, EDGE = 64, 32
COPIED = 2**28


def best(work: Callable[[], object], turns: int = TURNS) -> float:
    """Seconds of the quickest turn, once whatever is made at the first call is there."""
    work()
    return quickest(work, turns)[0]


@torch.inference_mode()
def peak(kind: torch.dtype) -> float:
    """Operations in a second."""
    square = torch.randn(SIDE, SIDE).to(kind)
    product = 2 * SIDE**3 / best(lambda: square @ square)
    layer = torch.nn.Conv3d(CHANNELS, CHANNELS, 3, padding=1, bias=False)
    layer = layer.to(kind).to(memory_format=torch.channels_last_3d)  # type: ignore[call-overload]
    voxels = torch.randn(2, CHANNELS, EDGE, EDGE, EDGE).to(kind).contiguous(memory_format=torch.channels_last_3d)
    convolution = 2 * 2 * EDGE**3 * CHANNELS**2 * 27 / best(lambda: layer(voxels))
    return max(product, convolution)


def bandwidth() -> float:
    """Bytes in a second, read and written."""
    source = torch.ones(COPIED // 4)
    target = torch.empty_like(source)
    return 2 * COPIED / best(lambda: target.copy_(source))


def operations(network: torch.nn.Module, windows: torch.Tensor, training: bool) -> float:
    counter = FlopCounterMode(display=False)
    with counter:
        outputs = network.train(training)(windows)
        if training:
            torch.autograd.backward(outputs, [torch.ones_like(output) for output in outputs])
    return float(counter.get_total_flops())


def of_network(folder: Path, peaks: dict[str, float]) -> Iterator[Row]:
    model = model_in(folder)
    window = torch.randn(1, 1, *PATCH)
    network = model.network()
    with torch.inference_mode():
        needed = operations(network, window, training=False)
    narrow = reduced_precision(CPU)
    ways = {"torch": (TorchBackend(network, CPU, narrow), "bf16" if narrow else "fp32")}
    if find_spec("openvino"):
        ways["OpenVINO"] = openvino_backend(model, CPU, Precision.AUTO), "bf16" if narrow else "fp32"
        ways["OpenVINO in 32 bits"] = openvino_backend(model, CPU, Precision.FULL), "fp32"
    for name, (backend, kind) in ways.items():
        seconds = best(lambda backend=backend: backend.run(window), 5)
        what = f"a window of 96³, {name}, {kind}: {needed / 1e9:.0f} G operations"
        yield _share(what, needed / seconds, peaks[kind])
    trained = operations(_supervised(), batch()["image"], training=True)
    seconds = ours(True, folder, 6)()
    kind = "bf16" if narrow else "fp32"
    yield _share(f"a training step, {kind}: {trained / 1e9:.0f} G operations", trained / seconds, peaks[kind])


def _supervised() -> torch.nn.Module:
    from training_speed import network

    return network(True)


def of_memory(bytes_per_s: float) -> Iterator[Row]:
    """A loss reads logits and target twice and writes the gradient; an evaluation reads both masks."""
    logits = torch.randn(2, 1, 128, 128, 128) - 4
    label = torch.zeros(logits.shape, dtype=torch.uint8)
    label[..., 60:66, 60:66, 60:66] = 1
    for expression in ("dice", "dice + ce"):
        loss = build(expression)

        def step(loss: torch.nn.Module = loss) -> None:
            loss(logits.detach().requires_grad_(), label).backward()

        moved = logits.numel() * (3 * 4 + 2 * 1)
        what = f"{expression}, forward and backward: {moved / 1e6:.0f} MB"
        yield _share(what, moved / best(step), bytes_per_s)
    masks = np.zeros((2, 140, 512, 512), np.uint8)
    masks[:, 60:66, 200:206, 200:206] = 1
    seconds = best(lambda: evaluate_case(masks[0], masks[1], (1.0, 1.0, 1.0)))
    what = f"evaluation of 512 x 512 x 140: {masks.nbytes / 1e6:.0f} MB"
    yield _share(what, masks.nbytes / seconds, bytes_per_s)


def _share(what: str, rate: float, limit: float) -> Row:
    """A rate beside the machine's, operations or bytes in a second; here the ratio is the larger the better."""
    return Row("limits", what, rate / 1e9, "G/s", "measured on this machine", limit / 1e9)


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    add_argument(parser)
    arguments = parser.parse_args()
    kinds = {"fp32": torch.float32} | ({"bf16": torch.bfloat16} if reduced_precision(CPU) is not None else {})
    peaks = {name: peak(kind) for name, kind in kinds.items()}
    copied = bandwidth()
    threads = torch.get_num_threads()
    print(f"{threads} threads: {', '.join(f'{n} {p / 1e9:.0f} GFLOP/s' for n, p in peaks.items())}; ", end="")
    print(f"copying {copied / 1e9:.1f} GB/s\n")
    with tempfile.TemporaryDirectory() as name:
        found = [*of_network(Path(name), peaks), *of_memory(copied)]
    print(markdown(found))
    return 0 if keep(found, arguments.rows) else 1


if __name__ == "__main__":
    sys.exit(main())
