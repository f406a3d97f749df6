"""Which curves of a training are shown, and the button that shows them in Slicer's plot layout."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from slicer.i18n import tr as _

from lossseg.jobs.events import Metric
from SlicerLossSegLib.training_curves import Chart, TrainingCurves


class CurvesRow:
    """The widgets of `curvesRow` in TrainPanel.ui."""

    def __init__(self, ui: Any) -> None:
        self._ui = ui
        self.curves = TrainingCurves()
        for chart in Chart:
            ui.curvesCombo.addItem(_(chart.value), chart.name)
        ui.curvesButton.connect("clicked()", self.show_or_hide)
        ui.curvesCombo.connect("currentIndexChanged(int)", self._chosen)
        self.refresh()

    def start(self, past: Iterable[Metric] = ()) -> None:
        self.curves.start(past)
        self.refresh()

    def add(self, metric: Metric) -> None:
        known = len(self.curves.charts)
        self.curves.add(metric)
        if len(self.curves.charts) != known:
            self.refresh()

    def stop(self) -> None:
        self.curves.stop()
        self.refresh()

    def forget(self) -> None:
        self.curves.forget()
        self.refresh()

    def release(self) -> None:
        self.curves.hide()
        self.curves.forget()

    def show_or_hide(self) -> None:
        if self.curves.is_shown:
            self.curves.hide()
        else:
            self.curves.show(self._chart())
        self.refresh()

    def refresh(self) -> None:
        ui, charts = self._ui, self.curves.charts
        shown, there = self.curves.is_shown, self._chart() in charts
        ui.curvesButton.visible = ui.curvesCombo.visible = bool(charts)
        ui.curvesButton.text = _("Hide curves") if shown else _("Show curves")
        ui.curvesButton.enabled = shown or there
        if shown:
            ui.curvesButton.toolTip = _("Bring back the former layout.")
        else:
            ready = _("Show them in Slicer's plot layout.")
            ui.curvesButton.toolTip = ready if there else _("There is no such value yet.")

    def _chart(self) -> Chart:
        return list(Chart)[max(0, self._ui.curvesCombo.currentIndex)]

    def _chosen(self, index: int) -> None:
        if self.curves.is_shown and self._chart() in self.curves.charts:
            self.curves.show(self._chart())
        self.refresh()
