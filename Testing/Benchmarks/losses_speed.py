"""Time and memory of the losses against those of the libraries and codes that people use, in one run.

    python Testing/Benchmarks/losses_speed.py
    python Testing/Benchmarks/losses_speed.py --only hausdorff

Each loss is computed forward and backward on 2 x 1 x 128^3 logits in float32 with six lesions of 20 to 4000 voxels in
each sample, on one thread. Loss and peer take turns; what counts is the processor time of the quickest turn of each, so
that other programs disturb little. What the loader makes once for a case (maps, the peers' floating-point target) is
made outside the clock. Freed memory stays with the process, as in a training, where none of them gets new pages.

Memory is the largest resident set during one forward and backward pass in a process of its own, less that before it,
in tensors of the size of the logits; the gradient is one of them. It is read from Linux's /proc and left out elsewhere.

Exit code 1 if a limit is missed. The paper code's way of making inverse weights needs scikit-image.
"""

from __future__ import annotations

import argparse
import ctypes
import importlib.util
import json
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import SimpleITK as sitk
import torch
from rows import Row, add_argument, keep
from torch import Tensor

from lossseg.losses import build
from lossseg.weights import distance_field, inverse_weights, make_maps

RADII = (1.7, 2.44, 3.4, 4.85, 6.9, 9.85)
CENTRES = ((20, 24, 100), (60, 100, 30), (100, 30, 60), (30, 90, 90), (96, 96, 96), (40, 40, 36))
BATCH, SIDE = 2, 128
MEMORY_LIMIT = 2.0
# Of glibc's malloc.h.
M_TRIM_THRESHOLD, M_MMAP_THRESHOLD = -1, -3


@dataclass(frozen=True)
class Data:
    """Logits (B, 1, z, y, x) float32, their target (uint8) and maps of the target by name."""

    logits: Tensor
    target: Tensor
    maps: dict[str, Tensor]

    @property
    def truth(self) -> Tensor:
        """The target as peers want it."""
        return self.target.float()


def ball(target: np.ndarray, centre: tuple[int, ...], radius: float) -> None:
    grid = np.ogrid[tuple(slice(0, side) for side in target.shape)]
    target[sum((axis - middle) ** 2 for axis, middle in zip(grid, centre, strict=True)) <= radius**2] = 1


def make_target() -> np.ndarray:
    target = np.zeros((BATCH, 1, SIDE, SIDE, SIDE), np.uint8)
    for sample in range(BATCH):
        for centre, radius in zip(CENTRES, RADII, strict=True):
            ball(target[sample, 0], tuple(place + 3 * sample for place in centre), radius)
    return target


def make_logits(target: np.ndarray, noise: float) -> np.ndarray:
    """A prediction that is two voxels off, finds no lesion below 100 voxels and has two false alarms, plus noise."""
    found = np.zeros_like(target)
    for sample in range(BATCH):
        for centre, radius in zip(CENTRES[2:], RADII[2:], strict=True):
            ball(found[sample, 0], tuple(place + 2 for place in centre), radius)
        for centre in ((100, 100, 20), (20, 60, 60)):
            ball(found[sample, 0], centre, 4)
    generator = np.random.default_rng(0)
    return (8.0 * found - 4 + noise * generator.standard_normal(target.shape)).astype(np.float32)


def make_data(maps: frozenset[str], noise: float = 1.0) -> Data:
    target = make_target()
    made = [make_maps(maps, sample[0]) for sample in target]
    stacked = {name: torch.from_numpy(np.stack([one[name] for one in made])) for name in maps}
    return Data(torch.from_numpy(make_logits(target, noise)), torch.from_numpy(target), stacked)


Job = Callable[[], object]


def step(loss: Callable[[Tensor], Tensor], logits: Tensor) -> Job:
    def run() -> None:
        leaf = logits.detach().requires_grad_()
        loss(leaf).backward()

    return run


def ours(expression: str, noise: float = 1.0) -> Job:
    loss = build(expression)
    data = make_data(loss.required_maps, noise)
    return step(lambda logits: loss(logits, data.target, data.maps), data.logits)


def theirs(loss: Callable[[Tensor, Tensor], Tensor], noise: float = 1.0) -> Job:
    data = make_data(frozenset(), noise)
    truth = data.truth
    return step(lambda logits: loss(logits, truth), data.logits)


