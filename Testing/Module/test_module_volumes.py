"""Volumes on their way to the engine: exact grids, transforms, and what cannot be segmented."""

import numpy as np
import pytest
import SimpleITK as sitk
import slicer
import vtk

from lossseg.errors import InputError


@pytest.fixture(autouse=True)
def _module(module):
    """The module's packages can be imported."""


def oblique():
    """Axes turned about two angles, left-handed, anisotropic, far from the origin."""
    a, b = 0.3, -0.7
    turn = np.array([[np.cos(a), -np.sin(a), 0], [np.sin(a), np.cos(a), 0], [0, 0, 1]]) @ np.array(
        [[1, 0, 0], [0, np.cos(b), -np.sin(b)], [0, np.sin(b), np.cos(b)]]
    )
    affine = np.eye(4)
    affine[:3, :3] = turn @ np.diag([0.1 + 0.2, 1 / 3, -1.7])
    affine[:3, 3] = [-123.456789012345, 77.7, 1e-7]
    return affine


@pytest.mark.parametrize("kind", ["u1", "i2", "u2", "i4", "f4", "f8"])
def test_every_bit_of_voxels_and_grid_arrives(tmp_path, kind):
    from lossseg.images import read_volume
    from SlicerLossSegLib.volumes import Grid, add_scalar_volume, snapshot

    rng = np.random.default_rng(1)
    array = (rng.random((3, 4, 5)) * 200).astype(kind)
    node = add_scalar_volume("Ä b", array, Grid(array.shape, oblique()))
    path = tmp_path / "dossier été" / "x.nrrd"
    snapshot(node).write(path)
    image = sitk.ReadImage(str(path))
    assert np.array_equal(sitk.GetArrayFromImage(image), array)
    assert image.GetOrigin() == pytest.approx((123.456789012345, -77.7, 1e-7), abs=1e-13)
    assert image.GetSpacing() == pytest.approx((0.30000000000000004, 1 / 3, 1.7), abs=1e-14)
    read = read_volume(path)
    assert np.abs(read.geometry.affine - oblique()).max() < 1e-12


def test_a_linear_transform_goes_along(tmp_path):
    from SlicerLossSegLib.volumes import Grid, add_scalar_volume, snapshot

    node = add_scalar_volume("CT", np.zeros((3, 4, 5), np.int16), Grid((3, 4, 5), np.eye(4)))
    above = slicer.mrmlScene.AddNewNodeByClass("vtkMRMLLinearTransformNode")
    matrix = vtk.vtkMatrix4x4()
    matrix.SetElement(0, 3, 12.5)
    above.SetMatrixTransformToParent(matrix)
    node.SetAndObserveTransformNodeID(above.GetID())
    assert snapshot(node).grid.affine[:3, 3].tolist() == [12.5, 0, 0]
    matrix.SetElement(0, 1, 0.5)
    above.SetMatrixTransformToParent(matrix)
    with pytest.raises(InputError, match="not at right angles"):
        snapshot(node)


def test_a_warping_transform_is_refused():
    from SlicerLossSegLib.volumes import Grid, add_scalar_volume, snapshot

    node = add_scalar_volume("CT", np.zeros((3, 4, 5), np.int16), Grid((3, 4, 5), np.eye(4)))
    above = slicer.mrmlScene.AddNewNodeByClass("vtkMRMLTransformNode")
    warp = vtk.vtkThinPlateSplineTransform()
    above.SetAndObserveTransformToParent(warp)
    node.SetAndObserveTransformNodeID(above.GetID())
    with pytest.raises(InputError, match="warping"):
        snapshot(node)


def test_what_is_no_volume_is_refused_in_words():
    from SlicerLossSegLib.volumes import snapshot

    node = slicer.mrmlScene.AddNewNodeByClass("vtkMRMLScalarVolumeNode", "empty one")
    with pytest.raises(InputError, match="empty one holds no voxels"):
        snapshot(node)
    image = vtk.vtkImageData()
    image.SetDimensions(3, 3, 3)
    image.AllocateScalars(vtk.VTK_UNSIGNED_CHAR, 3)
    colours = slicer.mrmlScene.AddNewNodeByClass("vtkMRMLVectorVolumeNode", "photo")
    colours.SetAndObserveImageData(image)
    with pytest.raises(InputError, match="3 values per voxel"):
        snapshot(colours)


def test_channels_must_have_the_same_voxels():
    from SlicerLossSegLib.segment_case import CaseInput, Options
    from SlicerLossSegLib.segment_task import SegmentTask
    from SlicerLossSegLib.volumes import Grid, add_scalar_volume

    one = add_scalar_volume("FLAIR", np.zeros((3, 4, 5), np.int16), Grid((3, 4, 5), np.eye(4)))
    other = add_scalar_volume("T1", np.zeros((3, 4, 6), np.int16), Grid((3, 4, 6), np.eye(4)))
    task = SegmentTask([CaseInput("x", (one, other))], None, Options(), channels=("FLAIR", "T1"))
    with pytest.raises(InputError, match="FLAIR and T1 do not have the same voxels|T1 and FLAIR"):
        task.start(None)
    with pytest.raises(InputError, match="2 volumes per case"):
        SegmentTask([CaseInput("x", (one,))], None, Options(), channels=("FLAIR", "T1")).start(None)


def test_segments_on_another_lattice_are_resampled():
    """After a change of geometry in the segment editor the voxels of a segment are not those of the volume."""
    from SlicerLossSegLib import segmentation_io
    from SlicerLossSegLib.segmentation_io import NewSegment
    from SlicerLossSegLib.volumes import Grid

    fine = Grid((20, 20, 20), np.diag([0.5, 0.5, 0.5, 1.0]))
    array = np.zeros(fine.shape, np.uint8)
    array[4:12, 4:12, 4:12] = 1
    node = segmentation_io.add_segmentation("fine", None)
    segmentation_io.fill(node, array, [NewSegment("nodule", 1, "nodule", 1)], fine)
    coarse = Grid((10, 10, 10), np.eye(4))
    values, ids = segmentation_io.read(node, coarse)
    assert len(ids) == 1
    assert 4**3 * 0.5 <= (values > 0).sum() <= 5**3


def test_a_crop_survives_its_text():
    from SlicerLossSegLib.lesion_row import Crop

    mask = np.random.default_rng(0).random((9, 8, 7)) > 0.8
    crop = Crop.of(mask)
    again = Crop.decode(crop.encode())
    assert again.first == crop.first
    assert np.array_equal(again.mask, crop.mask)
    whole = np.zeros_like(mask)
    z, y, x = again.first
    depth, height, width = again.mask.shape
    whole[z : z + depth, y : y + height, x : x + width] = again.mask
    assert np.array_equal(whole, mask)
