"""Results of a sequence: one lesion table with the rows of all frames, and sequences that play with the volumes.

A table node per frame would fill the scene and the saved file with nodes, and a sequence of table nodes would hide them
from Slicer's Tables module and lose its references to other nodes. So there is one table node, whose rows name their
frame. It refers to sequences (of volumes, segmentations, probabilities) instead of nodes, and keeps voxels that were
rejected, measures and grid under the frame's index value. `LesionTable` is the view of one frame, so that everything
that works on a volume's result works on a frame's. A frame that is segmented again begins a new table: what was
reviewed stays.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from SlicerLossSegLib import frames, segmentation_io, table_rows
from SlicerLossSegLib.assessment import Assessment
from SlicerLossSegLib.lesion_table import LesionTable, Role, tables
from SlicerLossSegLib.volumes import add_scalar_volume

_MAPS = {Role.PROBABILITY: "probability", Role.DISAGREEMENT: "disagreement"}
WINDOWS = {Role.PROBABILITY: (0.0, 1.0), Role.DISAGREEMENT: (0.0, 0.5)}
"""What is shown black and white. Standard deviations of numbers between 0 and 1 are at most a half."""


def show_frame(
    volumes: Any,
    value: str,
    seen: Assessment,
    maps: dict[str, np.ndarray | None],
    channels: Sequence[str] = ("image",),
) -> LesionTable:
    """Put the lesions of one frame into the result of a sequence of volumes, which is made with its first frame.

    Args:
        volumes: the sequence node.
        value: index value of the frame.
        maps: for `Role.PROBABILITY` and `Role.DISAGREEMENT` an array (z, y, x), or None.
    """
    node = _open_result(volumes, value, seen.labels, channels)
    if node is None:
        name = f"{volumes.GetName()} lesion table"
        node = LesionTable.create(name, seen.grid, seen.labels, channels, value).node
        node.SetNthNodeReferenceID(Role.VOLUME, 0, volumes.GetID())
    table = LesionTable(node, value)
    table.set_grid(seen.grid)
    segmentation = segmentation_io.add_segmentation(f"{volumes.GetName()} {value} lesions", None)
    ids = segmentation_io.fill(segmentation, seen.lesions, seen.segments, seen.grid)
    _put(table, Role.SEGMENTATION, f"{volumes.GetName()} lesions", segmentation)
    for role, title in _MAPS.items():
        array = maps.get(role)
        if array is not None:
            name = f"{volumes.GetName()} {value} {title}"
            map_node = add_scalar_volume(name, array, seen.grid, window=WINDOWS[role])
            _put(table, role, f"{volumes.GetName()} {title}", map_node)
    proxy = table.shown(Role.SEGMENTATION)
    if proxy is not None:
        segmentation_io.show_outlines(proxy)
    table.fill(seen.rows_with(ids), seen.measures)
    return table


def _open_result(volumes: Any, value: str, labels: dict[str, int], channels: Sequence[str]) -> Any | None:
    """The latest result of the sequence, if it is of the same task and waits for this frame."""
    of_volumes = [node for node in tables() if node.GetNodeReference(Role.VOLUME) is volumes]
    if not of_volumes or value in table_rows.frames(of_volumes[-1]):
        return None
    table = LesionTable(of_volumes[-1], value)
    return of_volumes[-1] if table.labels == labels and table.channels == tuple(channels) else None


def _put(table: LesionTable, role: str, name: str, node: Any) -> None:
    sequence = table.node.GetNodeReference(role)
    if sequence is None:
        sequence = frames.create_beside(table.node.GetNodeReference(Role.VOLUME), name)
        table.link(role, sequence)
    frames.put(sequence, table.frame, node)


def proxies_of_results() -> set[str]:
    """Ids of the volumes in the scene in which browsers show probabilities and disagreements."""
    sequences = [table.GetNodeReference(role) for table in tables() for role in _MAPS]
    proxies = [frames.shown(sequence) for sequence in sequences if frames.is_sequence(sequence)]
    return {proxy.GetID() for proxy in proxies if proxy is not None}
