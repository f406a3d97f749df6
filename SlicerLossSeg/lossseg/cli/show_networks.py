"""The networks that can be trained, as a table, or all about one."""

from __future__ import annotations

from typing import Any

from rich.console import Console
from rich.markup import escape

from lossseg.cli.tables import table


def show_networks(summary: dict[str, Any], console: Console) -> None:
    """Print the summary of the job `networks`."""
    networks = summary["networks"]
    if len(networks) == 1:
        _one(networks[0], console)
        return
    rows = table("network", "", "filters", "parameters")
    for network in networks:
        filters = ", ".join(map(str, network["filters"]))
        rows.add_row(f"[cyan]{network['name']}[/]", escape(network["title"]), filters, f"{network['parameters']:,}")
    console.print(rows)
    console.print("Choose one with --network NAME; `lossseg networks NAME` tells more.")


def _one(network: dict[str, Any], console: Console) -> None:
    console.print(f"[bold]{escape(network['name'])}[/]  {escape(network['title'])}")
    rows = {
        "Advice": network["advice"],
        "Parameters": f"{network['parameters']:,}, with filters {', '.join(map(str, network['filters']))}",
        "Patch": f"edges are multiples of {' x '.join(map(str, network['patch_multiple']))} voxels (z, y, x) there; "
        "a wish is rounded up",
        "Options": ", ".join(network["options"]),
        "Reference": network["reference"],
    }
    for name, value in rows.items():
        console.print(f"{name}: {escape(value)}")
