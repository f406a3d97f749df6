"""Adding a case of the scene to the training set: its volumes, its segmentation, and which label each segment is of."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import qt
from slicer.i18n import tr as _

from lossseg.errors import InputError, LossSegError
from SlicerLossSegLib import scene_case
from SlicerLossSegLib.case_list import loaded_cases
from SlicerLossSegLib.channel_selectors import match
from SlicerLossSegLib.dataset_view import DatasetView
from SlicerLossSegLib.volumes import snapshot

_MOST_CHANNELS = 4
"""Selectors in the panel; cases with more channels are added by script."""


class AddCaseForm:
    """The widgets within `addButton` of TrainPanel.ui.

    Args:
        view: returns what is known of the dataset now.
        on_added: called with the name of a case that was added.
    """

    def __init__(self, ui: Any, logic: Any, view: Callable[[], DatasetView], on_added: Callable[[str], None]) -> None:
        self._ui, self._logic, self._view, self._on_added = ui, logic, view, on_added
        self._rows = [
            (getattr(ui, f"volume{n}Label"), getattr(ui, f"volume{n}Selector")) for n in range(1, _MOST_CHANNELS + 1)
        ]
        self._combos: list[tuple[str, Any]] = []
        self._busy = False
        self._error = self._agreed_to = ""
        ui.mappingTable.setColumnCount(2)
        ui.mappingTable.setHorizontalHeaderLabels([_("Segment"), _("Label")])
        ui.mappingTable.verticalHeader().setVisible(False)
        ui.mappingTable.horizontalHeader().setStretchLastSection(True)
        ui.mappingTable.setEditTriggers(qt.QAbstractItemView.NoEditTriggers)
        ui.addButton.connect("contentsCollapsed(bool)", self._opened)
        ui.channelsEdit.connect("textChanged(QString)", lambda text: self.refresh())
        ui.resampleCheck.connect("toggled(bool)", lambda on: self._refresh_button())
        ui.segmentationSelector.connect("currentNodeChanged(vtkMRMLNode*)", self._segmentation_chosen)
        for _label, selector in self._rows:
            selector.connect("currentNodeChanged(vtkMRMLNode*)", lambda node: self.refresh())
        ui.addCaseButton.connect("clicked()", self.add)
        self.refresh()

    @property
    def channels(self) -> tuple[str, ...]:
        """Of the dataset, or as the person names them for a dataset to be made."""
        known = self._view().channels
        if known is not None:
            return known
        return tuple(filter(None, (name.strip() for name in str(self._ui.channelsEdit.text).split(","))))

    @property
    def volumes(self) -> list[Any]:
        return [selector.currentNode() for _label, selector in self._rows[: len(self.channels)]]

    def refresh(self) -> None:
        """Bring the widgets up to date with the dataset and the scene."""
        ui, channels = self._ui, self.channels
        new = self._view().channels is None
        ui.channelsEdit.visible = ui.channelsLabel.visible = new
        for place, (label, selector) in enumerate(self._rows):
            label.visible = selector.visible = place < max(1, len(channels))
            label.text = f"{channels[place]}:" if place < len(channels) else _("Volume:")
        ui.mappingTable.visible = bool(self._combos)
        misfit = self._misfit()
        ui.resampleCheck.visible = bool(misfit)
        ui.resampleCheck.text = _("Resample to the voxels of the first volume")
        if misfit != self._agreed_to:
            # A person's word is for what it was given for.
            self._agreed_to = misfit
            ui.resampleCheck.checked = False
        ui.resampleCheck.toolTip = misfit or _("Everything lies on the same voxels.")
        self._refresh_button()

    def prefill(self) -> None:
        """Choose volumes by the names of the channels, and the only segmentation."""
        nodes = [volume for case in loaded_cases(1) for volume in case.volumes]
        channels = self.channels
        names = [node.GetName() for node in nodes]
        empty = [place for place, node in enumerate(self.volumes) if node is None]
        found = match(channels, empty, names)
        if len(channels) == 1 and empty and not found and len(nodes) == 1:
            found = {0: 0}
        for place, number in found.items():
            self._rows[place][1].setCurrentNode(nodes[number])

    def add(self) -> None:
        """Write the case beside the GUI thread."""
        volumes = self.volumes
        name = str(self._ui.caseNameEdit.text).strip() or (volumes[0].GetName() if volumes and volumes[0] else "")
        segmentation = self._ui.segmentationSelector.currentNode()
        self._error = ""
        try:
            case = scene_case.gather(
                name,
                volumes,
                segmentation,
                self.channels,
                self._labels(),
                self.mapping,
                bool(self._ui.resampleCheck.checked),
            )
        except LossSegError as error:
            self._failed(error)
            return
        self._busy = True
        self._refresh_button()
        self._logic.start_adding(case, self._added, self._failed)

    @property
    def mapping(self) -> dict[str, int]:
        """Segment id to label; segments that nobody knows the label of are left out."""
        chosen = ((segment_id, combo.itemData(combo.currentIndex)) for segment_id, combo in self._combos)
        return {segment_id: int(value) for segment_id, value in chosen if value is not None}

    def combo(self, segment_id: str) -> Any:
        """The list of labels of a segment."""
        return dict(self._combos)[segment_id]

    def forget_scene(self) -> None:
        self._busy = False
        self._combos = []

    def _added(self, name: str) -> None:
        self._busy = False
        self._ui.caseNameEdit.text = ""
        self._refresh_button()
        self._on_added(name)

    def _failed(self, error: Exception) -> None:
        self._busy = False
        self._error = str(error)
        self._refresh_button()

    def _opened(self, collapsed: bool) -> None:
        if not collapsed:
            self.prefill()
            self.refresh()

    def _segmentation_chosen(self, node: Any = None) -> None:
        self._error = ""
        table = self._ui.mappingTable
        self._combos = []
        segmentation = self._ui.segmentationSelector.currentNode()
        labels = self._labels()
        found = scene_case.segment_labels(segmentation, labels) if segmentation is not None else []
        table.setRowCount(len(found))
        for place, one in enumerate(found):
            table.model().setData(table.model().index(place, 0), one.name, qt.Qt.DisplayRole)
            combo = qt.QComboBox()
            combo.addItem(_("(choose)"), None)
            combo.addItem(_("leave out"), scene_case.LEFT_OUT)
            for name, value in labels.items():
                if value:
                    combo.addItem(name, value)
            values = [combo.itemData(number) for number in range(combo.count)]
            combo.setCurrentIndex(values.index(one.label) if one.label is not None else 0)
            combo.connect("currentIndexChanged(int)", lambda index: self._refresh_button())
            table.setCellWidget(place, 1, combo)
            self._combos.append((one.segment_id, combo))
        self.refresh()

    def _labels(self) -> dict[str, int]:
        known = self._view().labels
        if known is not None:
            return known
        segmentation = self._ui.segmentationSelector.currentNode()
        return scene_case.new_labels(segmentation) if segmentation is not None else {}

    def _misfit(self) -> str:
        volumes = [node for node in self.volumes if node is not None]
        if not volumes:
            return ""
        try:
            return scene_case.misfit([snapshot(node) for node in volumes], self._ui.segmentationSelector.currentNode())
        except InputError as error:
            return error.message

    def _refresh_button(self) -> None:
        button, reason = self._ui.addCaseButton, self._reason()
        button.enabled = not reason
        button.toolTip = reason or _("Write volume and labels as a case of the study's dataset. Nothing is trained.")
        self._ui.addNote.text = self._error
        self._ui.addNote.visible = bool(self._error)

    def _reason(self) -> str:
        """Why nothing can be added now; empty when it can."""
        channels, volumes = self.channels, self.volumes
        if self._busy:
            return _("The case is being written.")
        if not channels:
            return _("Name the channels.")
        if len(channels) > _MOST_CHANNELS:
            return _("The cases have {n} channels; add them by script.").format(n=len(channels))
        for channel, volume in zip(channels, volumes, strict=True):
            if volume is None:
                return _("Choose a volume for {channel}.").format(channel=channel)
        if self._ui.segmentationSelector.currentNode() is None:
            return _("Choose a segmentation.")
        if len(self.mapping) < len(self._combos):
            return _("Choose a label for each segment, or leave it out.")
        misfit = self._misfit()
        if misfit and not self._ui.resampleCheck.checked:
            return _("{problem} Tick Resample, or choose others.").format(problem=misfit)
        return ""
