"""The comparison of an updated model with the one before as CSV (rounded) and JSON (everything)."""

from __future__ import annotations

import csv
import io
import math
from dataclasses import asdict
from pathlib import Path
from typing import Any

from lossseg.files import write_json, write_text
from lossseg.studies.old_new import NEW, OLD, FalsePositive, LesionPair, OldNew

_UNDEFINED = "n/a"
_COLUMNS = (
    "case",
    "kind",
    "number",
    "volume_mm3",
    "diameter_mm",
    "r_mm",
    "a_mm",
    "s_mm",
    *(f"{model}{what}" for what in ("", "_confidence", "_overlap") for model in (OLD, NEW)),
)


def write_old_new(folder: Path, result: OldNew) -> tuple[Path, Path]:
    """Write FOLDER/compare.csv (rounded; a row per lesion and false positive) and compare.json (everything).

    Raises:
        InputError: no permission.
        DiskFull: no room.
    """
    table, everything = Path(folder) / "compare.csv", Path(folder) / "compare.json"
    text = io.StringIO()
    writer = csv.DictWriter(text, _COLUMNS, lineterminator="\n", restval="")
    writer.writeheader()
    writer.writerows([*map(_row, result.lesions), *map(_row, result.false_positives)])
    write_text(table, text.getvalue())
    write_json(everything, result.to_json())
    return table, everything


def _row(row: LesionPair | FalsePositive) -> dict[str, str]:
    values = asdict(row)
    r, a, s = values.pop("centroid_ras")
    values |= {"r_mm": r, "a_mm": a, "s_mm": s, "kind": "lesion"}
    if isinstance(row, FalsePositive):
        model = values.pop("model")
        values |= {"kind": "false_positive", f"{model}_confidence": values.pop("confidence"), model: "false_positive"}
    return {name: _text(name, value) for name, value in values.items()}


def _text(name: str, value: Any) -> str:
    if not isinstance(value, float):
        return str(value)
    decimals = 3 if name.endswith(("_mm3", "_confidence", "_overlap")) else 2
    return _UNDEFINED if math.isnan(value) else f"{value:.{decimals}f}"
