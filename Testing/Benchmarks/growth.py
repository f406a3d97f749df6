"""How time and memory grow with the volume, the number of lesions and the number of members, in one figure.

    python Testing/Benchmarks/growth.py --out build/bench

Volumes of 1, 2, 4 and 8 times 96 x 96 x 96 voxels (the same content side by side), 10, 30 and 100 lesions in
192 x 192 x 192 voxels, and 1, 2 and 5 members on 144 x 144 x 144 voxels. Networks are small and have random weights.
At most two threads, the quickest of `--turns`, by wall clock. Writes `growth.csv` (seconds, and GiB beyond what the
process held before) and `growth.png`, whose dotted lines are twice the cost for twice the size.
"""

from __future__ import annotations

import argparse
import csv
import tempfile
from collections.abc import Callable, Iterator, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import torch
from rows import quickest
from scipy.ndimage import gaussian_filter

from lossseg import networks
from lossseg.evaluation import evaluate_case
from lossseg.evaluation.figure_style import COLOURS, DASHES, MARKERS, SOFT, blank, encode, styled
from lossseg.files import atomic
from lossseg.images import Geometry, Volume
from lossseg.inference import Predictor
from lossseg.losses import build
from lossseg.model import Model, save
from lossseg.preprocessing import ChannelKind, ChannelScheme, Plan, prepare
from lossseg.weights import SIGNED_DISTANCE, inverse_weights, make_maps

if TYPE_CHECKING:
    from matplotlib.axes import Axes

SIDE, PATCH = 96, (48, 48, 48)
REPEATS = {1: (1, 1, 1), 2: (2, 1, 1), 4: (2, 2, 1), 8: (2, 2, 2)}
# What takes milliseconds is repeated for this long.
SHORT_S = 0.5
LESIONS, MEMBERS = (10, 30, 100), (1, 2, 5)
SPACING = (1.0, 1.0, 1.0)
PANELS = {
    "volume": f"volume, times {SIDE}³ voxels",
    "lesions": f"lesions in {2 * SIDE}³ voxels",
    "members": "members of the ensemble",
}
CONFIG = {
    "name": "DynUNet",
    "in_channels": 1,
    "out_channels": 2,
    "filters": [8, 16, 32, 32],
    "kernels": [[3, 3, 3]] * 4,
    "strides": [[1, 1, 1]] + [[2, 2, 2]] * 3,
    "deep_supervision": False,
}
Work = Callable[[], object]


@dataclass(frozen=True)
class Point:
    """What one step of one line took."""

    panel: str
    line: str
    size: int
    seconds: float
    gib: float | None


def image(side: int) -> np.ndarray:
    values = np.random.default_rng(0).normal(size=(side,) * 3)
    return 100 + 20 * gaussian_filter(values.astype(np.float32), 1)


def lesions(side: int, count: int, shift: int = 0) -> np.ndarray:
    """Balls of 2 to 4 voxels radius on a grid of places, in which none touches another."""
    places = np.stack(np.meshgrid(*[np.arange(12, side - 8, 16)] * 3, indexing="ij"), -1).reshape(-1, 3)
    generator, label = np.random.default_rng(1), np.zeros((side,) * 3, np.uint8)
    for centre in generator.permutation(places)[:count]:
        radius = generator.integers(2, 5)
        grid = np.ogrid[(slice(-5, 6),) * 3]
        ball = sum(axis**2 for axis in grid) <= radius**2
        label[tuple(slice(c - 5 + shift, c + 6 + shift) for c in centre)][ball] = 1
    return label


def model_in(folder: Path, spacing: float) -> Model:
    torch.manual_seed(0)
    scheme = ChannelScheme("MR", ChannelKind.ZSCORE)
    plan = Plan((scheme,), (spacing,) * 3, PATCH, 2, {"background": 0, "lesion": 1}, CONFIG)
    weights = networks.build(CONFIG).state_dict()
    return save(folder, plan=plan, weights=weights, loss="dice + ce", training={}, scores={})


def case(values: np.ndarray) -> list[Volume]:
    return [Volume(values, Geometry(values.shape, SPACING))]


def loss_step(expression: str, target: np.ndarray) -> Work:
    """Forward and backward; the maps are made before, as the loader of a training makes them."""
    loss = build(expression)
    maps = {name: torch.from_numpy(made)[None] for name, made in make_maps(loss.required_maps, target).items()}
    label = torch.from_numpy(target)[None, None]
    logits = torch.from_numpy(np.random.default_rng(2).normal(-4, 1, (1, 1, *target.shape)).astype(np.float32))

    def step() -> None:
        loss(logits.detach().requires_grad_(), label, maps).backward()

    return step


def with_volume(folder: Path) -> Iterator[tuple[str, int, Work]]:
    values, label, found = image(SIDE), lesions(SIDE, 8), lesions(SIDE, 8, shift=1)
    model = model_in(folder / "model", 1.0)
    finer = model_in(folder / "finer", 0.8).plan
    for factor, repeats in REPEATS.items():
        large, truth, prediction = (np.tile(part, repeats) for part in (values, label, found))
        yield "prediction", factor, lambda large=large: Predictor([model], "cpu", overlap=0).predict(case(large))
        yield "preprocessing", factor, lambda large=large: prepare(case(large), finer)
        yield "distance map", factor, lambda truth=truth: make_maps((SIGNED_DISTANCE,), truth)
        yield "inverse weights", factor, lambda truth=truth: inverse_weights(truth)
        yield "evaluation", factor, lambda a=truth, b=prediction: evaluate_case(a, b, SPACING)


