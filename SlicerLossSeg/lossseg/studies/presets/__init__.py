"""Presets: the experiments of papers as files, to be done again by name on any dataset.

A file is JSON: what the paper tells and what had to be assumed, the arms (each a study of its own) and the losses that
are compared in each, the settings of `lossseg study` by the names that it has for them, per scale what differs, and the
paper's figures.
"""

from __future__ import annotations

import difflib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from lossseg.errors import InputError
from lossseg.files import read_json
from lossseg.studies.presets.drawn import FIGURES
from lossseg.studies.presets.measures import MEASURES

BEST_OF_FOLDS = "best of each fold"
"""In place of a loss: the ensemble of the best model of each fold."""

_FORMAT, _VERSION = "lossseg-preset", 1
_FOLDER = Path(__file__).parent


@dataclass(frozen=True)
class Arm:
    """One condition of the experiment, a study of its own; `settings` are those in which it differs."""

    name: str
    title: str
    settings: Mapping[str, Any]


@dataclass(frozen=True)
class Scale:
    """How large the experiment is made.

    Attributes:
        settings: of every study at this scale.
        phantoms: kind, cases, size (z, y, x) voxels and seed of the data that is made where none is given; None: the
            data must be given.
        cases: of a dataset that is given, about so many are used; None: all.
    """

    settings: Mapping[str, Any]
    phantoms: Mapping[str, Any] | None = None
    cases: int | None = None


@dataclass(frozen=True)
class Entry:
    """A loss of the experiment: its expression, the paper's name for it, and the family that it stands for."""

    loss: str
    name: str = ""
    family: str = ""


@dataclass(frozen=True)
class Published:
    """A figure of the paper: a measure of one loss, or of the best of each fold, in one arm.

    Attributes:
        measure: a name of `measures.MEASURES`.
        std: as the paper gives it in brackets.
        data: what it was measured on, where the paper has several.
        fold: None for all of them.
    """

    arm: str
    loss: str
    measure: str
    value: float
    std: float | None = None
    data: str = ""
    fold: int | None = None


@dataclass(frozen=True)
class Preset:
    """An experiment.

    Attributes:
        told: what the paper says of its method; assumed: what it does not say, as it is done here.
        entries: the losses that every arm compares.
        measures: the columns of the summary table, the first the most important; see `measures.MEASURES`.
        settings: of every study at every scale.
        best_of_folds: an ensemble is made of the best model of each fold.
        froc_threshold: components of the FROC curve are those above this probability; None: those predicted.
        each_label: a binary model is trained for each label of the data, all others being background.
        drawn: the figures of a run; see `drawn.FIGURES`.
    """

    name: str
    title: str
    paper: str
    question: str
    told: tuple[str, ...]
    assumed: tuple[str, ...]
    arms: tuple[Arm, ...]
    entries: tuple[Entry, ...]
    measures: tuple[str, ...]
    settings: Mapping[str, Any]
    scales: Mapping[str, Scale]
    published: tuple[Published, ...]
    best_of_folds: bool = False
    froc_threshold: float | None = None
    each_label: bool = False
    drawn: tuple[str, ...] = ()

    @property
    def losses(self) -> tuple[str, ...]:
        """The expressions."""
        return tuple(entry.loss for entry in self.entries)

    def entry(self, loss: str) -> Entry:
        """The entry of a loss; one that was added to a run stands for itself."""
        return next((entry for entry in self.entries if entry.loss == loss), Entry(loss))

    def scale(self, name: str) -> Scale:
        """The scale called `name`.

        Raises:
            InputError: there is none.
        """
        if name not in self.scales:
            raise InputError(
                f"The preset {self.name} has no scale {name}.", f"Choose one of: {', '.join(self.scales)}."
            )
        return self.scales[name]

    def study(self, arm: Arm, scale: Scale) -> dict[str, Any]:
        """The parameters of the study of an arm, dataset and folder left out."""
        return {"losses": list(self.losses), **self.settings, **scale.settings, **arm.settings}

    def figures(self, arm: str, loss: str, measure: str, fold: int | None = None) -> tuple[Published, ...]:
        """What the paper has for it: nothing, one figure, or one for each data set."""
        wanted = (arm, loss, measure, fold)
        return tuple(each for each in self.published if (each.arm, each.loss, each.measure, each.fold) == wanted)


