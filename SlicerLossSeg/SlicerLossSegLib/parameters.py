"""What the person chose, kept in the scene: saved and loaded with it."""

import pathlib
from enum import Enum
from typing import Annotated

from slicer import vtkMRMLMarkupsROINode, vtkMRMLScalarVolumeNode, vtkMRMLSegmentationNode, vtkMRMLTableNode
from slicer.parameterNodeWrapper import WithinRange, parameterNodeWrapper

MOST_CHANNELS = 4
"""Selectors in the panel. A model that takes more channels is used by script."""


class SizeUnit(Enum):
    """How the smallest lesion is given."""

    VOXELS = "voxels"
    MM3 = "mm³"


class Source(Enum):
    """Where many volumes come from."""

    LOADED = "Loaded volumes"
    SEQUENCE = "Sequence"
    FOLDER = "Folder"


# Annotations must be real objects: Slicer's wrapper reads them when the class is made.
@parameterNodeWrapper
class Parameters:
    """Fields of the module's parameter node. Enums are stored by name: renaming one breaks saved scenes."""

    channel1: vtkMRMLScalarVolumeNode
    channel2: vtkMRMLScalarVolumeNode
    channel3: vtkMRMLScalarVolumeNode
    channel4: vtkMRMLScalarVolumeNode
    models: str  # names of the ticked models, one per line
    device: str = "auto"
    mirror: bool = False
    overlap: Annotated[float, WithinRange(0.0, 0.9)] = 0.5
    own_threshold: bool = False
    threshold: Annotated[float, WithinRange(0.01, 1.0)] = 0.5
    smallest: Annotated[float, WithinRange(0.0, 100000.0)] = 11.0
    smallest_unit: SizeUnit = SizeUnit.VOXELS
    roi: vtkMRMLMarkupsROINode
    keep_probability: bool = False
    keep_disagreement: bool = False
    source: Source = Source.LOADED
    batch_folder: pathlib.Path
    table: vtkMRMLTableNode
    reference: vtkMRMLSegmentationNode
