"""The options of a segmentation as their widgets show them."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from slicer.i18n import tr as _

from SlicerLossSegLib.parameters import Parameters, SizeUnit
from SlicerLossSegLib.segment_case import Options


class SegmentOptions:
    """The widgets within `optionsButton` of SegmentPanel.ui.

    Args:
        has_openvino: whether the package that computes in 8 bits is installed.
    """

    def __init__(self, ui: Any, has_openvino: Callable[[], bool]) -> None:
        self._ui, self._has_openvino = ui, has_openvino
        self._eight_bit_tip = str(ui.eightBitCheck.toolTip)
        self._parameters: Parameters | None = None
        for unit in SizeUnit:
            ui.smallestUnitCombo.addItem(_(unit.value), unit.name)
        ui.ownThresholdCheck.connect("toggled(bool)", self._own_threshold)
        ui.deviceCombo.connect("currentIndexChanged(int)", self._device_chosen)
        ui.smallestUnitCombo.connect("currentIndexChanged(int)", self._unit_chosen)
        self.show_devices([("auto", _("Automatic")), ("cpu", _("Processor (CPU)"))])

    def set_parameters(self, parameters: Parameters | None) -> None:
        self._parameters = parameters
        if parameters is not None:
            self._ui.smallestUnitCombo.setCurrentIndex(list(SizeUnit).index(parameters.smallest_unit))
            self._choose_device(parameters.device)
        self.refresh()

    def show_devices(self, devices: list[tuple[str, str]]) -> None:
        """Offer these devices, as the engine calls them and as a person reads them."""
        combo = self._ui.deviceCombo
        before = combo.blockSignals(True)
        combo.clear()
        for name, title in devices:
            combo.addItem(title, name)
        combo.blockSignals(before)
        self._choose_device(self._parameters.device if self._parameters else "auto")

    def refresh(self) -> None:
        self._own_threshold(self._ui.ownThresholdCheck.checked)
        box, installed = self._ui.eightBitCheck, self._has_openvino()
        # A scene may bring it along ticked; then it can be unticked.
        box.enabled = installed or box.checked
        box.toolTip = (
            self._eight_bit_tip if installed else _("It needs the Python package openvino, which is not installed.")
        )

    def read(self) -> Options:
        """What the widgets say."""
        values = self._parameters
        assert values is not None
        roi = values.roi
        bounds = [0.0] * 6
        if roi is not None:
            roi.GetRASBounds(bounds)
        return Options(
            device=values.device,
            mirror=values.mirror,
            overlap=values.overlap,
            coarse_to_fine=values.coarse_to_fine,
            eight_bit=values.eight_bit,
            threshold=values.threshold if values.own_threshold else None,
            smallest=values.smallest,
            smallest_unit=values.smallest_unit,
            roi=(bounds[0], bounds[1], bounds[2], bounds[3], bounds[4], bounds[5]) if roi is not None else None,
            keep_probability=values.keep_probability,
            keep_disagreement=values.keep_disagreement,
        )

    def _own_threshold(self, on: bool) -> None:
        self._ui.thresholdSlider.enabled = on

    def _device_chosen(self, index: int) -> None:
        if self._parameters is not None and index >= 0:
            self._parameters.device = str(self._ui.deviceCombo.itemData(index))

    def _choose_device(self, name: str) -> None:
        combo = self._ui.deviceCombo
        place = next((i for i in range(combo.count) if combo.itemData(i) == name), 0)
        combo.setCurrentIndex(place)

    def _unit_chosen(self, index: int) -> None:
        if self._parameters is not None and index >= 0:
            self._parameters.smallest_unit = list(SizeUnit)[index]
