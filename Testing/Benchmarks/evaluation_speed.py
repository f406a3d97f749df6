"""Time of the lesion evaluation against the tools that people use for it, in one run.

    python Testing/Benchmarks/evaluation_speed.py
    python Testing/Benchmarks/evaluation_speed.py --only components,hd95

A volume of 512 x 512 x 140 voxels with 15 reference lesions of 20 to 4000 voxels (12,580 in all) and 22 predicted ones,
12 of which hit, on one thread. Ours and the peer's call take turns and the fastest turn of each counts, so that a busy
machine slows both. Each pair first has to give the same answer.

    components  removal of components under 11 voxels against cc3d.dust; labels of a mask that is 5 % foreground against
                cc3d.connected_components, the mask being of the bytes that a file holds (with cc3d 4; version 3 reads
                these as fast as a mask of bool, and both sides take the same time)
    hd95        from two masks to the distance, against MONAI's compute_hausdorff_distance(percentile=95)
    panoptica   a whole case with all measures, probabilities and table rows, against panoptica with the same measures
                of the whole case (Dice, mean surface distance, HD95, surface Dice) and its default ones by instance
    picai       the same whole case against picai_eval's evaluate_case

panoptica and picai_eval are no dependencies: where they are not installed their line says so. Lines without a limit are
for information. Exit code 1 if a limit is missed.
"""

from __future__ import annotations

import argparse
import contextlib
import importlib
import importlib.util
import io
import sys
import time
import warnings
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

import cc3d
import numpy as np
from rows import Row, add_argument, keep
from scipy.ndimage import gaussian_filter

from lossseg import components
from lossseg.components import find
from lossseg.evaluation import Outcome, evaluate_case
from lossseg.evaluation.criteria import Assignment, Matching
from lossseg.evaluation.surface import Surface, surface_measures

SIZE = (140, 512, 512)
SPACING = (0.6, 0.4, 0.4)
VOXELS = (20, 27, 38, 55, 80, 120, 180, 260, 400, 600, 900, 1300, 1900, 2700, 4000)
FALSE = (15, 30, 45, 60, 90, 120, 160, 210, 300, 390)
DENSE = 0.05

Call = Callable[[], Any]


@dataclass(frozen=True)
class Line:
    """One comparison: what, both calls, the most that ours may take as a share of the peer's, and how often."""

    what: str
    peer: str
    ours: Call
    theirs: Call
    agree: Callable[[Any, Any], bool]
    limit: float | None
    turns: int = 7
    peer_turns: int = 7


@dataclass(frozen=True)
class Case:
    """Reference and prediction uint8, probability float32, all (z, y, x)."""

    reference: np.ndarray
    prediction: np.ndarray
    probability: np.ndarray


def lesion(volume: np.ndarray, centre: np.ndarray, voxels: int, seed: int) -> None:
    """Set the voxels that lie nearest to the centre of a ball with a rough surface."""
    reach = int(np.ceil((3 * voxels / 4 / np.pi) ** (1 / 3))) + 3
    grid = np.mgrid[tuple(slice(-reach, reach + 1) for _ in range(3))]
    rough = gaussian_filter(np.random.default_rng(seed).standard_normal(grid.shape[1:]), 2)
    inside = np.argsort((np.sqrt((grid**2).sum(axis=0)) + 3 * rough).ravel())[:voxels]
    z, y, x = grid.reshape(3, -1)[:, inside] + centre[:, None]
    volume[z, y, x] = 1


def make_case() -> Case:
    generator = np.random.default_rng(0)
    rows = np.arange(60, 512, 130)
    places = np.stack(np.meshgrid((35, 105), rows, rows, indexing="ij"), axis=-1).reshape(-1, 3)
    places = generator.permutation(places) + generator.integers(-15, 16, (32, 3))
    reference, prediction = np.zeros((2, *SIZE), np.uint8)
    for number, (centre, voxels) in enumerate(zip(places, VOXELS, strict=False)):
        lesion(reference, centre, voxels, number)
        if number >= 3:
            near = centre + generator.integers(-1, 2, 3)
            lesion(prediction, near, int(voxels * generator.uniform(0.6, 1.3)), 100 + number)
    for number, (centre, voxels) in enumerate(zip(places[len(VOXELS) :], FALSE, strict=False)):
        lesion(prediction, centre, voxels, 200 + number)
    # Each component has one probability: picai_eval takes such maps only.
    labels, count = components.label(prediction)
    probability = np.append(0, generator.uniform(0.5, 1, count)).astype(np.float32)[labels]
    return Case(reference, prediction, probability)


