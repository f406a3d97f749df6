"""What a command prints on stdout when its job has finished: the summary for a person."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

from rich.console import Console
from rich.markup import escape

from lossseg.cli.show_compare import show_compare
from lossseg.cli.show_evaluation import show_evaluation
from lossseg.cli.show_inspection import show_inspection
from lossseg.cli.show_learned import show_learned
from lossseg.cli.show_networks import show_networks
from lossseg.cli.show_next_case import show_next_case
from lossseg.cli.show_preset import show_preset
from lossseg.cli.show_study import show_study
from lossseg.cli.tables import count as _count
from lossseg.cli.tables import table as _table
from lossseg.cli.terminal import number

Summary = dict[str, Any]


def show(kind: str, summary: Summary, console: Console | None = None) -> None:
    """Print the summary of a job of `kind`; kinds without a form of their own get a list of their fields."""
    _SHOW.get(kind, _fields)(summary, console or Console(soft_wrap=True, highlight=False))


def _fields(summary: Summary, console: Console) -> None:
    for name, value in summary.items():
        console.print(f"{escape(name.replace('_', ' '))}: {escape(_words(value))}")


def _phantom(summary: Summary, console: Console) -> None:
    labels = ", ".join(f"{name} = {value}" for name, value in summary["labels"].items())
    console.print(f"{summary['cases']} cases in {escape(summary['dataset'])} ({escape(labels)}).")
    console.print(f"Next: lossseg plan {escape(summary['dataset'])}")


def _plan(summary: Summary, console: Console) -> None:
    plan, lesions = summary["plan"], summary["lesions"]
    network = plan["network"]
    table = _table("", "")
    rows = {
        "Cases": f"{summary['cases']} annotated, {summary['empty_cases']} of them without any lesion",
        "Channels": ", ".join(f"{entry['name']} ({entry['kind']})" for entry in plan["channels"]),
        "Labels": ", ".join(f"{name} = {value}" for name, value in summary["labels"].items()),
        "Lesions": _lesions(lesions),
        "Foreground": "n/a" if summary["foreground"] is None else f"{summary['foreground']:.2g} of the voxels (median)",
        "Spacing": f"{_by(plan['spacing'], 3)} mm (z, y, x)",
        "Patch": f"{_by(plan['patch'])} voxels, batch {plan['batch']}",
        "Network": f"{network.get('name', '')}, filters {_words(network.get('filters', []))}",
        "Strides": ", ".join(_by(stride) for stride in network.get("strides", [])),
    }
    for name, value in rows.items():
        table.add_row(name, escape(value))
    console.print(table)
    console.print("Losses to compare on such data, the most promising first:")
    for place, loss in enumerate(summary["losses"], start=1):
        console.print(f"  {place}. [cyan]{escape(loss['expression'])}[/]  {escape(loss['reason'])}")
        console.print(f"     [dim]{escape(loss['source'])}[/]")


def _lesions(lesions: dict[str, Any]) -> str:
    if not lesions["count"]:
        return "none"
    sizes = " / ".join(f"{lesions[key]:.3g}" for key in ("smallest_mm3", "median_mm3", "largest_mm3"))
    return f"{lesions['count']}, of {sizes} mm3 (smallest / median / largest)"


def _train(summary: Summary, console: Console) -> None:
    models = summary["models"]
    table = _table("", *(escape(Path(model["folder"]).name) for model in models))
    for name in dict.fromkeys(name for model in models for name in model["scores"]):
        table.add_row(escape(name.replace("_", " ")), *(number(model["scores"].get(name)) for model in models))
    table.add_row("minutes", *(number(model["seconds"] and model["seconds"] / 60) for model in models))
    console.print(f"Trained with {escape(summary['loss'])}; scores of the validation cases:")
    console.print(table)
    console.print(f"Models: {escape(', '.join(model['folder'] for model in models))}")


def _predict(summary: Summary, console: Console) -> None:
    models = f"{summary['models']} model{'s' if summary['models'] > 1 else ''}"
    done, failed = len(summary["labels"]), len(summary["failures"])
    console.print(f"{_count(done, 'case')} segmented by {models} into {escape(summary['out'])}.")
    if failed:
        console.print(f"{_count(failed, 'case')} could not be segmented; the warnings say why.")
    for case, seen in summary.get("coarse_to_fine", {}).items():
        share = f"{100 * seen['looked_at_in_full']:.3g} %"
        console.print(f"{escape(case)}: an approximation, {share} of the volume was looked at in full.")


def _ensemble(summary: Summary, console: Console) -> None:
    console.print(f"{escape(summary['ensemble'])} ({escape(summary['chosen'])}):")
    for member in summary["members"]:
        console.print(f"  {escape(member['folder'])}  weight {member['weight']:g}")
    if summary.get("candidates"):
        _candidates(summary, console)
    if summary.get("held_out"):
        console.print(escape(summary["held_out"]["sentence"]))


def _candidates(summary: Summary, console: Console) -> None:
    rows = summary["candidates"]
    name = rows[0]["score_name"].replace("_", " ")
    table = _table("candidate", "models", f"validation {name}", "held-out Dice", "weight")
    for row in rows:
        scores = number(row["score"]), number(row["held_out_dice"])
        table.add_row(escape(row["name"]), str(row["models"]), *scores, str(row["weight"] or "not taken"))
    table.add_row("ensemble", str(len(summary["members"])), "", number(summary["held_out"]["dice"]), "")
    console.print(table)


def _losses(summary: Summary, console: Console) -> None:
    losses = summary["losses"]
    if len(losses) == 1:
        _one_loss(losses[0], console)
        return
    table = _table("", "")
    for family in dict.fromkeys(loss["family"] for loss in losses):
        table.add_row(f"[cyan]{escape(family)}[/]")
        for loss in losses:
            if loss["family"] == family:
                table.add_row(f"  {escape(loss['signature'])}", escape(loss["stands_for"] or loss["title"]))
    console.print(table)
    console.print('Write them as an expression, as --loss "dice + 0.5*topk(k=0.1)"; `lossseg losses NAME` tells more.')


def _one_loss(loss: dict[str, Any], console: Console) -> None:
    console.print(f"[bold]{escape(loss['name'])}[/]  {escape(loss['title'])} ({escape(loss['family'])})")
    rows = {
        "Write": loss["signature"],
        "Stands for": loss["stands_for"],
        "Formula": loss["formula"],
        "Advice": loss["advice"],
        "Reference": loss["reference"],
    }
    for name, value in rows.items():
        if value:
            console.print(f"{name}: {escape(value)}")
    for parameter in loss["parameters"]:
        console.print(
            f"  {escape(parameter['name'])} = {parameter['default']}  {escape(parameter['help'])} "
            f"({escape(parameter['allowed'])})"
        )


def _doctor(summary: Summary, console: Console) -> None:
    machine, torch = summary["machine"], summary["torch"]
    table = _table("", "")
    table.add_row("lossseg", summary["engine"])
    table.add_row("Python", f"{summary['python']}  {escape(summary['executable'])}")
    table.add_row("System", escape(summary["system"]))
    table.add_row("Processor", escape(f"{machine['processor']}, {machine['cores']} usable cores"))
    table.add_row("Memory", f"{_gib(machine['memory_gb'])}, {_gib(machine['memory_free_gb'])} free")
    if torch is not None:
        table.add_row("bf16 on CPU", "yes" if torch["cpu_bf16"] else "no; 32 bits are used")
        cards = ", ".join(f"{card['name']} ({card['memory_gb']} GiB)" for card in torch["cuda"])
        table.add_row("CUDA", escape(cards or ("none" if torch["cuda_build"] else "none (torch was built without)")))
        table.add_row("Apple GPU", "yes" if torch["mps"] else "none")
        table.add_row("Chosen device", escape(f"{torch['device']}: {torch['reason']}"))
        table.add_row("Networks run by", escape(f"{torch['backend'] or 'n/a'}: {torch['backend_reason']}"))
    console.print(table)
    packages = _table("package", "version")
    for name, version in summary["packages"].items():
        packages.add_row(escape(name), escape(version) if version else "[red]missing[/]")
    for entry in summary["optional"]:
        missing = f"not installed; {entry['for']}. {entry['install']}"
        packages.add_row(escape(entry["name"]), escape(entry["version"] or missing))
    console.print(packages)


def _demo(summary: Summary, console: Console) -> None:
    console.print(f"Done in {summary['minutes']} minutes. Everything lies here:")
    table = _table("", "")
    for name, what in _DEMO.items():
        if name in summary:
            table.add_row(what, escape(str(summary[name])))
    console.print(table)
    measures = ("lesion_recall", "false_positives_per_case", "object_dice")
    shown = [f"{name.replace('_', ' ')} {number(summary[name])}" for name in measures if name in summary]
    console.print(f"On the unseen cases: {', '.join(shown)}. Open the report to see what went wrong.")


_DEMO = {
    "dataset": "Dataset",
    "models": "Models",
    "ensemble": "Ensemble",
    "predictions": "Segmentations",
    "lesion_table": "Lesion table",
    "report": "Report",
}


def _gib(value: float | None) -> str:
    return "n/a" if value is None else f"{value:g} GiB"


def _by(values: list[float], decimals: int = 0) -> str:
    return " x ".join(f"{value:.{decimals}f}" for value in values)


def _words(value: Any) -> str:
    if isinstance(value, float):
        return f"{value:.4g}"
    if isinstance(value, list | tuple):
        return ", ".join(_words(item) for item in value)
    if isinstance(value, dict):
        return ", ".join(f"{name} = {_words(item)}" for name, item in value.items())
    return "n/a" if value is None else str(value)


_SHOW: dict[str, Callable[[Summary, Console], None]] = {
    "demo": _demo,
    "phantom": _phantom,
    "plan": _plan,
    "train": _train,
    "predict": _predict,
    "evaluate": show_evaluation,
    "compare": show_compare,
    "next_case": show_next_case,
    "inspect": show_inspection,
    "study": show_study,
    "preset": show_preset,
    "ensemble": _ensemble,
    "learn_loss": show_learned,
    "losses": _losses,
    "networks": show_networks,
    "doctor": _doctor,
}
