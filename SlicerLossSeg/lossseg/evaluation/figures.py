"""Figures of detection and of probabilities: FROC, precision against recall, reliability. They need matplotlib."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

import numpy as np

from lossseg.evaluation.calibration import Reliability
from lossseg.evaluation.figure_style import COLOURS, DASHES, MARKERS, SOFT, blank, encode, styled
from lossseg.evaluation.froc_curve import Froc
from lossseg.evaluation.precision_recall_curve import PrecisionRecall

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure


def froc_figure(curves: Mapping[str, Froc], *, level: float = 0.95, samples: int = 1000) -> Figure:
    """FROC curves: steps with a point where recall is read, and the band that holds the middle `level` of bootstrap
    samples (patients with replacement) at each rate of false positives.

    The legend gives the average recall with its interval, and how many lesions share their component with another one.

    Args:
        curves: by the model's name; an empty name is not shown.
        level: of the band, in (0, 1).
        samples: of the bootstrap; 0 draws no band.

    Raises:
        MissingDependency: matplotlib is not installed.
    """
    with styled("FROC"):
        figure, (axes,) = blank(6.4, 4.0)
        rates = sorted({rate for curve in curves.values() for rate in curve.rates if rate > 0})
        low, high = min(rates) / 2, max(rates) * 2
        shade = 0.16 if len(curves) == 1 else 0.1
        for place, (name, curve) in enumerate(curves.items()):
            colour = COLOURS[place % len(COLOURS)]
            label = [f"{name}: " if name else "", f"average recall {curve.average_recall:.3f}"]
            if samples:
                drawn = curve.bootstrap(fraction=1.0, n=samples, replacement=True)
                axes.fill_between(drawn.grid, *drawn.band(level), color=colour, alpha=shade, lw=0, step="post")
                first, last = drawn.interval(level)
                label.append(f" ({first:.3f} to {last:.3f})")
            if curve.merged:
                label.append(f", {curve.merged} merged")
            inside = (curve.fp_per_image > low) & (curve.fp_per_image < high)
            axes.step(
                [low, *curve.fp_per_image[inside], high],
                [curve.recall_at(low), *curve.recall[inside], curve.recall_at(high)],
                where="post",
                color=colour,
                ls=DASHES[place % len(DASHES)],
                label="".join(label),
            )
            marks = [curve.recall_at(rate) for rate in curve.rates]
            axes.plot(curve.rates, marks, MARKERS[place % len(MARKERS)], color=colour, ms=4.5)
        axes.set(xscale="log", xlim=(low, high), ylim=(0, 1.02))
        axes.set(xlabel="False positives per image", ylabel="Lesion recall")
        axes.set_xticks(rates, [f"1/{1 / rate:g}" if rate < 1 else f"{rate:g}" for rate in rates])
        axes.minorticks_off()
        _legend_below(axes)
    return figure


def froc_svg(curve: Froc) -> bytes:
    """The FROC curve of one model as an SVG file, see `froc_figure`.

    Raises:
        MissingDependency: matplotlib is not installed.
    """
    return encode(froc_figure({"": curve}))


def precision_recall_figure(curves: Mapping[str, PrecisionRecall]) -> Figure:
    """Precision against recall by voxel, with the point of highest Dice and the precision of a guess.

    Args:
        curves: by the model's name.

    Raises:
        MissingDependency: matplotlib is not installed.
    """
    with styled("precision-recall"):
        figure, (axes,) = blank(5.2, 4.4)
        for place, (name, curve) in enumerate(curves.items()):
            colour = COLOURS[place % len(COLOURS)]
            dice, threshold = curve.best
            axes.plot(
                np.append(0.0, curve.recall),
                np.append(curve.precision[:1], curve.precision),
                drawstyle="steps-pre",
                color=colour,
                ls=DASHES[place % len(DASHES)],
                label=f"{name + ': ' if name else ''}average precision {curve.average_precision:.3f}, "
                f"highest Dice {dice:.3f} at {threshold:.2g}",
            )
            best = int(np.argmin(np.abs(curve.thresholds - threshold)))
            axes.plot(curve.recall[best], curve.precision[best], MARKERS[place % len(MARKERS)], color=colour, ms=6)
        guess = max((curve.prevalence for curve in curves.values() if not math.isnan(curve.prevalence)), default=0.0)
        axes.axhline(guess, color=SOFT, lw=1, ls=(0, (2, 2)), label=f"guess: precision {guess:.2g}")
        axes.set(xlim=(0, 1.01), ylim=(0, 1.02), xlabel="Recall of lesion voxels", ylabel="Precision of voxels")
        _legend_below(axes)
    return figure


def reliability_figure(curves: Mapping[str, Reliability]) -> Figure:
    """Share of lesion voxels against predicted probability, and below it how many voxels have that probability.

    Args:
        curves: by the model's name.

    Raises:
        MissingDependency: matplotlib is not installed.
    """
    with styled("reliability"):
        figure, (above, below) = blank(5.2, 5.6, 2, 1, sharex=True, height_ratios=(3, 1))
        above.plot([0, 1], [0, 1], color=SOFT, lw=1, ls=(0, (2, 2)), label="what probabilities should mean")
        for place, (name, curve) in enumerate(curves.items()):
            colour, dashes = COLOURS[place % len(COLOURS)], DASHES[place % len(DASHES)]
            held = curve.voxels > 0
            error = f"ECE {curve.ece:.2g}, from 0.05 on {_figure(curve.ece_above_first)}"
            above.plot(
                curve.confidence[held],
                curve.frequency[held],
                marker=MARKERS[place % len(MARKERS)],
                ms=4.5,
                color=colour,
                ls=dashes,
                label=f"{name + ': ' if name else ''}{error}",
            )
            below.stairs(np.where(held, curve.voxels, np.nan), curve.edges, color=colour, ls=dashes, lw=1.5)
        above.set(xlim=(0, 1), ylim=(0, 1.02), ylabel="Share that is lesion")
        below.set(yscale="log", xlabel="Predicted probability", ylabel="Voxels")
        handles, labels = above.get_legend_handles_labels()
        below.legend(handles, labels, loc="upper left", bbox_to_anchor=(0, -0.55), borderaxespad=0)
    return figure


def learning_curve_axes(axes: Axes, title: str, series: Sequence[tuple[str, np.ndarray, np.ndarray]]) -> None:
    """One panel of learning curves: each series has a name, its steps and its values."""
    for place, (name, steps, values) in enumerate(series):
        colour, dashes = COLOURS[place % len(COLOURS)], DASHES[place % len(DASHES)]
        marker = MARKERS[place % len(MARKERS)] if len(steps) <= 30 else ""
        axes.plot(steps, values, color=colour, ls=dashes, marker=marker, ms=4, label=name)
    axes.set(title=title, xlabel="Step")
    if any(name for name, _, _ in series):
        _legend_below(axes, -0.22)


def _legend_below(axes: Axes, down: float = -0.18) -> None:
    # Below and not on the curves: nothing is hidden however they run.
    if axes.get_legend_handles_labels()[0]:
        axes.legend(loc="upper left", bbox_to_anchor=(0, down), borderaxespad=0)


def _figure(value: float) -> str:
    return "n/a" if math.isnan(value) else f"{value:.2g}"
