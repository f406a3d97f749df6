"""slicer.parameterNodeWrapper over the real vtkMRMLScriptedModuleNode.

Field types: str, int, float, bool, Enum, pathlib.Path, list of those, MRML node classes, parameterPack; Annotated with
Choice, WithinRange, Minimum, Maximum, Default, Decimals, SingleStep. What is stored in the node, what is refused and
which widget fits which type is what Slicer answered; every other type is an error here.
"""

from .annotations import Choice, Decimals, Default, Maximum, Minimum, SingleStep, Validator, WithinRange
from .pack import isParameterPack, parameterPack
from .wrapper import parameterNodeWrapper

__all__ = [
    "Choice",
    "Decimals",
    "Default",
    "Maximum",
    "Minimum",
    "SingleStep",
    "Validator",
    "WithinRange",
    "isParameterPack",
    "parameterNodeWrapper",
    "parameterPack",
]
