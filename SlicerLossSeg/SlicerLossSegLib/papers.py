"""How papers trained, to train alike on data of one's own: read from the engine's presets, which need no torch."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from slicer.i18n import tr as _

from lossseg.studies.presets import Arm, Preset, presets

CARRIED = (
    "network",
    "base_filters",
    "max_filters",
    "filters",
    "dilations",
    "deep_supervision",
    "optimizer",
    "learning_rate",
    "momentum",
    "schedule",
    "step_at",
    "step_factor",
    "oversampling",
    "ema_decay",
)
"""The settings of a preset that say how a network is built and trained. What fits the paper's images and machine only
(patch, batch, intensity windows, length, folds) is left to the data at hand and to the person's budget."""

_WITHOUT_RESULT = {"spinal_losses": "dice_focal"}
"""The loss to begin with where a paper has published no figures: what led in the preset's small run on phantoms."""


@dataclass(frozen=True)
class Paper:
    """A paper's way to train a network.

    Attributes:
        name: of the engine's preset; with the name of the arm behind it for those after the first.
        title: short, as shown in a list.
        source: the paper, as it is cited.
        network: its title.
        losses: expressions that the paper compares.
        loss: the one of them to begin with; `loss_name` is the paper's name for it.
        is_published: the paper's figures made the choice of `loss`.
        score: the validation score that names the winner of a fold.
        settings: parameters of the jobs `train` and `study`, by their names; see `CARRIED`.
    """

    name: str
    title: str
    source: str
    network: str
    losses: tuple[str, ...]
    loss: str
    loss_name: str
    is_published: bool
    score: str
    settings: Mapping[str, Any]

    @property
    def optimizer(self) -> str:
        return {"sgd": "SGD", "adamw": "AdamW"}[self.settings.get("optimizer", "sgd")]

    @property
    def tip(self) -> str:
        """All of it, as rich text."""
        values = ", ".join(f"{name.replace('_', ' ')} {value}" for name, value in self.settings.items())
        why = (
            _("{loss} has the best figures of the paper, averaged over its data.")
            if self.is_published
            else _("The paper has no figures yet; {loss} led in a short run on phantoms.")
        ).format(loss=self.loss_name)
        told = _("What the paper tells and what is assumed: <i>lossseg preset show {name}</i>").format(
            name=self.name.partition("/")[0]
        )
        return "<br>".join((self.source, values, why, told))


def papers() -> list[Paper]:
    """The papers, each in its first arm."""
    return [_paper(preset, preset.arms[0], _short(preset)) for preset in presets().values()]


def conditions() -> list[Paper]:
    """The papers, once for each arm: those are trained apart, so that each is an experiment."""
    return [
        _paper(preset, arm, f"{_short(preset)}: {arm.title}" if len(preset.arms) > 1 else _short(preset))
        for preset in presets().values()
        for arm in preset.arms
    ]


def _short(preset: Preset) -> str:
    return preset.title.partition(":")[0]


def _paper(preset: Preset, arm: Arm, title: str) -> Paper:
    best = _best(preset)
    loss = best or _WITHOUT_RESULT.get(preset.name, preset.losses[0])
    settings = {**preset.settings, **arm.settings}
    return Paper(
        name=preset.name if arm is preset.arms[0] else f"{preset.name}/{arm.name}",
        title=title,
        source=preset.paper,
        network=arm.title,
        losses=preset.losses,
        loss=loss,
        loss_name=preset.entry(loss).name or loss,
        is_published=bool(best),
        score=str(settings.get("score", "dice")),
        settings={name: settings[name] for name in CARRIED if name in settings},
    )


def _best(preset: Preset) -> str:
    """The loss with the best published mean of the preset's first measure in its first arm; the first of equal ones."""

    def mean(loss: str) -> float:
        figures = preset.figures(preset.arms[0].name, loss, preset.measures[0])
        return round(sum(figure.value for figure in figures) / len(figures), 6) if figures else -1.0

    best = max(preset.losses, key=mean)
    return best if mean(best) >= 0 else ""
