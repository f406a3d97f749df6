"""What a person does with the mouse where a test cannot click."""

import numpy as np
import slicer


def paint(editor, mask: np.ndarray, erase: bool = False) -> None:
    """Add voxels to the segment editor's current segment (or take them away), as a stroke of the brush does.

    mask: bool (z, y, x) on the grid of the editor's source volume. RuntimeError while no effect is active.
    """
    if editor.activeEffect() is None:
        raise RuntimeError("no effect is active: nobody can paint")
    segmentation, volume, segment = editor.segmentationNode(), editor.sourceVolumeNode(), editor.currentSegmentID()
    editor.saveStateForUndo()
    before = slicer.util.arrayFromSegmentBinaryLabelmap(segmentation, segment, volume).astype(bool)
    after = before & ~mask if erase else before | mask
    slicer.util.updateSegmentBinaryLabelmapFromArray(after.astype(np.uint8), segmentation, segment, volume)


def calls(editor) -> list[tuple]:
    """What the module asked of the segment editor since it was made: ("setActiveEffect", "Paint") ..."""
    return list(editor._calls)
