"""Rows of lesions in a table node: one row per lesion, and for a sequence the frame that it is in."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import slicer
import vtk

from SlicerLossSegLib.lesion_row import COLUMNS, LesionRow, Verdict, cell, no_lesion

_FRAME = "frame"
_HIDDEN = ("label", "key", "segments")
_WHOLE = ("number", "voxels", "label")
_TEXT = (_FRAME, "outcome", "verdict", "label_name", "key", "segments")


def write(node: Any, rows: Sequence[LesionRow], frame: str = "") -> None:
    """Replace the rows of a frame; those of other frames stay.

    Args:
        frame: index value in the sequence; empty for a result that is no sequence.
    """
    keys = (*((_FRAME,) if frame else ()), *(column.key for column in COLUMNS), *_HIDDEN)
    new = [{key: _stored(row, key, frame) for key in keys} for row in rows]
    before = _records(node) if frame else []
    places = [place for place, record in enumerate(before) if record[_FRAME] == frame]
    first = places[0] if places else len(before)
    others = [record for record in before if record[_FRAME] != frame]
    records = [*others[:first], *new, *others[first:]]
    table = vtk.vtkTable()
    for key in keys:
        array = vtk.vtkStringArray() if key in _TEXT else vtk.vtkIntArray() if key in _WHOLE else vtk.vtkDoubleArray()
        array.SetName(key)
        array.SetNumberOfValues(len(records))
        for place, record in enumerate(records):
            array.SetValue(place, record[key])
        table.AddColumn(array)
    with slicer.util.NodeModify(node):
        node.SetAndObserveTable(table)
        if frame:
            node.SetColumnTitle(_FRAME, "Frame")
            node.SetColumnDescription(_FRAME, "Index value of the frame in its sequence.")
        for column in COLUMNS:
            node.SetColumnTitle(column.key, column.title)
            node.SetColumnDescription(column.key, column.tip)
            node.SetColumnUnitLabel(column.key, column.unit)


def read(node: Any, frame: str = "") -> list[LesionRow]:
    """The rows of a frame; of the whole table where it has no frames."""
    return [_row(record) for record in _records(node) if record.get(_FRAME, "") == frame]


def frames(node: Any) -> list[str]:
    """Index values of the frames that have rows, in their order; empty for a result that is no sequence."""
    return list(dict.fromkeys(record[_FRAME] for record in _records(node) if _FRAME in record))


def set_verdict(node: Any, key: str, verdict: Verdict, frame: str = "") -> None:
    """Write the verdict on one lesion."""
    table = node.GetTable()
    names = [table.GetColumnName(place) for place in range(table.GetNumberOfColumns())]
    keys, of_frame = table.GetColumnByName("key"), table.GetColumnByName(_FRAME)
    for place in range(table.GetNumberOfRows()):
        if keys.GetValue(place) == key and (of_frame is None or of_frame.GetValue(place) == frame):
            node.SetCellText(place, names.index("verdict"), verdict.value)
            return
    raise KeyError(key)


def _stored(row: LesionRow, key: str, frame: str) -> Any:
    if key == _FRAME:
        return frame
    if key == "segments":
        return " ".join(row.segments)
    if key == "verdict":
        return row.verdict.value
    return getattr(row, key) if key in _HIDDEN else cell(row, key)


def _records(node: Any) -> list[dict[str, Any]]:
    table = node.GetTable()
    columns = {table.GetColumnName(i): table.GetColumn(i) for i in range(table.GetNumberOfColumns())}
    if not set(_HIDDEN) <= set(columns):
        return []
    # A table that was saved may come back with other types.
    kinds = {name: str if name in _TEXT else int if name in _WHOLE else float for name in columns}
    return [
        {name: kinds[name](array.GetValue(place)) for name, array in columns.items()}
        for place in range(table.GetNumberOfRows())
    ]


def _row(value: dict[str, Any]) -> LesionRow:
    if value["key"] == "none":
        return no_lesion()
    return LesionRow(
        key=value["key"],
        number=value["number"],
        outcome=value["outcome"],
        verdict=Verdict(value["verdict"]),
        label=value["label"],
        label_name=value["label_name"],
        voxels=value["voxels"],
        volume_mm3=value["volume_mm3"],
        diameter_mm=value["diameter_mm"],
        centroid_ras=(value["r_mm"], value["a_mm"], value["s_mm"]),
        confidence_max=value["confidence_max"],
        confidence_mean=value["confidence_mean"],
        overlap=value["overlap"],
        segments=tuple(value["segments"].split()),
    )
