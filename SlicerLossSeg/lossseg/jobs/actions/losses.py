"""Job `losses`: what a loss expression can be made of."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from lossseg.errors import InputError
from lossseg.jobs.action import Action, Summary, argument
from lossseg.jobs.typed import suggest
from lossseg.reporting import Reporter


@dataclass(frozen=True)
class LossesParams:
    name: str | None = argument("Name of one loss, to read all about it.", default=None)


def run(params: LossesParams, reporter: Reporter) -> Summary:
    from lossseg.losses import CATALOGUE

    if params.name is not None and params.name not in CATALOGUE:
        raise InputError(f"There is no loss `{params.name}`.", suggest(params.name, CATALOGUE))
    names = list(CATALOGUE) if params.name is None else [params.name]
    return {"losses": [_describe(CATALOGUE[name]) for name in names]}


def _describe(entry: Any) -> dict[str, Any]:
    return {
        "name": entry.name,
        "title": entry.title,
        "family": entry.family.value,
        "signature": entry.signature,
        "formula": entry.formula,
        "advice": entry.advice,
        "reference": entry.reference,
        "stands_for": entry.stands_for,
        "parameters": [
            {"name": item.name, "default": item.default, "allowed": item.allowed, "help": item.help}
            for item in entry.parameters
        ],
    }


ACTION = Action(
    kind="losses",
    title="List the losses, or read about one.",
    params=LossesParams,
    run=run,
    examples=("lossseg losses", "lossseg losses topk"),
)
