"""Draw README's picture from a folder that `lossseg demo` made.

python Testing/Pictures/demo_picture.py DEMO_FOLDER Resources/demo.png
"""

from __future__ import annotations

import csv
import sys
from pathlib import Path

import matplotlib

matplotlib.use("Agg")
import matplotlib.pyplot as plt
import numpy as np
from matplotlib.axes import Axes

from lossseg.components import label as components
from lossseg.dataset import Case, open_dataset
from lossseg.images import read_label, read_volume

# Okabe and Ito's colours, told apart by colour-blind people too.
COLOURS = {"found": "#56B4E9", "missed": "#E69F00", "false_positive": "#CC79A7"}
COLUMNS = {
    "number": "no.",
    "outcome": "outcome",
    "volume_mm3": "mm³",
    "diameter_mm": "Ø mm",
    "confidence_max": "confidence",
    "overlap_dice": "overlap",
}
MOST_ROWS = 14


def draw(demo: Path, picture: Path) -> None:
    rows = list(csv.DictReader((demo / "evaluation" / "lesions.csv").open(encoding="utf-8")))
    dataset = open_dataset(demo / "dataset")
    predicted = {path.name.removesuffix(".lesions.csv") for path in (demo / "predictions").glob("*.lesions.csv")}
    cases = {case.name: case for case in dataset.cases if case.name in predicted}
    # The case with the most lesions shows most.
    chosen = max(sorted(cases), key=lambda name: sum(row["case"] == name for row in rows))
    figure, (left, right) = plt.subplots(1, 2, figsize=(11, 5), width_ratios=(1, 1.25), facecolor="white")
    projection(left, cases[chosen], demo / "predictions" / f"{chosen}.nii.gz")
    table(right, [row for row in rows if row["case"] == chosen])
    figure.tight_layout()
    picture.parent.mkdir(parents=True, exist_ok=True)
    figure.savefig(picture, dpi=110)


def projection(axes: Axes, case: Case, prediction: Path) -> None:
    assert case.label is not None
    image, reference, result = read_volume(case.images[0]), read_label(case.label), read_label(prediction)
    _, height, width = image.geometry.spacing
    shown = image.array.max(0)
    aspect = height / width
    axes.imshow(shown, cmap="gray", vmax=np.percentile(shown, 99.7), aspect=aspect, interpolation="bilinear")
    for outcome, mask in outcomes(reference.array > 0, result.array > 0).items():
        if mask.any():
            axes.contour(mask.max(0), levels=[0.5], colors=[COLOURS[outcome]], linewidths=1.6)
        axes.plot([], [], color=COLOURS[outcome], label=outcome.replace("_", " "))
    axes.set_title(f"{case.name}: maximum intensity projection", fontsize=10)
    axes.legend(loc="lower right", fontsize=8, framealpha=0.7)
    axes.set_axis_off()


def outcomes(reference: np.ndarray, prediction: np.ndarray) -> dict[str, np.ndarray]:
    """Reference lesions that are touched and those that are not, and predicted components that touch none."""
    truth, count = components(reference)
    hit = np.isin(truth, np.unique(truth[prediction & reference]))
    found, parts = components(prediction)
    useful = np.isin(found, np.unique(found[prediction & reference]))
    return {
        "found": reference & hit & (count > 0),
        "missed": reference & ~hit,
        "false_positive": prediction & ~useful & (parts > 0),
    }


def table(axes: Axes, rows: list[dict[str, str]]) -> None:
    axes.set_axis_off()
    shown = rows[:MOST_ROWS]
    cells = [[row[column].replace("_", " ") for column in COLUMNS] for row in shown]
    drawn = axes.table(cells, colLabels=list(COLUMNS.values()), loc="center", cellLoc="right")
    drawn.auto_set_font_size(False)
    drawn.set_fontsize(9)
    drawn.scale(1, 1.35)
    for (line, column), cell in drawn.get_celld().items():
        cell.set_edgecolor("#dddddd")
        if line == 0:
            cell.set_text_props(weight="bold")
        elif list(COLUMNS)[column] == "outcome":
            cell.set_facecolor(COLOURS.get(shown[line - 1]["outcome"], "white") + "55")
    more = f", {len(rows) - MOST_ROWS} more rows left out" if len(rows) > MOST_ROWS else ""
    axes.set_title(f"lesion table{more}", fontsize=10)


if __name__ == "__main__":
    if len(sys.argv) != 3:
        sys.exit(__doc__)
    draw(Path(sys.argv[1]), Path(sys.argv[2]))
