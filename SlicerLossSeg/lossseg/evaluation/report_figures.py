"""Figures within the report, as HTML; where matplotlib is missing a sentence takes their place."""

from __future__ import annotations

import base64
import math
from collections.abc import Callable, Iterable, Mapping
from html import escape
from typing import TYPE_CHECKING

from lossseg.errors import MissingDependency
from lossseg.evaluation.calibration import Reliability
from lossseg.evaluation.cohort import Cohort
from lossseg.evaluation.figure_style import encode
from lossseg.evaluation.figures import froc_figure, precision_recall_figure, reliability_figure
from lossseg.evaluation.froc_curve import Froc
from lossseg.evaluation.learning_curves import Course, learning_curve_figure
from lossseg.evaluation.lesion_figures import diameter_figure, groups_figure, scatter_figure
from lossseg.evaluation.lesions import Lesion
from lossseg.evaluation.precision_recall_curve import PrecisionRecall
from lossseg.evaluation.report_html import number, table

if TYPE_CHECKING:
    from matplotlib.figure import Figure

Histories = Mapping[str, tuple[Course, ...]]


def figures_of(cohorts: Mapping[str, Cohort], histories: Histories | None = None) -> dict[str, Figure]:
    """Every figure for which there is something to draw, by the name of its file.

    Args:
        cohorts: by the model's name; one may be named "".
        histories: of trainings, by their names.

    Raises:
        MissingDependency: matplotlib is not installed.
    """
    curves, precision, calibration = _curves(cohorts), _precision(cohorts), _calibration(cohorts)
    rows = {name: _rows(cohort) for name, cohort in cohorts.items()}
    figures = {}
    if any(row.outcome.in_reference for of_model in rows.values() for row in of_model):
        first = next(iter(rows))
        figures["diameters"] = diameter_figure(rows[first], _limits_mm(cohorts[first]), first)
        figures["size_groups"] = groups_figure({name: cohort.size_groups() for name, cohort in cohorts.items()})
        figures["size_against_overlap"] = scatter_figure(rows)
    if curves:
        figures["froc"] = froc_figure(curves)
    if precision:
        figures["precision_recall"] = precision_recall_figure(precision)
    if calibration:
        figures["reliability"] = reliability_figure(calibration)
    if histories:
        figures["learning_curves"] = learning_curve_figure(histories)
    return figures


def sizes(cohorts: Mapping[str, Cohort]) -> str:
    """Recall and object Dice by lesion size, the lesions' diameters, and size against overlap."""
    rows = {name: _rows(cohort) for name, cohort in cohorts.items()}
    groups = {name: cohort.size_groups() for name, cohort in cohorts.items()}
    if not any(groups.values()):
        return ""
    first = next(iter(rows))
    edges = _limits_mm(cohorts[first])
    return "\n".join(
        [
            image(lambda: groups_figure(groups), "Recall and object Dice by lesion size", wide=True),
            image(lambda: diameter_figure(rows[first], edges, first), "How many lesions have which longest diameter"),
            image(lambda: scatter_figure(rows), "Dice of each lesion against its volume", wide=len(rows) > 1),
        ]
    )


