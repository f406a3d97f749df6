"""The experiment of a paper on the study's own cases: its losses are ticked, its network and training are used."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from slicer.i18n import tr as _

from SlicerLossSegLib.loss_ticks import LossTicks
from SlicerLossSegLib.papers import Paper, conditions
from SlicerLossSegLib.parameters import Parameters


class ExperimentPaper:
    """The list of papers in the section Experiment of ComparePanel.ui.

    Args:
        losses: where a paper's losses are ticked; the person may tick others then.
        on_change: called when the person chose another paper, or none.
    """

    def __init__(self, ui: Any, losses: LossTicks, on_change: Callable[[], None]) -> None:
        self._ui, self._losses, self._on_change = ui, losses, on_change
        self._parameters: Parameters | None = None
        self._papers = conditions()
        ui.experimentPaperCombo.addItem(_("no paper: the planned U-Net, losses of your choice"))
        for paper in self._papers:
            title = _("{title} ({n} losses)").format(title=paper.title, n=len(paper.losses))
            ui.experimentPaperCombo.addItem(title)
        ui.experimentPaperCombo.connect("currentIndexChanged(int)", self._chosen)

    @property
    def paper(self) -> Paper | None:
        """The one that is chosen, in one of its arms."""
        place = self._ui.experimentPaperCombo.currentIndex - 1
        return self._papers[place] if place >= 0 else None

    @property
    def settings(self) -> dict[str, Any]:
        """Parameters of the engine's job `study`; none without a paper."""
        paper = self.paper
        return {} if paper is None else {**paper.settings, "score": paper.score}

    def set_parameters(self, parameters: Parameters | None) -> None:
        """Show what a scene has kept; None while there is no scene."""
        self._parameters = None
        if parameters is None:
            return
        names = [paper.name for paper in self._papers]
        kept = parameters.experiment_paper
        self._ui.experimentPaperCombo.setCurrentIndex(1 + names.index(kept) if kept in names else 0)
        self._parameters = parameters

    def show(self, for_new: bool) -> None:
        """Only a new experiment can be done as in a paper; one that was begun has its settings."""
        ui, paper = self._ui, self.paper
        ui.experimentPaperLabel.visible = ui.experimentPaperCombo.visible = for_new
        ui.experimentPaperNote.visible = for_new and paper is not None
        if paper is not None:
            ui.experimentPaperNote.text = _(
                "{network} and {optimizer} as for the paper, winners by {score}. Patch and length follow your data."
            ).format(network=paper.network, optimizer=paper.optimizer, score=paper.score.replace("_", " "))
            ui.experimentPaperNote.toolTip = paper.tip

    def _chosen(self, index: int) -> None:
        # A scene that is shown brings its own ticks along.
        if self._parameters is None:
            return
        paper = self.paper
        self._parameters.experiment_paper = paper.name if paper is not None else ""
        if paper is not None:
            self._losses.tick(paper.losses)
        self._on_change()