def presets() -> dict[str, Preset]:
    """All presets by name."""
    return {preset.name: preset for preset in map(read_preset, sorted(_FOLDER.glob("*.json")))}


def preset(name: str) -> Preset:
    """The preset called `name`.

    Raises:
        InputError: there is none; the nearest is named.
    """
    known = presets()
    if name not in known:
        near = difflib.get_close_matches(name, known, n=1, cutoff=0.5)
        hint = f"Did you mean {near[0]}?" if near else f"Known: {', '.join(known)}."
        raise InputError(f"There is no preset {name}.", hint)
    return known[name]


def read_preset(path: Path) -> Preset:
    """The preset in a file.

    Raises:
        InputError: the file is missing or no preset, or a figure or loss in it belongs to nothing.
    """
    value = read_json(path)
    if not isinstance(value, dict) or value.get("format") != _FORMAT:
        raise InputError(f"{path} is no preset.", f'A preset has the field "format": "{_FORMAT}".')
    if value.get("version") != _VERSION:
        raise InputError(f"{path} has version {value.get('version')}.", f"This engine reads version {_VERSION}.")
    try:
        made = Preset(
            name=str(value["name"]),
            title=str(value["title"]),
            paper=str(value["paper"]),
            question=str(value["question"]),
            told=tuple(value["told"]),
            assumed=tuple(value["assumed"]),
            arms=tuple(Arm(**arm) for arm in value["arms"]),
            entries=tuple(Entry(**loss) if isinstance(loss, dict) else Entry(str(loss)) for loss in value["losses"]),
            measures=tuple(value["measures"]),
            settings=dict(value["settings"]),
            scales={
                name: Scale(dict(scale["settings"]), scale.get("phantoms"), scale.get("cases"))
                for name, scale in value["scales"].items()
            },
            published=tuple(figure for row in value["published"] for figure in _published(**row)),
            best_of_folds=bool(value.get("best_of_folds", False)),
            froc_threshold=value.get("froc_threshold"),
            each_label=bool(value.get("each_label", False)),
            drawn=tuple(value.get("figures", ())),
        )
    except (KeyError, TypeError, ValueError, AttributeError) as error:
        raise InputError(f"{path} cannot be read as a preset ({error!r}).", "Compare it with another one.") from error
    arms, losses = [arm.name for arm in made.arms], (*made.losses, *([BEST_OF_FOLDS] if made.best_of_folds else []))
    for figure in made.published:
        if figure.arm not in arms or figure.loss not in losses:
            raise InputError(
                f"{path} has a figure for {figure.loss} in {figure.arm}.", "Name an arm and a loss of the preset."
            )
    unknown = [name for name in (*made.measures, *(each.measure for each in made.published)) if name not in MEASURES]
    if unknown:
        raise InputError(f"{path} has the measure {unknown[0]}.", f"Known: {', '.join(MEASURES)}.")
    strange = [name for name in made.drawn if name not in FIGURES]
    if strange:
        raise InputError(f"{path} has the figure {strange[0]}.", f"Known: {', '.join(FIGURES)}.")
    if made.best_of_folds and made.each_label:
        raise InputError(f"{path} wants an ensemble of models of different labels.", "Leave out one of the two.")
    return made


def _published(
    figures: Mapping[str, float | Sequence[float]], data: str = "", fold: int | None = None, **where: str
) -> list[Published]:
    """A row of the file: measures by name, each with its value, or with value and standard deviation."""
    made = []
    for measure, figure in figures.items():
        value, std = figure if isinstance(figure, Sequence) else (figure, None)
        made.append(Published(**where, measure=measure, value=value, std=std, data=data, fold=fold))
    return made
