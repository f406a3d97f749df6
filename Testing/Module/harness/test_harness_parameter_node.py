"""The stand-in for parameterNodeWrapper refuses what it does not have."""

import pytest
import slicer
from slicer.parameterNodeWrapper import parameterNodeWrapper


def test_unknown_field_type_is_an_error():
    with pytest.raises(TypeError, match="Unable to create serializer"):

        @parameterNodeWrapper
        class Wrong:
            numbers: dict[str, int]


def test_values_live_in_the_node():
    @parameterNodeWrapper
    class Parameters:
        threshold: float = 0.5
        table: slicer.vtkMRMLTableNode

    node = slicer.mrmlScene.AddNewNodeByClass("vtkMRMLScriptedModuleNode")
    parameters = Parameters(node)
    table = slicer.mrmlScene.AddNewNodeByClass("vtkMRMLTableNode")
    parameters.threshold, parameters.table = 0.25, table
    assert node.GetParameter("threshold") == "0.25"
    assert node.GetNodeReference("table") is table
    assert Parameters(node).threshold == 0.25
