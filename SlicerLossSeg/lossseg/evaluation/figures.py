"""Figures of an evaluation. They need matplotlib: the extra `report`."""

from __future__ import annotations

import io

import numpy as np

from lossseg.errors import MissingDependency
from lossseg.evaluation.froc_curve import Froc

_INK, _LINE, _GRID = "#333333", "#0072b2", "#dddddd"


def froc_svg(curve: Froc) -> bytes:
    """The FROC curve as an SVG file: a step curve, with a point where recall is read.

    Raises:
        MissingDependency: matplotlib is not installed.
    """
    try:
        from matplotlib import rc_context
        from matplotlib.figure import Figure
    except ImportError as error:
        raise MissingDependency(
            "The FROC figure needs matplotlib.", 'Install it with: pip install "lossseg[report]"'
        ) from error
    low, high = min(curve.rates) / 2, max(curve.rates) * 2
    points, recall = curve.curve
    with rc_context({"svg.hashsalt": "lossseg", "svg.fonttype": "none", "font.family": "sans-serif", "font.size": 10}):
        figure = Figure(figsize=(6, 3.4), layout="constrained")
        axes = figure.add_subplot()
        axes.step(
            np.append(np.maximum(points, low), high), np.append(recall, recall[-1]), where="post", color=_LINE, lw=2
        )
        axes.plot(curve.rates, [curve.recall_at(rate) for rate in curve.rates], "o", color=_LINE, ms=5)
        axes.set(
            xscale="log", xlim=(low, high), ylim=(0, 1.02), xlabel="False positives per image", ylabel="Lesion recall"
        )
        axes.set_xticks(curve.rates, [f"1/{1 / rate:g}" if rate < 1 else f"{rate:g}" for rate in curve.rates])
        axes.minorticks_off()
        axes.grid(color=_GRID, lw=0.8)
        axes.tick_params(colors=_INK)
        axes.spines[["top", "right"]].set_visible(False)
        file = io.BytesIO()
        figure.savefig(file, format="svg", metadata={"Date": None, "Creator": None})
    return file.getvalue()
