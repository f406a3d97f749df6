"""What `lossseg learn-loss` prints for a person."""

from __future__ import annotations

from typing import Any

from rich.console import Console
from rich.markup import escape

from lossseg.cli.tables import table
from lossseg.cli.terminal import number


def show_learned(summary: dict[str, Any], console: Console) -> None:
    """The cost alone, or the found loss and how it did against others."""
    if "expression" not in summary:
        console.print(escape(summary["sentence"]))
        return
    rows = table("loss", "held-out measure", "trainings")
    for row in summary["comparison"]:
        rows.add_row(escape(row["expression"]), number(row["mean"]), str(len(row["scores"])))
    console.print(rows)
    console.print(escape(summary["sentence"]))
    if summary["figure"]:
        console.print(f"Figure: {escape(summary['figure'])}")
    console.print(f'Use it: --loss "{escape(summary["expression"])}"')
