"""The detection table and the measures as CSV (rounded, for a person) and JSON (full precision, for a program)."""

from __future__ import annotations

import csv
import io
import math
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import asdict, fields
from enum import Enum
from pathlib import Path
from typing import Any, get_args, get_origin, get_type_hints

from lossseg import __version__
from lossseg.evaluation.case import CaseResult
from lossseg.evaluation.cohort import Cohort
from lossseg.evaluation.comparison import Comparison
from lossseg.evaluation.froc_curve import Froc
from lossseg.evaluation.lesions import Lesion
from lossseg.evaluation.measures import MEASURES
from lossseg.files import write_json, write_text

UNDEFINED = "n/a"
NO_LESION = "no_lesion"

_RENAMED = {
    "centroid_ras": ("r_mm", "a_mm", "s_mm"),
    "overlap": ("overlap_dice",),
    **{name: tuple(f"{name}_{axis}" for axis in "zyx") for name in ("box_first", "box_last")},
}
_FIRST = ("number", "outcome", "label", "voxels")
_DECIMALS = {"_mm3": 3, "_mm": 2}
_OTHER_DECIMALS = 4


def _columns() -> dict[str, tuple[str, ...]]:
    """Field of a lesion to the columns of a table that it takes."""
    hints = get_type_hints(Lesion)
    names = [field.name for field in fields(Lesion)]
    ordered = [*_FIRST, *(name for name in names if name not in _FIRST)]
    return {name: _RENAMED.get(name) or _names(name, hints[name]) for name in ordered}


def _names(name: str, hint: Any) -> tuple[str, ...]:
    parts = [part for part in get_args(hint) if part is not Ellipsis]
    if get_origin(hint) is not tuple or len(parts) < 2:
        return (name,)
    return tuple(each for place, part in enumerate(parts) for each in _names(f"{name}_{place}", part))


_OF_FIELD = _columns()
LESION_COLUMNS = ("case", *(column for columns in _OF_FIELD.values() for column in columns))


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


def write_comparison_csv(path: Path, comparison: Comparison) -> None:
    """One row per measure and model: value, 95 % interval, cases, and how it stands to the best. Undefined is "n/a"."""
    columns = ("measure", "title", "unit", "better", "cases", "model", "value", "low", "high", "p_to_best", "standing")
    rows = []
    for measure in comparison.measures:
        for model, value in measure.values.items():
            low, high = measure.intervals[model]
            best = measure.best
            p = math.nan if best in (None, model) else measure.p_between(str(best), model)
            numbers = {"value": value, "low": low, "high": high}
            rows.append(
                {
                    "measure": measure.key,
                    "title": measure.title,
                    "unit": measure.unit,
                    "better": "higher" if measure.higher_is_better else "lower",
                    "cases": str(measure.cases),
                    "model": model,
                    **{name: _number(number, measure.decimals + 1) for name, number in numbers.items()},
                    "p_to_best": _number(p, 4),
                    "standing": measure.mark(model).value or UNDEFINED,
                }
            )
    _write_csv(path, columns, rows)


def write_lesions_json(path: Path, cases: Iterable[CaseResult], provenance: Mapping[str, Any] | None = None) -> None:
    """Measures and lesions of each case; undefined values are null, a case without lesions has an empty list.

    Args:
        provenance: what a reader has to know about how the lesions were found; plain values.
    """
    told = {"provenance": plain(dict(provenance))} if provenance else {}
    write_json(path, {**_origin(), **told, "cases": [_case_json(case) for case in cases]})


def write_cohort_json(path: Path, cohort: Cohort) -> None:
    """The whole evaluation: settings, notes, summary, means, size groups, FROC with its bootstraps, precision-recall,
    calibration, every case with its lesions, and failures."""
    precision, calibration = cohort.precision_recall, cohort.reliability
    value = {
        **_origin(),
        "settings": dict(cohort.settings),
        "notes": list(cohort.notes),
        "summary": cohort.summary(),
        "means": {key: average._asdict() for key, average in cohort.measures.items()},
        "size_groups": [{**asdict(group), "range": group.range_text} for group in cohort.size_groups()],
        "froc": froc_json(cohort.curve),
        "precision_recall": None
        if precision is None
        else {
            "average_precision": precision.average_precision,
            "highest_dice": precision.best[0],
            "at_threshold": precision.best[1],
            "prevalence": precision.prevalence,
        },
        "calibration": None
        if calibration is None
        else {
            "ece": calibration.ece,
            "ece_above_first": calibration.ece_above_first,
            "mce": calibration.mce,
            "brier": calibration.brier,
            "edges": calibration.edges.tolist(),
            "voxels": calibration.voxels.tolist(),
            "confidence": calibration.confidence.tolist(),
            "frequency": calibration.frequency.tolist(),
        },
        "cases": [_case_json(case) for case in cohort.cases],
        "failures": [failure._asdict() for failure in cohort.failures],
    }
    write_json(path, plain(value))


