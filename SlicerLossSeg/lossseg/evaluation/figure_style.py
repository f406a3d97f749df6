"""How figures look, and how they become files. They need matplotlib: the extra `report`."""

from __future__ import annotations

import io
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

from lossseg.errors import InputError, MissingDependency
from lossseg.files import atomic

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

KINDS = ("svg", "pdf", "png")

COLOURS = ("#0072b2", "#d55e00", "#009e73", "#cc79a7", "#e69f00", "#56b4e9", "#000000", "#882255", "#999933", "#661100")
"""Okabe and Ito's palette: told apart with every kind of colour vision. Lines differ in their dashes as well.

The last three are dark ones for an eighth to tenth series, less easily told apart.
"""

DASHES: tuple[tuple[float, tuple[float, ...]], ...] = (
    (0, ()),
    (0, (5, 1.5)),
    (0, (1.2, 1.2)),
    (0, (6, 1.5, 1.2, 1.5)),
    (0, (3, 1)),
    (0, (6, 1.5, 1.2, 1.5, 1.2, 1.5)),
    (0, (1, 3)),
)
MARKERS = ("o", "s", "^", "D", "v", "P", "X")

INK, SOFT, GRID = "#1c2126", "#5b6670", "#d9dee3"

_STYLE = {
    "font.family": "sans-serif",
    "font.size": 10,
    "text.color": INK,
    "axes.labelcolor": INK,
    "axes.edgecolor": SOFT,
    "axes.linewidth": 0.8,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.grid": True,
    "axes.axisbelow": True,
    "axes.titlesize": 10.5,
    "axes.titlelocation": "left",
    "grid.color": GRID,
    "grid.linewidth": 0.8,
    "xtick.color": SOFT,
    "ytick.color": SOFT,
    "xtick.labelcolor": INK,
    "ytick.labelcolor": INK,
    "legend.frameon": False,
    "legend.fontsize": 9,
    "lines.linewidth": 1.8,
    "svg.hashsalt": "lossseg",
    "svg.fonttype": "none",
    "pdf.fonttype": 42,
}


@contextmanager
def styled(what: str) -> Iterator[None]:
    """Within the block figures are made in the house's style.

    Raises:
        MissingDependency: matplotlib is not installed; the sentence names the figure.
    """
    try:
        from matplotlib import rc_context
    except ImportError as error:
        raise MissingDependency(
            f"The {what} figure needs matplotlib.", 'Install it with: pip install "lossseg[report]"'
        ) from error
    with rc_context(_STYLE):
        yield


def blank(width: float, height: float, rows: int = 1, columns: int = 1, **more: Any) -> tuple[Figure, list[Axes]]:
    """A figure of that many inches with its axes, row by row. To be called within `styled`."""
    from matplotlib.figure import Figure

    figure = Figure(figsize=(width, height), layout="constrained")
    axes = figure.subplots(rows, columns, squeeze=False, **more)
    return figure, list(axes.ravel())


def encode(figure: Figure, kind: str = "svg") -> bytes:
    """The figure as a file; the same figure always gives the same bytes.

    Raises:
        InputError: a kind that is none of `KINDS`.
    """
    if kind not in KINDS:
        raise InputError(f"Figures cannot be written as {kind!r}.", f"Choose {', '.join(KINDS)}.")
    from matplotlib import rc_context

    dates = {"svg": {"Date": None, "Creator": None}, "pdf": {"CreationDate": None}, "png": {"Software": None}}
    file = io.BytesIO()
    with rc_context(_STYLE):
        figure.savefig(file, format=kind, dpi=200, metadata=dates[kind])
    return file.getvalue()


def write_figures(folder: Path, figures: Mapping[str, Figure], kinds: Sequence[str] = ("svg", "png")) -> list[Path]:
    """Write each figure as FOLDER/NAME.svg and so on; returns the files.

    Raises:
        InputError: a kind that is none of `KINDS`, or the folder cannot be written to.
        DiskFull: no room.
    """
    written = []
    for name, figure in figures.items():
        for kind in kinds:
            path = Path(folder) / f"{name}.{kind}"
            data = encode(figure, kind)
            with atomic(path) as beside:
                beside.write_bytes(data)
            written.append(path)
    return written
