"""What `lossseg inspect` prints: the share of each loss's gradient that each lesion gets."""

from __future__ import annotations

from typing import Any

from rich.console import Console
from rich.markup import escape

from lossseg.cli.tables import count, table

_MOST = 40
"""So many lesions are printed, the largest; the files have all."""


def show_inspection(summary: dict[str, Any], console: Console) -> None:
    """Print the summary of the job `inspect`: the losses with a number each, then their shares by that number."""
    losses = table("", "loss", "value", "sum of |dL/dz|")
    computed = [loss for loss in summary["losses"] if loss["error"] is None]
    for number, loss in enumerate(computed, start=1):
        losses.add_row(str(number), escape(loss["expression"]), f"{loss['value']:.4g}", f"{loss['gradient']:.4g}")
    console.print(losses)
    for loss in summary["losses"]:
        if loss["error"] is not None:
            console.print(f"[yellow]{escape(loss['expression'])}:[/] {escape(loss['error'])}")
    _shares(summary["components"], [loss["expression"] for loss in computed], console)
    if summary["gradient"] is not None:
        low, high = summary["gradient_range"]
        console.print(f"Gradient volume, {low:.3g} to {high:.3g}: {escape(summary['gradient'])}")


def _shares(parts: list[dict[str, Any]], names: list[str], console: Console) -> None:
    """Rows for the largest lesions, all other lesions, all false positives, and the background."""
    rows = table("share, %", "mm3", *map(str, range(1, len(names) + 1)))
    rows.columns[0].no_wrap = True
    for column in rows.columns[1:]:
        column.justify = "right"

    def add(name: str, together: list[dict[str, Any]]) -> None:
        shares = (sum(part["shares"][loss] for part in together) for loss in names)
        rows.add_row(name, f"{sum(part['volume_mm3'] for part in together):.4g}", *map(_percent, shares))

    lesions = sorted((part for part in parts if part["kind"] == "lesion"), key=lambda part: -part["voxels"])
    for part in lesions[:_MOST]:
        add(f"lesion {part['number']}{'' if part['found'] else ', missed'}", [part])
    if lesions[_MOST:]:
        add(count(len(lesions) - _MOST, "smaller lesion"), lesions[_MOST:])
    false = [part for part in parts if part["kind"] == "false_positive"]
    if false:
        add(count(sum(part["components"] for part in false), "false positive"), false)
    add("background", [part for part in parts if part["kind"] == "background"])
    console.print(rows)


def _percent(share: float) -> str:
    return "0" if not share else "<0.001" if share < 1e-5 else f"{100 * share:.2g}"
