"""Figures of lesions by their size: how large they are, which are found, and how well. They need matplotlib."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from textwrap import wrap
from typing import TYPE_CHECKING

import numpy as np

from lossseg.evaluation.figure_style import COLOURS, INK, SOFT, blank, styled
from lossseg.evaluation.groups import SizeGroup
from lossseg.evaluation.lesions import Lesion, Outcome

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

_FOUND, _MISSED = COLOURS[0], COLOURS[1]
_BINS_PER_DOUBLING = 3


def diameter_figure(lesions: Iterable[Lesion], edges_mm: Sequence[float] = (), by: str = "") -> Figure:
    """How many reference lesions have which longest diameter, those found below, those missed on top of them.

    Args:
        lesions: rows of any number of cases; those that are not of the reference are left out.
        edges_mm: diameters to mark, such as the limit under which a lesion is small.
        by: the model that found and missed them; an empty name is not shown.

    Raises:
        MissingDependency: matplotlib is not installed.
    """
    with styled("diameter"):
        figure, (axes,) = blank(6.4, 3.6)
        reference = [lesion for lesion in lesions if lesion.outcome.in_reference]
        sizes = {
            outcome: np.array([lesion.diameter_mm for lesion in reference if lesion.outcome is outcome], float)
            for outcome in (Outcome.FOUND, Outcome.MISSED)
        }
        if reference:
            bins = _bins(np.concatenate(list(sizes.values())))
            median = float(np.median([lesion.diameter_mm for lesion in reference]))
            axes.hist(
                list(sizes.values()),
                bins=bins.tolist(),
                stacked=True,
                color=[_FOUND, _MISSED],
                edgecolor="white",
                linewidth=0.6,
                label=[f"found ({len(sizes[Outcome.FOUND])})", f"missed ({len(sizes[Outcome.MISSED])})"],
            )
            # Hatched as well, so that the two are told apart in grey.
            for bar in axes.containers[1]:
                bar.set_hatch("////")
            axes.axvline(median, color=INK, lw=1, ls=(0, (2, 2)), label=f"median {median:.3g} mm")
            for place, edge in enumerate(edges_mm):
                axes.axvline(edge, color=SOFT, lw=1, label=None if place else "limit of a group")
            axes.locator_params(axis="y", integer=True)
            axes.legend(loc="upper left", bbox_to_anchor=(1, 1))
            _log_mm(axes, bins)
        title = f"Found and missed by {by}" if by else ""
        axes.set(xlabel="Longest diameter (mm)", ylabel="Reference lesions", title=title)
        axes.grid(axis="x", visible=False)
    return figure


def groups_figure(groups: Mapping[str, Sequence[SizeGroup]]) -> Figure:
    """Recall and object Dice by lesion size, one bar per model and group; over each bar what it is a share or mean of.

    The whisker of a recall is its 95 % Wilson interval, which takes the lesions for independent.

    Args:
        groups: by the model's name; the same ranges for each.

    Raises:
        MissingDependency: matplotlib is not installed.
    """
    with styled("size group"):
        figure, panels = blank(7.2, 3.6, 1, 2, sharey=True)
        ranges = next(iter(groups.values()), ())
        width, crowded = 0.8 / max(len(groups), 1), len(groups) > 2
        for place, (name, of_model) in enumerate(groups.items()):
            colour = COLOURS[place % len(COLOURS)]
            at = np.arange(len(of_model)) + (place - (len(groups) - 1) / 2) * width
            recalls = [(group.recall, group.found, group.lesions) for group in of_model]
            overlaps = [(group.object_dice, None, group.found) for group in of_model]
            _bars(panels[0], at, width, recalls, colour, name, crowded)
            _bars(panels[1], at, width, overlaps, colour, name, crowded)
        for axes, title in zip(panels, ("Recall", "Object Dice of those found"), strict=True):
            axes.set(title=title, ylim=(0, 1.25 if crowded else 1.12), yticks=np.linspace(0, 1, 6))
            axes.set_xticks(range(len(ranges)), [_in_lines(group) for group in ranges], fontsize=8.5)
            axes.grid(axis="x", visible=False)
        if any(groups):
            handles, labels = panels[0].get_legend_handles_labels()
            figure.legend(handles, labels, loc="outside lower left", ncols=min(len(groups), 4))
    return figure


def scatter_figure(lesions: Mapping[str, Iterable[Lesion]]) -> Figure:
    """Dice of each reference lesion against its volume, one panel per model; missed lesions lie at 0 as crosses.

    The line is the median of the found lesions' Dice in bins of equal number.

    Args:
        lesions: rows by the model's name; those that are not of the reference are left out.

    Raises:
        MissingDependency: matplotlib is not installed.
    """
    with styled("size against overlap"):
        columns = min(max(len(lesions), 1), 3)
        rows = math.ceil(max(len(lesions), 1) / columns)
        size = (6.4, 3.8) if columns == 1 else (3.4 * columns, 3.2 * rows)
        figure, panels = blank(*size, rows, columns, sharex=True, sharey=True)
        for axes in panels[len(lesions) :]:
            axes.set_visible(False)
        for axes, (name, of_model) in zip(panels, lesions.items(), strict=False):
            reference = [lesion for lesion in of_model if lesion.outcome.in_reference]
            _scatter(axes, reference)
            found = sum(lesion.outcome is Outcome.FOUND for lesion in reference)
            counts = f"{found} found, {len(reference) - found} missed"
            axes.set(title=f"{name}: {counts}" if name else counts, ylim=(-0.06, 1.03))
        if lesions:
            handles, labels = panels[0].get_legend_handles_labels()
            figure.legend(handles, labels, loc="outside lower left", ncols=3)
        for place, axes in enumerate(panels[: len(lesions)]):
            if place >= len(lesions) - columns:
                axes.set_xlabel("Volume (mm³)")
            if place % columns == 0:
                axes.set_ylabel("Dice of the lesion")
    return figure


def _scatter(axes: Axes, reference: Sequence[Lesion]) -> None:
    found = np.array([(row.volume_mm3, row.overlap) for row in reference if row.outcome is Outcome.FOUND]).reshape(
        -1, 2
    )
    missed = np.array([row.volume_mm3 for row in reference if row.outcome is Outcome.MISSED])
    alpha = 0.8 if len(reference) <= 200 else 0.4
    axes.plot(*found.T, "o", ms=4, mew=0, color=_FOUND, alpha=alpha, label="found")
    axes.plot(missed, np.zeros(len(missed)), "x", ms=5, mew=1.2, color=_MISSED, alpha=alpha, label="missed")
    order = np.argsort(found[:, 0], kind="stable")
    parts = np.array_split(found[order], min(10, len(found) // 10)) if len(found) >= 20 else []
    medians = np.array([np.median(part, axis=0) for part in parts]).reshape(-1, 2)
    axes.plot(*medians.T, color=INK, lw=1.5, label="median of the found")
    if len(reference):
        axes.set_xscale("log")


def _bars(
    axes: Axes,
    at: np.ndarray,
    width: float,
    rows: Sequence[tuple[float, int | None, int]],
    colour: str,
    name: str,
    crowded: bool,
) -> None:
    """Bars of one model: each has a value, and what it is a share of (part and whole) or a mean over (whole alone)."""
    values = [0.0 if math.isnan(value) else value for value, _, _ in rows]
    axes.bar(at, values, 0.92 * width, color=colour, label=name or None)
    for x, value, (_, part, whole) in zip(at, values, rows, strict=True):
        top = max(value, _whisker(axes, x, part, whole))
        axes.annotate(
            f"{part}/{whole}" if part is not None else f"{whole}" if whole else "n/a",
            (x, top),
            (0, 3),
            textcoords="offset points",
            ha="center",
            va="bottom",
            fontsize=6.5 if crowded else 8,
            color=SOFT,
            rotation=90 if crowded else 0,
        )


def _whisker(axes: Axes, x: float, part: int | None, whole: int) -> float:
    """Draws the interval of a share; returns where it ends."""
    if part is None or not whole:
        return 0.0
    low, high = wilson(part, whole)
    axes.plot([x, x], [low, high], color=INK, lw=1)
    return high


def wilson(part: int, whole: int, z: float = 1.959964) -> tuple[float, float]:
    """The interval of a share `part` / `whole` (Wilson, JASA 1927), z = 1.96 for 95 %; NaN of nothing."""
    if not whole:
        return math.nan, math.nan
    share, weight = part / whole, z * z / whole
    centre = (share + weight / 2) / (1 + weight)
    half = z * math.sqrt(share * (1 - share) / whole + weight / (4 * whole)) / (1 + weight)
    return max(0.0, centre - half), min(1.0, centre + half)


def _bins(sizes: np.ndarray) -> np.ndarray:
    """Edges that are even on a logarithmic axis and reach over all sizes."""
    first = math.floor(math.log2(sizes.min()) * _BINS_PER_DOUBLING)
    last = math.floor(math.log2(sizes.max()) * _BINS_PER_DOUBLING) + 1
    return np.asarray(2.0 ** (np.arange(first, last + 1) / _BINS_PER_DOUBLING))


def _log_mm(axes: Axes, edges: np.ndarray) -> None:
    axes.set_xscale("log", base=2)
    axes.set_xlim(edges[0] / 1.1, edges[-1] * 1.1)
    axes.xaxis.set_major_formatter(lambda value, _: f"{value:g}")


def _in_lines(group: SizeGroup) -> str:
    parts = [group.range_text] if group.name == group.range_text else [group.name, group.range_text]
    return "\n".join(line for part in parts for line in wrap(part, 14 if len(parts) > 1 else 11))
