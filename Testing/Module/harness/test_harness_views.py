"""Views are rendered by Slicer's own displayable managers."""

import numpy as np
import pytest
import slicer

from slicer_harness.views import application_picture, panel_picture, view


@pytest.fixture
def lesion():
    """A bright cube with a red segment on it, shown in all views."""
    array = np.zeros((20, 24, 28), np.float32)
    array[6:14, 6:18, 8:20] = 100
    volume = slicer.util.addVolumeFromArray(array)
    segmentation = slicer.mrmlScene.AddNewNodeByClass("vtkMRMLSegmentationNode")
    segmentation.CreateDefaultDisplayNodes()
    segmentation.SetReferenceImageGeometryParameterFromVolumeNode(volume)
    segment = segmentation.GetSegmentation().AddEmptySegment("a", "a", [1.0, 0.0, 0.0])
    slicer.util.updateSegmentBinaryLabelmapFromArray((array > 0).astype(np.uint8), segmentation, segment, volume)
    segmentation.CreateClosedSurfaceRepresentation()
    slicer.util.setSliceViewerLayers(background=volume, fit=True)
    return segmentation


def red_pixels(pixels) -> int:
    signed = pixels.astype(int)
    return int(((signed[..., 0] - signed[..., 1] > 60) & (signed[..., 0] - signed[..., 2] > 60)).sum())


@pytest.mark.parametrize("name", ["Red", "Green", "Yellow"])
def test_segment_is_drawn_in_the_slice_views(lesion, name):
    pixels = view(name).render()
    assert pixels.shape == (400, 400, 3)
    assert red_pixels(pixels) > 2000
    lesion.GetDisplayNode().SetVisibility(False)
    assert red_pixels(view(name).render()) == 0


def test_surface_is_drawn_in_the_3d_view(lesion):
    slicer.app.layoutManager().threeDWidget(0).threeDView().resetFocalPoint()
    view("1").fit()
    assert red_pixels(view("1").render()) > 2000


def test_a_jump_moves_every_slice(lesion):
    slicer.modules.markups.logic().JumpSlicesToLocation(5.0, 6.0, 7.0, True)
    manager = slicer.app.layoutManager()
    assert [manager.sliceWidget(n).mrmlSliceNode().GetSliceOffset() for n in ("Red", "Green", "Yellow")] == [7, 6, -5]


def test_the_widget_of_a_view_has_nothing_that_slicer_lacks():
    with pytest.raises(AttributeError, match=r"slicer_harness.views.view\(name\)"):
        slicer.app.layoutManager().sliceWidget("Red").view  # noqa: B018


def test_pictures_of_the_panel_and_the_application(panel, lesion):
    assert panel_picture(panel).width() == 420
    picture = application_picture(panel, 1200, 800, fit=True)
    assert (picture.width(), picture.height()) == (1200, 800)
    assert picture.pixelColor(800, 5).name() == "#f34a33"  # the red view's bar
    assert picture.pixelColor(420 + 195, 205).red() > 150
