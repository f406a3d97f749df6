"""The page of a study: what was done under which conditions, who won each fold, and the comparison of the losses."""

from __future__ import annotations

import math
from collections.abc import Mapping
from html import escape
from pathlib import Path
from typing import Any

from lossseg.evaluation import Cohort, Comparison
from lossseg.evaluation import report_html as html
from lossseg.evaluation.learning_curves import Course
from lossseg.evaluation.report_compare import write_comparison_report
from lossseg.evaluation.report_figures import froc, learning, probabilities, sizes
from lossseg.files import read_json, write_text
from lossseg.studies.fold_table import Winners
from lossseg.studies.state import RunState, StudyState

Spread = Mapping[str, Mapping[str, tuple[float, float, int]]]

_HELD_OUT = (
    "Every case was segmented by the model that did not train on it. The threshold from which a voxel counts and the "
    "confidence from which a component does were chosen on these same cases, so all figures are a little too good, for "
    "every loss alike."
)
_SHOWN = {
    "optimizer": "Optimizer",
    "learning_rate": "Learning rate at the start",
    "momentum": "Momentum",
    "schedule": "Fall of the learning rate",
    "iterations": "Steps per epoch",
    "oversampling": "Patches centred on a lesion",
    "ema_decay": "Decay of the averaged weights",
    "validations": "Validations per run",
    "deep_supervision": "Deep supervision",
    "start_from": "Fine-tuned from",
    "seed": "First seed",
}


def write_study_report(
    path: Path,
    title: str,
    state: StudyState,
    table: Winners,
    cohorts: Mapping[str, Cohort],
    comparison: Comparison | None,
    links: Mapping[str, str],
    spread: Spread,
    histories: Mapping[str, tuple[Course, ...]],
) -> None:
    """Write one HTML file that needs neither network nor scripts.

    Args:
        path: of the file; replaced as a whole.
        cohorts: of each loss, by its expression, on its held-out cases.
        comparison: of the losses; None with one loss, or before they have a case in common.
        links: from a name to that loss's own report, relative to the page.
        spread: of losses with several seeds: figure to mean, standard deviation and number.
        histories: courses of trainings by loss.

    Raises:
        InputError, DiskFull: the file cannot be written.
    """
    before = "\n".join(
        part for part in (_done(state), _failed(state), f"<p>{_HELD_OUT}</p>", _folds(table), _seeds(spread)) if part
    )
    after = "\n".join([_runs(state, table.score), _conditions(state)])
    if comparison is not None:
        write_comparison_report(
            path, comparison, cohorts, title=title, links=links, histories=histories, before=before, after=after
        )
        return
    parts = [f"<h1>{escape(title)}</h1>", before]
    for name, cohort in cohorts.items():
        link = f'<a href="{escape(links[name])}">{escape(name)}</a>'
        parts += [f"<h2>{link}</h2>", html.tiles(cohort), html.sizes(cohort)]
    parts += [sizes(cohorts), froc(cohorts), probabilities(cohorts), learning(histories), after, html.definitions()]
    write_text(path, html.page(title, parts))


def budget(conditions: Mapping[str, Any]) -> str:
    """The budget of each run in words."""
    if conditions.get("minutes") is not None:
        return f"{conditions['minutes']:g} minutes, validation included"
    epochs = conditions.get("epochs") or 1000
    return f"{epochs} epochs of {conditions['iterations']} steps"


def _done(state: StudyState) -> str:
    count = {kind: sum(run.state is kind for run in state.runs) for kind in RunState}
    folds, seeds = {run.fold for run in state.runs}, {run.seed for run in state.runs}
    made = f"{_counted(len(state.losses), 'loss', 'losses')} × {_counted(len(folds), 'fold')}"
    made += f" × {_counted(len(seeds), 'seed')}" if len(seeds) > 1 else ""
    left = count[RunState.WAITING] + count[RunState.RUNNING]
    told = [f"{count[RunState.FINISHED]} finished"]
    told += [f"{count[RunState.FAILED]} failed"] if count[RunState.FAILED] else []
    told += [f"{left} still to do"] if left else []
    return (
        f"<p>{made}: {_counted(len(state.runs), 'run')}, {', '.join(told)}. Budget of each run: "
        f"{escape(budget(state.conditions))}.{_uneven(state)}</p>"
    )


