"""What a training starts from, how long it takes, and by which cases it is judged."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

from slicer.i18n import tr as _

from lossseg.networks.catalogue import DEFAULT, NETWORKS
from SlicerLossSegLib import papers
from SlicerLossSegLib.parameters import BudgetUnit, Parameters
from SlicerLossSegLib.study import ModelCard
from SlicerLossSegLib.training_request import HoldOut, TrainingRequest

_NETWORK, _MODEL, _PAPER = "network:", "model:", "paper:"


class TrainingForm:
    """The widgets of `trainForm` in TrainPanel.ui.

    Args:
        on_change: called when the person chose something else.
        on_start: called before that when it is another start, with the paper to train as in; None without one.
    """

    def __init__(self, ui: Any, on_change: Callable[[], None], on_start: Callable[[papers.Paper | None], None]) -> None:
        self._ui, self._on_change, self._on_start = ui, on_change, on_start
        self._papers = papers.papers()
        self._parameters: Parameters | None = None
        self._cards: list[ModelCard] = []
        self._used = ""
        for unit in BudgetUnit:
            ui.budgetUnitCombo.addItem(_(unit.value), unit.name)
        for kind in HoldOut:
            ui.holdOutCombo.addItem(_(kind.value), kind.name)
        ui.holdOutCombo.connect("currentIndexChanged(int)", lambda index: self._refresh())
        ui.budgetUnitCombo.connect("currentIndexChanged(int)", self._unit_chosen)
        ui.startCombo.connect("currentIndexChanged(int)", self._start_chosen)
        ui.rivalCombo.connect("currentIndexChanged(int)", lambda index: self._refresh())
        self.show_devices([("auto", _("Automatic")), ("cpu", _("Processor (CPU)"))])
        self.show_models([], "")

    def set_parameters(self, parameters: Parameters | None) -> None:
        self._parameters = parameters
        if parameters is not None:
            self._ui.budgetUnitCombo.setCurrentIndex(list(BudgetUnit).index(parameters.budget_unit))
        self._refresh()

    def show_devices(self, devices: Sequence[tuple[str, str]]) -> None:
        """Offer these devices, as the engine calls them and as a person reads them."""
        combo = self._ui.trainDeviceCombo
        chosen = combo.itemData(combo.currentIndex) if combo.count else "auto"
        combo.clear()
        for name, title in devices:
            combo.addItem(title, name)
        combo.setCurrentIndex(max(0, _place(combo, chosen)))

    def show_models(self, cards: Sequence[ModelCard], used: str) -> None:
        """Offer the study's models to fine-tune and to compare with.

        Args:
            used: name of the model that was put to use last; it is chosen when it was not so before.
        """
        ui = self._ui
        chosen = tuple(combo.itemData(combo.currentIndex) if combo.count else "" for combo in _combos(ui))
        if used != self._used or not any(chosen):
            chosen = (_MODEL + used if used else _NETWORK + DEFAULT), used
        self._cards, self._used = list(cards), used
        quiet = [combo.blockSignals(True) for combo in _combos(ui)]
        ui.startCombo.clear()
        for card in self._cards:
            ui.startCombo.addItem(_("Fine-tune {name}").format(name=card.name), _MODEL + card.name)
        for entry in NETWORKS.values():
            title = _("New network, planned from the data") if entry.name == DEFAULT else _("New network: {title}")
            ui.startCombo.addItem(title.format(title=entry.title), _NETWORK + entry.name)
        for paper in self._papers:
            title = _("New network, as in {title} ({loss})").format(title=paper.title, loss=paper.loss_name)
            ui.startCombo.addItem(title, _PAPER + paper.name)
        ui.rivalCombo.clear()
        ui.rivalCombo.addItem(_("no other model"), "")
        for card in self._cards:
            ui.rivalCombo.addItem(card.name, card.name)
        fallback = _place(ui.startCombo, _NETWORK + DEFAULT)
        for combo, data, before, other in zip(_combos(ui), chosen, quiet, (fallback, 0), strict=True):
            place = _place(combo, data)
            combo.setCurrentIndex(place if place >= 0 else other)
            combo.blockSignals(before)
        self._refresh()

    def choose_start(self, name: str, *, is_model: bool) -> None:
        """Start from a model of the study, or from a new network of this name."""
        self._ui.startCombo.setCurrentIndex(_place(self._ui.startCombo, (_MODEL if is_model else _NETWORK) + name))

    @property
    def paper(self) -> papers.Paper | None:
        """The paper that the training is to begin as in; None when it begins otherwise."""
        return next((paper for paper in self._papers if _PAPER + paper.name == self._start()), None)

    def request(self, loss: str, settings: dict[str, Any] | None = None) -> TrainingRequest:
        """What the widgets say.

        Args:
            settings: further parameters of the engine's job.
        """
        ui = self._ui
        start = self._card()
        rival = self._rival()
        budget, minutes = float(ui.budgetSpin.value), self._unit() is BudgetUnit.MINUTES
        paper = self.paper
        network = {} if start else dict(paper.settings) if paper else {"network": self._network()}
        return TrainingRequest(
            loss=loss,
            start_from=start.folder if start else None,
            rival=rival.folder.resolve() if rival else None,
            minutes=budget if minutes else None,
            epochs=None if minutes else max(1, round(budget)),
            hold_out=self._hold_out(),
            folds=int(ui.foldsSpin.value),
            device=str(ui.trainDeviceCombo.itemData(ui.trainDeviceCombo.currentIndex) or "auto"),
            settings={**network, **(settings or {})},
        )

    def reason(self, channels: tuple[str, ...], labels: dict[str, int], cases: int) -> str:
        """Why nothing can be trained with what is chosen; empty when it can."""
        for card in (self._card(), self._rival()):
            if card is not None and (card.channels != channels or card.labels != labels):
                return _("{name} was trained for another task than the training set is for.").format(name=card.name)
        folds = int(self._ui.foldsSpin.value)
        if self._hold_out() is HoldOut.FOLDS and cases < folds:
            return _("{n} folds need {n} cases; the training set has {cases}.").format(n=folds, cases=cases)
        if cases < 2:
            return _("A training needs two cases at least: one to learn from and one to be judged by.")
        return ""

    def _start(self) -> str:
        return str(self._ui.startCombo.itemData(self._ui.startCombo.currentIndex) or "")

    def _card(self) -> ModelCard | None:
        return next((card for card in self._cards if _MODEL + card.name == self._start()), None)

    def _rival(self) -> ModelCard | None:
        chosen = self._ui.rivalCombo.itemData(self._ui.rivalCombo.currentIndex)
        return next((card for card in self._cards if card.name == chosen), None)

    def _network(self) -> str:
        return self._start().removeprefix(_NETWORK) or DEFAULT

    def _hold_out(self) -> HoldOut:
        return list(HoldOut)[max(0, self._ui.holdOutCombo.currentIndex)]

    def _unit(self) -> BudgetUnit:
        return list(BudgetUnit)[max(0, self._ui.budgetUnitCombo.currentIndex)]

    def _unit_chosen(self, index: int) -> None:
        if self._parameters is not None and index >= 0:
            self._parameters.budget_unit = list(BudgetUnit)[index]
        self._refresh()

    def _start_chosen(self, index: int) -> None:
        card = self._card()
        if card is not None:
            self._ui.rivalCombo.setCurrentIndex(_place(self._ui.rivalCombo, card.name))
        self._on_start(self.paper)
        self._refresh()

    def _refresh(self) -> None:
        ui, card, paper = self._ui, self._card(), self.paper
        ui.foldsSpin.visible = self._hold_out() is HoldOut.FOLDS
        if card is not None:
            ui.startCombo.toolTip = _("Fine-tuning: {network}, trained with {loss}.").format(
                network=card.network, loss=card.loss
            )
        elif paper is not None:
            ui.startCombo.toolTip = paper.tip
        else:
            entry = NETWORKS[self._network()]
            ui.startCombo.toolTip = f"{entry.title}: {entry.advice}<br>{entry.reference}"
        self._on_change()


def model_name(loss: str, taken: Sequence[str]) -> str:
    """A name for a new model, after its loss and not yet taken."""
    kept = "".join(letter if letter.isalnum() else "_" for letter in loss)
    stem = "_".join(filter(None, kept.split("_")))[:40] or "model"
    name, number = stem, 1
    while name in taken or any(other.startswith(f"{name}/") for other in taken):
        number += 1
        name = f"{stem}_{number}"
    return name


def used_last(rounds: Sequence[Any]) -> str:
    """The name of the model that the last round put to use; empty without one."""
    return next((Path(one.model).relative_to("models").as_posix() for one in reversed(rounds) if one.used), "")


def _combos(ui: Any) -> tuple[Any, Any]:
    return ui.startCombo, ui.rivalCombo


def _place(combo: Any, data: Any) -> int:
    return next((place for place in range(combo.count) if combo.itemData(place) == data), -1)
