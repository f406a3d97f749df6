"""What `lossseg next-case` prints: a sentence, and the first volumes of the ranking."""

from __future__ import annotations

from typing import Any

from rich.console import Console
from rich.markup import escape

from lossseg.cli.tables import table
from lossseg.cli.terminal import number

_MOST = 10


def show_next_case(summary: dict[str, Any], console: Console) -> None:
    """Print the summary of the job `next_case`."""
    console.print(escape(summary["sentence"]))
    ranking = summary["ranking"][:_MOST]
    if summary["by"] == "random" or len(ranking) < 2:
        return
    rows = table("case", "lesions", "disagreement")
    for candidate in ranking:
        rows.add_row(escape(candidate["case"]), str(candidate["lesions"]), number(candidate["disagreement"]))
    console.print(rows)
