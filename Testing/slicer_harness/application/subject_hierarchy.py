"""Items of the subject hierarchy for the nodes of the scene; in the application a Qt plugin makes them."""

import slicer
import vtk

SHOWN = (
    "vtkMRMLVolumeNode", "vtkMRMLSegmentationNode", "vtkMRMLMarkupsNode", "vtkMRMLModelNode", "vtkMRMLTableNode",
    "vtkMRMLTextNode", "vtkMRMLTransformNode", "vtkMRMLPlotChartNode", "vtkMRMLPlotSeriesNode", "vtkMRMLSequenceNode",
    "vtkMRMLSequenceBrowserNode",
)  # fmt: skip


class SubjectHierarchyItems:
    """Adds an item when a node is added, removes it with the node, completes the tree after a scene was read.

    While a scene closes or is read the hierarchy node is left alone: touching it then never ends.
    """

    def __init__(self, scene):
        self._scene = scene
        scene.AddObserver(scene.NodeAddedEvent, self._node_added)
        scene.AddObserver(scene.NodeAboutToBeRemovedEvent, self._node_about_to_go)
        scene.AddObserver(scene.EndImportEvent, self._scene_read)
        scene.AddObserver(scene.EndCloseEvent, self._scene_closed)
        self._hierarchy()

    def _hierarchy(self):
        return slicer.vtkMRMLSubjectHierarchyNode.ResolveSubjectHierarchy(self._scene)

    def _is_shown(self, node) -> bool:
        return not node.GetHideFromEditors() and any(node.IsA(kind) for kind in SHOWN)

    @vtk.calldata_type(vtk.VTK_OBJECT)
    def _node_added(self, caller, event, node) -> None:
        if node is None or self._scene.IsImporting() or self._scene.IsClosing():
            return
        if self._is_shown(node):
            hierarchy = self._hierarchy()
            hierarchy.CreateItem(hierarchy.GetSceneItemID(), node)

    @vtk.calldata_type(vtk.VTK_OBJECT)
    def _node_about_to_go(self, caller, event, node) -> None:
        if node is None or self._scene.IsClosing() or node.IsA("vtkMRMLSubjectHierarchyNode"):
            return
        hierarchy = self._hierarchy()
        item = hierarchy.GetItemByDataNode(node)
        if item:
            hierarchy.RemoveItem(item, False, False)

    def _scene_read(self, caller, event) -> None:
        hierarchy = self._hierarchy()
        for i in range(self._scene.GetNumberOfNodes()):
            node = self._scene.GetNthNode(i)
            if self._is_shown(node) and not hierarchy.GetItemByDataNode(node):
                hierarchy.CreateItem(hierarchy.GetSceneItemID(), node)

    def _scene_closed(self, caller, event) -> None:
        self._hierarchy()
