"""What fewer bits change in the masks of a trained model on images that it was not trained on, against torch in fp32.

    python Testing/Benchmarks/precision_accuracy.py MODEL DATASET OUT
    python Testing/Benchmarks/precision_accuracy.py MODEL DATASET OUT --case A --case B

Cases that the model was trained on are left out. Each is segmented as `lossseg predict` does it, with the model's own
threshold. Of lesions of the reference and of predicted components only those of more than 11 voxels count: a lesion
changes when it is found by one of the two masks only, a component when the other mask has nothing where it lies. OUT
gets the table and a row for each case and precision. Exit code 1 if an aim is missed.

8 bits are calibrated on the first of the cases, unless the model folder holds a calibrated network already.
"""

from __future__ import annotations

import argparse
import csv
import statistics
import sys
from dataclasses import asdict, dataclass
from importlib.util import find_spec
from pathlib import Path

import numpy as np

from lossseg import components
from lossseg.dataset import Case, open_dataset
from lossseg.evaluation import Outcome, evaluate_case
from lossseg.files import write_text
from lossseg.images import read_volume
from lossseg.inference import Predictor
from lossseg.inference.backend_choice import backend_factory
from lossseg.model import Model, load

SMALL = 11
WAYS = {
    "torch, fp32": ("torch", "full"),
    "torch, 16 bits": ("torch", "auto"),
    "OpenVINO, fp32": ("openvino", "full"),
    "OpenVINO, 16 bits": ("openvino", "auto"),
    "OpenVINO, int8": ("openvino", "int8"),
}
MAX_SHARE, MAX_DICE = 1e-4, 2e-3


@dataclass(frozen=True)
class Row:
    """One case in one precision: foreground voxels of the fp32 mask, and what differs from it."""

    way: str
    case: str
    voxels: int
    differing: int
    dice: float
    dice_change: float
    lesions: int
    components: int


def mask(model: Model, case: Case, way: str, cases: list[Case]) -> np.ndarray:
    backend, precision = WAYS[way]
    predictor = Predictor([model], "cpu", precision=precision, backend=backend_factory(backend, cases=cases))
    return predictor.predict([read_volume(path) for path in case.images]).label > 0


def found(truth: np.ndarray, segmented: np.ndarray) -> tuple[float, list[bool]]:
    """The DSC, and of each larger lesion of the reference whether it is found."""
    result = evaluate_case(truth, segmented, (1.0, 1.0, 1.0), surface=False)
    rows = [lesion for lesion in result.lesions if lesion.outcome.in_reference and lesion.voxels > SMALL]
    return result.measures["dice"], [lesion.outcome is Outcome.FOUND for lesion in rows]


def lone(one: np.ndarray, other: np.ndarray) -> int:
    """Larger components of `one` where `other` has nothing."""
    labelled, _ = components.label(one, 26)
    sizes = np.bincount(labelled[one])
    return len(np.setdiff1d(np.flatnonzero(sizes > SMALL), np.unique(labelled[other])))


def compare(way: str, case: Case, truth: np.ndarray, reference: np.ndarray, segmented: np.ndarray) -> Row:
    before, known = found(truth, reference)
    dice, now = found(truth, segmented)
    return Row(
        way,
        case.name,
        int(reference.sum()),
        int((segmented != reference).sum()),
        dice,
        dice - before,
        sum(a != b for a, b in zip(known, now, strict=True)),
        lone(reference, segmented) + lone(segmented, reference),
    )


def table(rows: list[Row]) -> tuple[str, int]:
    """The table in Markdown, and how many aims were missed."""
    lines = [
        "| | differing voxels | DSC | mean change | largest change | lesions changed | components changed | aim |",
        "|---|---|---|---|---|---|---|---|",
    ]
    missed = 0
    for way in dict.fromkeys(row.way for row in rows):
        own = [row for row in rows if row.way == way]
        share = sum(row.differing for row in own) / max(sum(row.voxels for row in own), 1)
        changes = [row.dice_change for row in own if not np.isnan(row.dice_change)]
        lesions, parts = sum(row.lesions for row in own), sum(row.components for row in own)
        dice = statistics.fmean(row.dice for row in own if not np.isnan(row.dice))
        mean = statistics.fmean(changes)
        aims = {"differing voxels below 0.01 %": share < MAX_SHARE} if "fp32" in way else {}
        if "16 bits" in way:
            aims = {"DSC moves by less than 0.002": abs(mean) < MAX_DICE, "no lesion changes": lesions + parts == 0}
        if "int8" in way:
            aims = {"loses less than 0.002 DSC": -mean < MAX_DICE}
        missed += sum(not held for held in aims.values())
        words = "; ".join(f"{aim}: {'pass' if held else 'MISSED'}" for aim, held in aims.items())
        largest = max(changes, key=abs)
        lines.append(
            f"| {way} | {share:.4%} | {dice:.4f} | {mean:+.5f} | {largest:+.5f} | {lesions} | {parts} | {words} |"
        )
    return "\n".join(lines), missed


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("model", type=Path)
    parser.add_argument("dataset", type=Path)
    parser.add_argument("out", type=Path)
    parser.add_argument("--case", action="append", help="only this case; may be given several times")
    parser.add_argument("--limit", type=int, help="only the first so many cases")
    args = parser.parse_args()
    model = load(args.model)
    cases = [
        case
        for case in open_dataset(args.dataset).cases
        if case.label is not None
        and case.name not in {*model.seen_cases, *model.training.get("validation", ())}
        and (not args.case or case.name in args.case)
    ][: args.limit]
    ways = [way for way in WAYS if WAYS[way][0] == "torch" or find_spec("openvino")]
    rows: list[Row] = []
    for case in cases:
        assert case.label is not None
        truth = read_volume(case.label).array > 0
        reference = mask(model, case, ways[0], cases)
        for way in ways[1:]:
            rows.append(compare(way, case, truth, reference, mask(model, case, way, cases)))
        print(case.name, flush=True)
    text, missed = table(rows)
    print(f"\n{len(cases)} cases, {sum(row.voxels for row in rows if row.way == ways[1])} voxels of foreground\n")
    print(text)
    write_text(args.out / "precision.md", text + "\n")
    with open(args.out / "precision.csv", "w", newline="", encoding="utf-8") as file:
        writer = csv.DictWriter(file, list(asdict(rows[0])))
        writer.writeheader()
        writer.writerows(asdict(row) for row in rows)
    return 1 if missed else 0


if __name__ == "__main__":
    sys.exit(main())
