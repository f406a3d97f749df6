"""The bar plot of the loss inspector: a group per lesion, in it a bar per loss."""

from __future__ import annotations

from typing import Any

from slicer.i18n import tr as _

from SlicerLossSegLib.inspector import Kind, LossAnswer
from SlicerLossSegLib.loss_ticks import short
from SlicerLossSegLib.panel_chart import PanelChart, legend

_MOST_LESIONS = 20


class ShareChart:
    """A plot in a layout of the panel; false positives, which may be many, are one group.

    The background, whose share dwarfs those of lesions, is left to the table.
    """

    def __init__(self, layout: Any) -> None:
        titles = _("largest lesions; then all false positives"), _("share of gradient in %")
        self._plot = PanelChart(layout, "LossSegShares", *titles)

    @property
    def chart(self) -> Any | None:
        """The vtkMRMLPlotChartNode, None when nothing is shown."""
        return self._plot.chart

    def show(self, answer: LossAnswer) -> None:
        lesions = [one for one in answer.components if one.kind is Kind.LESION]
        largest = sorted(lesions, key=lambda one: -one.volume_mm3)[:_MOST_LESIONS]
        groups = [(one.title, [one]) for one in largest]
        false = [one for one in answer.components if one.kind is Kind.FALSE_POSITIVE]
        groups += [(_("All false positives"), false)] if false else []
        bars = [
            (name, [100 * sum(one.shares.get(name, 0.0) for one in parts) for _title, parts in groups])
            for name in answer.usable
        ]
        if bars:
            self._plot.show_bars([title for title, _parts in groups], bars)
        else:
            self._plot.clear()

    def clear(self) -> None:
        self._plot.clear()

    def release(self) -> None:
        self._plot.release()


def note(answer: LossAnswer) -> str:
    """The colours of the plot, how long the answer took, and which loss could not be computed."""
    time = _("Share of each loss's gradient in %, answered in {seconds:.2f} s.").format(seconds=answer.seconds)
    failed = [f"{loss.expression}: {loss.error}" for loss in answer.losses if loss.error]
    return "<br>".join([legend([short(name) for name in answer.usable]), time, *failed])