def make_dense() -> np.ndarray:
    field = gaussian_filter(np.random.default_rng(1).standard_normal(SIZE, np.float32), 5)
    return field > np.quantile(field[::4], 1 - DENSE)


def lines_of_components(case: Case) -> Iterator[Line]:
    small = case.reference
    yield Line(
        "components under 11 voxels removed",
        "cc3d.dust",
        lambda: components.remove_small(small),
        lambda: cc3d.dust(small, 11, connectivity=26),
        lambda a, b: bool((a == (b > 0)).all()),
        1 / 15,
    )
    yield Line("labels, sparse mask", *labels_of(small), None)
    dense = make_dense()
    print(f"dense mask: {dense.mean():.1%} foreground, {find(dense).count} components", file=sys.stderr)
    yield Line("labels, 5 % foreground, bytes", *labels_of(dense.astype(np.uint8)), 1.0, 15, 15)
    yield Line("labels, 5 % foreground, bool", *labels_of(dense), None, 15, 15)


def labels_of(mask: np.ndarray) -> tuple[str, Call, Call, Callable[[Any, Any], bool]]:
    return (
        "cc3d.connected_components",
        lambda: components.label(mask),
        lambda: cc3d.connected_components(mask, connectivity=26, return_N=True),
        lambda a, b: bool(a[1] == b[1] and (a[0] == b[0]).all()),
    )


def lines_of_hd95(case: Case) -> Iterator[Line]:
    import torch
    from monai.metrics import compute_hausdorff_distance

    torch.set_num_threads(1)
    given = [torch.from_numpy(mask[None, None]) for mask in (case.prediction, case.reference)]

    def ours() -> float:
        masks = (Surface(find(mask), SPACING) for mask in (case.reference, case.prediction))
        return surface_measures(*masks).hd95

    def theirs() -> float:
        with warnings.catch_warnings(action="ignore"):
            return float(compute_hausdorff_distance(*given, include_background=True, percentile=95, spacing=SPACING))

    yield Line("HD95 and the other distances", "MONAI, HD95 alone", ours, theirs, close(1e-5), 1 / 4, peer_turns=3)


def lines_of_panoptica(case: Case) -> Iterator[Line]:
    import panoptica
    from panoptica.metrics import Metric

    def evaluator(**options: Any) -> Call:
        asked = panoptica.Panoptica_Evaluator(
            expected_input=panoptica.InputType.SEMANTIC,
            instance_approximator=panoptica.ConnectedComponentsInstanceApproximator(),
            instance_matcher=panoptica.NaiveThresholdMatching(matching_threshold=0.5, strict_threshold=True),
            **options,
        )

        def evaluate() -> Any:
            with contextlib.redirect_stdout(io.StringIO()), warnings.catch_warnings(action="ignore"):
                answer = asked.evaluate(case.prediction, case.reference, voxelspacing=SPACING, verbose=False)
            return next(iter(answer.values()))

        return evaluate

    def agree(ours: Any, theirs: Any) -> bool:
        ratios = [(ours.measures["dice"], theirs.global_bin_dsc), (ours.measures["panoptic_quality"], theirs.pq)]
        return all(close(1e-9)(*pair) for pair in ratios)

    whole = [Metric.DSC, Metric.ASSD, Metric.HD95, Metric.NSD]
    yield Line(
        "whole case",
        "panoptica, same measures",
        lambda: evaluate_case(case.reference, case.prediction, SPACING, case.probability),
        evaluator(global_metrics=whole),
        agree,
        1 / 100,
        turns=15,
        peer_turns=2,
    )
    yield Line(
        "whole case without surfaces and scores",
        "panoptica, its defaults",
        lambda: evaluate_case(case.reference, case.prediction, SPACING, surface=False),
        evaluator(),
        agree,
        None,
        turns=15,
        peer_turns=3,
    )