def froc(cohorts: Mapping[str, Cohort]) -> str:
    """The FROC curves as a figure and as a table."""
    curves = _curves(cohorts)
    if not curves:
        return ""
    rates = next(iter(curves.values())).rates
    columns = ["FROC", "average", "merged", *(f"at {_rate(rate)}" for rate in rates)]
    columns += ["95 % interval", "80 % × 100"]
    rows = []
    for name, curve in curves.items():
        paper, usual = curve.bootstrap(), curve.bootstrap(fraction=1.0, n=1000, replacement=True)
        low, high = usual.interval()
        rows.append(
            [
                name or "all images",
                number(curve.average_recall),
                "n/a" if curve.merged is None else str(curve.merged),
                *(number(curve.recall_at(rate)) for rate in rates),
                f"{number(low)} to {number(high)}",
                f"{number(paper.mean)} ± {number(paper.std)}",
            ]
        )
    return (
        "<h2>FROC</h2>\n<p>Share of lesions found when only components of at least some score count. A curve from the "
        "predictions as they are ends at their operating point: components below their threshold are not in it. The "
        "average is that of the recall at 1/8 to 8 false positives per image, lesion-free images included. The band "
        "and the interval hold 95 % of bootstrap samples of the patients; 80 % × 100 are samples without replacement, "
        "whose spread is about half of the standard error. Merged lesions share their predicted component with another "
        "lesion: the more of them, the less the recall says.</p>\n"
        f"{image(lambda: froc_figure(curves), 'FROC curve: lesion recall against false positives per image')}\n"
        f"{table(columns, rows)}"
    )


def probabilities(cohorts: Mapping[str, Cohort]) -> str:
    """Precision-recall and reliability of the probabilities by voxel."""
    precision, calibration = _precision(cohorts), _calibration(cohorts)
    parts = []
    if precision:
        parts += [
            "<h2>Precision and recall by voxel</h2>",
            image(lambda: precision_recall_figure(precision), "Precision of voxels against recall"),
        ]
    if calibration:
        columns = ["Calibration", "ECE", "ECE from 0.05 on", "greatest error", "Brier score"]
        rows = [
            [name or "all voxels", *(_short(v) for v in (each.ece, each.ece_above_first, each.mce, each.brier))]
            for name, each in calibration.items()
        ]
        parts += [
            "<h2>What the probabilities mean</h2>",
            image(lambda: reliability_figure(calibration), "Share of lesion voxels against predicted probability"),
            table(columns, rows),
        ]
    return "\n".join(parts)


def learning(histories: Histories | None) -> str:
    """Learning curves of trainings."""
    if not histories:
        return ""
    return "<h2>Learning curves</h2>\n" + image(lambda: learning_curve_figure(histories), "Learning curves", wide=True)


def image(make: Callable[[], Figure], described: str, *, wide: bool = False) -> str:
    """A figure within a page; a sentence where matplotlib is missing."""
    try:
        data = base64.b64encode(encode(make())).decode()
    except MissingDependency as error:
        return f'<p class="soft">{escape(str(error))}</p>'
    kind = "curve wide-curve" if wide else "curve"
    return f'<img class="{kind}" alt="{escape(described)}" src="data:image/svg+xml;base64,{data}">'


def _limits_mm(cohort: Cohort) -> tuple[float, ...]:
    """Diameters by which the cohort's lesions are grouped, where they are grouped by diameter."""
    return cohort.grouping.edges or () if cohort.grouping.size == "diameter_mm" else ()


def _rows(cohort: Cohort) -> list[Lesion]:
    return [lesion for _, lesion in cohort.lesions]


def _defined(values: Iterable[float]) -> bool:
    return not any(math.isnan(value) for value in values)


def _curves(cohorts: Mapping[str, Cohort]) -> dict[str, Froc]:
    found = {name: cohort.curve for name, cohort in cohorts.items()}
    return {name: curve for name, curve in found.items() if curve is not None and _defined([curve.average_recall])}


def _precision(cohorts: Mapping[str, Cohort]) -> dict[str, PrecisionRecall]:
    found = {name: cohort.precision_recall for name, cohort in cohorts.items()}
    return {name: curve for name, curve in found.items() if curve is not None}


def _calibration(cohorts: Mapping[str, Cohort]) -> dict[str, Reliability]:
    found = {name: cohort.reliability for name, cohort in cohorts.items()}
    return {name: curve for name, curve in found.items() if curve is not None}


def _rate(rate: float) -> str:
    return f"1/{1 / rate:g}" if 0 < rate < 1 else f"{rate:g}"


def _short(value: float) -> str:
    return "n/a" if math.isnan(value) else f"{value:.3g}"
