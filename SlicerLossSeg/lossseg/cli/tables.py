"""Tables for a person at a terminal, without lines."""

from __future__ import annotations

from rich.table import Table


def table(*columns: str) -> Table:
    """A table with these columns, the first in bold; no head where all are empty."""
    made = Table(box=None, pad_edge=False, show_header=any(columns), padding=(0, 2, 0, 0))
    for position, name in enumerate(columns):
        made.add_column(name, style="bold" if position == 0 else "", overflow="fold")
    return made


def count(number: float, noun: str) -> str:
    """ "1 case", "2 cases"."""
    return f"{int(number)} {noun}{'' if number == 1 else 's'}"
