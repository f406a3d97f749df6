"""The detection table and the measures as CSV (rounded, for a person) and JSON (full precision, for a program)."""

from __future__ import annotations

import csv
import io
import math
from collections.abc import Iterable
from dataclasses import asdict
from pathlib import Path
from typing import Any

from lossseg import __version__
from lossseg.evaluation.case import CaseResult
from lossseg.evaluation.cohort import Cohort
from lossseg.evaluation.lesions import Lesion
from lossseg.evaluation.measures import MEASURES
from lossseg.files import write_json, write_text

UNDEFINED = "n/a"
NO_LESION = "no_lesion"

_DECIMALS = {
    "volume_mm3": 3,
    "diameter_mm": 2,
    "r_mm": 2,
    "a_mm": 2,
    "s_mm": 2,
    "confidence_mean": 4,
    "confidence_max": 4,
    "overlap_dice": 4,
}
LESION_COLUMNS = ("case", "number", "outcome", "label", "voxels", *_DECIMALS)


def write_lesions_csv(path: Path, cases: Iterable[CaseResult]) -> None:
    """One row per lesion, columns `LESION_COLUMNS`; positions are RAS.

    Undefined values are "n/a". A case without any lesion has one row of outcome "no_lesion", so that a reader sees
    that it was evaluated.
    """
    rows = [row for case in cases for row in _lesion_rows(case)]
    _write_csv(path, LESION_COLUMNS, rows)


def write_cases_csv(path: Path, cohort: Cohort) -> None:
    """One row per case, a column per measure (see `measures.MEASURES` for units). Undefined is "n/a"."""
    keys = list(dict.fromkeys(key for case in cohort.cases for key in case.measures))
    rows = [
        {"case": case.name, **{key: _number(case.measures.get(key, math.nan), _decimals(key)) for key in keys}}
        for case in cohort.cases
    ]
    _write_csv(path, ("case", *keys), rows)


def write_lesions_json(path: Path, cases: Iterable[CaseResult]) -> None:
    """Measures and lesions of each case; undefined values are null, a case without lesions has an empty list."""
    write_json(path, {**_origin(), "cases": [_case_json(case) for case in cases]})


def write_cohort_json(path: Path, cohort: Cohort) -> None:
    """The whole evaluation: settings, summary, means, size groups, FROC, every case with its lesions, and failures."""
    curve = cohort.froc()
    value = {
        **_origin(),
        "settings": dict(cohort.settings),
        "summary": cohort.summary(),
        "means": {key: average._asdict() for key, average in cohort.measures.items()},
        "size_groups": [asdict(group) for group in cohort.size_groups()],
        "froc": None
        if curve is None
        else {
            "average_recall": curve.average_recall,
            "at": [{"false_positives_per_image": rate, "recall": curve.recall_at(rate)} for rate in curve.rates],
            "false_positives_per_image": curve.fp_per_image.tolist(),
            "recall": curve.recall.tolist(),
            "thresholds": curve.thresholds.tolist(),
        },
        "cases": [_case_json(case) for case in cohort.cases],
        "failures": [failure._asdict() for failure in cohort.failures],
    }
    write_json(path, _plain(value))


def _origin() -> dict[str, Any]:
    return {"format": "lossseg-evaluation", "version": 1, "engine_version": __version__}


def _lesion_rows(case: CaseResult) -> list[dict[str, str]]:
    if not case.lesions:
        empty = dict.fromkeys(LESION_COLUMNS, UNDEFINED)
        return [{**empty, "case": case.name, "number": "0", "outcome": NO_LESION, "voxels": "0"}]
    return [_lesion_row(case.name, lesion) for lesion in case.lesions]


def _lesion_row(case: str, lesion: Lesion) -> dict[str, str]:
    r, a, s = lesion.centroid_ras
    values = {
        "volume_mm3": lesion.volume_mm3,
        "diameter_mm": lesion.diameter_mm,
        "r_mm": r,
        "a_mm": a,
        "s_mm": s,
        "confidence_mean": lesion.confidence_mean,
        "confidence_max": lesion.confidence_max,
        "overlap_dice": lesion.overlap,
    }
    return {
        "case": case,
        "number": str(lesion.number),
        "outcome": lesion.outcome.value,
        "label": str(lesion.label),
        "voxels": str(lesion.voxels),
        **{name: _number(value, _DECIMALS[name]) for name, value in values.items()},
    }


def _case_json(case: CaseResult) -> dict[str, Any]:
    value = {
        "case": case.name,
        "labels": case.labels,
        "measures": case.measures,
        "lesions": [asdict(lesion) for lesion in case.lesions],
    }
    plain: dict[str, Any] = _plain(value)
    return plain


def _plain(value: Any) -> Any:
    """The value with None for every number that JSON does not know."""
    if isinstance(value, float):
        return value if math.isfinite(value) else None
    if isinstance(value, dict):
        return {key: _plain(each) for key, each in value.items()}
    return [_plain(each) for each in value] if isinstance(value, list | tuple) else value


def _decimals(key: str) -> int:
    return MEASURES[key.partition("[")[0]].decimals


def _number(value: float, decimals: int) -> str:
    # Adding 0 makes -0.00 what a person expects.
    return f"{round(value, decimals) + 0.0:.{decimals}f}" if math.isfinite(value) else UNDEFINED


def _write_csv(path: Path, columns: Iterable[str], rows: list[dict[str, str]]) -> None:
    text = io.StringIO()
    writer = csv.DictWriter(text, tuple(columns), lineterminator="\n")
    writer.writeheader()
    writer.writerows(rows)
    write_text(path, text.getvalue())