def lines_of_picai(case: Case) -> Iterator[Line]:
    theirs = importlib.import_module("picai_eval.eval").evaluate_case
    how = Matching("iou", 0.1, assignment=Assignment.ONE_TO_ONE)

    def agree(ours: Any, rows: Any) -> bool:
        found = sum(bool(is_lesion and overlap) for is_lesion, _, overlap in rows[0])
        false = sum(not is_lesion for is_lesion, _, _ in rows[0])
        counted = [len(ours.of(outcome)) for outcome in (Outcome.FOUND, Outcome.FALSE_POSITIVE)]
        return counted == [found, false]

    yield Line(
        "whole case",
        "picai_eval",
        lambda: evaluate_case(case.reference, case.prediction, SPACING, case.probability, matching=how),
        lambda: theirs(case.probability, case.reference),
        agree,
        1 / 500,
        turns=15,
        peer_turns=2,
    )


def close(tolerance: float) -> Callable[[float, float], bool]:
    return lambda a, b: abs(a - b) <= tolerance * abs(b)


PARTS: dict[str, tuple[Callable[[Case], Iterator[Line]], str]] = {
    "components": (lines_of_components, ""),
    "hd95": (lines_of_hd95, ""),
    "panoptica": (lines_of_panoptica, "panoptica"),
    "picai": (lines_of_picai, "picai_eval"),
}


def timed(call: Call) -> tuple[float, Any]:
    """Seconds, and what the call gave."""
    started = time.perf_counter()
    answer = call()
    return time.perf_counter() - started, answer


def run(line: Line) -> tuple[float, float]:
    """The fastest turn of ours and of the peer's, in seconds."""
    ours, theirs = [], []
    for turn in range(max(line.turns, line.peer_turns)):
        if turn < line.turns:
            seconds, answer = timed(line.ours)
            ours.append(seconds)
        if turn < line.peer_turns:
            seconds, of_peer = timed(line.theirs)
            theirs.append(seconds)
        if not turn and not line.agree(answer, of_peer):
            raise SystemExit(f"{line.what}: {line.peer} gives another answer.")
    return min(ours), min(theirs)


def share(value: float) -> str:
    return f"1/{1 / value:.0f}" if value < 0.5 else f"{value:.2f}"


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--only", default=",".join(PARTS), help="some of " + ", ".join(PARTS))
    add_argument(parser)
    args = parser.parse_args()
    chosen = args.only.split(",")
    if unknown := sorted(set(chosen) - PARTS.keys()):
        parser.error(f"there is no part {unknown[0]}; choose of {', '.join(PARTS)}")

    case = make_case()
    counts = [f"{np.count_nonzero(mask)} voxels in {find(mask).count}" for mask in (case.reference, case.prediction)]
    print(f"reference: {counts[0]} lesions; prediction: {counts[1]}", file=sys.stderr)
    print(f"{'':40}{'peer':28}{'ours ms':>9}{'peer ms':>10}{'ratio':>8}{'limit':>8}")
    missed, rows = False, []
    for part in chosen:
        make, module = PARTS[part]
        if module and not importlib.util.find_spec(module):
            print(f"{'whole case':40}{module:28}not installed: pip install {module}", flush=True)
            continue
        for line in make(case):
            ours, theirs = run(line)
            passed = line.limit is None or ours / theirs <= line.limit
            missed |= not passed
            rows.append(Row("evaluation", line.what, ours, "s", line.peer, theirs, line.limit))
            limit = "" if line.limit is None else f"{share(line.limit):>8}  {'pass' if passed else 'FAIL'}"
            times = f"{ours * 1e3:>9.1f}{theirs * 1e3:>10.1f}{share(ours / theirs):>8}"
            print(f"{line.what:40}{line.peer:28}{times}{limit}", flush=True)
    keep(rows, args.rows)
    return int(missed)


if __name__ == "__main__":
    sys.exit(main())
