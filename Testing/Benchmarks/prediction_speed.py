"""Time of prediction window by window against nnU-Net's predictor and MONAI's, on the same network and windows.

    python Testing/Benchmarks/prediction_speed.py
    python Testing/Benchmarks/prediction_speed.py --size 140 512 512 --brain

The network is a planned one of 16-32-64-128-128 filters, two convolutions per stage; windows of 96 x 96 x 96 overlap by
half. All get the same normalised image in memory and give logits (or a probability) for each of its voxels, with
as many threads as the machine has cores. The quickest of `--turns` counts, by wall clock. With --brain the image is 0
outside of an ellipsoid of 40 % of its voxels; nnU-Net's predictor then gets the box of what is not 0, as its own
preprocessing would give it.

nnU-Net (nnunetv2) and OpenVINO (openvino) are left out where they are not installed. Exit code 1 if a limit is missed.
"""

from __future__ import annotations

import argparse
import sys
import tempfile
import time
from collections.abc import Callable
from importlib.util import find_spec
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import torch

from lossseg import networks
from lossseg.images import Geometry, Volume
from lossseg.inference import Predictor
from lossseg.inference.backend import Precision, TorchBackend
from lossseg.inference.body import body_on_plan_grid
from lossseg.inference.device import reduced_precision
from lossseg.inference.openvino_backend import openvino_backend
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
# Ours against nnU-Net's predictor and against MONAI in bf16.
LIMITS = {"bf16": (0.19, 0.5), "fp32": (0.36, None), "brain": (0.1, None)}


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


def quickest(work: Callable[[], object], turns: int) -> float:
    best = float("inf")
    for _ in range(turns):
        started = time.perf_counter()
        work()
        best = min(best, time.perf_counter() - started)
    return best


def nnunet(network: torch.nn.Module, values: np.ndarray) -> Callable[[], object]:
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


def whole_path(model: Model, values: np.ndarray) -> Callable[[], object]:
    case = [Volume(values, Geometry(values.shape, (1.0, 1.0, 1.0)))]
    return lambda: Predictor([model], "cpu").predict(case, keep_probability=True)


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--size", type=int, nargs=3, default=(140, 240, 240), metavar=("Z", "Y", "X"))
    parser.add_argument("--turns", type=int, default=2)
    parser.add_argument("--brain", action="store_true")
    arguments = parser.parse_args()
    values = image(tuple(arguments.size), arguments.brain)
    narrow = reduced_precision(CPU)
    seconds: dict[str, float] = {}
    with tempfile.TemporaryDirectory() as name:
        model = model_in(Path(name))
        network = model.network()
        ways: dict[str, Callable[[], Callable[[], object]]] = {
            "MONAI, fp32": lambda: monai(network, values, None),
            "ours, torch, fp32": lambda: ours(model, values, TorchBackend(network, CPU)),
        }
        if find_spec("nnunetv2"):
            ways["nnU-Net's predictor"] = lambda: nnunet(network, values)
        if narrow is not None:
            ways["MONAI, bf16"] = lambda: monai(network, values, narrow)
            ways["ours, torch, bf16"] = lambda: ours(model, values, TorchBackend(network, CPU, narrow))
        if find_spec("openvino"):
            ways["ours, OpenVINO, fp32"] = lambda: ours(model, values, openvino_backend(model, CPU, Precision.FULL))
            ways["ours, OpenVINO, bf16"] = lambda: ours(model, values, openvino_backend(model, CPU, Precision.AUTO))
        ways["ours, whole path with lesions left to find"] = lambda: whole_path(model, values)
        windows = len(place_windows(values.shape, PATCH, 0.5).corners())
        print(f"{' x '.join(map(str, values.shape))} voxels, {windows} windows, {torch.get_num_threads()} threads\n")
        print("| | s |\n|---|---|")
        for what, make in ways.items():
            seconds[what] = quickest(make(), arguments.turns)
            print(f"| {what} | {seconds[what]:.2f} |", flush=True)
    return 1 if _missed(seconds, arguments.brain) else 0


def _missed(seconds: dict[str, float], brain: bool) -> int:
    print("\n| | ratio | limit | |\n|---|---|---|---|")
    missed = 0
    for precision in ("bf16", "fp32"):
        own = seconds.get(f"ours, OpenVINO, {precision}")
        limits = LIMITS["brain" if brain and precision == "bf16" else precision]
        for peer, limit in zip(("nnU-Net's predictor", "MONAI, bf16"), limits, strict=True):
            if own is None or limit is None or peer not in seconds:
                continue
            ratio = own / seconds[peer]
            missed += ratio > limit
            verdict = "pass" if ratio <= limit else "MISSED"
            print(f"| ours, OpenVINO, {precision} / {peer} | {ratio:.3f} | {limit} | {verdict} |")
    return missed


if __name__ == "__main__":
    sys.exit(main())
