"""A wrapped parameter node with a field of every kind."""

import enum
import pathlib
from typing import Annotated

import slicer


class Colour(enum.Enum):
    RED = "r"
    GREEN = "g"


def make_classes():
    """(wrapper class, parameter node)."""
    from slicer.parameterNodeWrapper import Choice, WithinRange, parameterNodeWrapper, parameterPack

    @parameterPack
    class Pack:
        epochs: Annotated[int, WithinRange(1, 100)] = 5
        rate: float = 0.5

    @parameterNodeWrapper
    class P:
        volume: slicer.vtkMRMLScalarVolumeNode
        text: str = "t"
        count: int = 3
        level: Annotated[float, WithinRange(0, 10)] = 2.5
        on: bool = False
        colour: Colour = Colour.GREEN
        choice: Annotated[str, Choice(["a", "b"])] = "b"
        folder: pathlib.Path = pathlib.Path("/tmp")
        names: list[str] = ["x"]
        pack: Pack
        empty: str
        zero: int

    return P, slicer.mrmlScene.AddNewNodeByClass("vtkMRMLScriptedModuleNode", "PN")


def make_parameters():
    """The wrapper around a new node."""
    P, n = make_classes()
    return P(n)
