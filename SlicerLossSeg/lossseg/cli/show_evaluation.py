"""What `lossseg evaluate` prints: the figures of one model, or the comparison of several."""

from __future__ import annotations

from typing import Any

from rich.console import Console
from rich.markup import escape

from lossseg.cli.tables import count, table
from lossseg.cli.terminal import number

Summary = dict[str, Any]

_MARKS = {"best": "★", "not distinguishable from the best": "≈"}


def show_evaluation(summary: Summary, console: Console) -> None:
    """Print the summary of the job `evaluate`."""
    if "comparison" in summary:
        _several(summary, console)
    else:
        _one(summary, console)
    failed = [
        f"{failure['name']} of {failure['model']}" if "model" in failure else failure["name"]
        for failure in summary["failures"]
    ]
    if failed:
        console.print(f"[yellow]Not evaluated:[/] {escape(', '.join(failed))}; the warnings say why.")


def _one(summary: Summary, console: Console) -> None:
    pooled = summary["summary"]
    console.print(f"{count(summary['cases'], 'case')} evaluated, {len(summary['failures'])} could not be.")
    rows = table("", "", "")
    found, missed = int(pooled["lesions_found"]), int(pooled["lesions_missed"])
    rows.add_row("Lesion recall", number(pooled["lesion_recall"]), f"{found} of {count(found + missed, 'lesion')}")
    rows.add_row("False positives per case", number(pooled["false_positives_per_case"]), "lesion-free cases included")
    rows.add_row("Object Dice", number(pooled["object_dice"]), "mean over the found lesions")
    if summary["froc"]:
        rows.add_row("FROC average recall", number(summary["froc"]["average_recall"]), _of_froc(summary["froc"]))
    if summary["froc_as_published"] is not None:
        rows.add_row(
            "  as the paper counts", number(summary["froc_as_published"]), "in its published table, which is too high"
        )
    if "average_precision" in pooled:
        rows.add_row("Average precision", number(pooled["average_precision"]), "by voxel")
    if "ece" in pooled:
        above = number(pooled["ece_above_first"])
        rows.add_row("Calibration error (ECE)", f"{_or_na(pooled['ece'])}", f"{above} where the probability is 0.05 on")
    console.print(rows)
    means = table("Mean over the cases", "mean", "SD", "unit", "cases")
    for key, average in summary["means"].items():
        if "[" not in key:
            decimals = max(average["decimals"], 2)
            values = (_or_na(average[name], decimals) for name in ("mean", "std"))
            means.add_row(escape(average["title"]), *values, average["unit"], str(average["cases"]))
    console.print(means)
    _groups({"": summary}, console)


def _several(summary: Summary, console: Console) -> None:
    comparison = summary["comparison"]
    for sentence in comparison["sentences"]:
        console.print(escape(sentence))
    models = comparison["models"]
    rows = table("", *map(escape, models), "cases", "better")
    for measure in comparison["measures"]:
        unit = f" ({measure['unit']})" if measure["unit"] else ""
        values = [
            f"{_or_na(measure['values'][name], measure['decimals'])} {_MARKS.get(measure['standing'][name], ' ')}"
            for name in models
        ]
        better = "higher" if measure["higher_is_better"] else "lower"
        rows.add_row(escape(measure["title"] + unit), *values, str(measure["cases"]), better)
    console.print(rows)
    how = "Wilcoxon's signed-rank test" if comparison["test"] == "wilcoxon" else "paired bootstrap"
    console.print(
        f"★ best, ≈ not distinguishable from it: {how}, figures of all lesions and FROC by paired bootstrap; all "
        f"pairs, adjusted by Holm, level {comparison['alpha']:g}."
    )
    _groups(summary["models"], console)


def _groups(models: dict[str, Summary], console: Console) -> None:
    named = len(models) > 1
    rows = table("Lesions by size", *(["model"] if named else []), "recall", "found", "object Dice")
    places = max((len(summary["size_groups"]) for summary in models.values()), default=0)
    for place in range(places):
        for name, summary in models.items():
            group = summary["size_groups"][place]
            sizes = group["name"] if group["name"] == group["range"] else f"{group['name']} ({group['range']})"
            share = f"{group['found']} of {group['lesions']}"
            model = [escape(name)] if named else []
            rows.add_row(escape(sizes), *model, number(group["recall"]), share, number(group["object_dice"]))
    if places:
        console.print(rows)


def _of_froc(froc: dict[str, Any]) -> str:
    low, high = froc["bootstrap"]["interval_95"]
    told = f"at 1/8 to 8 false positives; 95 % interval {number(low)} to {number(high)}"
    merged = froc["merged_lesions"]
    return told if merged is None else f"{told}; {count(merged, 'lesion')} merged with another"


def _or_na(value: float | None, decimals: int = 4) -> str:
    return "n/a" if value is None else f"{value:.{decimals}f}"
