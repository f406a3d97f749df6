"""Writes docs/losses.md from the catalogue of losses."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from lossseg.losses import CATALOGUE
from lossseg.losses.catalogue import Entry, Family, show

PAGE = Path(__file__).parents[1] / "docs" / "losses.md"

_FAMILIES = {
    Family.DISTRIBUTION: "Voxel by voxel, what class is predicted and what is true.",
    Family.REGION: "How far the predicted and the true region overlap.",
    Family.BOUNDARY: "How far the predicted surface is from the true one.",
    Family.INSTANCE: "Each lesion by itself. These stand around other losses.",
    Family.ADAPTIVE: "Sums whose weights follow the course of training.",
    Family.LEARNED: "What a search found: `lossseg learn-loss`.",
    Family.TOPOLOGY: "Whether thin structures stay connected.",
    Family.COMPOUND: "Names for sums that papers made known.",
}

_HEAD = """# Losses

This page is made from the catalogue by `make losses-page`; the same is shown by `lossseg losses` and
`lossseg losses NAME`.

A loss is an expression: terms joined by `+`, with positive factors and parameters by name.

```
dice + ce                                  nnU-Net's default
dice + topk(k=0.1)                         the ADAM 2020 winner's second group
0.5*dice + 0.5*iw(bce)                     inverse weighting around one of two
tversky(alpha=learn, beta=learn)           weights that training finds
softadapt(dice, ce)                        weights that follow the course of training
dice + schedule(boundary, step=0.01)       a weight that changes with the epochs
```

In the formulas p is the probability of foreground, y the target (0 or 1), N the number of voxels and S() a sum over
voxels; c counts foreground classes. Losses marked * are sums over voxels: `iw`, `blob` and `cc` can stand around them.
`lossseg plan DATASET` suggests losses for a dataset, with reasons.
"""


def page() -> str:
    return "\n".join([_HEAD, *(line for family in _FAMILIES for line in _section(family))]).rstrip() + "\n"


def _section(family: Family) -> Iterator[str]:
    entries = [entry for entry in CATALOGUE.values() if entry.family is family]
    if entries:
        yield f"## {family.value.capitalize()}\n\n{_FAMILIES[family]}\n"
        for entry in entries:
            yield from _entry(entry)


def _entry(entry: Entry) -> Iterator[str]:
    yield f"### `{entry.name}`{' *' if entry.voxel_sum else ''}: {entry.title}\n"
    yield f"```\n{entry.signature}\n```\n"
    if entry.stands_for:
        yield f"Stands for `{entry.stands_for}`.\n"
    else:
        yield f"Formula: {_code(entry.formula)}\n"
    yield f"{entry.advice}\n"
    if entry.parameters:
        yield "| parameter | default | allowed | |\n|---|---|---|---|"
        for item in entry.parameters:
            yield f"| `{item.name}` | {show(item.default)} | {item.allowed} | {item.help} |"
        yield ""
    yield f"Reference: {entry.reference}\n"


def _code(text: str) -> str:
    return f"`{text}`"


if __name__ == "__main__":
    PAGE.write_text(page(), encoding="utf-8")
    print(f"{len(CATALOGUE)} losses written to {PAGE}.")
