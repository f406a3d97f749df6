"""A result on its way into the scene: exact voxels, maps with fixed windows, and how long the GUI thread is busy."""

import time

import numpy as np
import pytest
import slicer

SHAPE = (182, 218, 182)


@pytest.fixture(autouse=True)
def _module(module):
    """The module's packages can be imported."""


def oblique(shape):
    from SlicerLossSegLib.volumes import Grid

    turn = np.array([[0.8, -0.6, 0, 0], [0.6, 0.8, 0, 0], [0, 0, 1, 0], [0, 0, 0, 1]])
    return Grid(shape, np.diag([1.0, 1.0, 1.0, 1.0]) @ turn @ np.diag([0.9, 0.8, 2.5, 1.0]))


def lesions(shape, count, edge=0):
    """(z, y, x) cubes anywhere between `edge` voxels from each side, lesion i with the value i + 1."""
    random = np.random.default_rng(5)
    array = np.zeros(shape, np.uint16)
    value = 0
    while value < count:
        z, y, x = (int(random.integers(edge, size - edge - 2)) for size in shape)
        around = tuple(slice(max(at - 1, 0), at + 3) for at in (z, y, x))
        if not array[around].any():
            value += 1
            array[z : z + 2, y : y + 2, x : x + 2] = value
    return array


@pytest.mark.parametrize(("count", "edge"), [(1, 0), (7, 5), (300, 0)])
def test_every_voxel_of_each_lesion_arrives(count, edge):
    from SlicerLossSegLib import segmentation_io
    from SlicerLossSegLib.segmentation_io import NewSegment
    from SlicerLossSegLib.volumes import add_scalar_volume

    array = lesions((24, 60, 60), count, edge)
    grid = oblique(array.shape)
    volume = add_scalar_volume("CT", array.astype(np.int16), grid)
    node = segmentation_io.add_segmentation("found", volume)
    segments = [NewSegment(f"lesion {place + 1}", 1, "lesion", place + 1) for place in range(count)]
    ids = segmentation_io.fill(node, array, segments, grid)
    assert len(set(ids)) == count
    values, found = segmentation_io.read(node, grid)
    assert [node.GetSegmentation().GetSegment(one).GetName() for one in ids] == [one.name for one in segments]
    of_value = np.array([0, *(1 + found.index(one) for one in ids)], np.uint16)
    assert np.array_equal(values, of_value[array])
    # As Slicer itself reads it, on the volume's grid.
    first = slicer.util.arrayFromSegmentBinaryLabelmap(node, ids[0], volume)
    assert np.array_equal(first > 0, array == 1)
    assert node.GetSegmentation().GetNumberOfLayers() == 1


def test_maps_are_shown_on_their_own_scale():
    from SlicerLossSegLib.volumes import add_scalar_volume

    array = np.full((4, 5, 6), 0.25, np.float32)
    node = add_scalar_volume("probability", array, oblique(array.shape), window=(0.0, 1.0))
    display = node.GetDisplayNode()
    assert (display.GetWindowLevelMin(), display.GetWindowLevelMax()) == (0.0, 1.0)
    assert not display.GetAutoWindowLevel()
    assert np.array_equal(slicer.util.arrayFromVolume(node), array)
    assert add_scalar_volume("CT", array, oblique(array.shape)).GetDisplayNode().GetAutoWindowLevel()


def test_a_whole_head_with_both_maps_is_shown_at_once():
    """Forty lesions all over the head. Processor time: the machine may be busy with other things."""
    from SlicerLossSegLib.assessment import assess
    from SlicerLossSegLib.segment_case import CaseInput
    from SlicerLossSegLib.segment_result import Collected, show_result
    from SlicerLossSegLib.volumes import add_scalar_volume

    array = (lesions(SHAPE, 40, edge=20) > 0).astype(np.uint8)
    grid = oblique(SHAPE)
    volume = add_scalar_volume("FLAIR", array.astype(np.int16), grid)
    probability = array * np.float32(0.9)
    seen = assess(array, grid, {"background": 0, "lesion": 1}, probability=probability)
    start = time.process_time()
    result = show_result(CaseInput("FLAIR", (volume,)), Collected(seen, probability, probability * 0.1))
    took = time.process_time() - start
    print(f"shown in {took:.3f} s")
    assert result.segmentation.GetSegmentation().GetNumberOfSegments() == 40
    assert result.probability.GetDisplayNode().GetWindowLevelMax() == 1.0
    assert result.disagreement.GetDisplayNode().GetWindowLevelMax() == 0.5
    # A little over 0.07 s where it was written; twice that is for slower machines.
    assert took < 0.15
