"""Seconds that the loss inspector takes to answer, in a process that stays ready (`lossseg serve`).

    python Testing/Benchmarks/inspect_speed.py --size 256x256x150 --threads 2

The prediction is a probability volume with lesions of several sizes, false positives and noise. The first question
reads the files, finds the components and makes the voxel maps; the second asks the same losses with another shift.
Seconds are those between writing the question and reading its answer.
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

import numpy as np
from rows import Row, add_argument, keep

from lossseg.images import Geometry, write_volume

LOSSES = (
    "dice",
    "dice + ce",
    "focal",
    "tversky",
    "iw(dice)",
    "dice + topk(k=0.1)",
    "blob(dice)",
    "boundary",
)
AIM_S = 1.0
ENGINE = Path(__file__).parents[2] / "SlicerLossSeg"


def make_case(folder: Path, size: tuple[int, int, int], lesions: int = 25, false: int = 15) -> tuple[Path, Path]:
    """Write a probability volume and its reference; balls of 1 to 9 voxels radius, one in five of them missed."""
    generator = np.random.default_rng(0)
    truth = np.zeros(size, np.uint8)
    logits = generator.normal(-7.0, 1.5, size).astype(np.float32)
    for number in range(lesions + false):
        radius = int(generator.integers(1, 10 if number < lesions else 4))
        centre = [int(generator.integers(radius, side - radius)) for side in size]
        box = tuple(slice(c - radius, c + radius + 1) for c in centre)
        ball = sum(axis**2 for axis in np.ogrid[(slice(-radius, radius + 1),) * 3]) <= radius**2
        if number < lesions:
            truth[box][ball] = 1
        if number % 5:
            logits[box][ball] += 8.0
    geometry = Geometry(size, (0.7, 0.5, 0.5))
    paths = folder / "probability.nrrd", folder / "reference.nrrd"
    write_volume(paths[0], 1 / (1 + np.exp(-logits)), geometry, compress=False)
    write_volume(paths[1], truth, geometry)
    return paths


def ask(process: subprocess.Popen[str], number: int, params: dict[str, Any]) -> tuple[float, dict[str, Any]]:
    """Seconds until the answer of a question, and the answer."""
    assert process.stdin is not None and process.stdout is not None
    began = time.perf_counter()
    process.stdin.write(json.dumps({"id": number, "job": "inspect", "params": params}) + "\n")
    process.stdin.flush()
    for line in process.stdout:
        event = json.loads(line)
        if event["event"] == "error":
            raise SystemExit(event["message"])
        if event["event"] == "finished":
            return time.perf_counter() - began, dict(event["summary"])
    raise SystemExit("The engine ended.")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--size", default="256x256x150", help="x, y and z in voxels")
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--repeat", type=int, default=5, help="questions with another shift")
    parser.add_argument("--loss", action="append", help="instead of the eight; may be repeated")
    add_argument(parser)
    arguments = parser.parse_args()
    x, y, z = (int(part) for part in arguments.size.split("x"))
    environment = {**os.environ, "OMP_NUM_THREADS": str(arguments.threads), "PYTHONPATH": str(ENGINE)}
    losses = arguments.loss or list(LOSSES)
    with tempfile.TemporaryDirectory() as name:
        prediction, reference = make_case(Path(name), (z, y, x))
        with subprocess.Popen(
            [sys.executable, "-m", "lossseg", "serve"],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
            env=environment,
        ) as process:
            assert process.stdin is not None and process.stdout is not None
            process.stdout.readline()
            question = {"prediction": str(prediction), "reference": str(reference), "losses": losses}
            first, answer = ask(process, 0, question)
            again = [ask(process, n, question | {"shift": 0.5 * n}) for n in range(1, arguments.repeat + 1)]
            process.stdin.close()
    parts = answer["components"]
    counts = {kind: sum(part["kind"] == kind for part in parts) for kind in ("lesion", "false_positive")}
    print(f"{arguments.size}, {arguments.threads} threads, {counts['lesion']} lesions, ", end="")
    print(f"{counts['false_positive']} false positives, {len(losses)} losses")
    print("| question | seconds |")
    print("|---|---|")
    print(f"| first: files, components, maps | {first:.2f} |")
    print(f"| another shift, median of {len(again)} | {sorted(seconds for seconds, _ in again)[len(again) // 2]:.2f} |")
    fastest = min(again, key=lambda pair: pair[0])
    print(f"| another shift, fastest | {fastest[0]:.2f} |")
    what = f"{arguments.size}, {len(losses)} losses"
    again_seconds = [seconds for seconds, _ in again]
    rows = [Row("loss inspector", f"{what}: first question", first, aim=AIM_S)]
    keep([*rows, Row("loss inspector", f"{what}: each further one", min(again_seconds), aim=AIM_S)], arguments.rows)
    print("\n| loss | seconds in the fastest answer |")
    print("|---|---|")
    for loss in fastest[1]["losses"]:
        print(f"| {loss['expression']} | {loss['seconds']:.3f} |")


if __name__ == "__main__":
    main()
