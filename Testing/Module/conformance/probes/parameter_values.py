"""slicer.parameterNodeWrapper: values."""

import pathlib
from typing import Annotated

import numpy as np
import slicer
import vtk

from probes.asking import TEMPORARY, plain, probe
from probes.nodes import make_volume
from probes.parameters import Colour, make_classes, make_parameters


@probe
def m_pn_defaults():
    p = make_parameters()
    return [
        p.volume,
        p.text,
        p.count,
        p.level,
        p.on,
        p.colour.name,
        p.choice,
        p.folder,
        type(p.folder).__name__ != "str",
        list(p.names),
        p.pack.epochs,
        p.pack.rate,
        p.empty,
        p.zero,
    ]


@probe
def m_pn_raw_strings():
    p = make_parameters()
    p.text = "q"
    p.count = 7
    p.level = 1.5
    p.on = True
    p.colour = Colour.RED
    p.names = ["a", "b"]
    p.pack.epochs = 9
    p.volume = make_volume()
    return {k: p.parameterNode.GetParameter(k) for k in sorted(p.parameterNode.GetParameterNames())} | {
        "role": p.parameterNode.GetNthNodeReferenceRole(0)
    }


@probe
def m_pn_raw_strings_initial():
    p = make_parameters()
    return {k: p.parameterNode.GetParameter(k) for k in sorted(p.parameterNode.GetParameterNames())}


@probe
def m_pn_out_of_range():
    p = make_parameters()
    p.level = 99
    return p.level


@probe
def m_pn_out_of_choice():
    p = make_parameters()
    p.choice = "z"
    return p.choice


@probe
def m_pn_wrong_type_int_to_str():
    p = make_parameters()
    p.text = 5
    return p.text


@probe
def m_pn_wrong_type_float_to_int():
    p = make_parameters()
    p.count = 1.5
    return p.count


@probe
def m_pn_int_to_float():
    p = make_parameters()
    p.level = 3
    return [p.level, type(p.level).__name__]


@probe
def m_pn_numpy_float():
    p = make_parameters()
    p.level = np.float64(3.5)
    return p.level


@probe
def m_pn_numpy_int():
    p = make_parameters()
    p.count = np.int64(3)
    return p.count


@probe
def m_pn_str_to_path():
    p = make_parameters()
    p.folder = "/usr"
    return p.folder


@probe
def m_pn_bool_int():
    p = make_parameters()
    p.on = 1
    return p.on


@probe
def m_pn_enum_str():
    p = make_parameters()
    p.colour = "RED"
    return p.colour.name


@probe
def m_pn_none_to_str():
    p = make_parameters()
    p.text = None
    return p.text


@probe
def m_pn_wrong_node():
    p = make_parameters()
    p.volume = slicer.mrmlScene.AddNewNodeByClass("vtkMRMLTableNode")
    return plain(p.volume)


@probe
def m_pn_node_none():
    p = make_parameters()
    p.volume = make_volume()
    p.volume = None
    return p.volume


@probe
def m_pn_node_removed():
    p = make_parameters()
    v = make_volume()
    p.volume = v
    slicer.mrmlScene.RemoveNode(v)
    return p.volume


@probe
def m_pn_unknown_attribute():
    p = make_parameters()
    p.nope = 3
    return p.nope


@probe
def m_pn_list_append():
    p = make_parameters()
    p.names.append("y")
    return list(p.names)


@probe
def m_pn_list_wrong_element():
    p = make_parameters()
    p.names = [1]
    return list(p.names)


@probe
def m_pn_list_tuple():
    p = make_parameters()
    p.names = ("a",)
    return list(p.names)


@probe
def m_pn_pack_assign():
    p = make_parameters()
    k = p.pack
    k.epochs = 8
    return [p.pack.epochs, type(k).__name__.startswith("Pack") or "Pack" in type(k).__name__]


@probe
def m_pn_pack_out_of_range():
    p = make_parameters()
    p.pack.epochs = 1000
    return p.pack.epochs


@probe
def m_pn_ctor_wrong_node():
    P, _n = make_classes()
    return P(slicer.mrmlScene.AddNewNodeByClass("vtkMRMLTableNode"))


@probe
def m_pn_ctor_none():
    P, _n = make_classes()
    return P(None)


