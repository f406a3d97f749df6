"""What came of an experiment, on the screen: a table, FROC curves, and recall by lesion size."""

from __future__ import annotations

from typing import Any

from slicer.i18n import tr as _

from SlicerLossSegLib.experiment_results import ExperimentResults
from SlicerLossSegLib.experiment_tables import show_results
from SlicerLossSegLib.panel_chart import PanelChart, legend


class ResultView:
    """Table, legend and plots in ComparePanel.ui."""

    def __init__(self, ui: Any) -> None:
        self._table, self._legend = ui.resultTable, ui.legendLabel
        layout = ui.resultChartLayout
        self.froc = PanelChart(layout, "LossSegFroc", _("false positives per case"), _("recall"))
        self.groups = PanelChart(layout, "LossSegGroups", _("size, from small to large"), _("recall"))

    def show(self, results: ExperimentResults | None, with_plots: bool) -> None:
        """Show results, or nothing; plots need a scene."""
        show_results(self._table, results)
        self._table.visible = self._legend.visible = results is not None
        self.clear_plots()
        if results is None:
            return
        lines = _("FROC curves with their 95 % bands (dashed), and recall by lesion size.")
        self._legend.text = "<br>".join([legend(results.losses), lines, *results.notes])
        if with_plots and results.froc:
            self.froc.show_curves(results.froc)
        if with_plots and results.recall:
            self.groups.show_bars(results.groups, [(loss, results.recall[loss]) for loss in results.recall])

    def clear_plots(self) -> None:
        self.froc.clear()
        self.groups.clear()

    def release(self) -> None:
        self.froc.release()
        self.groups.release()