def with_lesions() -> Iterator[tuple[str, int, Work]]:
    for count in LESIONS:
        truth, found = lesions(2 * SIDE, count), lesions(2 * SIDE, count, shift=1)
        yield "evaluation", count, lambda a=truth, b=found: evaluate_case(a, b, SPACING)
        yield "inverse weights", count, lambda truth=truth: inverse_weights(truth)
        yield "blob(dice), a step", count, loss_step("blob(dice)", truth)


def with_members(folder: Path) -> Iterator[tuple[str, int, Work]]:
    values, model = image(SIDE * 3 // 2), model_in(folder / "member", 1.0)
    for count in MEMBERS:
        predictor = Predictor([model] * count, "cpu", overlap=0)
        yield "prediction", count, lambda predictor=predictor: predictor.predict(case(values))


def measured(folder: Path, turns: int) -> Iterator[Point]:
    panels = (with_volume(folder), with_lesions(), with_members(folder))
    for panel, jobs in zip(PANELS, panels, strict=True):
        for line, size, work in jobs:
            # What is loaded or measured at a first call is no part of what grows.
            work()
            seconds, gib = quickest(work, turns)
            if seconds < SHORT_S / turns:
                seconds = min(seconds, quickest(work, int(SHORT_S / seconds))[0])
            point = Point(panel, line, size, seconds, gib)
            print(f"| {panel} x {size} | {line} | {1e3 * point.seconds:.1f} ms |", flush=True)
            yield point


def draw(points: Sequence[Point], path: Path) -> None:
    with styled("growth"):
        figure, axes = blank(11, 4.2, columns=len(PANELS), sharey=True)
        for axis, (panel, label) in zip(axes, PANELS.items(), strict=True):
            chosen = [point for point in points if point.panel == panel]
            curves = {
                line: [(p.size, p.seconds) for p in chosen if p.line == line]
                for line in dict.fromkeys(point.line for point in chosen)
            }
            if panel == "members" and all(point.gib for point in chosen):
                curves = {"time": curves["prediction"], "memory": [(p.size, p.gib) for p in chosen]}
            _panel(axis, {name: [(x, y / of[0][1]) for x, y in of] for name, of in curves.items()})
            axis.set_xlabel(label)
        axes[0].set_ylabel("cost, times that of the smallest")
        with atomic(path) as beside:
            beside.write_bytes(encode(figure, "png"))


def _panel(axis: Axes, curves: dict[str, list[tuple[int, float]]]) -> None:
    sizes = sorted({x for of in curves.values() for x, _ in of})
    first, last = sizes[0], sizes[-1]
    axis.set_xscale("log")
    axis.set_yscale("log")
    axis.plot([first, last], [1, last / first], color=SOFT, linestyle=":", linewidth=1.2)
    ends = {"in proportion": last / first} | {name: of[-1][1] for name, of in curves.items()}
    for number, of in enumerate(curves.values()):
        style = {"color": COLOURS[number], "linestyle": DASHES[number], "marker": MARKERS[number], "markersize": 5}
        axis.plot(*zip(*of, strict=True), **style)
    colours = dict(zip(curves, COLOURS, strict=False)) | {"in proportion": SOFT}
    for name, height in _apart(ends).items():
        place = {"textcoords": "offset points", "xytext": (6, 0), "va": "center", "annotation_clip": False}
        axis.annotate(name, (last, height), color=colours[name], fontsize=9, **place)
    axis.set_xlim(first * 0.93, last * (last / first) ** 0.62)
    axis.set_ylim(0.8, 16)
    axis.set_xticks(sizes, [str(size) for size in sizes])
    axis.set_yticks([1, 2, 4, 8, 16], ["1", "2", "4", "8", "16"])
    axis.minorticks_off()


def _apart(ends: dict[str, float], step: float = 1.19) -> dict[str, float]:
    """Heights of the labels: those of the lines' ends, moved up where two would lie on each other."""
    heights: dict[str, float] = {}
    for name, height in sorted(ends.items(), key=lambda pair: pair[1]):
        lowest = max(heights.values(), default=0.0) * step
        heights[name] = max(height, lowest)
    return heights


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--out", type=Path, default=Path("build/bench"))
    parser.add_argument("--turns", type=int, default=3)
    arguments = parser.parse_args()
    torch.set_num_threads(min(2, torch.get_num_threads()))
    arguments.out.mkdir(parents=True, exist_ok=True)
    print("| | | time |\n|---|---|---|")
    with tempfile.TemporaryDirectory() as name:
        points = list(measured(Path(name), arguments.turns))
    with atomic(arguments.out / "growth.csv") as beside, beside.open("w", encoding="utf-8", newline="") as opened:
        writer = csv.DictWriter(opened, list(asdict(points[0])))
        writer.writeheader()
        writer.writerows(asdict(point) for point in points)
    draw(points, arguments.out / "growth.png")
    print(f"\n{arguments.out / 'growth.csv'} and {arguments.out / 'growth.png'}")


if __name__ == "__main__":
    main()
