"""The row of the loss inspector that lays a gradient over the image."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import qt
from slicer.i18n import tr as _

from SlicerLossSegLib import gradient_overlay
from SlicerLossSegLib.inspector import GradientMap


class GradientPanel:
    """A combo of losses, a button that shows or hides, and the opacity.

    Args:
        on_wanted: called when a gradient is to be asked for.
    """

    def __init__(self, ui: Any, on_wanted: Callable[[], None]) -> None:
        self._combo, self._button, self._opacity = ui.gradientCombo, ui.gradientButton, ui.opacitySlider
        self._on_wanted = on_wanted
        self._switching = False
        self._combo.setMinimumWidth(1)
        self._combo.setSizeAdjustPolicy(qt.QComboBox.AdjustToMinimumContentsLengthWithIcon)
        self._button.connect("toggled(bool)", self._toggled)
        self._combo.connect("currentIndexChanged(int)", self._loss_chosen)
        self._opacity.connect("valueChanged(double)", self._opacity_changed)
        self.offer(())

    def wanted(self, ticked: Sequence[str]) -> str | None:
        """The loss whose gradient is to be shown, of those that are ticked; None for no gradient."""
        if not self._button.checked or not ticked:
            return None
        chosen = str(self._combo.itemData(self._combo.currentIndex)) if self._combo.count else ""
        return chosen if chosen in ticked else ticked[0]

    def offer(self, expressions: Sequence[str]) -> None:
        """The losses that have a gradient; none: nothing was answered, and nothing is shown."""
        before = self._combo.itemData(self._combo.currentIndex) if self._combo.count else None
        self._switching = True
        self._combo.clear()
        for expression in expressions:
            self._combo.addItem(expression, expression)
        if before in expressions:
            self._combo.setCurrentIndex(list(expressions).index(before))
        if not expressions and self._button.checked:
            self._button.checked = False
            gradient_overlay.hide()
        self._switching = False
        on = bool(expressions)
        self._combo.enabled = self._button.enabled = self._opacity.enabled = on
        self._button.toolTip = (
            _("Lay the gradient over the image: red to orange is what training would raise, blue what it would lower.")
            if on
            else _("Press Inspect first.")
        )

    def show(self, found: GradientMap) -> None:
        """Show a gradient that was asked for, unless nobody wants to see it any more."""
        if not self._button.checked:
            return
        self._switching = True
        place = self._combo.findText(found.expression)
        if place >= 0:
            self._combo.setCurrentIndex(place)
        self._switching = False
        gradient_overlay.show(found, float(self._opacity.value))

    def _toggled(self, on: bool) -> None:
        self._button.text = _("Hide") if on else _("Show")
        if self._switching:
            return
        if on:
            self._on_wanted()
        else:
            gradient_overlay.hide()

    def _loss_chosen(self, index: int) -> None:
        if not self._switching and self._button.checked:
            self._on_wanted()

    def _opacity_changed(self, value: float) -> None:
        gradient_overlay.set_opacity(float(value))
