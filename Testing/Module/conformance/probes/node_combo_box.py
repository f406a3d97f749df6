"""qMRMLNodeComboBox."""

import slicer

from probes.asking import plain, probe
from probes.nodes import make_combo, make_volume


@probe
def m_combo_defaults():
    c = make_combo(scene=False)
    return {
        k: getattr(c, k)
        for k in (
            "addEnabled",
            "removeEnabled",
            "renameEnabled",
            "editEnabled",
            "noneEnabled",
            "noneDisplay",
            "showHidden",
            "showChildNodeTypes",
            "selectNodeUponCreation",
            "currentNodeID",
            "baseName",
        )
    }


@probe
def m_combo_first_node_selected():
    v = make_volume()
    c = make_combo()
    r = c.currentNode() == v
    c.setMRMLScene(None)
    return r


@probe
def m_combo_none():
    v = make_volume()
    c = make_combo(noneEnabled=True)
    r = [c.currentNode(), c.currentNodeID]
    c.setCurrentNode(v)
    r.append(c.currentNode() is v)
    c.setCurrentNode(None)
    r.append(c.currentNode())
    c.setMRMLScene(None)
    return r


@probe
def m_combo_new_node_autoselect():
    c = make_combo()
    v = make_volume()
    r = [c.currentNode() == v]
    make_volume(name="W")
    r.append(c.currentNode() == v)
    c.setMRMLScene(None)
    return r


@probe
def m_combo_new_node_none_enabled():
    c = make_combo(noneEnabled=True)
    make_volume()
    r = c.currentNode()
    c.setMRMLScene(None)
    return r


@probe
def m_combo_signals():
    c = make_combo(noneEnabled=True)
    v = make_volume()
    got = []
    oks = [
        c.connect("currentNodeChanged(vtkMRMLNode*)", lambda n: got.append(["node", n is not None])),
        c.connect("currentNodeChanged(bool)", lambda b: got.append(["bool", b])),
        c.connect("currentNodeIDChanged(QString)", lambda i: got.append(["id", type(i).__name__])),
    ]
    c.setCurrentNode(v)
    c.setCurrentNodeID(v.GetID())
    c.setCurrentNode(None)
    c.setMRMLScene(None)
    return [oks, got]


@probe
def m_combo_signal_attr():
    c = make_combo(noneEnabled=True)
    v = make_volume()
    got = []
    c.currentNodeChanged.connect(lambda n: got.append(plain(n)))
    c.setCurrentNode(v)
    c.setMRMLScene(None)
    return got


@probe
def m_combo_node_removed():
    c = make_combo(noneEnabled=True)
    v = make_volume()
    c.setCurrentNode(v)
    got = []
    c.connect("currentNodeChanged(vtkMRMLNode*)", lambda n: got.append(n))
    slicer.mrmlScene.RemoveNode(v)
    r = [c.currentNode(), got]
    c.setMRMLScene(None)
    return r


@probe
def m_combo_node_removed_no_none():
    _a, b = (make_volume(name="A"), make_volume(name="B"))
    c = make_combo()
    c.setCurrentNode(b)
    slicer.mrmlScene.RemoveNode(b)
    r = plain(c.currentNode().GetName())
    c.setMRMLScene(None)
    return r


@probe
def m_combo_scene_clear():
    c = make_combo(noneEnabled=True)
    v = make_volume()
    c.setCurrentNode(v)
    got = []
    c.connect("currentNodeChanged(vtkMRMLNode*)", lambda n: got.append(n))
    slicer.mrmlScene.Clear(0)
    r = [c.currentNode(), got]
    c.setMRMLScene(None)
    return r


@probe
def m_combo_wrong_type_node():
    c = make_combo(noneEnabled=True)
    t = slicer.mrmlScene.AddNewNodeByClass("vtkMRMLTableNode")
    c.setCurrentNode(t)
    r = c.currentNode()
    c.setMRMLScene(None)
    return r


@probe
def m_combo_node_without_scene():
    c = make_combo(noneEnabled=True, scene=False)
    v = make_volume()
    c.setCurrentNode(v)
    a = c.currentNode()
    c.setMRMLScene(slicer.mrmlScene)
    r = [a, c.currentNode() == v]
    c.setMRMLScene(None)
    return r


@probe
def m_combo_labelmap_child():
    slicer.mrmlScene.AddNewNodeByClass("vtkMRMLLabelMapVolumeNode")
    c = make_combo()
    r = [c.nodeCount()]
    c.showChildNodeTypes = False
    r.append(c.nodeCount())
    c.setMRMLScene(None)
    return r


@probe
def m_combo_addAttribute():
    v = make_volume()
    v.SetAttribute("k", "1")
    make_volume(name="W")
    c = make_combo(scene=False)
    c.addAttribute("vtkMRMLScalarVolumeNode", "k", "1")
    c.setMRMLScene(slicer.mrmlScene)
    r = c.nodeCount()
    c.setMRMLScene(None)
    return r


@probe
def m_combo_addNode():
    c = make_combo(["vtkMRMLSegmentationNode"], noneEnabled=True, baseName="Res")
    n = c.addNode()
    r = [plain(n), n.GetName() if n else None, plain(c.currentNode())]
    c.setMRMLScene(None)
    return r


@probe
def m_combo_currentNodeID_write():
    c = make_combo(noneEnabled=True)
    v = make_volume()
    c.currentNodeID = v.GetID()
    r = c.currentNode() == v
    c.setMRMLScene(None)
    return r


@probe
def m_combo_currentNode_property():
    c = make_combo()
    make_volume()
    r = type(c.currentNode).__name__
    c.setMRMLScene(None)
    return r


@probe
def m_combo_nodeTypes_str():
    c = slicer.qMRMLNodeComboBox()
    c.nodeTypes = "vtkMRMLScalarVolumeNode"
    return list(c.nodeTypes)


@probe
def m_combo_nodeTypes_tuple():
    c = slicer.qMRMLNodeComboBox()
    c.nodeTypes = ("vtkMRMLScalarVolumeNode",)
    return list(c.nodeTypes)


@probe
def m_combo_order():
    make_volume(name="B")
    make_volume(name="A")
    c = make_combo()
    r = [c.nodeFromIndex(i).GetName() for i in range(c.nodeCount())]
    c.setMRMLScene(None)
    return r


@probe
def m_combo_enabled_and_tooltip():
    c = make_combo()
    c.enabled = False
    c.toolTip = "t"
    r = [c.enabled, "t" in c.toolTip]
    c.setMRMLScene(None)
    return r
