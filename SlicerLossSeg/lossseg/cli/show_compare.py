"""What `lossseg compare` prints: the lesions that the two models see differently, and the measures of both."""

from __future__ import annotations

from typing import Any

from rich.console import Console
from rich.markup import escape

from lossseg.cli.tables import count, table
from lossseg.cli.terminal import number

_MOST = 40
"""So many lesions are printed; the files have all."""


def show_compare(summary: dict[str, Any], console: Console) -> None:
    """Print the summary of the job `compare`."""
    lesions = summary["lesions"]
    differing = [lesion for lesion in lesions if lesion["old"] != lesion["new"]]
    console.print(
        f"{count(len(lesions), 'lesion')} in {count(len(summary['cases']), 'case')}: "
        f"{summary['gained']} gained, {summary['lost']} lost by the new model."
    )
    if differing:
        rows = table("case", "lesion", "mm3", "old", "new", "R, A, S in mm")
        for lesion in differing[:_MOST]:
            place = ", ".join(f"{value:.1f}" for value in lesion["centroid_ras"])
            size = f"{lesion['volume_mm3']:.3g}"
            rows.add_row(escape(lesion["case"]), str(lesion["number"]), size, lesion["old"], lesion["new"], place)
        console.print(rows)
        if len(differing) > _MOST:
            console.print(f"... and {len(differing) - _MOST} more")
    false = {model: sum(row["model"] == model for row in summary["false_positives"]) for model in ("old", "new")}
    measures = table("", "old", "new")
    old, new = summary["measures"]["old"], summary["measures"]["new"]
    for name in old:
        measures.add_row(escape(name.replace("_", " ")), number(old[name]), number(new.get(name)))
    measures.add_row("false positives, all", str(false["old"]), str(false["new"]))
    console.print(measures)
    for model in ("old", "new"):
        seen = summary[f"seen_by_{model}"]
        if seen:
            console.print(
                f"[yellow]The {model} model was trained on {len(seen)} of {count(len(summary['cases']), 'case')}[/] "
                f"({escape(', '.join(seen))}): there it looks better than it is."
            )
    for note in summary["notes"]:
        console.print(f"[yellow]{escape(note)}[/]")
    console.print(f"Tables: {escape(str(summary['out']))}")