def topk_by_sorting(logits: Tensor, truth: Tensor) -> Tensor:
    ce = torch.nn.functional.binary_cross_entropy_with_logits(logits, truth, reduction="none").flatten()
    return torch.topk(ce, ce.numel() // 10, sorted=False).values.mean()


def blob_loop() -> Job:
    """Dice of each lesion without the voxels of the others, one after another, in the steps of the published code."""
    from monai.losses import DiceLoss

    criterion = DiceLoss(smooth_nr=1e-5, smooth_dr=1e-5)
    data = make_data(frozenset({"lesions"}))
    lesions = data.maps["lesions"]

    def loss(logits: Tensor) -> Tensor:
        probabilities = torch.sigmoid(logits)
        samples = []
        for p, numbers in zip(probabilities, lesions, strict=True):
            values = []
            for number in torch.unique(numbers)[1:]:
                own = numbers == number
                mask = numbers == 0
                mask[own] = True
                values.append(criterion((p * mask)[None], own[None].int()))
            samples.append(torch.stack(values).mean())
        return torch.stack(samples).mean()

    return step(loss, data.logits)


def paper_weights(target: np.ndarray) -> np.ndarray:
    """Eq. (1) the way of the paper's code: label the volume, then fill in one component after another."""
    from skimage.measure import label

    components = label(target, connectivity=3)
    numbers = np.unique(components)
    weights = np.zeros(target.shape, np.float32)
    for number in numbers:
        where = components == number
        weights[where] = target.size / (len(numbers) * where.sum())
    return weights


def counted_weights(target: np.ndarray) -> np.ndarray:
    import cc3d

    components = cc3d.connected_components(target, connectivity=26)
    sizes = np.bincount(components.ravel())
    return (target.size / (len(sizes) * sizes)).astype(np.float32).take(components)


@dataclass(frozen=True)
class Contest:
    """Two ways to the same result and the largest share of the peer's time that ours may take."""

    name: str
    peer: str
    limit: float
    ours: Callable[[], Job]
    theirs: Callable[[], Job]
    needs: str = ""


def contests() -> Iterator[Contest]:
    from monai.losses import BoundaryLoss, DiceCELoss, DiceLoss, FocalLoss, HausdorffDTLoss

    yield Contest("dice", "MONAI DiceLoss", 0.75, lambda: ours("dice"), lambda: theirs(DiceLoss(sigmoid=True)))
    yield Contest(
        "dice + ce", "MONAI DiceCELoss", 0.5, lambda: ours("dice + ce"), lambda: theirs(DiceCELoss(sigmoid=True))
    )
    yield Contest(
        "focal", "MONAI FocalLoss", 0.35, lambda: ours("focal"), lambda: theirs(FocalLoss(gamma=2, alpha=0.75))
    )
    yield Contest("topk", "torch.topk of the ce", 0.55, lambda: ours("topk"), lambda: theirs(topk_by_sorting))
    yield Contest(
        "hausdorff",
        "MONAI HausdorffDTLoss",
        0.2,
        lambda: ours("hausdorff"),
        lambda: theirs(HausdorffDTLoss(sigmoid=True)),
    )
    yield Contest(
        "hausdorff, noisy prediction",
        "MONAI HausdorffDTLoss",
        0.2,
        lambda: ours("hausdorff", noise=4.0),
        lambda: theirs(HausdorffDTLoss(sigmoid=True), noise=4.0),
    )
    yield Contest(
        "boundary", "MONAI BoundaryLoss", 0.01, lambda: ours("boundary"), lambda: theirs(BoundaryLoss(sigmoid=True))
    )
    yield Contest("blob(dice)", "loop over blobs", 0.05, lambda: ours("blob(dice)"), blob_loop)
    patch = make_target()[0, 0]
    yield Contest(
        "inverse weights",
        "label and loop",
        0.15,
        lambda: lambda: inverse_weights(patch),
        lambda: lambda: paper_weights(patch),
        needs="skimage",
    )
    yield Contest(
        "inverse weights",
        "cc3d, bincount, take",
        0.5,
        lambda: lambda: inverse_weights(patch),
        lambda: lambda: counted_weights(patch),
    )


def keep_freed_memory() -> None:
    """Asks glibc to take large tensors from memory that was freed before, not from the system each time."""
    mallopt = getattr(ctypes.CDLL(None), "mallopt", None) if sys.platform == "linux" else None
    if mallopt is not None:
        for option, size in ((M_MMAP_THRESHOLD, 2**25), (M_TRIM_THRESHOLD, 2**30)):
            mallopt(option, size)


def race(one: Job, other: Job, seconds: float) -> tuple[float, float]:
    """Processor seconds of the quickest turn of each; at least three turns, then as many as the time allows."""
    best = [np.inf, np.inf]
    started, turns = time.perf_counter(), 0
    while turns < 3 or time.perf_counter() - started < seconds:
        for place, job in enumerate((one, other)):
            begin = time.process_time()
            job()
            best[place] = min(best[place], time.process_time() - begin)
        turns += 1
    return best[0], best[1]


# Losses whose gradient needs the maps of many steps in a row have no limit.
MEASURED = {
    **dict.fromkeys(
        (
            "ce",
            "dice",
            "dice(squared=True)",
            "dice + ce",
            "focal",
            "topk",
            "tversky",
            "iw(dice)",
            "iw(bce)",
            "iw(dice, clip=True)",
            "boundary",
            "region_wise",
            "region_wise(background=True)",
            "hausdorff",
            "hausdorff(form=one_sided)",
            "blob(dice)",
            "blob(dice + ce)",
            "cc(dice + ce)",
        ),
        MEMORY_LIMIT,
    ),
    "hausdorff(form=erosion)": None,
    "cldice": None,
}


def resident(field: str) -> int:
    """Bytes of VmRSS (now) or VmHWM (the most since the last reset)."""
    status = Path("/proc/self/status").read_text()
    return 1024 * next(int(line.split()[1]) for line in status.splitlines() if line.startswith(field))


def measure_memory(expression: str, folder: Path) -> float:
    """In a process of its own: extra memory of one step in tensors of the size of the logits."""
    loss = build(expression)
    data = Data(
        torch.from_numpy(np.load(folder / "logits.npy")),
        torch.from_numpy(np.load(folder / "target.npy")),
        {name: torch.from_numpy(np.load(folder / f"{name}.npy")) for name in loss.required_maps},
    )
    # Libraries take memory when they are loaded and called first: on a corner it is too small to hide what the whole
    # needs.
    distance_field(np.eye(64, dtype=bool), (1.0, 2.0))
    corner = (..., slice(16), slice(16), slice(16))
    small = {name: values[corner].contiguous() for name, values in data.maps.items()}
    step(lambda z: loss(z, data.target[corner].contiguous(), small), data.logits[corner].contiguous())()
    job = step(lambda z: loss(z, data.target, data.maps), data.logits)
    before = resident("VmRSS")
    Path("/proc/self/clear_refs").write_text("5")
    job()
    return (resident("VmHWM") - before) / (data.logits.numel() * data.logits.element_size())


def memory(expressions: list[str]) -> Iterator[tuple[str, float]]:
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        data = make_data(frozenset().union(*(build(expression).required_maps for expression in expressions)))
        for key, values in {"logits": data.logits, "target": data.target, **data.maps}.items():
            np.save(folder / f"{key}.npy", values.numpy())
        for expression in expressions:
            command = [sys.executable, __file__, "--memory-of", expression, "--folder", name]
            output = subprocess.run(command, check=True, stdout=subprocess.PIPE, text=True).stdout
            yield expression, float(json.loads(output.splitlines()[-1]))


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--only", help="rows whose name begins so")
    parser.add_argument("--seconds", type=float, default=10, help="for each race; a race has at least three turns")
    add_argument(parser)
    parser.add_argument("--memory-of", help=argparse.SUPPRESS)
    parser.add_argument("--folder", type=Path, help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    torch.set_num_threads(1)
    sitk.ProcessObject.SetGlobalDefaultNumberOfThreads(1)
    if arguments.memory_of:
        print(json.dumps(measure_memory(arguments.memory_of, arguments.folder)))
        return 0
    keep_freed_memory()
    wanted = arguments.only or ""
    missed = 0
    found: list[Row] = []
    chosen = [contest for contest in contests() if contest.name.startswith(wanted)]
    if chosen:
        print("| loss | ms | peer | ms | ratio | limit | |\n|---|---|---|---|---|---|---|")
    for contest in chosen:
        if contest.needs and not importlib.util.find_spec(contest.needs):
            print(f"| {contest.name} | | {contest.peer} | | | {contest.limit} | not run: {contest.needs} is missing |")
            continue
        fast, slow = race(contest.ours(), contest.theirs(), arguments.seconds)
        passed = fast <= contest.limit * slow
        group = "weight maps" if contest.name == "inverse weights" else "losses"
        found.append(Row(group, contest.name, fast, "s", contest.peer, slow, contest.limit))
        missed += not passed
        print(
            f"| {contest.name} | {1e3 * fast:.2f} | {contest.peer} | {1e3 * slow:.1f} | {fast / slow:.4f} "
            f"| {contest.limit} | {'pass' if passed else 'MISSED'} |",
            flush=True,
        )
    expressions = [expression for expression in MEASURED if expression.startswith(wanted)]
    if expressions and Path("/proc/self/clear_refs").exists():
        print("\n| loss | extra memory, logits-sized tensors | limit | |\n|---|---|---|---|")
        for expression, size in memory(expressions):
            limit = MEASURED[expression]
            passed = limit is None or size <= limit
            missed += not passed
            found.append(Row("losses", f"{expression}: memory", size, "x the logits", aim=limit))
            verdict = "no limit" if limit is None else "pass" if passed else "MISSED"
            print(f"| {expression} | {size:.2f} | {'' if limit is None else limit} | {verdict} |", flush=True)
    keep(found, arguments.rows)
    return 1 if missed else 0


if __name__ == "__main__":
    sys.exit(main())
