"""The figures of a preset's run: those of its paper, drawn from what its studies have written. They need matplotlib."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import numpy as np

from lossseg.evaluation import PrecisionRecall
from lossseg.evaluation.figure_style import COLOURS, DASHES, INK, MARKERS, SOFT, blank, styled
from lossseg.evaluation.lesion_figures import groups_figure
from lossseg.reporting import Reporter, Silent
from lossseg.studies.presets import Preset
from lossseg.studies.presets.series import AVERAGED, Band, Series

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

_LEAST_SPAN = 0.1
_RATES = (1 / 8, 1 / 4, 1 / 2, 1.0, 2.0, 4.0, 8.0)


@dataclass(frozen=True)
class Drawn:
    """What is drawn from.

    Attributes:
        curves: FROC curves as JSON data, by the path of a loss's folder below the run's.
        ensembles: of arms, as JSON data: the table of folds.
    """

    preset: Preset
    series: Sequence[Series]
    curves: Mapping[str, Any] = field(default_factory=dict)
    ensembles: Mapping[str, Any] = field(default_factory=dict)
    reporter: Reporter = field(default_factory=Silent)

    @property
    def columns(self) -> dict[str, list[Series]]:
        """The series by the label that they are of, whose name is "" where models have all labels."""
        found: dict[str, list[Series]] = {}
        for each in self.series:
            found.setdefault(each.part.label, []).append(each)
        return found


def figures(drawn: Drawn) -> dict[str, Figure]:
    """The preset's figures by name, those left out for which there is nothing to draw.

    Raises:
        MissingDependency: matplotlib is not installed.
        InputError: a probability cannot be read.
        Cancelled: the reporter was told to stop.
    """
    made = {name: _MAKERS[name](drawn) for name in drawn.preset.drawn}
    return {name: figure for name, figure in made.items() if figure is not None}


def _learning(drawn: Drawn) -> Figure | None:
    return _courses(drawn, "Training loss", lambda each: each.course("loss", "training"))


def _validation(drawn: Drawn) -> Figure | None:
    return _courses(drawn, "Validation Dice", lambda each: each.course("dice", AVERAGED), share=True)


def _courses(drawn: Drawn, title: str, read: Callable[[Series], Band | None], share: bool = False) -> Figure | None:
    found = {label: [(each, read(each)) for each in column] for label, column in drawn.columns.items()}
    if not any(band is not None for column in found.values() for _, band in column):
        return None
    with styled("learning curve"):
        figure, panels = _panels(len(found), sharey=True)
        for axes, (label, column) in zip(panels, found.items(), strict=True):
            for each, band in column:
                if band is not None:
                    _band(axes, band, each.name, **_look(drawn.preset, each))
            axes.set(title=_words(label), xlabel="Step", **({"ylim": (0, 1.02)} if share else {}))
        panels[0].set_ylabel(title)
        _legend(figure, panels)
    return figure


def _learned(drawn: Drawn) -> Figure | None:
    found = {label: [(each, each.learned()) for each in column] for label, column in drawn.columns.items()}
    names = list(dict.fromkeys(name for column in found.values() for _, learned in column for name in learned))
    if not names:
        return None
    several = len(drawn.preset.arms) > 1
    with styled("learned parameters"):
        figure, panels = _panels(len(found), sharey=True)
        for axes, (label, column) in zip(panels, found.items(), strict=True):
            for each, learned in column:
                for name, band in learned.items():
                    place = names.index(name)
                    told = f"{name}, {each.part.arm}" if several else name
                    look = {"color": COLOURS[place % len(COLOURS)], "ls": DASHES[each.arm % len(DASHES)]}
                    _band(axes, band, told, **look)
            axes.set(title=_words(label), xlabel="Step")
        panels[0].set_ylabel("Learned value")
        low, high = panels[0].get_ylim()
        # What hardly moves shall look so.
        spare = max(0.0, _LEAST_SPAN - (high - low)) / 2
        panels[0].set_ylim(low - spare, high + spare)
        _legend(figure, panels)
    return figure


def _cases(drawn: Drawn) -> Figure | None:
    columns = drawn.columns
    if not columns:
        return None
    names = list(dict.fromkeys(each.name for each in drawn.series))
    # The mean of all labels comes first: that is what the paper has.
    titles = ["", *columns] if len(columns) > 1 else list(columns)
    with styled("Dice of each case"):
        figure, panels = _panels(len(titles), width=max(2.4, 0.62 * len(names) + 0.8), sharey=True)
        for axes, title in zip(panels, titles, strict=True):
            together = len(columns) == 1 or not title
            for place, name in enumerate(names):
                chosen = [each for each in drawn.series if each.name == name and (together or each.part.label == title)]
                values = [value for each in chosen for value in each.of_cases("dice").values()]
                if values:
                    _box(axes, place, values, _look(drawn.preset, chosen[0])["color"])
                if chosen and together:
                    _printed(axes, place, drawn.preset, chosen[0])
            axes.set_xticks(range(len(names)), names, rotation=45, ha="right", fontsize=8.5)
            axes.set(title=_words(title) or ("mean of all" if len(columns) > 1 else ""), ylim=(0, 1.02))
            axes.grid(axis="x", visible=False)
        panels[0].set_ylabel("Dice")
    return figure


def _box(axes: Axes, place: int, values: Sequence[float], colour: str) -> None:
    axes.boxplot(
        [values],
        positions=[place],
        widths=0.55,
        showfliers=False,
        showmeans=True,
        medianprops={"color": colour, "lw": 2},
        meanprops={"marker": "x", "markeredgecolor": INK, "markersize": 5},
        boxprops={"color": SOFT},
        whiskerprops={"color": SOFT},
        capprops={"color": SOFT},
    )
    spread = np.linspace(-0.16, 0.16, len(values)) if len(values) > 1 else np.zeros(1)
    axes.plot(place + spread, values, "o", ms=3.5, mew=0, color=colour, alpha=0.75)


def _printed(axes: Axes, place: int, preset: Preset, each: Series) -> None:
    for figure in preset.figures(each.part.arm, each.expression, "dice"):
        axes.plot([place - 0.38, place + 0.38], [figure.value] * 2, color="black", lw=2.4, solid_capstyle="butt")


def _precision_recall(drawn: Drawn) -> Figure | None:
    found = {
        label: [(each, curve) for each in column if (curve := each.precision_recall(drawn.reporter)) is not None]
        for label, column in drawn.columns.items()
    }
    if not any(found.values()):
        return None
    with styled("precision-recall"):
        figure, panels = _panels(len(found), height=4.2, sharey=True)
        for axes, (label, column) in zip(panels, found.items(), strict=True):
            for each, curve in column:
                _curve(axes, curve, each.name, **_look(drawn.preset, each))
            axes.set(title=_words(label), xlabel="Recall of voxels", xlim=(0, 1.01), ylim=(0, 1.02))
            if column:
                axes.legend(loc="upper left", bbox_to_anchor=(0, -0.2), borderaxespad=0, fontsize=8)
        panels[0].set_ylabel("Precision of voxels")
    return figure


def _curve(axes: Axes, curve: PrecisionRecall, name: str, **look: Any) -> None:
    axes.plot(
        np.append(0.0, curve.recall),
        np.append(curve.precision[:1], curve.precision),
        drawstyle="steps-pre",
        label=f"{name} ({curve.average_precision:.3f})",
        **look,
    )


def _folds(drawn: Drawn) -> Figure | None:
    tables = {arm: made["folds"] for arm, made in drawn.ensembles.items() if made.get("folds")}
    if not tables:
        return None
    with styled("folds"):
        figure, panels = _panels(len(tables), width=5.4, sharey=True)
        for axes, (arm, rows) in zip(panels, tables.items(), strict=True):
            losses = list(dict.fromkeys(row["loss"] for row in rows))
            for place, loss in enumerate(losses):
                own = [row for row in rows if row["loss"] == loss]
                name = drawn.preset.entry(loss).name or loss
                colour, marker = COLOURS[place % len(COLOURS)], MARKERS[place % len(MARKERS)]
                at = np.array([row["fold"] for row in own]) + 0.16 * (place - (len(losses) - 1) / 2)
                here = [_or_nan(row["means"].get("dice")) for row in own]
                paper = [_or_nan(row["paper"]) for row in own]
                axes.plot(at, here, marker, color=colour, ms=7, label=f"{name}, here")
                axes.plot(at, paper, marker, color=colour, ms=7, mfc="none", label=f"{name}, the paper")
            axes.set_xticks(sorted({row["fold"] for row in rows}))
            axes.set(title=arm if len(tables) > 1 else "", xlabel="Fold", ylim=(0, 1.02))
        panels[0].set_ylabel("Dice, mean of the fold's cases")
        _legend(figure, panels)
    return figure


def _sizes(drawn: Drawn) -> Figure | None:
    groups = {each.name: each.size_groups() for each in drawn.series}
    groups = {name: of_loss for name, of_loss in groups.items() if of_loss}
    return groups_figure(groups) if groups else None


def _froc(drawn: Drawn) -> Figure | None:
    found = [(each, drawn.curves.get(f"{each.part.name}/{each.record['folder']}")) for each in drawn.series]
    held = [(each, curve) for each, curve in found if curve and None not in curve["recall"]]
    if not held:
        return None
    with styled("FROC"):
        figure, panels = _panels(1, width=6.4, height=4.2)
        low, high = _RATES[0] / 2, _RATES[-1] * 2
        for each, curve in held:
            false, recall = np.array(curve["false_positives_per_image"]), np.array(curve["recall"])
            # Recall before the axis begins is that of its last threshold.
            begin = recall[max(int(np.searchsorted(false, low, side="right")) - 1, 0)]
            inside = (false > low) & (false < high)
            end = recall[max(int(np.searchsorted(false, high, side="right")) - 1, 0)]
            panels[0].step(
                [low, *false[inside], high],
                [begin, *recall[inside], end],
                where="post",
                label=f"{each.name} ({curve['average_recall']:.2f})",
                **_look(drawn.preset, each),
            )
            if false[-1] < high:
                panels[0].plot(max(false[-1], low), recall[-1], "o", ms=4, color=_look(drawn.preset, each)["color"])
        panels[0].set(xscale="log", xlim=(low, high), ylim=(0, 1.02))
        panels[0].set(xlabel="False positives per image", ylabel="Recall of lesions")
        panels[0].set_xticks(_RATES, [f"1/{1 / rate:g}" if rate < 1 else f"{rate:g}" for rate in _RATES])
        panels[0].minorticks_off()
        _legend(figure, panels)
    return figure


def _panels(count: int, *, width: float = 3.4, height: float = 3.4, **more: Any) -> tuple[Figure, list[Axes]]:
    return blank(max(width * count, 4.6), height, 1, count, **more)


def _band(axes: Axes, band: Band, name: str, **look: Any) -> None:
    if np.any(band.high > band.low):
        axes.fill_between(band.steps, band.low, band.high, color=look["color"], alpha=0.12, lw=0)
    marker = "o" if len(band.steps) <= 12 else ""
    axes.plot(band.steps, band.mean, marker=marker, ms=3.5, label=name, **look)


def _look(preset: Preset, each: Series) -> dict[str, Any]:
    """Colour by loss and dashes by arm; a weighted loss shares the colour of the loss that it weights and is solid."""
    bare = [_bare(loss) for loss in preset.losses]
    kinds = list(dict.fromkeys(bare))
    own = _bare(each.expression)
    colour = kinds.index(own) if own in kinds else len(kinds) + each.loss - len(bare)
    plain = bare.count(own) > 1 and own == each.expression
    dashes = each.arm + plain + colour // len(COLOURS)
    return {"color": COLOURS[colour % len(COLOURS)], "ls": DASHES[dashes % len(DASHES)]}


def _bare(loss: str) -> str:
    return loss.removeprefix("iw(").removesuffix(")") if loss.startswith("iw(") else loss


def _legend(figure: Figure, panels: Sequence[Axes]) -> None:
    handles: dict[str, Any] = {}
    for axes in panels:
        for handle, label in zip(*axes.get_legend_handles_labels(), strict=True):
            handles.setdefault(label, handle)
    if handles:
        figure.legend(list(handles.values()), list(handles), loc="outside lower left", ncols=2)


def _words(label: str) -> str:
    return label.replace("_", " ")


def _or_nan(value: float | None) -> float:
    return float("nan") if value is None else float(value)


_MAKERS: Mapping[str, Callable[[Drawn], Figure | None]] = {
    "learning": _learning,
    "validation": _validation,
    "cases": _cases,
    "precision_recall": _precision_recall,
    "learned": _learned,
    "folds": _folds,
    "sizes": _sizes,
    "froc": _froc,
}
