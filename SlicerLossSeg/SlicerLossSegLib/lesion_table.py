"""The detection table of a result, kept in a table node of the scene: saved, loaded and exported with it.

The node is the truth. It knows its segmentation, volume, reference and probability by node references, and holds the
voxels of rejected lesions, so that a verdict can be taken back even in a scene that was saved and loaded.
"""

from __future__ import annotations

import json
import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import slicer
import vtk
from slicer.i18n import tr as _

from SlicerLossSegLib import segmentation_io
from SlicerLossSegLib.lesion_row import COLUMNS, Crop, LesionRow, Verdict, cell, no_lesion
from SlicerLossSegLib.segmentation_io import NewSegment
from SlicerLossSegLib.volumes import Grid

KIND = "LossSeg.kind"
_DETECTIONS = "detections"
_MEASURES = "LossSeg.measures"
_LABELS = "LossSeg.labels"
_CHANNELS = "LossSeg.channels"
_CROP = "LossSeg.rejected."
_GRID = "LossSeg.grid"
_HIDDEN = ("label", "key", "segments")
_WHOLE = ("number", "voxels", "label")
_TEXT = ("outcome", "verdict", "label_name", "key", "segments")


class Role:
    """Roles of the table node's references to other nodes."""

    SEGMENTATION = "LossSeg.segmentation"
    VOLUME = "LossSeg.volume"
    REFERENCE = "LossSeg.reference"
    PROBABILITY = "LossSeg.probability"
    DISAGREEMENT = "LossSeg.disagreement"


@dataclass(frozen=True)
class _Change:
    """A verdict that was given, so that it can be taken back."""

    key: str
    before: Verdict


class LesionTable:
    """A table node as rows with verdicts.

    Args:
        node: a table node that `create` made, in this session or in the one that saved the scene.
    """

    def __init__(self, node: Any) -> None:
        self.node = node
        self._rows = _read_rows(node)
        self._changes: list[_Change] = []
        self.on_change: Callable[[], None] = lambda: None

    @classmethod
    def create(cls, name: str, grid: Grid, labels: dict[str, int], channels: Sequence[str] = ("image",)) -> LesionTable:
        """An empty table in a new node."""
        scene = slicer.mrmlScene
        # Selectors look at a node's attributes when it enters the scene.
        node = slicer.vtkMRMLTableNode()
        node.SetName(scene.GenerateUniqueName(name))
        node.SetAttribute(KIND, _DETECTIONS)
        node.SetAttribute(_LABELS, json.dumps(labels))
        node.SetAttribute(_CHANNELS, json.dumps(list(channels)))
        node.SetAttribute(_GRID, json.dumps({"shape": grid.shape, "affine": grid.affine.tolist()}))
        node.SetLocked(True)
        node.SetUseColumnTitleAsColumnHeader(True)
        return cls(scene.AddNode(node))

    @property
    def rows(self) -> list[LesionRow]:
        return list(self._rows)

    @property
    def labels(self) -> dict[str, int]:
        """Name to value."""
        return dict(json.loads(self.node.GetAttribute(_LABELS) or "{}"))

    @property
    def grid(self) -> Grid:
        """Of the result's voxels."""
        record = json.loads(self.node.GetAttribute(_GRID))
        z, y, x = record["shape"]
        return Grid((z, y, x), np.array(record["affine"]))

    @property
    def channels(self) -> tuple[str, ...]:
        """Names of the model's channels."""
        return tuple(json.loads(self.node.GetAttribute(_CHANNELS) or "[]"))

    @property
    def volumes(self) -> list[Any]:
        """The volumes that were segmented, one per channel; those that are gone are left out."""
        count = self.node.GetNumberOfNodeReferences(Role.VOLUME)
        nodes = (self.node.GetNthNodeReference(Role.VOLUME, place) for place in range(count))
        return [node for node in nodes if node is not None]

    def link_volumes(self, volumes: Sequence[Any]) -> None:
        for place, volume in enumerate(volumes):
            self.node.SetNthNodeReferenceID(Role.VOLUME, place, volume.GetID())

    @property
    def measures(self) -> dict[str, float]:
        """Of the case, NaN where undefined."""
        record = json.loads(self.node.GetAttribute(_MEASURES) or "{}")
        return {name: math.nan if value is None else value for name, value in record.items()}

    def linked(self, role: str) -> Any | None:
        """The node that plays a `Role`."""
        return self.node.GetNodeReference(role)

    def link(self, role: str, node: Any | None) -> None:
        self.node.SetNodeReferenceID(role, node.GetID() if node is not None else None)

    def fill(self, rows: Sequence[LesionRow], measures: dict[str, float]) -> None:
        """Replace all rows. What could be undone before cannot be any more."""
        self._rows = list(rows)
        self._changes.clear()
        self.set_measures(measures)
        _write_rows(self.node, self._rows)
        self.on_change()

    def set_measures(self, measures: dict[str, float]) -> None:
        kept = {name: value if math.isfinite(value) else None for name, value in measures.items()}
        self.node.SetAttribute(_MEASURES, json.dumps(kept))

    def row(self, key: str) -> LesionRow:
        return self._rows[self._place(key)]

    def judge(self, key: str, verdict: Verdict) -> bool:
        """Give a lesion a verdict; a rejected one leaves the segmentation. Returns whether anything changed."""
        row = self.row(key)
        if row.verdict is verdict or not row.can_be_judged:
            return False
        self._changes.append(_Change(key, row.verdict))
        self._apply(row, verdict)
        return True

    @property
    def can_undo(self) -> bool:
        return bool(self._changes)

    def undo(self) -> str | None:
        """Take back the last verdict; returns the key of its lesion, None when there is nothing to take back."""
        if not self._changes:
            return None
        change = self._changes.pop()
        self._apply(self.row(change.key), change.before)
        return change.key

    def _apply(self, row: LesionRow, verdict: Verdict) -> None:
        if verdict is Verdict.REJECTED:
            self._take_out(row)
        elif row.verdict is Verdict.REJECTED:
            self._put_back(row)
        place = self._place(row.key)
        self._rows[place] = replace(row, verdict=verdict)
        column = [column.key for column in COLUMNS].index("verdict")
        self.node.SetCellText(place, column, verdict.value)
        self.on_change()

    def _place(self, key: str) -> int:
        return next(place for place, row in enumerate(self._rows) if row.key == key)

    def _take_out(self, row: LesionRow) -> None:
        segmentation = self.linked(Role.SEGMENTATION)
        if segmentation is None:
            return
        grid = self.grid
        inside = segmentation.GetSegmentation()
        for segment_id in row.segments:
            segment = inside.GetSegment(segment_id)
            if segment is None:
                continue
            index, name = inside.GetSegmentIndex(segment_id), segment.GetName()
            label, label_name = segmentation_io.class_of(segment, {})
            crop = segmentation_io.take_out(segmentation, segment_id, grid)
            if crop is not None:
                record = [index, name, label, label_name, row.number, crop.encode()]
                self.node.SetAttribute(_CROP + segment_id, json.dumps(record))

    def _put_back(self, row: LesionRow) -> None:
        segmentation = self.linked(Role.SEGMENTATION)
        if segmentation is None:
            return
        for segment_id in row.segments:
            text = self.node.GetAttribute(_CROP + segment_id)
            if text is None:
                continue
            index, name, label, label_name, number, crop = json.loads(text)
            new = NewSegment(name, label, label_name, number)
            segmentation_io.put_back(segmentation, segment_id, Crop.decode(crop), self.grid, new, index)
            self.node.RemoveAttribute(_CROP + segment_id)


