"""The detection table of the inverse-weighting paper from the authors' stored detections, counted as it was and right.

    git clone https://github.com/neuro-ml/inverse_weighting
    python Testing/Benchmarks/published_froc.py inverse_weighting/froc_data

Shirokikh et al., MICCAI 2020, Table 2. `paper` is `froc(mode="paper")` with 50 samples; `exact` is the step curve over
all images, lesion-free ones included, with 100 samples of 80 %. Two sets of detections are not stored.
"""

from __future__ import annotations

import argparse
import json
from pathlib import Path
from typing import Any

from lossseg.evaluation import ImageDetections, froc

PUBLISHED = {
    "luna": {
        "bce": (0.42, 0.57),
        "iwbce": (0.67, 0.56),
        "fl": (0.35, 0.51),
        "iwfl": (0.55, 0.54),
        "wce": (0.74, 0.50),
        "dl": (0.71, 0.76),
        "iwdl": (0.73, 0.77),
        "asl": (0.68, 0.77),
        "iwasl": (0.70, 0.76),
        "gdl": (0.69, 0.73),
    },
    "met": {
        "bce": (0.47, 0.67),
        "iwbce": (0.52, 0.66),
        "fl": (0.40, 0.64),
        "iwfl": (0.52, 0.63),
        "wce": (0.54, 0.39),
        "dl": (0.55, 0.69),
        "iwdl": (0.57, 0.68),
        "asl": (0.55, 0.71),
        "iwasl": (0.59, 0.66),
        "gdl": (0.53, 0.70),
    },
    "lits": {
        "bce": (0.47, 0.61),
        "iwbce": (0.59, 0.53),
        "fl": (0.50, 0.58),
        "iwfl": (0.62, 0.48),
        "wce": (0.52, 0.41),
        "dl": (0.62, 0.63),
        "iwdl": (0.72, 0.49),
        "asl": (0.66, 0.63),
        "iwasl": (0.73, 0.53),
        "gdl": (0.69, 0.60),
    },
}
"""Average recall and object Dice."""

OBJECT_DICE_FROM = -0.1
"""The logit from which a lesion counts as found in the published object Dice."""


def detections(records: list[dict[str, Any]]) -> ImageDetections:
    lesions = [float(row["hit_logit"]) for row in records if row["is_tum"]]
    false = [float(row["self_logit"]) for row in records if not row["is_tum"] and row["hit_dice"] == 0]
    return ImageDetections(lesions, false)


def object_dice(images: dict[str, list[dict[str, Any]]]) -> float:
    rows = [row for records in images.values() for row in records if row["is_tum"]]
    found = [float(row["hit_dice"]) for row in rows if row["hit_dice"] > 0 and row["hit_logit"] >= OBJECT_DICE_FROM]
    return sum(found) / len(found)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("froc_data", type=Path)
    folder = parser.parse_args().froc_data
    print("set   loss   images lesions | average recall: published  paper  exact | object Dice: published  here")
    rows = equal = 0
    for dataset, losses in PUBLISHED.items():
        for loss, (recall, dice) in losses.items():
            file = folder / dataset / loss / "experiment_0" / "test_metrics" / "prc_records.json"
            if not file.is_file():
                print(f"{dataset:5} {loss:6} not stored")
                continue
            images = json.loads(file.read_text())
            ordered = [detections(images[name]) for name in sorted(images)]
            paper = froc(ordered, mode="paper").bootstrap(n=50).mean
            exact = froc(ordered).bootstrap().mean
            own = object_dice(images)
            rows += 1
            equal += f"{paper:.2f} {own:.2f}" == f"{recall:.2f} {dice:.2f}"
            lesions = sum(len(image.lesion_scores) for image in ordered)
            print(
                f"{dataset:5} {loss:6} {len(images):6} {lesions:7} | {recall:25.2f} {paper:6.3f} {exact:6.3f} |"
                f" {dice:22.2f} {own:5.3f}"
            )
    print(f"{equal} of {rows} rows equal to the published ones in both figures, to two decimals.")


if __name__ == "__main__":
    main()