@probe
def m_pn_bad_default():
    from slicer.parameterNodeWrapper import WithinRange, parameterNodeWrapper

    @parameterNodeWrapper
    class B:
        x: Annotated[int, WithinRange(0, 5)] = 9

    return B(slicer.mrmlScene.AddNewNodeByClass("vtkMRMLScriptedModuleNode")).x


@probe
def m_pn_unsupported_type():
    from slicer.parameterNodeWrapper import parameterNodeWrapper

    @parameterNodeWrapper
    class B:
        x: set

    return B(slicer.mrmlScene.AddNewNodeByClass("vtkMRMLScriptedModuleNode")).x


@probe
def m_pn_modified_events():
    p = make_parameters()
    c = []
    t = p.parameterNode.AddObserver(vtk.vtkCommand.ModifiedEvent, lambda *a: c.append(1))
    p.text = "u"
    p.text = "u"
    p.count = 4
    p.parameterNode.RemoveObserver(t)
    return len(c)


@probe
def m_pn_addObserver():
    p = make_parameters()
    c = []
    t = p.AddObserver(vtk.vtkCommand.ModifiedEvent, lambda *a: c.append(1))
    p.text = "u"
    p.RemoveObserver(t)
    return c


@probe
def m_pn_parameterNode_attr():
    p = make_parameters()
    return [p.parameterNode == p.parameterNode, p.parameterNode is p.parameterNode]


@probe
def m_pn_two_wrappers_share():
    p = make_parameters()
    q = type(p)(p.parameterNode)
    p.text = "shared"
    return q.text


@probe
def m_pn_isinstance():
    p = make_parameters()
    return [isinstance(p, type(p)), type(p).__name__]


@probe
def m_pn_datatype_helpers():
    p = make_parameters()
    return {
        k: hasattr(p, k)
        for k in (
            "isCached",
            "default",
            "dataType",
            "allParameters",
            "getValue",
            "setValue",
            "connectGui",
            "disconnectGui",
            "connectParametersToGui",
            "StartModify",
            "EndModify",
            "GetID",
        )
    }


@probe
def m_pn_dataType():
    p = make_parameters()
    return [
        p.dataType("count"),
        p.getValue("count"),
        p.default("count").value if hasattr(p.default("count"), "value") else p.default("count"),
        sorted(p.allParameters)[:3],
    ]


@probe
def m_pn_nested_name():
    p = make_parameters()
    p.setValue("pack.epochs", 7)
    return [p.getValue("pack.epochs"), p.pack.epochs]


@probe
def m_pn_mrb():
    p = make_parameters()
    p.text = "kept"
    p.count = 9
    p.colour = Colour.RED
    p.names = ["m", "n"]
    p.pack.rate = 0.25
    v = make_volume(4, "KV")
    p.volume = v
    p.folder = pathlib.Path("/usr")
    f = str(TEMPORARY / "pn.mrb")
    ok = slicer.util.saveScene(f)
    slicer.mrmlScene.Clear(0)
    slicer.util.loadScene(f)
    q = type(p)(slicer.util.getNode("PN"))
    return [ok, q.text, q.count, q.colour.name, list(q.names), q.pack.rate, q.pack.epochs, q.volume.GetName(), q.folder]


@probe
def m_pn_scene_cleared():
    p = make_parameters()
    p.parameterNode.SetSingletonTag("X")
    slicer.mrmlScene.Clear(0)
    return p.text


@probe
def m_pn_optional():
    from slicer.parameterNodeWrapper import parameterNodeWrapper

    @parameterNodeWrapper
    class B:
        a: int | None = None

    b = B(slicer.mrmlScene.AddNewNodeByClass("vtkMRMLScriptedModuleNode"))
    r = [b.a]
    b.a = 3
    return [*r, b.a]


@probe
def m_pn_future_annotations():
    from slicer.parameterNodeWrapper import parameterNodeWrapper

    class B:
        x: "int" = 4

    return parameterNodeWrapper(B)(slicer.mrmlScene.AddNewNodeByClass("vtkMRMLScriptedModuleNode")).x


@probe
def m_pn_union_and_defaults():
    from slicer.parameterNodeWrapper import parameterNodeWrapper

    @parameterNodeWrapper
    class B:
        a: list[int] = [1, 2]
        b: dict[str, int] = {"k": 1}
        c: tuple[int, str] = (1, "x")

    b = B(slicer.mrmlScene.AddNewNodeByClass("vtkMRMLScriptedModuleNode"))
    return [list(b.a), dict(b.b), list(b.c)]
