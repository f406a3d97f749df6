"""Many volumes: one row each with its state."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import qt
import slicer
from slicer.i18n import tr as _

from SlicerLossSegLib.lesion_table import KIND, Role, tables
from SlicerLossSegLib.segment_case import CaseInput, CaseState, saved_label
from SlicerLossSegLib.sequences import proxies_of_results

RESULTS_FOLDER = "lossseg"
"""Folder within a folder of images where its results go."""

_WORDS = {
    CaseState.WAITING: "waiting",
    CaseState.RUNNING: "segmenting",
    CaseState.SEGMENTED: "segmented",
    CaseState.DONE: "done",
    CaseState.FAILED: "failed",
}


class CaseList:
    """A table widget with the volumes to segment."""

    def __init__(self, table: Any) -> None:
        self._table = table
        self.cases: list[CaseInput] = []
        table.setColumnCount(3)
        table.setHorizontalHeaderLabels([_("Volume"), _("State"), _("Result")])
        table.verticalHeader().setVisible(False)
        table.verticalHeader().setMinimumSectionSize(22)
        table.verticalHeader().setDefaultSectionSize(22)
        table.horizontalHeader().setStretchLastSection(True)
        table.setEditTriggers(qt.QAbstractItemView.NoEditTriggers)
        table.setSelectionBehavior(qt.QAbstractItemView.SelectRows)

    def show(self, cases: Sequence[CaseInput]) -> None:
        """List other cases."""
        self.cases = list(cases)
        self._table.setRowCount(len(self.cases))
        for place, case in enumerate(self.cases):
            for column in range(3):
                self._table.setItem(place, column, qt.QTableWidgetItem(""))
            self.update(case)
        for column in range(2):
            self._table.resizeColumnToContents(column)

    def update(self, case: CaseInput) -> None:
        """A case's state changed."""
        if case not in self.cases:
            return
        place = self.cases.index(case)
        for column, text in enumerate((case.name, _(_WORDS[case.state]), case.note)):
            self._table.item(place, column).setText(text)
        self._table.item(place, 2).setToolTip(case.note)


def loaded_cases(channels: int) -> list[CaseInput]:
    """The scalar volumes of the scene that can be segmented by a model with one channel, by name.

    With several channels a case is a group of volumes whose names differ in the channel's number only, as
    CASE_0000 and CASE_0001.
    """
    nodes = [
        node
        for node in slicer.util.getNodesByClass("vtkMRMLScalarVolumeNode")
        if not node.IsA("vtkMRMLLabelMapVolumeNode")
        and node.GetImageData() is not None
        and not node.GetHideFromEditors()
        and not _is_result(node)
    ]
    if channels == 1:
        return [CaseInput(node.GetName(), (node,)) for node in sorted(nodes, key=lambda node: node.GetName())]
    groups: dict[str, dict[int, Any]] = {}
    for node in nodes:
        stem, _line, number = node.GetName().rpartition("_")
        if stem and number.isdigit() and len(number) == 4:
            groups.setdefault(stem, {})[int(number)] = node
    return [
        CaseInput(stem, tuple(group[channel] for channel in range(channels)))
        for stem, group in sorted(groups.items())
        if set(group) == set(range(channels))
    ]


def _is_result(node: Any) -> bool:
    """Whether a volume is a loss's gradient, or a probability or disagreement that belongs to a lesion table."""
    if node.GetAttribute(KIND) is not None:
        return True
    return node.GetID() in proxies_of_results() or any(
        table.HasNodeReferenceID(role, node.GetID())
        for table in tables()
        for role in (Role.PROBABILITY, Role.DISAGREEMENT)
    )


def sequence_cases(sequence: Any) -> list[CaseInput]:
    """The volumes of a sequence."""
    cases = []
    for place in range(sequence.GetNumberOfDataNodes()):
        node = sequence.GetNthDataNode(place)
        if node.IsA("vtkMRMLScalarVolumeNode"):
            value = sequence.GetNthIndexValue(place)
            cases.append(CaseInput(f"{sequence.GetName()} {value}", (node,), sequence=(sequence, value)))
    return cases


def folder_cases(folder: Path, channels: int) -> list[CaseInput]:
    """The images of a folder; those that have a result are done. Runs in a thread.

    Raises:
        InputError: the folder holds no images, or a channel is missing.
    """
    from lossseg.dataset import find_images

    cases = []
    for found in find_images(folder, channels):
        case = CaseInput(found.name, files=tuple(found.images))
        if saved_label(case, folder / RESULTS_FOLDER).exists():
            case.state = CaseState.DONE
        cases.append(case)
    return cases
