"""A scene with two lesions of unequal size, one of which the network hardly sees."""

import numpy as np
import slicer

SHAPE = (16, 24, 32)
LARGE = (slice(4, 12), slice(4, 14), slice(4, 14))
SMALL = (slice(6, 8), slice(18, 20), slice(24, 26))
FALSE = (slice(12, 14), slice(2, 4), slice(24, 27))


def grid():
    from SlicerLossSegLib.volumes import Grid

    return Grid(SHAPE, np.array([[-1.0, 0, 0, 40], [0, -1, 0, 35], [0, 0, 2, -60], [0, 0, 0, 1]]))


def truth_array():
    array = np.zeros(SHAPE, np.uint8)
    array[LARGE] = array[SMALL] = 1
    return array


def probability_array(false_positive=False):
    """0.5 within both lesions and 0.05 elsewhere; with a false positive of 0.8 when asked for."""
    array = np.where(truth_array() > 0, 0.5, 0.05).astype(np.float32)
    if false_positive:
        array[FALSE] = 0.8
    return array


def add_probability(false_positive=False, name="probability"):
    from SlicerLossSegLib.volumes import add_scalar_volume

    return add_scalar_volume(name, probability_array(false_positive), grid())


def add_segmentation(array, name="truth", volume=None):
    from SlicerLossSegLib import segmentation_io
    from SlicerLossSegLib.segmentation_io import NewSegment

    node = segmentation_io.add_segmentation(name, volume)
    segmentation_io.fill(node, (array > 0).astype(np.uint8), [NewSegment("lesion", 1, "lesion", 1)], grid())
    return node


def show(volume):
    slicer.util.setSliceViewerLayers(background=volume, fit=True)
