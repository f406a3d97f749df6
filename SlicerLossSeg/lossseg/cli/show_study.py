"""What `lossseg study` prints: the winners of the folds, and what came of each run."""

from __future__ import annotations

from typing import Any

from rich.console import Console
from rich.markup import escape

from lossseg.cli.tables import count, table
from lossseg.cli.terminal import number

Summary = dict[str, Any]


def show_study(summary: Summary, console: Console) -> None:
    """Print the summary of the job `study`."""
    runs, winners = summary["runs"], summary["winners"]
    done = [run for run in runs if run["state"] == "finished"]
    failed = [run for run in runs if run["state"] == "failed"]
    console.print(f"{len(done)} of {count(len(runs), 'run')} finished in {escape(str(summary['out']))}.")
    if winners["folds"]:
        _folds(winners, console)
    if done:
        _runs(done, console)
    for run in failed:
        console.print(f"[yellow]Failed:[/] {escape(run['key'])}: {escape(run['sentence'])}")
    if summary["report"]:
        console.print(f"The comparison: {escape(str(summary['report']))}")


def _folds(winners: dict[str, Any], console: Console) -> None:
    losses = list(winners["means"])
    rows = table(f"{winners['score'].replace('_', ' ')} (0 to 1)" if _share(winners) else winners["score"], *losses)
    for fold in winners["folds"]:
        cells = [f"{number(fold['values'][loss])} {'★' if loss == fold['winner'] else ' '}" for loss in losses]
        rows.add_row(f"fold {fold['fold']}", *cells)
    means = [winners["means"][loss] for loss in losses]
    rows.add_row("mean", *(number(each["mean"]) for each in means))
    console.print(rows)
    if len(losses) > 1:
        console.print("★ best of the fold.")


def _share(winners: dict[str, Any]) -> bool:
    return winners["score"] != "false_positives"


def _runs(runs: list[dict[str, Any]], console: Console) -> None:
    rows = table("run", "minutes", "steps", "dice", "recall", "false positives per case")
    for run in runs:
        scores = run["scores"]
        minutes = "n/a" if run["seconds"] is None else f"{run['seconds'] / 60:.1f}"
        measures = (number(scores.get(name)) for name in ("dice", "recall", "false_positives"))
        rows.add_row(escape(run["key"]), minutes, str(run["steps"]), *measures)
    console.print(rows)