def write_comparison_json(path: Path, comparison: Comparison) -> None:
    """The whole comparison: settings, cases, and for every measure values, intervals, adjusted p values and marks."""
    write_json(path, plain({**_origin(), **comparison_json(comparison)}))


def comparison_json(comparison: Comparison) -> dict[str, Any]:
    """What `write_comparison_json` writes, without the format's name."""
    return {
        "models": list(comparison.models),
        "cases": list(comparison.cases),
        "patients": comparison.patients,
        "left_out": {model: list(names) for model, names in comparison.left_out.items()},
        "sentences": list(comparison.sentences),
        "test": comparison.test.value,
        "alpha": comparison.alpha,
        "bootstrap_samples": comparison.samples,
        "measures": [
            {
                "key": measure.key,
                "title": measure.title,
                "unit": measure.unit,
                "decimals": measure.decimals,
                "higher_is_better": measure.higher_is_better,
                "cases": measure.cases,
                "pooled": measure.pooled,
                "test": measure.test.value,
                "values": dict(measure.values),
                "intervals": {model: list(ends) for model, ends in measure.intervals.items()},
                "adjusted_p": [{"models": list(pair), "p": p} for pair, p in measure.p.items()],
                "standing": {model: measure.mark(model).value for model in measure.values},
            }
            for measure in comparison.measures
        ],
    }


def froc_json(curve: Froc | None) -> dict[str, Any] | None:
    """The FROC curve with both bootstraps; None without one."""
    if curve is None:
        return None
    paper, usual = curve.bootstrap(), curve.bootstrap(fraction=1.0, n=1000, replacement=True)
    low, high = usual.band()
    return {
        "average_recall": curve.average_recall,
        "merged_lesions": curve.merged,
        "bootstrap_80_percent": {"mean": paper.mean, "std": paper.std, "samples": len(paper.samples)},
        "bootstrap": {"std": usual.std, "interval_95": list(usual.interval()), "samples": len(usual.samples)},
        "band_95": {
            "false_positives_per_image": usual.grid.tolist(),
            "low": low.tolist(),
            "high": high.tolist(),
        },
        "at": [{"false_positives_per_image": rate, "recall": curve.recall_at(rate)} for rate in curve.rates],
        "false_positives_per_image": curve.fp_per_image.tolist(),
        "recall": curve.recall.tolist(),
        "thresholds": curve.thresholds.tolist(),
    }


def plain(value: Any) -> Any:
    """The value with None for every number that JSON does not know."""
    if isinstance(value, float):
        return value if math.isfinite(value) else None
    if isinstance(value, dict):
        return {key: plain(each) for key, each in value.items()}
    return [plain(each) for each in value] if isinstance(value, list | tuple) else value


def _origin() -> dict[str, Any]:
    return {"format": "lossseg-evaluation", "version": 2, "engine_version": __version__}


def _lesion_rows(case: CaseResult) -> list[dict[str, str]]:
    if not case.lesions:
        empty = dict.fromkeys(LESION_COLUMNS, UNDEFINED)
        return [{**empty, "case": case.name, "number": "0", "outcome": NO_LESION, "voxels": "0"}]
    return [_lesion_row(case.name, lesion) for lesion in case.lesions]


def _lesion_row(case: str, lesion: Lesion) -> dict[str, str]:
    row = {"case": case}
    for name, columns in _OF_FIELD.items():
        value = getattr(lesion, name)
        parts = list(_flat(value)) if len(columns) > 1 else [value]
        row |= {column: _cell(column, part) for column, part in zip(columns, parts, strict=True)}
    return row


def _flat(value: Any) -> Iterator[Any]:
    for part in value:
        yield from _flat(part) if isinstance(part, tuple) else (part,)


def _cell(column: str, value: Any) -> str:
    if value is None:
        return UNDEFINED
    if isinstance(value, Enum):
        return str(value.value)
    if isinstance(value, float):
        return _number(value, next((n for end, n in _DECIMALS.items() if column.endswith(end)), _OTHER_DECIMALS))
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, tuple):
        return " ".join(_cell(column, part) for part in value)
    return str(value)


def _case_json(case: CaseResult) -> dict[str, Any]:
    value = {
        "case": case.name,
        "labels": case.labels,
        "measures": case.measures,
        "lesions": [asdict(lesion) for lesion in case.lesions],
    }
    told: dict[str, Any] = plain(value)
    return told


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
