"""Time of prediction window by window against nnU-Net's predictor and MONAI's, on the same network and windows.

    python Testing/Benchmarks/prediction_speed.py
    python Testing/Benchmarks/prediction_speed.py --size 140 512 512 --brain

The network is a planned one of 16-32-64-128-128 filters, two convolutions per stage; windows of 96 x 96 x 96 overlap by
half. All get the same normalised image in memory and give logits (or a probability) for each of its voxels, with
as many threads as the machine has cores. The quickest of `--turns` counts, by wall clock. With --brain the image is 0
outside of an ellipsoid of 40 % of its voxels; nnU-Net's predictor then gets the box of what is not 0, as its own
preprocessing would give it. "Whole path" goes from the volume to the label on both sides; ours chooses its backend.

nnU-Net (nnunetv2) and OpenVINO (openvino) are left out where they are not installed. Exit code 1 if a limit is missed.
"""

from __future__ import annotations

import argparse
import sys
import tempfile
from collections.abc import Callable, Iterator, Sequence
from importlib.util import find_spec
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import torch
from rows import Row, add_argument, keep, markdown, quickest

from lossseg import networks
from lossseg.images import Geometry, Volume
from lossseg.inference import Predictor
from lossseg.inference.backend import Precision, TorchBackend
from lossseg.inference.body import body_on_plan_grid
from lossseg.inference.device import reduced_precision
from lossseg.inference.int8 import channel_ranges, quantised
from lossseg.inference.openvino_backend import OpenVinoBackend, core, graph_of, openvino_backend
from lossseg.inference.sliding_window import place_windows, sliding_logits
from lossseg.model import Model, save
from lossseg.preprocessing import ChannelKind, ChannelScheme, Plan, prepare

PATCH = (96, 96, 96)
CONFIG = {
    "name": "DynUNet",
    "in_channels": 1,
    "out_channels": 2,
    "filters": [16, 32, 64, 128, 128],
    "kernels": [[3, 3, 3]] * 5,
    "strides": [[1, 1, 1]] + [[2, 2, 2]] * 4,
    "deep_supervision": False,
}
CPU = torch.device("cpu")
NNUNET, MONAI = "nnU-Net's predictor", "MONAI"
# What a person may ask for, by its name in the table.
PRECISIONS = {"fp32": Precision.FULL, "bf16": Precision.AUTO, "int8": Precision.INT8}
LIMITS = {
    "bf16": {NNUNET: 0.19, f"{MONAI}, bf16": 0.5},
    "int8": {NNUNET: None, f"{MONAI}, bf16": None},
    "fp32": {NNUNET: 0.36, f"{MONAI}, fp32": None},
    "brain": {NNUNET: 0.1},
}


def image(size: tuple[int, ...], brain: bool) -> np.ndarray:
    values = np.random.default_rng(0).normal(size=size).astype(np.float32)
    if brain:
        grid = np.meshgrid(
            *(np.linspace(-1, 1, length, dtype=np.float32) for length in size), indexing="ij", sparse=True
        )
        # The ellipsoid inscribed in the volume would hold 52 %.
        values[sum(axis**2 for axis in grid) > (0.4 * 6 / np.pi) ** (2 / 3)] = 0
    return values


def model_in(folder: Path) -> Model:
    torch.manual_seed(0)
    plan = Plan(
        channels=(ChannelScheme("MR", ChannelKind.NONE),),
        spacing=(1.0, 1.0, 1.0),
        patch=PATCH,
        batch=2,
        labels={"background": 0, "lesion": 1},
        network=CONFIG,
    )
    weights = networks.build(CONFIG).state_dict()
    return save(folder / "model", plan=plan, weights=weights, loss="dice + ce", training={}, scores={})


def nnunet_predictor(network: torch.nn.Module) -> Any:
    from nnunetv2.inference.predict_from_raw_data import nnUNetPredictor

    predictor = nnUNetPredictor(
        tile_step_size=0.5,
        use_gaussian=True,
        use_mirroring=False,
        perform_everything_on_device=False,
        device=CPU,
        verbose=False,
        allow_tqdm=False,
    )
    predictor.network = network
    predictor.configuration_manager = SimpleNamespace(patch_size=PATCH)
    predictor.label_manager = SimpleNamespace(num_segmentation_heads=2)
    predictor.allowed_mirroring_axes = None
    return predictor


def nnunet(network: torch.nn.Module, values: np.ndarray) -> Callable[[], object]:
    predictor = nnunet_predictor(network)
    box = tuple(
        slice(int(found[0]), int(found[-1]) + 1)
        for found in (np.flatnonzero(values.any(axes)) for axes in ((1, 2), (0, 2), (0, 1)))
    )
    tensor = torch.from_numpy(np.ascontiguousarray(values[box]))[None]
    return lambda: predictor.predict_sliding_window_return_logits(tensor)


def monai(network: torch.nn.Module, values: np.ndarray, autocast: torch.dtype | None) -> Callable[[], object]:
    from monai.inferers import sliding_window_inference

    backend = TorchBackend(network, CPU, autocast)
    tensor = torch.from_numpy(values)[None, None]

    def predict() -> None:
        with torch.inference_mode():
            sliding_window_inference(tensor, PATCH, 1, lambda windows: backend.run(windows).float(), 0.5, "gaussian")

    return predict


