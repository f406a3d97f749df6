"""Nodes to ask about."""

import numpy as np
import slicer


def make_volume(n=20, name="V"):
    return slicer.util.addVolumeFromArray(np.arange(n * n * n, dtype=np.float32).reshape(n, n, n) % 50, name=name)


def make_segmentation(volume, k=2, name="S"):
    """k cuboids of 4 x 4 x 4 voxels: segments seg0, seg1 ..., named lesion 0, lesion 1 ..."""
    s = slicer.mrmlScene.AddNewNodeByClass("vtkMRMLSegmentationNode", name)
    s.CreateDefaultDisplayNodes()
    s.SetReferenceImageGeometryParameterFromVolumeNode(volume)
    shape = slicer.util.arrayFromVolume(volume).shape
    for i in range(k):
        a = np.zeros(shape, np.uint8)
        a[2 + 6 * i : 6 + 6 * i, 4:8, 4:8] = 1
        sid = s.GetSegmentation().AddEmptySegment(f"seg{i}", f"lesion {i}", [1.0, 0.2 * i, 0.1])
        slicer.util.updateSegmentBinaryLabelmapFromArray(a, s, sid, volume)
    return s


def make_combo(types=("vtkMRMLScalarVolumeNode",), scene=True, **properties):
    c = slicer.qMRMLNodeComboBox()
    c.nodeTypes = list(types)
    for name, value in properties.items():
        setattr(c, name, value)
    if scene:
        c.setMRMLScene(slicer.mrmlScene)
    return c
