"""Many volumes: where they come from, and the list of them."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import ctk
from slicer.i18n import tr as _

from SlicerLossSegLib.case_list import RESULTS_FOLDER, CaseList, folder_cases, loaded_cases, sequence_cases
from SlicerLossSegLib.parameters import Parameters, Source
from SlicerLossSegLib.segment_case import CaseInput, CaseState
from SlicerLossSegLib.worker import Worker


class ManyVolumes:
    """The part of SegmentPanel.ui that lists many volumes.

    Args:
        channels: how many channels the ticked models take.
        is_busy: whether a job runs; the list stays as it is meanwhile.
        on_listed: called when the list changed; with a sentence when it could not be made.
    """

    def __init__(
        self, ui: Any, channels: Callable[[], int], is_busy: Callable[[], bool], on_listed: Callable[[str], None]
    ) -> None:
        self._ui, self._channels, self._is_busy, self._on_listed = ui, channels, is_busy, on_listed
        self._listing: Worker | None = None
        self._parameters: Parameters | None = None
        self.list = CaseList(ui.caseTable)
        ui.folderPath.filters = ctk.ctkPathLineEdit.Dirs
        for source in Source:
            ui.sourceCombo.addItem(_(source.value), source.name)
        ui.sourceCombo.connect("currentIndexChanged(int)", self._source_chosen)
        ui.sequenceSelector.connect("currentNodeChanged(vtkMRMLNode*)", self._sequence_chosen)
        ui.folderPath.connect("currentPathChanged(QString)", self._folder_chosen)
        ui.listButton.connect("clicked()", self.refresh)
        ui.manyButton.connect("contentsCollapsed(bool)", self._opened)

    def set_parameters(self, parameters: Parameters | None) -> None:
        self._parameters = parameters
        if parameters is not None:
            self._ui.sourceCombo.setCurrentIndex(list(Source).index(parameters.source))

    @property
    def is_listing(self) -> bool:
        return self._listing is not None

    @property
    def lacking(self) -> str:
        """Why no volume of the list can be segmented; empty when one waits."""
        if any(case.state is not CaseState.DONE for case in self.list.cases):
            return ""
        if self.is_listing:
            return _("The folder is being looked through.")
        if self.list.cases:
            return _("All volumes of the list are done.")
        return {
            Source.LOADED: _("No volume is loaded that fits the ticked models."),
            Source.SEQUENCE: _("Choose a sequence of volumes."),
            Source.FOLDER: _("Choose a folder with images."),
        }[self._source()]

    @property
    def results_folder(self) -> Path | None:
        """Where the results of a folder go; None for volumes of the scene."""
        path = self._ui.folderPath.currentPath
        return Path(path) / RESULTS_FOLDER if self._source() is Source.FOLDER and path else None

    def refresh(self) -> None:
        """List the volumes of the chosen source."""
        if self._is_busy():
            return
        channels, source = self._channels(), self._source()
        if source is Source.LOADED:
            self._show(loaded_cases(channels))
        elif source is Source.SEQUENCE:
            sequence = self._ui.sequenceSelector.currentNode()
            self._show(sequence_cases(sequence) if sequence is not None else [])
        else:
            path = self._ui.folderPath.currentPath
            folder = Path(path or ".")
            if not path or not folder.is_dir():
                self._show([])
                return
            self.stop()
            self._listing = Worker(lambda: folder_cases(folder, channels), self._show, self._not_listed)
            self._listing.start()

    def clear(self) -> None:
        self.list.show([])

    def stop(self) -> None:
        """Take no answer from the thread that looks through a folder."""
        if self._listing is not None:
            self._listing.drop()
            self._listing = None

    def _source(self) -> Source:
        return list(Source)[max(0, self._ui.sourceCombo.currentIndex)]

    def _source_chosen(self, index: int) -> None:
        self._ui.sourceStack.setCurrentIndex(index)
        if self._parameters is not None and index >= 0:
            self._parameters.source = list(Source)[index]
        self.refresh()

    def _sequence_chosen(self, node: Any) -> None:
        self.refresh()

    def _folder_chosen(self, path: str) -> None:
        self.refresh()

    def _opened(self, collapsed: bool) -> None:
        if not collapsed:
            self.refresh()

    def _show(self, cases: list[CaseInput]) -> None:
        self._listing = None
        self.list.show(cases)
        self._on_listed("")

    def _not_listed(self, error: Exception) -> None:
        self._listing = None
        self.list.show([])
        self._on_listed(str(error))
