"""The module's panel: head, tabs, and how they follow the scene."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import slicer

from SlicerLossSegLib.compare_panel import ComparePanel
from SlicerLossSegLib.header_panel import HeaderPanel
from SlicerLossSegLib.interaction import Interaction
from SlicerLossSegLib.lesion_table import LesionTable
from SlicerLossSegLib.parameters import Parameters
from SlicerLossSegLib.review_panel import ReviewPanel
from SlicerLossSegLib.segment_panel import SegmentPanel
from SlicerLossSegLib.train_panel import TrainPanel


class ModuleWidget:
    """Puts the panels together.

    Args:
        layout: of the module's widget.
        resources: the folder with the .ui files.
    """

    def __init__(self, layout: Any, logic: Any, resources: Path, interaction: Interaction | None = None) -> None:
        self._logic = logic
        interaction = interaction or Interaction()
        self._whole = slicer.util.loadUI(str(resources / "SlicerLossSeg.ui"))
        layout.addWidget(self._whole)
        self.ui = slicer.util.childWidgetVariables(self._whole)
        self._segment_widget, segment_ui = _load(resources / "SegmentPanel.ui", self.ui.segmentPage)
        self._review_widget, review_ui = _load(resources / "ReviewPanel.ui", self.ui.reviewPage)
        self._train_widget, train_ui = _load(resources / "TrainPanel.ui", self.ui.trainPage)
        self._compare_widget, compare_ui = _load(resources / "ComparePanel.ui", self.ui.comparePage)
        self._parts = (self._whole, self._segment_widget, self._review_widget, self._train_widget, self._compare_widget)
        for part in self._parts:
            part.setMRMLScene(slicer.mrmlScene)
        self.header = HeaderPanel(self.ui, logic, interaction, self._study_changed, self._ready_changed)
        self.segment = SegmentPanel(segment_ui, logic, interaction, self._walk_through, self._new_result)
        self.review = ReviewPanel(review_ui, self.ui.reviewPage, logic, interaction)
        self.train = TrainPanel(
            train_ui, logic, interaction, lambda: self.segment.models.chosen, self._new_models, self._new_volumes
        )
        self.compare = ComparePanel(compare_ui, logic, interaction, self.segment.show_models)
        self.ui.tabs.connect("currentChanged(int)", self._tab_changed)

    def connect_scene(self, parameters: Parameters | None) -> None:
        """Follow the parameters of the scene; None while there is none."""
        self.segment.set_parameters(parameters)
        self.review.set_parameters(parameters)
        self.train.set_parameters(parameters)
        self.compare.set_parameters(parameters)
        if parameters is None:
            self.segment.stop_for_scene()
            self.train.forget_scene()

    def enter(self) -> None:
        self.header.refresh()
        self.segment.show_models()
        self.segment.prefill()
        self.review.catch_up()
        self._catch_up_training()
        self.header.resume_set_up()
        self.header.ask_machine()

    @property
    def is_connected(self) -> bool:
        return self.segment.is_connected

    def exit(self) -> None:
        """Another module is chosen. The panel goes on following the scene: a job may end meanwhile."""
        self.review.leave()
        self.train.leave()

    def release(self) -> None:
        self.ui.tabs.disconnect("currentChanged(int)", self._tab_changed)
        self.segment.release()
        self.review.release()
        self.train.release()
        self.compare.release()
        self.header.release()
        for part in self._parts:
            part.setMRMLScene(None)

    def _tab_changed(self, index: int) -> None:
        if index == 1:
            self.review.catch_up()
            self.review.take_keys()
        else:
            self.review.leave()
        self._catch_up_training()
        if index == self.ui.tabs.indexOf(self.ui.comparePage):
            self.compare.catch_up()

    def _catch_up_training(self) -> None:
        if self.ui.tabs.currentIndex == self.ui.tabs.indexOf(self.ui.trainPage):
            self.train.enter()
        else:
            self.train.leave()

    def _new_models(self, names: list[str]) -> None:
        """New models of the study: they are what one segments with from now on."""
        self.segment.take_models(names)

    def _new_volumes(self, volumes: Sequence[Any]) -> None:
        """A volume was loaded to be segmented and corrected."""
        self.segment.take_volumes(volumes)
        self.ui.tabs.setCurrentIndex(0)

    def _walk_through(self, table: LesionTable) -> None:
        self.review.walk_through(table)
        self.ui.tabs.setCurrentIndex(1)

    def _new_result(self, table: LesionTable) -> None:
        self.review.walk_through(table)

    def _study_changed(self) -> None:
        self.segment.show_models([])
        self.train.study_changed()
        self.compare.study_changed()

    def _ready_changed(self) -> None:
        self.segment.show_devices(self.header.devices)
        self.segment.refresh()
        self.train.show_devices(self.header.devices)
        self.train.refresh()
        self.compare.refresh()


def _load(path: Path, page: Any) -> tuple[Any, Any]:
    widget = slicer.util.loadUI(str(path))
    page.layout().addWidget(widget)
    return widget, slicer.util.childWidgetVariables(widget)