def _uneven(state: StudyState) -> str:
    """What a reader has to know of runs whose budget was one of time."""
    steps = [run.steps for run in state.runs if run.steps is not None]
    if state.conditions.get("minutes") is None or len(set(steps)) < 2:
        return ""
    return (
        f" In that time they took {min(steps)} to {max(steps)} steps, as fast as each loss and the machine at that "
        "hour allowed; a budget in epochs gives every run the same number."
    )


def _failed(state: StudyState) -> str:
    items = "".join(
        f"<li><b>{escape(run.key)}</b>: {escape(run.sentence)}</li>"
        for run in state.runs
        if run.state is RunState.FAILED
    )
    return f'<div class="notice">Failed, and left out of all figures:<ul>{items}</ul></div>' if items else ""


def _folds(table: Winners) -> str:
    rows = []
    for row, fold in enumerate(table.folds):
        winner = table.winner(row)
        cells = [
            _marked(value, loss == winner and len(table.losses) > 1)
            for loss, value in zip(table.losses, table.values[row], strict=True)
        ]
        rows.append([str(fold), *cells])
    averages = []
    for loss in table.losses:
        centre, width, _ = table.average(loss)
        averages.append(f"{html.number(centre)} ± {html.number(width)}")
    rows.append(["mean ± SD", *averages])
    name = escape(table.score.replace("_", " "))
    return (
        f"<h2>Folds</h2>\n<p>{name[:1].upper() + name[1:]} of each fold's validation cases, measured on the network's "
        "grid when its weights were chosen; ★ the best loss of the fold.</p>\n"
        + html.table(["Fold", *table.losses], rows, raw=table.losses)
    )


def _marked(value: float | None, best: bool) -> str:
    text = "n/a" if value is None else html.number(value)
    return f'<span class="best">{text}</span>' if best else text


def _seeds(spread: Spread) -> str:
    if not spread:
        return ""
    figures = list(dict.fromkeys(key for rows in spread.values() for key in rows))
    rows = []
    for loss, values in spread.items():
        seeds = max(count for _, _, count in values.values())
        cells = [f"{html.number(values[key][0])} ± {html.number(values[key][1])}" for key in figures]
        rows.append([loss, str(seeds), *cells])
    return (
        "<h2>Seeds</h2>\n<p>Mean and standard deviation over repetitions with other seeds. A difference between losses "
        "that is not clearly larger than this is chance. The comparison below is that of the first seed.</p>\n"
        + html.table(["Loss", "Seeds", *figures], rows)
    )


def _runs(state: StudyState, score: str) -> str:
    rows = [
        [
            run.key,
            run.state.value,
            "n/a" if run.seconds is None else html.number(run.seconds / 60, 1),
            "n/a" if run.steps is None else str(run.steps),
            html.number(_defined(run.scores.get(score))),
        ]
        for run in state.runs
    ]
    columns = ["Run", "State", "Minutes", "Steps", score.replace("_", " ").capitalize()]
    return "<h2>Runs</h2>\n" + html.table(columns, rows, left=("State",))


def _conditions(state: StudyState) -> str:
    plan = read_json(state.folder / "plan.json")
    network = plan["network"]
    rows = [
        ["Dataset", str(state.dataset)],
        ["Budget of each run", budget(state.conditions)],
        ["Spacing (z, y, x)", " × ".join(f"{value:.3g}" for value in plan["spacing"]) + " mm"],
        ["Patch (z, y, x)", " × ".join(map(str, plan["patch"])) + f" voxels, {plan['batch']} per step"],
        ["Network", f"{network.get('name', '')}, filters {', '.join(map(str, network.get('filters', [])))}"],
    ]
    for name, words in _SHOWN.items():
        value = state.conditions.get(name)
        if value is not None:
            rows.append([words, ("yes" if value else "no") if isinstance(value, bool) else str(value)])
    return (
        "<h2>Equal conditions</h2>\n<p>The same splits, plan, preprocessed cases, settings and seed for every loss: "
        "runs of one fold begin with the same weights and see the same patches in the same order.</p>\n"
        + html.table(["What", "Value"], rows, left=("Value",))
    )


def _defined(value: float | None) -> float:
    return math.nan if value is None else value


def _counted(count: int, word: str, many: str = "") -> str:
    return f"{count} {word if count == 1 else many or word + 's'}"
