"""What a MONAI bundle's metadata.json calls channels and classes, and whose it is."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

from lossseg.dataset.description import checked_labels
from lossseg.errors import InputError
from lossseg.preprocessing import Plan


def channel_names(facts: Mapping[str, Any], count: int) -> list[str]:
    """Names of `count` channels, numbers for those that metadata.json does not name."""
    usual = ["image"] if count == 1 else [f"image {number}" for number in range(1, count + 1)]
    return _names(facts, "inputs", "image", count) or usual


def label_values(facts: Mapping[str, Any], count: int, where: Path) -> dict[str, int]:
    """Names and values of `count` classes, the background first.

    Args:
        where: metadata.json, for messages.
    """
    names = _names(facts, "outputs", "pred", count) or [f"class {number}" for number in range(count)]
    return checked_labels({"background": 0} | {name: value for value, name in enumerate(names) if value}, where)


def renamed(plan: Plan, channels: Sequence[str], labels: Sequence[str]) -> Plan:
    """`plan` with other names of its channels, and of its classes after the background, where some are given.

    Raises:
        InputError: too few or too many, or one twice.
    """
    for what, given, needed in (("channels", channels, len(plan.channels)), ("labels", labels, plan.classes - 1)):
        if given and (len(given) != needed or len(set(given)) != needed or "background" in given):
            raise InputError(
                f"The {what} {', '.join(given)} are given; the bundle has {needed}.",
                "Give a name of its own to each" + (" but the background." if what == "labels" else "."),
            )
    if channels:
        chain = zip(plan.channels, channels, strict=True)
        plan = replace(plan, channels=tuple(replace(scheme, name=name) for scheme, name in chain))
    if labels:
        plan = replace(plan, labels={name: number for number, name in enumerate(("background", *labels))})
    return plan


def licence(source: Path, facts: Mapping[str, Any]) -> str:
    """What the bundle says of rights: the first line of its licence, and who holds the copyright."""
    first = ""
    for name in ("LICENSE", "LICENSE.txt", "docs/license.txt"):
        if not first and (source / name).is_file():
            lines = (source / name).read_text(encoding="utf-8", errors="replace").splitlines()
            first = next((line.strip() for line in lines if line.strip()), "")
    said = facts.get("copyright")
    return " ".join(part for part in (first, said if isinstance(said, str) else "") if part)


def _names(facts: Mapping[str, Any], side: str, entry: str, count: int) -> list[str]:
    """The names that metadata.json has, or none unless there is one of its own for each."""
    try:
        found = facts["network_data_format"][side][entry]["channel_def"]
        names = [str(found[str(number)]) for number in range(count)]
    except (KeyError, TypeError):
        return []
    return names if all(names) and len({name.lower() for name in names}) == count else []
