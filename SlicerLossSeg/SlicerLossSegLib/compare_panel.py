"""The tab Compare: the loss inspector, experiments, and what is made of them."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from SlicerLossSegLib.ensemble_panel import EnsemblePanel
from SlicerLossSegLib.experiment_panel import ExperimentPanel
from SlicerLossSegLib.inspector_panel import InspectorPanel
from SlicerLossSegLib.interaction import Interaction
from SlicerLossSegLib.parameters import Parameters


class ComparePanel:
    """The widgets of ComparePanel.ui, one part per section.

    Args:
        on_models: called when the study has a new ensemble.
    """

    def __init__(self, ui: Any, logic: Any, interaction: Interaction, on_models: Callable[[], None]) -> None:
        self.ui = ui
        self._parameters: Parameters | None = None
        self._tag: int | None = None
        self.inspector = InspectorPanel(ui, logic)
        self.ensemble = EnsemblePanel(ui, logic, on_models)
        self.experiment = ExperimentPanel(ui, logic, interaction, self._experiment_changed)
        self.refresh()

    def set_parameters(self, parameters: Parameters | None) -> None:
        """Connect the widgets to other parameters; None takes them away."""
        if self._parameters is not None and self._tag is not None:
            self._parameters.disconnectGui(self._tag)
        self._parameters = None
        if parameters is not None:
            self._tag = parameters.connectGui(self.ui)
            self._parameters = parameters
        self.inspector.set_parameters(parameters)
        self.experiment.set_parameters(parameters)

    def catch_up(self) -> None:
        """The tab is shown."""
        self.inspector.catch_up()
        self.experiment.catch_up()

    def refresh(self) -> None:
        """Whether the buttons can be pressed, and if not, why."""
        self.inspector.refresh()
        self.experiment.refresh()
        self.ensemble.refresh()

    def study_changed(self) -> None:
        """Another study folder was chosen."""
        self.experiment.catch_up()

    def _experiment_changed(self) -> None:
        self.ensemble.show(self.experiment.chosen)

    def release(self) -> None:
        self.set_parameters(None)
        self.inspector.release()
        self.experiment.release()
        self.ensemble.release()