def tables() -> list[Any]:
    """The detection tables of the scene, in the order in which they came."""
    nodes = slicer.util.getNodesByClass("vtkMRMLTableNode")
    return [node for node in nodes if node.GetAttribute(KIND) == _DETECTIONS]


def table_of(segmentation: Any) -> Any | None:
    """The table node of a result, None when it has none."""
    found = [node for node in tables() if node.GetNodeReference(Role.SEGMENTATION) is segmentation]
    return found[-1] if found else None


def summary_line(table: LesionTable) -> str:
    """Such as "7 lesions, 0.42 ml; smallest 14 mm³"."""
    kept = [row for row in table.rows if row.can_be_judged and row.verdict is not Verdict.REJECTED]
    if not kept:
        return _("No lesion.")
    volume = sum(row.volume_mm3 for row in kept) / 1000
    smallest = min(row.volume_mm3 for row in kept)
    if len(kept) == 1:
        return _("1 lesion, {volume:.2f} ml.").format(volume=volume)
    return _("{n} lesions, {volume:.2f} ml; smallest {smallest:.0f} mm³.").format(
        n=len(kept), volume=volume, smallest=smallest
    )


def _write_rows(node: Any, rows: Sequence[LesionRow]) -> None:
    table = vtk.vtkTable()
    for key in (*(column.key for column in COLUMNS), *_HIDDEN):
        values = [_stored(row, key) for row in rows]
        array = vtk.vtkStringArray() if key in _TEXT else vtk.vtkIntArray() if key in _WHOLE else vtk.vtkDoubleArray()
        array.SetName(key)
        array.SetNumberOfValues(len(values))
        for place, value in enumerate(values):
            array.SetValue(place, value)
        table.AddColumn(array)
    with slicer.util.NodeModify(node):
        node.SetAndObserveTable(table)
        for column in COLUMNS:
            node.SetColumnTitle(column.key, column.title)
            node.SetColumnDescription(column.key, column.tip)
            node.SetColumnUnitLabel(column.key, column.unit)


def _stored(row: LesionRow, key: str) -> Any:
    if key == "segments":
        return " ".join(row.segments)
    if key == "verdict":
        return row.verdict.value
    return getattr(row, key) if key in _HIDDEN else cell(row, key)


def _read_rows(node: Any) -> list[LesionRow]:
    table = node.GetTable()
    count = table.GetNumberOfRows()
    columns = {table.GetColumnName(i): table.GetColumn(i) for i in range(table.GetNumberOfColumns())}
    if not set(_HIDDEN) <= set(columns):
        return []
    rows = []
    for place in range(count):
        value = {name: array.GetValue(place) for name, array in columns.items()}
        if value["key"] == "none":
            rows.append(no_lesion())
            continue
        rows.append(
            LesionRow(
                key=value["key"],
                number=int(value["number"]),
                outcome=value["outcome"],
                verdict=Verdict(value["verdict"]),
                label=int(value["label"]),
                label_name=value["label_name"],
                voxels=int(value["voxels"]),
                volume_mm3=float(value["volume_mm3"]),
                diameter_mm=float(value["diameter_mm"]),
                centroid_ras=(float(value["r_mm"]), float(value["a_mm"]), float(value["s_mm"])),
                confidence_max=float(value["confidence_max"]),
                confidence_mean=float(value["confidence_mean"]),
                overlap=float(value["overlap"]),
                segments=tuple(value["segments"].split()),
            )
        )
    return rows
