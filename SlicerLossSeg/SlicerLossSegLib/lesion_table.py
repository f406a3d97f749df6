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
from slicer.i18n import tr as _

from SlicerLossSegLib import frames, segmentation_io, table_rows
from SlicerLossSegLib.lesion_row import Crop, LesionRow, Verdict
from SlicerLossSegLib.segmentation_io import NewSegment
from SlicerLossSegLib.volumes import Grid

KIND = "LossSeg.kind"
_DETECTIONS = "detections"
_MEASURES = "LossSeg.measures"
_LABELS = "LossSeg.labels"
_CHANNELS = "LossSeg.channels"
_CROP = "LossSeg.rejected."
_GRID = "LossSeg.grid"
_COMPARED = "LossSeg.compared"


class Role:
    """Roles of the table node's references to other nodes: sequences, where the result is that of a sequence."""

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
    """A table node as rows with verdicts; of a sequence, those of one frame.

    Args:
        node: a table node that `create` made, in this session or in the one that saved the scene.
        frame: index value of the frame in the sequence that was segmented; empty for a result that is no sequence.
    """

    def __init__(self, node: Any, frame: str = "") -> None:
        self.node, self.frame = node, frame
        # What differs from frame to frame is kept under the frame's index value.
        self._tail = f"@{frame}" if frame else ""
        self._rows = table_rows.read(node, frame)
        self._changes: list[_Change] = []
        self.on_change: Callable[[], None] = lambda: None

    @classmethod
    def create(
        cls,
        name: str,
        grid: Grid,
        labels: dict[str, int],
        channels: Sequence[str] = ("image",),
        frame: str = "",
    ) -> LesionTable:
        """An empty table in a new node."""
        scene = slicer.mrmlScene
        # Selectors look at a node's attributes when it enters the scene.
        node = slicer.vtkMRMLTableNode()
        node.SetName(scene.GenerateUniqueName(name))
        node.SetAttribute(KIND, _DETECTIONS)
        node.SetAttribute(_LABELS, json.dumps(labels))
        node.SetAttribute(_CHANNELS, json.dumps(list(channels)))
        node.SetLocked(True)
        node.SetUseColumnTitleAsColumnHeader(True)
        made = cls(scene.AddNode(node), frame)
        made.set_grid(grid)
        return made

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
        record = json.loads(self.node.GetAttribute(_GRID + self._tail))
        z, y, x = record["shape"]
        return Grid((z, y, x), np.array(record["affine"]))

    def set_grid(self, grid: Grid) -> None:
        record = {"shape": grid.shape, "affine": grid.affine.tolist()}
        self.node.SetAttribute(_GRID + self._tail, json.dumps(record))

    @property
    def sequence(self) -> Any | None:
        """The sequence of volumes that was segmented; None for a result that is no sequence."""
        volumes = self.node.GetNodeReference(Role.VOLUME)
        return volumes if frames.is_sequence(volumes) else None

    @property
    def is_segmented(self) -> bool:
        """Whether there is a result; a frame may be without one."""
        return bool(self._rows)

    @property
    def source_name(self) -> str:
        """Of the volume, or the sequence, that was segmented."""
        source = self.node.GetNodeReference(Role.VOLUME)
        return str((source or self.node).GetName())

    @property
    def case_name(self) -> str:
        """Of the volume or frame that was segmented."""
        return f"{self.source_name} {self.frame}".rstrip()

    def whole(self) -> list[LesionTable]:
        """The tables of all frames that have a result; this one alone for a result that is no sequence."""
        others = table_rows.frames(self.node)
        return [self if one == self.frame else LesionTable(self.node, one) for one in others] or [self]

    @property
    def channels(self) -> tuple[str, ...]:
        """Names of the model's channels."""
        return tuple(json.loads(self.node.GetAttribute(_CHANNELS) or "[]"))

    @property
    def volumes(self) -> list[Any]:
        """The volumes that were segmented, one per channel; those that are gone are left out."""
        count = self.node.GetNumberOfNodeReferences(Role.VOLUME)
        nodes = (frames.item(self.node.GetNthNodeReference(Role.VOLUME, place), self.frame) for place in range(count))
        return [node for node in nodes if node is not None]

    def link_volumes(self, volumes: Sequence[Any]) -> None:
        for place, volume in enumerate(volumes):
            self.node.SetNthNodeReferenceID(Role.VOLUME, place, volume.GetID())

    @property
    def measures(self) -> dict[str, float]:
        """Of the case, NaN where undefined."""
        record = json.loads(self.node.GetAttribute(_MEASURES + self._tail) or "{}")
        return {name: math.nan if value is None else value for name, value in record.items()}

    def linked(self, role: str) -> Any | None:
        """The node that plays a `Role`; of a sequence the item at this frame, even while another one is shown."""
        node = self.node.GetNodeReference(role)
        return frames.item(frames.sequence_of(node), self.frame) if self.frame else node

    def shown(self, role: str) -> Any | None:
        """The node of the scene in which a `Role` is seen and edited; of a sequence that of its browser."""
        return frames.shown(self.node.GetNodeReference(role))

    def link(self, role: str, node: Any | None) -> None:
        self.node.SetNodeReferenceID(role, node.GetID() if node is not None else None)

    def fill(self, rows: Sequence[LesionRow], measures: dict[str, float]) -> None:
        """Replace all rows. What could be undone before cannot be any more."""
        self._rows = list(rows)
        self._changes.clear()
        self.set_measures(measures)
        table_rows.write(self.node, self._rows, self.frame)
        self.on_change()

    def set_measures(self, measures: dict[str, float]) -> None:
        kept = {name: value if math.isfinite(value) else None for name, value in measures.items()}
        self.node.SetAttribute(_MEASURES + self._tail, json.dumps(kept))

    @property
    def reference(self) -> Any | None:
        """The segmentation that a person chose to compare with, as its selector shows it."""
        return self.node.GetNodeReference(Role.REFERENCE)

    @property
    def is_compared(self) -> bool:
        """Whether the outcomes are those of the reference of now; a frame may have been measured with another one."""
        reference = self.node.GetNodeReferenceID(Role.REFERENCE) or ""
        return (self.node.GetAttribute(_COMPARED + self._tail) or "") == reference

    def note_compared(self) -> None:
        self.node.SetAttribute(_COMPARED + self._tail, self.node.GetNodeReferenceID(Role.REFERENCE) or "")

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
        table_rows.set_verdict(self.node, row.key, verdict, self.frame)
        self.show_segmentation()
        self.on_change()

    def show_segmentation(self) -> None:
        """Show in the views what was changed in the segmentation of a frame."""
        segmentation = self.node.GetNodeReference(Role.SEGMENTATION)
        if frames.is_sequence(segmentation):
            frames.show_again(segmentation)

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
                self.node.SetAttribute(_CROP + segment_id + self._tail, json.dumps(record))

    def _put_back(self, row: LesionRow) -> None:
        segmentation = self.linked(Role.SEGMENTATION)
        if segmentation is None:
            return
        for segment_id in row.segments:
            text = self.node.GetAttribute(_CROP + segment_id + self._tail)
            if text is None:
                continue
            index, name, label, label_name, number, crop = json.loads(text)
            new = NewSegment(name, label, label_name, number)
            segmentation_io.put_back(segmentation, segment_id, Crop.decode(crop), self.grid, new, index)
            self.node.RemoveAttribute(_CROP + segment_id + self._tail)


def tables() -> list[Any]:
    """The detection tables of the scene, in the order in which they came."""
    nodes = slicer.util.getNodesByClass("vtkMRMLTableNode")
    return [node for node in nodes if node.GetAttribute(KIND) == _DETECTIONS]


def table_of(segmentation: Any) -> Any | None:
    """The table node of a result, None when it has none."""
    wanted = frames.sequence_of(segmentation)
    found = [node for node in tables() if node.GetNodeReference(Role.SEGMENTATION) is wanted]
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


def open_table(node: Any) -> LesionTable:
    """The table of a table node; of a sequence, that of the frame that its browser shows."""
    table = LesionTable(node)
    sequence = table.sequence
    return table if sequence is None else LesionTable(node, frames.current_value(sequence))
