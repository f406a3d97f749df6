"""The inspection as a picture: a row for each lesion, a column of bars for each loss. It needs matplotlib."""

from __future__ import annotations

import textwrap
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from lossseg.evaluation.figure_style import COLOURS, INK, SOFT, blank, styled
from lossseg.inspection.inspector import Inspection, LossReport
from lossseg.inspection.regions import Kind, Region

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

_EACH_END = 12
"""Lesions that have a row of their own at either end of the order by size, where there are more than twice as many."""

_NARROWEST = 5.2
"""Inches that the texts above and below need."""

_WIDTH = 19
"""Letters that fit above a column."""

_COLOURS = {Kind.LESION: COLOURS[0], Kind.FALSE_POSITIVE: COLOURS[1], Kind.BACKGROUND: SOFT}
_HATCHES = {Kind.LESION: "", Kind.FALSE_POSITIVE: "////", Kind.BACKGROUND: "...."}


@dataclass(frozen=True)
class _Row:
    name: str
    kind: Kind
    places: tuple[int, ...]


def inspection_figure(inspection: Inspection) -> Figure:
    """Bars of the share of each loss's gradient: one column for each loss that could be computed, one row for each
    lesion from the largest to the smallest, one for all false positives, one for the background.

    Of many lesions those of middling size are one row.

    Raises:
        MissingDependency: matplotlib is not installed.
    """
    computed = [report for report in inspection.losses if report.error is None]
    rows = _rows(inspection.regions)
    with styled("loss inspector"):
        width = max(2.2 + 1.55 * len(computed), _NARROWEST)
        figure, axes = blank(width, 1.9 + 0.27 * len(rows), 1, len(computed), sharey=True)
        for column, report in zip(axes, computed, strict=True):
            _bars(column, report, rows)
        axes[0].set_yticks(range(len(rows)), [row.name for row in rows])
        axes[0].set_ylim(len(rows) - 0.4, -0.6)
        shifted = f", every logit shifted by {inspection.shift:g}" if inspection.shift else ""
        figure.suptitle(f"Where each loss pulls{shifted}", x=0.01, ha="left", size=12)
        figure.supxlabel("Share of the sum of |dL/dz| over all voxels, z: foreground logit", size=10, color=INK)
    return figure


def _rows(regions: Sequence[Region]) -> list[_Row]:
    lesions = [place for place, region in enumerate(regions) if region.kind is Kind.LESION]
    lesions.sort(key=lambda place: -regions[place].voxels)
    first, last = lesions, []
    if len(lesions) > 2 * _EACH_END + 1:
        first, last = lesions[:_EACH_END], lesions[-_EACH_END:]
    between = lesions[len(first) : len(lesions) - len(last)]
    rows = [_lesion(regions, place) for place in first]
    if between:
        rows.append(_Row(f"{len(between)} lesions between, together", Kind.LESION, tuple(between)))
    rows += [_lesion(regions, place) for place in last]
    false = [place for place, region in enumerate(regions) if region.kind is Kind.FALSE_POSITIVE]
    if false:
        count = sum(regions[place].components for place in false)
        rows.append(
            _Row(f"{count} false positive{'s, together' if count > 1 else ''}", Kind.FALSE_POSITIVE, tuple(false))
        )
    background = tuple(place for place, region in enumerate(regions) if region.kind is Kind.BACKGROUND)
    return [*rows, _Row("background", Kind.BACKGROUND, background)]


def _lesion(regions: Sequence[Region], place: int) -> _Row:
    region = regions[place]
    missed = "" if region.found else ", missed"
    return _Row(f"lesion {region.number}, {region.volume_mm3:.3g} mm³{missed}", Kind.LESION, (place,))


def _bars(axes: Axes, report: LossReport, rows: Sequence[_Row]) -> None:
    shares = np.array([report.shares[list(row.places)].sum() for row in rows])
    for kind in Kind:
        chosen = [place for place, row in enumerate(rows) if row.kind is kind]
        if chosen:
            axes.barh(
                chosen,
                shares[chosen],
                height=0.7,
                color=_COLOURS[kind],
                hatch=_HATCHES[kind],
                edgecolor="white",
                lw=0,
            )
    for place, share in enumerate(shares):
        # Grid lines must not run through figures.
        clear = {"facecolor": "white", "edgecolor": "none", "pad": 0.6}
        axes.text(share + 0.03, place, percent(share), va="center", size=8, color=INK, bbox=clear)
    axes.set_title(f"{_wrapped(report.expression)}\nvalue {report.value:.4g}", size=9)
    axes.set(xlim=(0, 1.45), xticks=(0, 0.5, 1), xticklabels=("0", "50 %", "100 %"))
    axes.tick_params(axis="y", length=0)
    axes.tick_params(axis="x", labelsize=8)
    axes.grid(axis="y", visible=False)


def _wrapped(expression: str) -> str:
    """The expression in lines that fit above a column, broken before what stands in parentheses where it can be."""
    parts = expression.replace("(", "( ").split(" ")
    lines = [""]
    for part in parts:
        opened = lines[-1].endswith("(")
        longer = f"{lines[-1]}{'' if opened or not lines[-1] else ' '}{part}"
        if len(longer) <= _WIDTH or not lines[-1]:
            lines[-1] = longer
        else:
            lines.append(part)
    return "\n".join(piece for line in lines for piece in textwrap.wrap(line, _WIDTH))


def percent(share: float) -> str:
    """A share of 0 to 1 in percent, with as many figures as tell something.

    >>> percent(0.34159), percent(0.0123), percent(0.00012345), percent(1e-9), percent(0)
    ('34 %', '1.2 %', '0.012 %', '<0.001 %', '0')
    """
    if share == 0:
        return "0"
    value = 100 * share
    if value < 0.001:
        return "<0.001 %"
    return f"{value:.0f} %" if value >= 9.95 else f"{value:.2g} %"
