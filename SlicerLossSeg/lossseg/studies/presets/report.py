"""The page of a preset's run: its tables and figures beside what the paper has."""

from __future__ import annotations

import os
from collections.abc import Iterable, Mapping, Sequence
from html import escape
from pathlib import Path
from typing import TYPE_CHECKING, Any

from lossseg.errors import MissingDependency
from lossseg.evaluation import report_html as html
from lossseg.evaluation.figure_style import write_figures
from lossseg.evaluation.report_figures import image
from lossseg.files import write_text
from lossseg.reporting import Reporter
from lossseg.studies.presets import Preset
from lossseg.studies.presets.drawn import FIGURES
from lossseg.studies.presets.figures import Drawn, figures
from lossseg.studies.presets.measures import MEASURES
from lossseg.studies.presets.parts import Part
from lossseg.studies.presets.series import series
from lossseg.studies.presets.table import ALL_LABELS, Row, number
from lossseg.studies.results import REPORT_FILE

if TYPE_CHECKING:
    from matplotlib.figure import Figure as Picture

FOLDER = "figures"

_TITLES = {
    "learning": "Learning curves",
    "validation": "Dice during the training",
    "cases": "Dice of each case",
    "precision_recall": "Precision and recall",
    "learned": "What the loss learned",
    "folds": "Folds",
    "sizes": "Lesions by size",
    "froc": "FROC",
}


def write_report(
    preset: Preset,
    scale: str,
    out: Path,
    studies: Sequence[Part],
    made: Sequence[Row],
    curves: Mapping[str, Any],
    ensembles: Mapping[str, Any],
    reporter: Reporter,
) -> Path:
    """Write report.html, and each of the preset's figures as figures/NAME.svg and .png, into `out`.

    Without matplotlib there are no figures, and a sentence in the page says so.

    Args:
        made: the rows of the table.
        curves: FROC curves by the path of their loss's folder.
        ensembles: of arms, as JSON data.

    Raises:
        InputError, DiskFull: results cannot be read, or a file cannot be written.
        Cancelled: the reporter was told to stop.
    """
    found: dict[str, Picture] = {}
    missing = ""
    try:
        found = figures(Drawn(preset, series(preset, out, studies), curves, ensembles, reporter))
        write_figures(out / FOLDER, found)
    except MissingDependency as error:
        missing = f'<p class="soft">{escape(str(error))}</p>'
    path = out / REPORT_FILE
    parts = [
        f"<h1>{escape(preset.title)}</h1>\n<p>{escape(preset.paper)}.</p>\n<p>{escape(preset.question)}</p>",
        _setting(preset, scale, made),
        "<h2>Results beside the paper's</h2>\n" + results_table(preset, made),
        *(_ensemble(preset, arm, value) for arm, value in ensembles.items()),
        missing,
        *(_figure(name, picture) for name, picture in found.items()),
        _links(studies, out),
        _list("Told by the paper", preset.told),
        _list("Assumed here", preset.assumed),
    ]
    write_text(path, html.page(preset.title, parts))
    reporter.artifact("report", path)
    return path


def _setting(preset: Preset, scale: str, made: Sequence[Row]) -> str:
    phantoms = preset.scale(scale).phantoms
    cases = max((row.cases for row in made), default=0)
    small = (
        " The networks are trained for a small part of the paper's time, and not on its data: what is seen is that "
        "the experiment can be done, not whether the paper is right."
        if scale != "paper"
        else ""
    )
    made_up = " Where no dataset was given the images are phantoms." if phantoms else ""
    return (
        f"<p>Scale <b>{escape(scale)}</b>, {cases} held-out cases. Every case was segmented by a model that did not "
        f"train on it.{made_up}{small}</p>"
    )


def results_table(preset: Preset, made: Sequence[Row]) -> str:
    """The table as HTML: each measure, and beside it the paper's figure for each of its data sets."""
    several = len(preset.arms) > 1
    columns = [*(["Arm"] if several else []), "Loss", *(["Label"] if preset.each_label else []), "Cases"]
    left = tuple(columns[:-1])
    data = {name: _data(made, name) for name in preset.measures}
    for name in preset.measures:
        columns += [MEASURES[name].title, *(_of_paper(name, each) for each in data[name])]
    rows = []
    for row in made:
        cells = [*([row.arm] if several else []), row.name or row.loss]
        cells += [row.label or ALL_LABELS] if preset.each_label else []
        cells.append(str(row.cases))
        for figure in row.figures:
            printed = {each.data: each for each in figure.paper}
            cells.append(_value(figure))
            cells += [_value(printed[each]) if each in printed else "" for each in data[figure.measure]]
        rows.append(cells)
    spreads = dict.fromkeys(MEASURES[name].spread for name in preset.measures if MEASURES[name].spread)
    note = f'<p class="soft">In brackets the standard deviation, over {", or ".join(spreads)}.</p>' if spreads else ""
    return html.table(columns, rows, left=left) + note


def _data(made: Iterable[Row], measure: str) -> list[str]:
    printed = [each for row in made for figure in row.figures if figure.measure == measure for each in figure.paper]
    return list(dict.fromkeys(each.data for each in printed))


def _of_paper(measure: str, data: str) -> str:
    return f"{MEASURES[measure].title}, the paper{f', {data}' if data else ''}"


def _value(figure: Any) -> str:
    text = number(figure.value)
    return text if figure.std is None else f"{text} ({number(figure.std)})"


def _ensemble(preset: Preset, arm: str, value: Mapping[str, Any]) -> str:
    title = f"<h2>The best model of each fold{f', {escape(arm)}' if len(preset.arms) > 1 else ''}</h2>\n"
    if value["file"] is None:
        return title + f"<p>{escape(value['sentence'])}</p>"
    losses = list(dict.fromkeys(row["loss"] for row in value["folds"]))
    names = [preset.entry(loss).name or loss for loss in losses]
    rows = []
    for fold in sorted({row["fold"] for row in value["folds"]}):
        own = {row["loss"]: row for row in value["folds"] if row["fold"] == fold}
        cells = [_marked(own[loss]) for loss in losses] + [number(own[loss]["paper"]) for loss in losses]
        rows.append([str(fold), *cells])
    columns = ["Fold", *names, *(f"{name}, the paper" for name in names)]
    score = escape(str(value["score"]).replace("_", " "))
    return (
        f"{title}<p>{score[:1].upper() + score[1:]} of the validation, ★ the best of the fold. "
        f"{escape(value['sentence'])}</p>\n" + html.table(columns, rows, raw=names)
    )


def _marked(row: Mapping[str, Any]) -> str:
    return f'<span class="best">{number(row["score"])}</span>' if row["best"] else number(row["score"])


def _figure(name: str, picture: Picture) -> str:
    drawn = image(lambda: picture, _TITLES[name], wide=True)
    return f'<h2>{_TITLES[name]}</h2>\n{drawn}\n<p class="soft">{escape(FIGURES[name])}</p>'


def _links(studies: Sequence[Part], out: Path) -> str:
    items = "".join(
        f'<li><a href="{escape(os.path.relpath(path, out).replace(os.sep, "/"))}">{escape(part.name)}</a></li>'
        for part in studies
        if (path := part.folder(out) / REPORT_FILE).exists()
    )
    return f"<h2>Reports of the studies</h2>\n<ul>{items}</ul>" if items else ""


def _list(title: str, lines: Sequence[str]) -> str:
    return f"<h2>{title}</h2>\n<ul>" + "".join(f"<li>{escape(line)}</li>" for line in lines) + "</ul>"
