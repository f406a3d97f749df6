"""qMRMLSegmentEditorWidget: nothing is painted by hand; it keeps the real vtkMRMLSegmentEditorNode and records calls.

`user.paint` corrects the current segment as a person's brush would.
"""

import slicer

from ..binding import QtCore, QtWidgets, Signal
from ..stand_ins import stand_in, stored
from .scene_widgets import qMRMLWidget

EFFECTS = (
    "Threshold", "Paint", "Draw", "Erase", "Level tracing", "Grow from seeds", "Fill between slices", "Margin",
    "Hollow", "Smoothing", "Scissors", "Islands", "Logical operators", "Mask volume",
)  # fmt: skip
MINIMUM_SIZE = QtCore.QSize(369, 437)  # of the real widget


@stand_in
class qSlicerSegmentEditorAbstractEffect(QtCore.QObject):
    name = stored(str, "name", "")


@stand_in
class qMRMLSegmentEditorWidget(qMRMLWidget):
    currentSegmentIDChanged = Signal(str)
    segmentationNodeChanged = Signal(object)
    sourceVolumeNodeChanged = Signal(object)
    _signals_ = {
        "currentSegmentIDChanged(QString)": "currentSegmentIDChanged",
        "segmentationNodeChanged(vtkMRMLSegmentationNode*)": "segmentationNodeChanged",
        "sourceVolumeNodeChanged(vtkMRMLVolumeNode*)": "sourceVolumeNodeChanged",
    }
    segmentationNodeSelectorVisible = stored(bool, "segmentationNodeSelectorVisible", True)
    sourceVolumeNodeSelectorVisible = stored(bool, "sourceVolumeNodeSelectorVisible", True)
    switchToSegmentationsButtonVisible = stored(bool, "switchToSegmentationsButtonVisible", True)
    addRemoveSegmentButtonsVisible = stored(bool, "addRemoveSegmentButtonsVisible", True)
    show3DButtonVisible = stored(bool, "show3DButtonVisible", True)
    specifyGeometryButtonVisible = stored(bool, "specifyGeometryButtonVisible", True)
    maskingSectionVisible = stored(bool, "maskingSectionVisible", True)
    unorderedEffectsVisible = stored(bool, "unorderedEffectsVisible", True)
    autoShowSourceVolumeNode = stored(bool, "autoShowSourceVolumeNode", True)
    jumpToSelectedSegmentEnabled = stored(bool, "jumpToSelectedSegmentEnabled", False)
    effectColumnCount = stored(int, "effectColumnCount", 2)
    undoEnabled = stored(bool, "undoEnabled", True)
    maximumNumberOfUndoStates = stored(int, "maximumNumberOfUndoStates", 10)
    readOnly = stored(bool, "readOnly", False)

    def __init__(self, parent=None):
        super().__init__(parent)
        self._node, self._effect, self._order, self._calls, self._undo = None, None, [], [], []
        self.setMinimumSize(MINIMUM_SIZE)
        column = QtWidgets.QVBoxLayout(self)
        self._label = QtWidgets.QLabel("Segment Editor")
        self._label.setAlignment(QtCore.Qt.AlignmentFlag.AlignCenter)
        self._label.setFrameShape(QtWidgets.QFrame.Shape.StyledPanel)
        column.addWidget(self._label)

    def _record(self, *call) -> None:
        self._calls.append(call)

    # ------------------------------------------------------------------------------------------ nodes
    def mrmlSegmentEditorNode(self):
        return self._node

    def setMRMLSegmentEditorNode(self, node) -> None:
        self._record("setMRMLSegmentEditorNode", node)
        self._node = node

    def _needed_node(self):
        if self._node is None:
            raise RuntimeError("setMRMLSegmentEditorNode() comes first: Slicer logs an error and does nothing")
        return self._node

    def segmentationNode(self):
        return self._node.GetSegmentationNode() if self._node else None

    def setSegmentationNode(self, node) -> None:
        self._record("setSegmentationNode", node)
        self._needed_node().SetAndObserveSegmentationNode(node)
        ids = list(node.GetSegmentation().GetSegmentIDs()) if node is not None else []
        if self.currentSegmentID() not in ids:
            self.setCurrentSegmentID(ids[0] if ids else "")
        self.segmentationNodeChanged.emit(node)

    def segmentationNodeID(self) -> str:
        node = self.segmentationNode()
        return node.GetID() if node is not None else ""

    def sourceVolumeNode(self):
        return self._node.GetSourceVolumeNode() if self._node else None

    def setSourceVolumeNode(self, node) -> None:
        self._record("setSourceVolumeNode", node)
        self._needed_node().SetAndObserveSourceVolumeNode(node)
        self.sourceVolumeNodeChanged.emit(node)

    def currentSegmentID(self) -> str:
        return (self._node.GetSelectedSegmentID() or "") if self._node else ""

    def setCurrentSegmentID(self, segment_id: str) -> None:
        self._record("setCurrentSegmentID", segment_id)
        if segment_id != self.currentSegmentID():
            self._needed_node().SetSelectedSegmentID(segment_id)
            self.currentSegmentIDChanged.emit(segment_id)

    # ------------------------------------------------------------------------------------------ effects
    def availableEffectNames(self) -> list[str]:
        return list(EFFECTS)

    def effectNameOrder(self) -> list[str]:
        return list(self._order)

    def setEffectNameOrder(self, names: list[str]) -> None:
        self._order = list(names)

    def activeEffect(self):
        return self._effect

    def setActiveEffect(self, effect) -> None:
        self._record("setActiveEffect", effect.name if effect is not None else None)
        self._effect = effect
        if self._node is not None:
            self._node.SetActiveEffectName(effect.name if effect is not None else "")

    def setActiveEffectByName(self, name: str) -> None:
        effect = None
        if name in EFFECTS:
            effect = qSlicerSegmentEditorAbstractEffect(self)
            effect.name = name
        self.setActiveEffect(effect)

    # ------------------------------------------------------------------------------------------ undo
    def saveStateForUndo(self) -> None:
        segmentation = slicer.vtkSegmentation()
        segmentation.DeepCopy(self.segmentationNode().GetSegmentation())
        self._undo = [*self._undo, segmentation][-self.maximumNumberOfUndoStates :]

    def undo(self) -> None:
        if self._undo:
            self.segmentationNode().GetSegmentation().DeepCopy(self._undo.pop())

    # ------------------------------------------------------------------------------------------ life cycle
    def installKeyboardShortcuts(self, parent=None) -> None:
        self._record("installKeyboardShortcuts")

    def uninstallKeyboardShortcuts(self) -> None:
        self._record("uninstallKeyboardShortcuts")

    def setupViewObservations(self) -> None:
        self._record("setupViewObservations")

    def removeViewObservations(self) -> None:
        self._record("removeViewObservations")

    def updateWidgetFromMRML(self) -> None:
        self._record("updateWidgetFromMRML")
