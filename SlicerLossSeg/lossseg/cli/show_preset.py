"""The presets as a list, one of them in words, or what came of a run beside the paper's figures."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from rich.console import Console
from rich.markup import escape

from lossseg.cli.tables import table
from lossseg.cli.terminal import number


def show_preset(summary: dict[str, Any], console: Console) -> None:
    """Print the summary of the job `preset`."""
    if "presets" in summary:
        rows = table("preset", "")
        for preset in summary["presets"]:
            rows.add_row(f"[cyan]{escape(preset['name'])}[/]", f"{escape(preset['title'])}\n{escape(preset['paper'])}")
        console.print(rows)
    elif "rows" in summary:
        _results(summary, console)
    else:
        _one(summary["preset"], console)


def _one(preset: Mapping[str, Any], console: Console) -> None:
    console.print(f"[bold]{escape(preset['name'])}[/]  {escape(preset['title'])}")
    console.print(f"{escape(preset['paper'])}\n{escape(preset['question'])}")
    for title, lines in (
        ("Told by the paper", preset["told"]),
        ("Assumed here", preset["assumed"]),
        ("Arms", [f"{arm['name']}: {arm['title']} ({_words(arm['settings'])})" for arm in preset["arms"]]),
        ("Settings", [_words(preset["settings"])]),
        ("Scales", [f"{name}: {_scale(scale)}" for name, scale in preset["scales"].items()]),
        ("Tables", [", ".join(preset["measures"]), *_extras(preset)]),
    ):
        console.print(f"[cyan]{title}[/]")
        for line in lines:
            console.print(f"  {escape(line)}")
    losses = table("family", "name", "loss")
    for entry in preset["entries"]:
        losses.add_row(*(escape(entry[key]) for key in ("family", "name", "loss")))
    console.print(losses)
    _published(preset["published"], console)


def _extras(preset: Mapping[str, Any]) -> list[str]:
    lines = []
    if preset["best_of_folds"]:
        lines.append("The best model of each fold as an ensemble, and the table of folds.")
    if preset["froc_threshold"] is not None:
        lines.append(f"FROC curves of all components above a probability of {preset['froc_threshold']:g}.")
    if preset["each_label"]:
        lines.append("A binary model for each label of the data, and the mean of all labels.")
    if preset["drawn"]:
        lines.append(f"Figures: {', '.join(preset['drawn']).replace('_', ' ')}.")
    return lines


def _published(figures: Sequence[Mapping[str, Any]], console: Console) -> None:
    """Losses × data sets (or folds), the longer of the two as rows; a cell has the measures in their order."""
    if not figures:
        console.print("[cyan]Published[/]\n  nothing to compare with")
        return
    measures = list(dict.fromkeys(each["measure"] for each in figures))
    cells: dict[tuple[str, str], dict[str, str]] = {}
    several = len({each["arm"] for each in figures}) > 1
    for each in figures:
        who = f"{each['loss']}, {each['arm']}" if several else each["loss"]
        where = each["data"] if each["fold"] is None else f"fold {each['fold']}"
        cells.setdefault((who, where), {})[each["measure"]] = _with_std(each)
    whos, wheres = (list(dict.fromkeys(names)) for names in zip(*cells, strict=True))
    by_loss = len(whos) >= len(wheres)
    rows = table("", *map(escape, wheres if by_loss else whos))
    for row in whos if by_loss else wheres:
        keys = [(row, column) for column in wheres] if by_loss else [(column, row) for column in whos]
        rows.add_row(escape(row), *(_cell(cells.get(key, {}), measures) for key in keys))
    console.print(f"[cyan]Published[/]: {', '.join(measures)}")
    console.print(rows)


def _cell(figures: Mapping[str, str], measures: Sequence[str]) -> str:
    last = max((place for place, measure in enumerate(measures) if measure in figures), default=-1)
    return ", ".join(figures.get(measure, "n/a") for measure in measures[: last + 1])


def _results(summary: Mapping[str, Any], console: Console) -> None:
    console.print(escape(summary["question"]))
    measures, made = summary["measures"], summary["rows"]
    several = len({row["arm"] for row in made}) > 1
    titles = (entry["title"] for entry in measures.values())
    labels = any(row["label"] for row in made)
    rows = table(*(["arm"] if several else []), "loss", *(["label"] if labels else []), "family", "cases", *titles)
    beside = all(len(figure["paper"]) < 2 for row in made for figure in row["figures"])
    for row in made:
        name = escape(row["name"] or row["loss"])
        cells = (_figure(figure, beside) for figure in row["figures"])
        label = [escape(row["label"] or "mean of all")] if labels else []
        rows.add_row(*([row["arm"]] if several else []), name, *label, escape(row["family"]), str(row["cases"]), *cells)
    console.print(rows)
    if not beside:
        _published(
            [
                {**printed, "measure": figure["measure"], "loss": row["name"], "arm": row["arm"], "fold": None}
                for row in made
                for figure in row["figures"]
                for printed in figure["paper"]
            ],
            console,
        )
    elif any(figure["paper"] for row in made for figure in row["figures"]):
        console.print("[dim]Below each value: the paper's.[/]")
    for arm, ensemble in summary["ensembles"].items():
        _ensemble(arm, ensemble, measures, console)
    console.print(f"Report: {escape(str(summary['report']))}")
    console.print(f"Tables, figures and the reports of the arms lie in {escape(str(summary['out']))}.")


def _figure(figure: Mapping[str, Any], beside: bool) -> str:
    return "\n".join([_with_std(figure), *(_paper(figure["paper"]) if beside else [])])


def _paper(figures: Iterable[Mapping[str, Any]]) -> list[str]:
    return [f"[dim]{_with_std(each)} {escape(each['data'])}[/]".replace(" [/]", "[/]") for each in figures]


def _ensemble(
    arm: str, ensemble: Mapping[str, Any], measures: Mapping[str, Mapping[str, str]], console: Console
) -> None:
    if ensemble["file"] is None:
        console.print(f"{escape(arm)}: {escape(ensemble['sentence'])}")
        return
    losses = list(dict.fromkeys(row["loss"] for row in ensemble["folds"]))
    rows = table(f"validation {ensemble['score']}", *(escape(loss) for loss in losses))
    for fold in sorted({row["fold"] for row in ensemble["folds"]}):
        own = {row["loss"]: row for row in ensemble["folds"] if row["fold"] == fold}
        rows.add_row(f"fold {fold}", *(_fold(own[loss]) for loss in losses))
    console.print(rows)
    both = table("held-out cases", "cases", *(entry["title"] for entry in measures.values()))
    for name, key in (("best of each fold", "best"), ("best on the other folds", "best_elsewhere")):
        judged = ensemble[key]
        found = [judged["figures"].get(measure) for measure in measures]
        both.add_row(name, str(judged["cases"]), *("n/a" if each is None else _with_std(each) for each in found))
    printed: dict[str, dict[str, str]] = {}
    for each in ensemble["paper"]:
        printed.setdefault(each["data"], {})[each["measure"]] = _with_std(each)
    for data, figures in printed.items():
        both.add_row(f"[dim]paper, {escape(data)}[/]", "", *(figures.get(measure, "") for measure in measures))
    console.print(both)
    console.print(escape(ensemble["sentence"]))
    console.print(f"Ensemble: {escape(ensemble['file'])}")


def _fold(row: Mapping[str, Any]) -> str:
    value = f"[bold green]{number(row['score'])} ★[/]" if row["best"] else number(row["score"])
    return value if row["paper"] is None else f"{value} [dim]({row['paper']:.4f})[/]"


def _with_std(figure: Mapping[str, Any]) -> str:
    text = number(figure["value"])
    return text if figure.get("std") is None else f"{text} ({number(figure['std'])})"


def _scale(scale: Mapping[str, Any]) -> str:
    phantoms = scale["phantoms"]
    data = f"phantoms ({_words(phantoms)})" if phantoms else "data to be given"
    some = f", or {scale['cases']} cases of data that is given" if scale["cases"] else ""
    return f"{data}{some}, {_words(scale['settings'])}"


def _words(settings: Mapping[str, Any]) -> str:
    return ", ".join(f"{name} {_value(value)}" for name, value in settings.items())


def _value(value: Any) -> str:
    if isinstance(value, Mapping):
        return " ".join(f"{name}={_value(each)}" for name, each in value.items())
    return " ".join(map(str, value)) if isinstance(value, list | tuple) else str(value)
