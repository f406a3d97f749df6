"""The HTML page that compares models."""

from __future__ import annotations

from collections.abc import Mapping
from html import escape
from pathlib import Path

from lossseg import __version__
from lossseg.evaluation import report_figures as charts
from lossseg.evaluation import report_html as html
from lossseg.evaluation.cohort import Cohort
from lossseg.evaluation.comparison import ComparedMeasure, Comparison, Mark, PairedTest
from lossseg.files import write_text

_CLASSES = {Mark.BEST: "best", Mark.LEVEL: "level"}


def write_comparison_report(
    path: Path | str,
    comparison: Comparison,
    cohorts: Mapping[str, Cohort],
    *,
    title: str = "Comparison of models",
    links: Mapping[str, str] | None = None,
    histories: charts.Histories | None = None,
    before: str = "",
    after: str = "",
) -> None:
    """Write one HTML file with the table of all measures, the curves and the size groups of all models.

    Args:
        path: of the file; replaced as a whole.
        comparison: of the models.
        cohorts: by the model's name.
        title: of the page.
        links: from a model's name to its own report, relative to the page.
        histories: the courses of trainings, for learning curves.
        before, after: HTML before the table of measures and after the learning curves.

    Raises:
        InputError, DiskFull: the file cannot be written.
    """
    parts = [
        f"<h1>{escape(title)}</h1>\n<p>{escape(' '.join(comparison.sentences))}</p>\n"
        f'<p class="soft">Made by lossseg {escape(__version__)}.</p>',
        before,
        _failures(cohorts),
        "<h2>Comparison</h2>" if before else "",
        _table(comparison),
        _links(links or {}),
        f"<h2>By lesion size</h2>\n{_groups(cohorts)}\n{charts.sizes(cohorts)}",
        charts.froc(cohorts),
        charts.probabilities(cohorts),
        charts.learning(histories),
        after,
        html.definitions(),
    ]
    write_text(Path(path), html.page(title, parts))


def _table(comparison: Comparison) -> str:
    rows = "\n".join(_row(measure, comparison.models) for measure in comparison.measures)
    head = "".join(f'<th scope="col">{escape(name)}</th>' for name in ("Measure", *comparison.models, "Cases"))
    named = (
        "Wilcoxon's signed-rank test over the cases"
        if comparison.test is PairedTest.WILCOXON
        else f"a paired bootstrap of {comparison.samples} samples"
    )
    return (
        f'<div class="wide"><table class="compared">\n<thead><tr>{head}</tr></thead>\n<tbody>\n{rows}\n</tbody></table>'
        '</div>\n<p class="soft"><span class="best"></span> best; <span class="level"></span> not distinguishable from '
        f"the best: {escape(named)}, figures of all lesions together and FROC by a paired bootstrap of "
        f"{comparison.samples} samples of the patients; p values of all pairs of models adjusted by Holm, level "
        f"{comparison.alpha:g}. Not distinguishable is no proof of being equal. Small: the 95 % bootstrap interval of "
        "each figure by itself. ↓ lower is better.</p>"
    )


def _row(measure: ComparedMeasure, models: tuple[str, ...]) -> str:
    cells = []
    for model in models:
        low, high = (html.number(end, measure.decimals) for end in measure.intervals[model])
        mark = _CLASSES.get(measure.mark(model), "")
        value = html.number(measure.values[model], measure.decimals)
        cells.append(f'<td><span class="{mark}">{value}</span><br><small>{low} to {high}</small></td>')
    unit = f" ({measure.unit})" if measure.unit else ""
    arrow = "" if measure.higher_is_better else " ↓"
    return f"<tr><td>{escape(measure.title + unit)}{arrow}</td>{''.join(cells)}<td>{measure.cases}</td></tr>"


def _groups(cohorts: Mapping[str, Cohort]) -> str:
    columns = ["Model", "Lesions", "Recall", "Found", "Object Dice"]
    rows = [
        [
            name,
            group.range_text,
            html.number(group.recall),
            f"{group.found} of {group.lesions}",
            html.number(group.object_dice),
        ]
        for name, cohort in cohorts.items()
        for group in cohort.size_groups()
    ]
    return html.table(columns, rows, left=("Lesions",))


def _failures(cohorts: Mapping[str, Cohort]) -> str:
    items = "".join(
        f"<li><b>{escape(model)}, {escape(case)}</b>: {escape(message)}</li>"
        for model, cohort in cohorts.items()
        for case, message in cohort.failures
    )
    return f'<div class="notice">Could not be evaluated:<ul>{items}</ul></div>' if items else ""


def _links(links: Mapping[str, str]) -> str:
    items = ", ".join(f'<a href="{escape(link)}">{escape(name)}</a>' for name, link in links.items())
    return f"<p>Each model by itself, with pictures of what it missed and invented: {items}.</p>" if items else ""