def ours(model: Model, values: np.ndarray, backend: object) -> Callable[[], object]:
    case = [Volume(values, Geometry(values.shape, (1.0, 1.0, 1.0)))]
    prepared = prepare(case, model.plan)
    inside = torch.from_numpy(prepared.image)
    windows = place_windows(inside.shape[1:], PATCH, 0.5)

    def run() -> None:
        needed = body_on_plan_grid(case, prepared)
        with torch.inference_mode():
            sliding_logits(inside, backend.run, windows, needed=needed)  # type: ignore[attr-defined]

    return run


def in_8_bits(model: Model, values: np.ndarray) -> OpenVinoBackend:
    """Calibrated on one window: what counts here is the time."""
    graph = graph_of(model)
    window = np.ascontiguousarray(values[tuple(slice(length) for length in PATCH)])[None, None]
    return OpenVinoBackend(quantised(graph, channel_ranges(graph, [window], core())), Precision.INT8)


def whole_path(model: Model, values: np.ndarray) -> Callable[[], object]:
    case = [Volume(values, Geometry(values.shape, (1.0, 1.0, 1.0)))]
    return lambda: Predictor([model], "cpu").predict(case)


def nnunet_whole_path(network: torch.nn.Module, values: np.ndarray) -> Callable[[], object]:
    """From the volume to the label: nnU-Net's preprocessor, its predictor, and the label put back into the volume."""
    from nnunetv2.preprocessing.cropping.cropping import crop_to_nonzero

    predictor = nnunet_predictor(network)

    def run() -> np.ndarray:
        # What its DefaultPreprocessor does where there is nothing to resample and no normalisation.
        data, _, box = crop_to_nonzero(values[None].astype(np.float32))
        logits = predictor.predict_sliding_window_return_logits(torch.from_numpy(np.ascontiguousarray(data)))
        label = np.zeros(values.shape, np.uint8)
        label[tuple(slice(*bounds) for bounds in box)] = torch.softmax(logits.float(), 0).argmax(0).numpy()
        return label

    return run


def compared(
    values: np.ndarray, brain: bool, turns: int, folder: Path, chosen: Sequence[str], only: Sequence[str]
) -> Iterator[Row]:
    """Times of each way, printed as they come, then the ratios that count."""
    measured: dict[str, tuple[float, float | None]] = {}
    model = model_in(folder)
    network = model.network()
    narrow = reduced_precision(CPU)
    ways: dict[str, Callable[[], Callable[[], object]]] = {MONAI + ", fp32": lambda: monai(network, values, None)}
    if find_spec("nnunetv2"):
        ways[NNUNET] = lambda: nnunet(network, values)
        ways[NNUNET + ", whole path"] = lambda: nnunet_whole_path(network, values)
    if narrow is not None:
        ways[MONAI + ", bf16"] = lambda: monai(network, values, narrow)
    for name in chosen:
        precision = PRECISIONS[name]
        autocast = None if precision is Precision.FULL else narrow
        if precision is Precision.INT8:
            if find_spec("openvino"):
                ways[f"ours, OpenVINO, {name}"] = lambda: ours(model, values, in_8_bits(model, values))
            continue
        ways[f"ours, torch, {name}"] = lambda cast=autocast: ours(model, values, TorchBackend(network, CPU, cast))
        if find_spec("openvino"):
            ways[f"ours, OpenVINO, {name}"] = lambda wanted=precision: ours(
                model, values, openvino_backend(model, CPU, wanted)
            )
    ways["ours, whole path"] = lambda: whole_path(model, values)
    size = " x ".join(map(str, values.shape)) + (", 40 % not 0" if brain else "")
    windows = len(place_windows(values.shape, PATCH, 0.5).corners())
    print(f"{size} voxels, {windows} windows, {torch.get_num_threads()} threads\n\n| | s | GiB |\n|---|---|---|")
    for what, make in ways.items():
        if not any(word in what for word in only):
            continue
        measured[what] = quickest(make(), turns)
        seconds, memory = measured[what]
        print(f"| {what} | {seconds:.2f} | {'' if memory is None else f'{memory:.2f}'} |", flush=True)
    engine = "OpenVINO" if find_spec("openvino") else "torch"
    pairs = [
        (f"ours, {engine}, {name}", peer, limit)
        for name in chosen
        for peer, limit in LIMITS.get("brain" if brain else name, {}).items()
    ]
    pairs.append(("ours, whole path", NNUNET + ", whole path", 0.1 if brain else None))
    for own, peer, limit in pairs:
        if own in measured and peer in measured:
            (seconds, memory), (of_peer, peer_memory) = measured[own], measured[peer]
            what = f"{size}: {own.removeprefix('ours, ')}"
            yield Row("prediction", what, seconds, "s", peer, of_peer, limit, memory, peer_memory)


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--size", type=int, nargs=3, default=(140, 240, 240), metavar=("Z", "Y", "X"))
    parser.add_argument("--turns", type=int, default=2)
    parser.add_argument("--brain", action="store_true")
    parser.add_argument("--precision", nargs="+", choices=PRECISIONS, default=list(PRECISIONS))
    parser.add_argument("--only", nargs="+", default=[""], metavar="WORD", help="ways whose name holds one of these")
    add_argument(parser)
    arguments = parser.parse_args()
    values = image(tuple(arguments.size), arguments.brain)
    with tempfile.TemporaryDirectory() as name:
        found = list(
            compared(values, arguments.brain, arguments.turns, Path(name), arguments.precision, arguments.only)
        )
    print("\n" + markdown(found))
    return 0 if keep(found, arguments.rows) else 1


if __name__ == "__main__":
    sys.exit(main())
