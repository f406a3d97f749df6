"""The list of models: what is ticked is the ensemble."""

from __future__ import annotations

import math
from collections.abc import Callable
from pathlib import Path
from typing import Any

import qt
from slicer.i18n import tr as _

from SlicerLossSegLib.study import EnsembleEntry, ModelCard, Study

_TITLES = ("Model", "Dice", "Small", "Loss", "Network")
_TIPS = (
    "What is ticked decides together.",
    "Mean Dice of its validation cases, 0 to 1.",
    "Recall of small lesions in its validation cases, 0 to 1.",
    "The loss that it was trained with.",
    "Its architecture and the filters per level.",
)


class ModelList:
    """A tree widget with the study's ensembles and models, each with a tick box.

    Ticking an ensemble ticks its members and nothing else; an ensemble is shown as ticked when just its members are.
    """

    def __init__(self, tree: Any, on_change: Callable[[], None]) -> None:
        self._tree, self._on_change = tree, on_change
        self._updating = False
        self._models: list[tuple[Any, ModelCard]] = []
        self._ensembles: list[tuple[Any, EnsembleEntry]] = []
        tree.setColumnCount(len(_TITLES))
        tree.setHeaderLabels([_(title) for title in _TITLES])
        header = tree.model()
        for column, tip in enumerate(_TIPS):
            header.setHeaderData(column, qt.Qt.Horizontal, _(tip), qt.Qt.ToolTipRole)
        tree.connect("itemChanged(QTreeWidgetItem*,int)", self._ticked)

    @property
    def cards(self) -> list[ModelCard]:
        return [card for _item, card in self._models]

    @property
    def chosen(self) -> list[ModelCard]:
        """The ticked models."""
        return [card for item, card in self._models if item.checkState(0) == qt.Qt.Checked]

    @property
    def chosen_ensemble(self) -> EnsembleEntry | None:
        """The ensemble file whose members are just what is ticked: its members may have unequal shares."""
        folders = {card.folder.resolve() for card in self.chosen}
        return next((entry for _item, entry in self._ensembles if set(entry.members) == folders), None)

    def show(self, study: Study, names: list[str]) -> None:
        """List what the study has, with the models of these names ticked."""
        self._updating = True
        self._tree.clear()
        self._models, self._ensembles = [], []
        for entry in study.ensembles():
            item = self._item(entry.name, _("{n} models. {chosen}").format(n=len(entry.members), chosen=entry.chosen))
            item.setText(3, _("ensemble of {n}").format(n=len(entry.members)))
            self._ensembles.append((item, entry))
        for card in study.models():
            item = self._item(card.name, _tip(card))
            for column, text in enumerate((_ratio(card.dice), _ratio(card.small_recall), card.loss, card.network), 1):
                item.setText(column, text)
            item.setCheckState(0, qt.Qt.Checked if card.name in names else qt.Qt.Unchecked)
            self._models.append((item, card))
        self._show_ensembles()
        for column in range(len(_TITLES)):
            self._tree.resizeColumnToContents(column)
        self._updating = False

    def tick(self, folders: list[Path]) -> None:
        """Tick the models in these folders and no others."""
        self._updating = True
        wanted = {folder.resolve() for folder in folders}
        for item, card in self._models:
            item.setCheckState(0, qt.Qt.Checked if card.folder.resolve() in wanted else qt.Qt.Unchecked)
        self._show_ensembles()
        self._updating = False
        self._on_change()

    def _item(self, name: str, tip: str) -> Any:
        item = qt.QTreeWidgetItem(self._tree)
        item.setText(0, name)
        item.setToolTip(0, tip)
        item.setFlags(qt.Qt.ItemIsEnabled | qt.Qt.ItemIsSelectable | qt.Qt.ItemIsUserCheckable)
        item.setCheckState(0, qt.Qt.Unchecked)
        return item

    def _ticked(self, item: Any, column: int) -> None:
        if self._updating:
            return
        for of_ensemble, entry in self._ensembles:
            if of_ensemble is item:
                self.tick(list(entry.members) if item.checkState(0) == qt.Qt.Checked else [])
                return
        self._updating = True
        self._show_ensembles()
        self._updating = False
        self._on_change()

    def _show_ensembles(self) -> None:
        chosen = self.chosen_ensemble
        for item, entry in self._ensembles:
            item.setCheckState(0, qt.Qt.Checked if entry is chosen else qt.Qt.Unchecked)


def _ratio(value: float) -> str:
    return f"{value:.2f}" if math.isfinite(value) else _("n/a")


def _tip(card: ModelCard) -> str:
    lines = [
        _("Channels: {names}").format(names=", ".join(card.channels)),
        _("Labels: {names}").format(names=", ".join(name for name, value in card.labels.items() if value)),
        _("Dice and recall of small lesions are those of its validation cases."),
        card.intended_use,
    ]
    return "<br>".join(line for line in lines if line)
