"""The module's panel: head, tabs, and how they follow the scene."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import slicer

from SlicerLossSegLib.header_panel import HeaderPanel
from SlicerLossSegLib.interaction import Interaction
from SlicerLossSegLib.lesion_table import LesionTable
from SlicerLossSegLib.parameters import Parameters
from SlicerLossSegLib.review_panel import ReviewPanel
from SlicerLossSegLib.segment_panel import SegmentPanel


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
        self._parts = (self._whole, self._segment_widget, self._review_widget)
        for part in self._parts:
            part.setMRMLScene(slicer.mrmlScene)
        self.header = HeaderPanel(self.ui, logic, interaction, self._study_changed, self._ready_changed)
        self.segment = SegmentPanel(segment_ui, logic, interaction, self._walk_through, self._new_result)
        self.review = ReviewPanel(review_ui, self.ui.reviewPage, logic, interaction)
        self.ui.tabs.connect("currentChanged(int)", self._tab_changed)

    def connect_scene(self, parameters: Parameters | None) -> None:
        """Follow the parameters of the scene; None while there is none."""
        self.segment.set_parameters(parameters)
        self.review.set_parameters(parameters)
        if parameters is None:
            self.segment.stop_for_scene()

    def enter(self) -> None:
        self.header.refresh()
        self.segment.show_models()
        self.segment.prefill()
        self.review.catch_up()
        self.header.resume_set_up()
        self.header.ask_machine()

    @property
    def is_connected(self) -> bool:
        return self.segment.is_connected

    def exit(self) -> None:
        """Another module is chosen. The panel goes on following the scene: a job may end meanwhile."""
        self.review.leave()

    def release(self) -> None:
        self.ui.tabs.disconnect("currentChanged(int)", self._tab_changed)
        self.segment.release()
        self.review.release()
        self.header.release()
        for part in self._parts:
            part.setMRMLScene(None)

    def _tab_changed(self, index: int) -> None:
        if index == 1:
            self.review.catch_up()
        else:
            self.review.leave()

    def _walk_through(self, table: LesionTable) -> None:
        self.review.walk_through(table)
        self.ui.tabs.setCurrentIndex(1)

    def _new_result(self, table: LesionTable) -> None:
        self.review.walk_through(table)

    def _study_changed(self) -> None:
        self.segment.show_models([])

    def _ready_changed(self) -> None:
        self.segment.show_devices(self.header.devices)
        self.segment.refresh()


def _load(path: Path, page: Any) -> tuple[Any, Any]:
    widget = slicer.util.loadUI(str(path))
    page.layout().addWidget(widget)
    return widget, slicer.util.childWidgetVariables(widget)
