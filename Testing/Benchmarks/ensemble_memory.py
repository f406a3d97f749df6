"""Peak memory of predicting with an ensemble against predicting with one of its members.

    python Testing/Benchmarks/ensemble_memory.py --size 512x512x140 --members 5

Networks have random weights, shifted so that about one voxel in ten thousand is foreground: memory and time do not
depend on what they learnt. Each run is a process of its own that does the whole path: it reads the image, predicts,
and writes the label volume and the lesion table. Peak memory is the process's largest resident set, torch included.
"""

from __future__ import annotations

import argparse
import json
import resource
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import numpy as np
import torch
from rows import Row, add_argument, keep
from scipy.ndimage import gaussian_filter

from lossseg import model, networks
from lossseg.dataset import Case
from lossseg.images import Geometry, write_volume
from lossseg.inference import PredictSettings, predict_cases
from lossseg.preprocessing import ChannelKind, ChannelScheme, Plan
from lossseg.reporting import Silent

FOREGROUND = 1e-4
SPACING = (0.5, 0.5, 0.5)


def make_image(path: Path, size: tuple[int, int, int], kind: str) -> None:
    array = np.empty(size, kind)
    generator = np.random.default_rng(0)
    for z in range(size[0]):
        array[z] = 100 + 20 * gaussian_filter(generator.normal(size=size[1:]), 2)
    write_volume(path, array, Geometry(size, SPACING))


def make_plan(patch: int, filters: list[int], resample: float) -> Plan:
    levels = len(filters)
    network = {
        "name": "DynUNet",
        "in_channels": 1,
        "out_channels": 2,
        "kernels": [[3, 3, 3]] * levels,
        "strides": [[1, 1, 1]] + [[2, 2, 2]] * (levels - 1),
        "filters": filters,
        "deep_supervision": False,
    }
    z, y, x = (side * resample for side in SPACING)
    scheme = ChannelScheme("MR", ChannelKind.ZSCORE)
    return Plan((scheme,), (z, y, x), (patch, patch, patch), 2, {"background": 0, "lesion": 1}, network)


@torch.no_grad()
def make_model(folder: Path, plan: Plan, seed: int) -> None:
    torch.manual_seed(seed)
    network = networks.build(plan.network).eval()
    logits = network(torch.randn(1, 1, 64, 64, 64))
    difference = (logits[:, 1] - logits[:, 0]).flatten()
    last = [parameter for name, parameter in network.named_parameters() if name.endswith("bias")][-1]
    last[1] -= torch.quantile(difference, 1 - FOREGROUND)
    model.save(folder, plan=plan, weights=network.state_dict(), loss="dice + ce", training={}, scores={})


def run_once(folder: Path, members: int, overlap: float) -> None:
    ensemble = model.load_ensemble(folder / f"{members}.json")
    case = Case("image", (folder / "image.nii.gz",), None)
    started = time.perf_counter()
    settings = PredictSettings(device="cpu", overlap=overlap)
    predict_cases(ensemble, [case], folder / f"out_{members}", settings, Silent())
    seconds = time.perf_counter() - started
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * (1 if sys.platform == "darwin" else 1024)
    print(json.dumps({"peak_gib": peak / 2**30, "seconds": seconds}))


def measured(folder: Path, members: int, overlap: float) -> dict[str, float]:
    command = [sys.executable, __file__, "--folder", str(folder), "--run", str(members), "--overlap", str(overlap)]
    output = subprocess.run(command, check=True, stdout=subprocess.PIPE, text=True).stdout
    return dict(json.loads(output.splitlines()[-1]))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--size", default="512x512x140", help="x, y and z in voxels")
    parser.add_argument("--members", type=int, default=5)
    parser.add_argument("--patch", type=int, default=96)
    parser.add_argument("--filters", type=int, nargs="+", default=[8, 16, 32, 32])
    parser.add_argument("--resample", type=float, default=1.0, help="the plan's spacing as a multiple of the image's")
    parser.add_argument("--overlap", type=float, default=0.5, help="of windows; it changes the time only")
    parser.add_argument("--type", default="float32", help="of the image's voxels; int16 is what CT comes in")
    add_argument(parser)
    parser.add_argument("--run", type=int, help=argparse.SUPPRESS)
    parser.add_argument("--folder", type=Path, help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    if arguments.run:
        return run_once(arguments.folder, arguments.run, arguments.overlap)
    x, y, z = (int(part) for part in arguments.size.split("x"))
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        make_image(folder / "image.nii.gz", (z, y, x), arguments.type)
        plan = make_plan(arguments.patch, arguments.filters, arguments.resample)
        for number in range(arguments.members):
            make_model(folder / f"model_{number}", plan, seed=number)
        for members in {1, arguments.members}:
            model.save_ensemble(folder / f"{members}.json", [folder / f"model_{n}" for n in range(members)])
        runs = {members: measured(folder, members, arguments.overlap) for members in {1, arguments.members}}
    one, many = runs[1], runs[arguments.members]
    print(f"| volume | 1 member | {arguments.members} members | memory ratio | time ratio |")
    print("|---|---|---|---|---|")
    print(
        f"| {arguments.size} | {one['peak_gib']:.2f} GiB, {one['seconds']:.0f} s "
        f"| {many['peak_gib']:.2f} GiB, {many['seconds']:.0f} s "
        f"| {many['peak_gib'] / one['peak_gib']:.2f} | {many['seconds'] / one['seconds']:.2f} |"
    )
    names = f"{arguments.size}: {arguments.members} members", "one member"
    peaks, seconds = [[run[key] for run in (many, one)] for key in ("peak_gib", "seconds")]
    memory = Row("ensemble", f"{names[0]}, peak memory", peaks[0], "GiB", names[1], peaks[1], None, *peaks)
    keep([memory, Row("ensemble", f"{names[0]}, time", seconds[0], "s", names[1], seconds[1])], arguments.rows)
    return None


if __name__ == "__main__":
    main()
