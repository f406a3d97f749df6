"""qMRMLNodeComboBox over a real scene."""

import vtk

from ..binding import Property, QtWidgets, Signal
from ..stand_ins import stand_in, stored
from .observation import Observations, is_alive
from .scene_widgets import WithScene


def _refresh(combo) -> None:
    combo._refresh()


@stand_in
class qMRMLNodeComboBox(WithScene, QtWidgets.QWidget):
    """Without a None entry the first node becomes current when the scene is set, not when a node is added later."""

    currentNodeChanged = Signal(object)
    _current_valid = Signal(bool)
    currentNodeIDChanged = Signal(str)
    nodeActivated = Signal(object)
    nodeAdded = Signal(object)
    nodeAddedByUser = Signal(object)
    nodeAboutToBeRemoved = Signal(object)
    _signals_ = {
        "currentNodeChanged(vtkMRMLNode*)": "currentNodeChanged",
        "currentNodeChanged(bool)": "_current_valid",
        "currentNodeIDChanged(QString)": "currentNodeIDChanged",
        "nodeActivated(vtkMRMLNode*)": "nodeActivated",
        "nodeAdded(vtkMRMLNode*)": "nodeAdded",
        "nodeAddedByUser(vtkMRMLNode*)": "nodeAddedByUser",
        "nodeAboutToBeRemoved(vtkMRMLNode*)": "nodeAboutToBeRemoved",
    }

    def __init__(self, parent=None):
        super().__init__(parent)
        self._combo = QtWidgets.QComboBox()
        self._combo.setSizeAdjustPolicy(QtWidgets.QComboBox.SizeAdjustPolicy.AdjustToMinimumContentsLengthWithIcon)
        row = QtWidgets.QHBoxLayout(self)
        row.setContentsMargins(0, 0, 0, 0)
        row.addWidget(self._combo)
        self._ids, self._current, self._before_scene = [], "", ""
        self._attributes, self._observed = [], Observations()
        self._combo.connect("currentIndexChanged(int)", self._index_changed)
        self._combo.connect("activated(int)", lambda index: self.nodeActivated.emit(self.currentNode()))

    nodeTypes = stored("QStringList", "nodeTypes", [], changed=_refresh)
    noneEnabled = stored(bool, "noneEnabled", False, changed=_refresh)
    noneDisplay = stored(str, "noneDisplay", "None", changed=_refresh)
    showHidden = stored(bool, "showHidden", False, changed=_refresh)
    showChildNodeTypes = stored(bool, "showChildNodeTypes", True, changed=_refresh)
    hideChildNodeTypes = stored("QStringList", "hideChildNodeTypes", [], changed=_refresh)
    addEnabled = stored(bool, "addEnabled", True)
    removeEnabled = stored(bool, "removeEnabled", True)
    editEnabled = stored(bool, "editEnabled", False)
    renameEnabled = stored(bool, "renameEnabled", False)
    selectNodeUponCreation = stored(bool, "selectNodeUponCreation", True)
    baseName = stored(str, "baseName", "")

    # ------------------------------------------------------------------------------------------ which nodes
    def addAttribute(self, node_type: str, name: str, value=None) -> None:
        self._attributes.append((node_type, name, value))
        self._refresh()

    def _accepts(self, node) -> bool:
        if node.GetHideFromEditors() and not self.showHidden:
            return False
        fits = any(node.IsA(t) if self.showChildNodeTypes else node.GetClassName() == t for t in self.nodeTypes)
        return fits and not any(node.IsA(t) for t in self.hideChildNodeTypes) and self._has_attributes(node)

    def _has_attributes(self, node) -> bool:
        wanted = [(name, value) for node_type, name, value in self._attributes if node.IsA(node_type)]
        return all(
            node.GetAttribute(name) is not None and value in (None, node.GetAttribute(name)) for name, value in wanted
        )

    def mrmlScene(self):
        return self._scene

    def _scene_changed(self) -> None:
        self._observed.clear()
        scene = self._scene
        if scene is None:  # silently
            self._current = ""
            self._refresh()
            return
        self._observed.add(scene, scene.NodeAddedEvent, self._node_added)
        for event in (scene.NodeRemovedEvent, scene.EndCloseEvent, scene.EndImportEvent, scene.EndBatchProcessEvent):
            self._observed.add(scene, event, self._nodes_changed)
        self._refresh()
        if self._before_scene:
            wanted, self._before_scene = self._before_scene, ""
            self.setCurrentNodeID(wanted)
        if not self.noneEnabled and not self._current and self._ids:
            self._combo.setCurrentIndex(0)
            self._index_changed(0)

    @vtk.calldata_type(vtk.VTK_OBJECT)
    def _node_added(self, caller, event, node) -> None:
        if is_alive(self) and node is not None and self._accepts(node):
            self._refresh()
            self.nodeAdded.emit(node)

    def _nodes_changed(self, caller, event) -> None:
        if is_alive(self):
            self._refresh()

    def _refresh(self) -> None:
        nodes = [self._scene.GetNthNode(i) for i in range(self._scene.GetNumberOfNodes())] if self._scene else []
        ids = [node.GetID() for node in nodes if self._accepts(node)]
        before = self._current
        blocked = self._combo.blockSignals(True)
        self._combo.clear()
        self._ids = ([""] if self.noneEnabled else []) + ids
        self._combo.addItems([self._scene.GetNodeByID(i).GetName() or "" if i else self.noneDisplay for i in self._ids])
        none = 0 if self.noneEnabled else -1
        self._combo.setCurrentIndex(self._ids.index(before) if before in self._ids else none)
        self._combo.blockSignals(blocked)
        if before and before not in self._ids:
            self._make_current("" if self.noneEnabled or not ids else ids[0])

    # ------------------------------------------------------------------------------------------ the current node
    def _index_changed(self, index: int) -> None:
        self._make_current(self._ids[index] if 0 <= index < len(self._ids) else "")

    def _make_current(self, node_id: str) -> None:
        if node_id == self._current:
            return
        self._current = node_id
        if node_id in self._ids:
            blocked = self._combo.blockSignals(True)
            self._combo.setCurrentIndex(self._ids.index(node_id))
            self._combo.blockSignals(blocked)
        node = self.currentNode()
        self.currentNodeChanged.emit(node)
        self._current_valid.emit(node is not None)
        self.currentNodeIDChanged.emit(node_id)

    def currentNode(self):
        return self._scene.GetNodeByID(self._current) if self._scene and self._current else None

    def setCurrentNode(self, node) -> None:
        self.setCurrentNodeID(node if isinstance(node, str) else node.GetID() if node is not None else "")

    def setCurrentNodeID(self, node_id: str) -> None:
        node_id = node_id or ""
        if self._scene is None:
            self._before_scene = node_id
        self._make_current(node_id if node_id in self._ids else "")

    currentNodeID = Property(str, lambda self: self._current, lambda self, value: self.setCurrentNodeID(value))

    def nodeCount(self) -> int:
        return len([i for i in self._ids if i])

    def nodeFromIndex(self, index: int):
        return self._scene.GetNodeByID([i for i in self._ids if i][index])

    def addNode(self, node_type: str = ""):
        """A new node of the type (the first of nodeTypes), made current when selectNodeUponCreation is on."""
        class_name = node_type or self.nodeTypes[0]
        name = self.baseName or class_name.removeprefix("vtkMRML").removesuffix("Node")
        node = self._scene.AddNewNodeByClass(class_name, self._scene.GenerateUniqueName(name))
        if self.selectNodeUponCreation:
            self.setCurrentNode(node)
        self.nodeAddedByUser.emit(node)
        return node

    def removeCurrentNode(self) -> None:
        self._scene.RemoveNode(self.currentNode())
