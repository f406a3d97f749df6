"""What the person chose, kept in the scene: saved and loaded with it."""

import pathlib
from enum import Enum
from typing import Annotated

from slicer import vtkMRMLMarkupsROINode, vtkMRMLScalarVolumeNode, vtkMRMLSegmentationNode, vtkMRMLTableNode
from slicer.parameterNodeWrapper import WithinRange, parameterNodeWrapper

CHANNEL_FIELDS = 4
"""Channels whose volumes are fields. Those of further channels are node references that `ChannelSelectors` keeps."""


class SizeUnit(Enum):
    """How the smallest lesion is given."""

    VOXELS = "voxels"
    MM3 = "mm³"


class Source(Enum):
    """Where many volumes come from."""

    LOADED = "Loaded volumes"
    SEQUENCE = "Sequence"
    FOLDER = "Folder"


class Scale(Enum):
    """What the voxels of a predicted volume are."""

    AUTO = "automatic"
    PROBABILITY = "probability"
    LOGIT = "logit"


class BudgetUnit(Enum):
    """How the budget of a training is given."""

    MINUTES = "minutes"
    EPOCHS = "epochs"


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
    coarse_to_fine: bool = False
    eight_bit: bool = False
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
    inspected_volume: vtkMRMLScalarVolumeNode
    inspected_segmentation: vtkMRMLSegmentationNode
    inspect_reference: vtkMRMLSegmentationNode
    inspect_scale: Scale = Scale.AUTO
    inspect_losses: str = "dice\ndice_ce\niw(dice)\nblob(dice)"  # the ticked expressions, one per line
    inspect_shift: Annotated[float, WithinRange(-4.0, 4.0)] = 0.0
    gradient_opacity: Annotated[float, WithinRange(0.0, 1.0)] = 0.6
    experiment_losses: str = "dice_ce\niw(dice)"
    experiment_paper: str  # name of the paper that an experiment is done as in; empty for none
    experiment_folds: Annotated[int, WithinRange(2, 20)] = 3
    experiment_budget: Annotated[float, WithinRange(0.1, 10000.0)] = 30.0
    experiment_unit: BudgetUnit = BudgetUnit.MINUTES
    loss: str = "dice + ce"
    budget: Annotated[float, WithinRange(0.1, 100000.0)] = 30.0
    budget_unit: BudgetUnit = BudgetUnit.MINUTES
