"""An inspection as JSON and as a table for a spreadsheet."""

from __future__ import annotations

import csv
from pathlib import Path
from typing import Any

from lossseg.files import atomic, write_json
from lossseg.inspection.inspector import Inspection

_FIXED = ("kind", "number", "found", "voxels", "volume_mm3", "r_mm", "a_mm", "s_mm")


def inspection_json(inspection: Inspection) -> dict[str, Any]:
    """The fields `losses`, `components`, `shift` and `scale`, in JSON's own terms."""
    computed = [report for report in inspection.losses if report.error is None]
    return {
        "losses": [
            {
                "expression": report.expression,
                "value": report.value,
                "gradient": report.gradient,
                "error": report.error,
                "seconds": report.seconds,
            }
            for report in inspection.losses
        ],
        "components": [
            {
                "kind": region.kind.value,
                "number": region.number,
                "voxels": region.voxels,
                "volume_mm3": region.volume_mm3,
                "centroid_ras": None if region.centroid_ras is None else list(region.centroid_ras),
                "components": region.components,
                "found": region.found,
                "shares": {report.expression: float(report.shares[row]) for report in computed},
            }
            for row, region in enumerate(inspection.regions)
        ],
        "shift": inspection.shift,
        "scale": inspection.scale.value,
    }


def write_inspection_json(path: Path, inspection: Inspection) -> None:
    """Write `inspection_json` to a file.

    Raises:
        InputError, DiskFull: it cannot be written.
    """
    write_json(path, inspection_json(inspection))


def write_inspection_csv(path: Path, inspection: Inspection) -> None:
    """Write one line for each region, with its share of each loss's gradient, 0 to 1; losses without a value have none.

    Raises:
        InputError, DiskFull: it cannot be written.
    """
    computed = [report for report in inspection.losses if report.error is None]
    with atomic(path) as beside, beside.open("w", encoding="utf-8", newline="") as file:
        writer = csv.writer(file)
        writer.writerow([*_FIXED, *(f"share of {report.expression}" for report in computed)])
        for row, region in enumerate(inspection.regions):
            place = ["", "", ""] if region.centroid_ras is None else [f"{side:.3f}" for side in region.centroid_ras]
            shares = [f"{report.shares[row]:.9g}" for report in computed]
            size = [region.voxels, f"{region.volume_mm3:.6g}"]
            found = "" if region.found is None else "yes" if region.found else "no"
            writer.writerow([region.kind.value, region.number, found, *size, *place, *shares])
