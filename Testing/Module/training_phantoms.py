"""Small volumes with bright and dark lesions, as nodes of the scene, and settings that train on them in seconds."""

import numpy as np
import slicer

SHAPE = (24, 40, 40)
SETTINGS = {
    "filters": [6, 12, 24],
    "patch": [16, 32, 32],
    "batch": 2,
    "iterations": 20,
    "workers": 0,
    "optimizer": "adamw",
    "learning_rate": 0.01,
    "deep_supervision": False,
}
FINE_TUNING = {name: SETTINGS[name] for name in SETTINGS if name not in ("filters", "deep_supervision")}
"""A model that is fine-tuned has a network already."""


def phantom(seed: int, dark: bool) -> tuple[np.ndarray, np.ndarray]:
    """An image and its labels (z, y, x): two bright lesions, and two dark ones when asked for."""
    random = np.random.default_rng(seed)
    image = random.normal(100, 5, SHAPE).astype(np.float32)
    label = np.zeros(SHAPE, np.uint8)
    z, y, x = np.indices(SHAPE)
    for place, (row, column) in enumerate([(10, 10), (10, 30), (30, 10), (30, 30)]):
        is_dark = place % 2 == 1
        centre = random.integers(7, 17), row + random.integers(-3, 4), column + random.integers(-3, 4)
        radius = 3.2 + random.random()
        if is_dark and not dark:
            continue
        ball = (z - centre[0]) ** 2 + (y - centre[1]) ** 2 + (x - centre[2]) ** 2 <= radius**2
        image[ball] += -40 if is_dark else 40
        label[ball] = 1
    return image, label


def add_volume(name: str, image: np.ndarray, spacing: float = 1.0):
    node = slicer.mrmlScene.AddNewNodeByClass("vtkMRMLScalarVolumeNode", name)
    slicer.util.updateVolumeFromArray(node, image)
    node.SetSpacing(spacing, spacing, spacing)
    node.CreateDefaultDisplayNodes()
    return node


def add_segmentation(name: str, label: np.ndarray, volume, segment: str = "lesion"):
    """A segmentation with one segment, on the grid of a volume."""
    node = slicer.mrmlScene.AddNewNodeByClass("vtkMRMLSegmentationNode", name)
    node.CreateDefaultDisplayNodes()
    node.SetReferenceImageGeometryParameterFromVolumeNode(volume)
    segment_id = node.GetSegmentation().AddEmptySegment("", segment)
    slicer.util.updateSegmentBinaryLabelmapFromArray(label, node, segment_id, volume)
    return node


def load(name: str, seed: int, dark: bool):
    """A phantom in the scene: its volume and its segmentation."""
    image, label = phantom(seed, dark)
    volume = add_volume(name, image)
    return volume, add_segmentation(f"{name} truth", label, volume)


def add_case(logic, name: str, seed: int, dark: bool, validation: bool = False) -> None:
    """A phantom as a case of the study; the scene does not keep it."""
    volume, segmentation = load(name, seed, dark)
    logic.training.cases.add(volume, segmentation)
    slicer.mrmlScene.RemoveNode(volume)
    slicer.mrmlScene.RemoveNode(segmentation)
    if validation:
        cases = logic.training.cases
        cases.mark_validation([*cases.view().validation, name])
