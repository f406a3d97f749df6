"""Two sets of probability volumes at one and the same number of false positives per case.

    python Testing/Benchmarks/equal_false_positives.py LABELS PEER OURS MODEL --min-voxels 3

The peer stands at its own operating point: probability above 0.5, components under 11 voxels removed (`--peer-voxels 1`
for its output as it is). Ours has the mask threshold of MODEL's operating point and `--min-voxels`; the lowest
confidence of a component that is kept is raised until there are no more false positives per case than the peer's.
That is one point of the FROC curve, and DSC and object Dice are measured at the very same point.
"""

from __future__ import annotations

import argparse
from collections.abc import Iterator
from pathlib import Path

import numpy as np

from lossseg.components import find
from lossseg.evaluation import Cohort, evaluate_case, operating_points, summarise
from lossseg.images import read_label, read_volume
from lossseg.model import load

_CONFIDENCES = 1 - np.geomspace(0.5, 1e-6, 120)


def pairs(labels: Path, folder: Path) -> Iterator[tuple[str, Path, np.ndarray]]:
    for path in sorted(folder.glob("*_prob*.nii.gz")):
        name = path.name.split("_prob")[0]
        yield name, labels / f"{name}.nii.gz", np.clip(read_volume(path).array, 0, 1)


def cohort(labels: Path, folder: Path, threshold: float, min_voxels: int, confidence: float) -> Cohort:
    results = []
    for name, path, probability in pairs(labels, folder):
        reference = read_label(path)
        found = find(probability > threshold)
        kept = (found.sizes >= min_voxels) & (found.highest(probability.ravel()[found.voxels]) >= confidence)
        mask = found.subset(kept).array() > 0
        results.append(
            evaluate_case(
                (reference.array > 0).astype(np.uint8), mask.astype(np.uint8), reference.geometry.spacing, name=name
            )
        )
    return summarise(results)


def row(name: str, what: Cohort, confidence: float) -> str:
    thirds = " / ".join(f"{group.recall:.2f}" for group in what.size_groups())
    return (
        f"| {name} | {what.measures['dice'].mean:.3f} | {what.object_dice:.3f} | {what.recall:.3f} | {thirds} | "
        f"{what.false_positives_per_case:.2f} | {confidence:.4f} |"
    )


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("labels", type=Path)
    parser.add_argument("peer", type=Path)
    parser.add_argument("ours", type=Path)
    parser.add_argument("model", type=Path)
    parser.add_argument("--min-voxels", type=int, default=11)
    parser.add_argument("--peer-voxels", type=int, default=11)
    args = parser.parse_args()

    point = load(args.model).operating_point
    threshold = point.threshold if point else 0.5
    peer = cohort(args.labels, args.peer, 0.5, args.peer_voxels, 0.0)
    allowed = peer.false_positives_per_case
    arrays = ((read_label(path).array > 0, probability) for _, path, probability in pairs(args.labels, args.ours))
    points = operating_points(arrays, [threshold], args.min_voxels, [0.0, *_CONFIDENCES])
    fitting = [p for p in points if p.false_positives_per_case <= allowed]
    confidence = min((p.min_confidence for p in fitting), default=1.0)
    ours = cohort(args.labels, args.ours, threshold, args.min_voxels, confidence)
    print("| | DSC | object Dice | recall | recall by size tertile | false positives per case | lowest confidence |")
    print("|---|---|---|---|---|---|---|")
    print(row("plain MONAI", peer, 0.0))
    print(row("lossseg", ours, confidence))
    print(f"\nmask threshold {threshold:g}; recall {ours.recall / peer.recall:.2f} times the peer's")


if __name__ == "__main__":
    main()
