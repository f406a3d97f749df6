"""Slicer's own segment editor within the panel."""

from __future__ import annotations

from typing import Any

import slicer

from SlicerLossSegLib import segmentation_io

_TAG = "LossSegSegmentEditor"


class Correction:
    """A segment editor on a result's segmentation, made when first needed: opening the module does not pay for it.

    Args:
        layout: of the page that shows it; it goes to place 1.
    """

    def __init__(self, layout: Any) -> None:
        self._layout = layout
        self._editor: Any = None

    def open(self, segmentation: Any, volume: Any | None, segments: tuple[str, ...]) -> None:
        """Begin to edit; the first of `segments` that is there is the current one."""
        editor = self.editor()
        editor.setSegmentationNode(segmentation)
        editor.setSourceVolumeNode(volume)
        present = segmentation_io.segment_ids(segmentation)
        chosen = next((one for one in segments if one in present), None)
        if chosen is not None:
            editor.setCurrentSegmentID(chosen)
        editor.setupViewObservations()
        editor.installKeyboardShortcuts()

    def leave(self) -> None:
        """Let go of views and keys."""
        if self._editor is not None:
            self._editor.setActiveEffect(None)
            self._editor.uninstallKeyboardShortcuts()
            self._editor.removeViewObservations()

    def release(self) -> None:
        self.leave()
        if self._editor is not None:
            # A qMRML widget that keeps the scene crashes Slicer at its end.
            self._editor.setMRMLScene(None)

    def editor(self) -> Any:
        """The widget, with this scene's own parameter node."""
        if self._editor is None:
            editor = slicer.qMRMLSegmentEditorWidget()
            editor.setMRMLScene(slicer.mrmlScene)
            editor.segmentationNodeSelectorVisible = False
            editor.sourceVolumeNodeSelectorVisible = False
            editor.switchToSegmentationsButtonVisible = False
            editor.setMaximumNumberOfUndoStates(10)
            # Its own minimum would keep the panel wide for good.
            editor.setMinimumWidth(1)
            self._layout.insertWidget(1, editor, 1)
            self._editor = editor
        scene = slicer.mrmlScene
        node = scene.GetSingletonNode(_TAG, "vtkMRMLSegmentEditorNode")
        if node is None:
            node = slicer.vtkMRMLSegmentEditorNode()
            node.SetSingletonTag(_TAG)
            node = scene.AddNode(node)
        self._editor.setMRMLSegmentEditorNode(node)
        return self._editor
