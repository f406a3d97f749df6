"""The lesion table that the person sees: of a sequence that of the frame in its browser."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import vtk

from SlicerLossSegLib import frames
from SlicerLossSegLib.lesion_table import LesionTable


class ShownTable:
    """Opens the tables of a result and follows its browser. Verdicts can be taken back in each frame on its own.

    Args:
        on_change: called with each table that changed.
        on_frame: called with the table of the frame before when the browser shows another one.
    """

    def __init__(self, on_change: Callable[[], None], on_frame: Callable[[LesionTable], None]) -> None:
        self._on_change, self._on_frame = on_change, on_frame
        self._of_frame: dict[str, LesionTable] = {}
        self._browser: Any = None
        self._observer = 0
        self.current: LesionTable | None = None

    def open(self, node: Any | None, table: LesionTable | None = None) -> None:
        """Show another result.

        Args:
            node: its table node; None for no result.
            table: a table of it that is open already, with verdicts that can be taken back.
        """
        self._close()
        if node is None:
            return
        if table is not None:
            self.adopt(table)
        sequence = (table or LesionTable(node)).sequence
        if sequence is None:
            self.current = self._at(node, "")
            return
        self._browser = frames.browse(sequence)
        self._observer = self._browser.AddObserver(vtk.vtkCommand.ModifiedEvent, self._browsed)
        self.current = self._at(node, frames.current_value(sequence))

    def adopt(self, table: LesionTable) -> None:
        """Take a table that was filled elsewhere as that of its frame."""
        self._of_frame[table.frame] = table
        table.on_change = self._on_change
        if self.current is not None and table.frame == self.current.frame:
            self.current = table

    def _at(self, node: Any, frame: str) -> LesionTable:
        if frame not in self._of_frame:
            self.adopt(LesionTable(node, frame))
        return self._of_frame[frame]

    def _browsed(self, caller: Any, event: str) -> None:
        before = self.current
        sequence = before.sequence if before is not None else None
        if before is None or sequence is None:
            return
        frame = frames.current_value(sequence)
        if frame and frame != before.frame:
            self.current = self._at(before.node, frame)
            self._on_frame(before)

    def _close(self) -> None:
        if self._browser is not None:
            self._browser.RemoveObserver(self._observer)
            self._browser = None
        for table in self._of_frame.values():
            table.on_change = lambda: None
        self._of_frame.clear()
        self.current = None
