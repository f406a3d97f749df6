import math

import numpy as np
import pytest
import SimpleITK as sitk
import torch
from lesion_masks import blob_pair, sparse_pair
from monai.metrics import compute_average_surface_distance, compute_hausdorff_distance, compute_surface_dice
from scipy.spatial import KDTree

from lossseg.components import find
from lossseg.errors import InputError
from lossseg.evaluation import evaluate_case
from lossseg.evaluation.surface import Surface, SurfaceMeasures, surface_measures

SPACING = (2.5, 0.6, 0.8)
PAIRS = [blob_pair(seed) for seed in range(6)] + [sparse_pair(seed) for seed in range(6)]


def measured(
    reference: np.ndarray, prediction: np.ndarray, spacing: tuple[float, float, float] = SPACING, tolerance: float = 1.0
) -> SurfaceMeasures:
    return surface_measures(Surface(find(reference), spacing), Surface(find(prediction), spacing), tolerance)


def adam_hd95(reference: np.ndarray, prediction: np.ndarray, spacing: tuple[float, float, float]) -> float:
    """The ADAM challenge's definition, step by step with SimpleITK's erosion and scipy's tree."""
    surfaces = []
    for mask in (reference, prediction):
        image = sitk.GetImageFromArray(mask.astype(np.uint8))
        edge = sitk.GetArrayFromImage(sitk.Subtract(image, sitk.BinaryErode(image, (1, 1, 1))))
        surfaces.append(np.argwhere(edge) * spacing)
    one, other = surfaces
    return max(np.percentile(KDTree(a).query(b)[0], 95) for a, b in ((one, other), (other, one)))


def as_batch(mask: np.ndarray) -> torch.Tensor:
    return torch.from_numpy(mask[None, None].astype(np.float32))


@pytest.mark.parametrize("pair", range(len(PAIRS)))
@pytest.mark.parametrize("spacing", [SPACING, (1.0, 1.0, 1.0)])
def test_hd95_equals_the_definition_of_adam(pair, spacing):
    reference, prediction = PAIRS[pair]
    expected = adam_hd95(reference, prediction, spacing)
    assert measured(reference, prediction, spacing).hd95_adam == pytest.approx(expected, rel=1e-12)


@pytest.mark.parametrize("pair", range(len(PAIRS)))
def test_plain_distances_equal_monai(pair):
    """MONAI 1.6: HD95, symmetric mean surface distance and surface Dice by voxels, in float32."""
    reference, prediction = PAIRS[pair]
    arguments = {"include_background": True, "spacing": SPACING}
    given = as_batch(prediction), as_batch(reference)
    ours = measured(reference, prediction, tolerance=1.7)
    hd95 = compute_hausdorff_distance(*given, percentile=95, **arguments).item()
    assert ours.hd95 == pytest.approx(hd95, rel=1e-6)
    assd = compute_average_surface_distance(*given, symmetric=True, **arguments).item()
    assert ours.assd == pytest.approx(assd, rel=1e-6)
    nsd = compute_surface_dice(*given, class_thresholds=[1.7], **arguments).item()
    assert ours.surface_dice == pytest.approx(nsd, rel=1e-6)


def test_the_two_boundaries_differ():
    """Of a 5 x 5 x 5 block in the corner of the volume: 3 x 3 x 3 voxels inside, or 4 x 4 x 4 and less at the ends."""
    block = np.zeros((7, 7, 7), bool)
    block[:5, :5, :5] = True
    surface = Surface(find(block), (1.0, 1.0, 1.0))
    assert np.count_nonzero(~surface.plain) == 3**3
    assert np.count_nonzero(~surface.adam) == 4**3
    # A voxel missing across an edge makes a voxel boundary for ADAM only.
    hollow = np.ones((5, 5, 5), bool)
    hollow[1, 1, 2] = False
    surface = Surface(find(hollow), (1.0, 1.0, 1.0))
    inner = np.ravel_multi_index((2, 2, 2), hollow.shape)
    place = np.searchsorted(surface.voxels, inner)
    assert not surface.plain[place]
    assert surface.adam[place]


def test_one_voxel_against_another():
    reference, prediction = np.zeros((2, 6, 6, 6), bool)
    reference[1, 2, 2] = prediction[2, 2, 3] = True
    distance = math.hypot(2.5, 0.8)
    ours = measured(reference, prediction)
    assert (ours.hd95, ours.hd95_adam, ours.assd) == pytest.approx((distance, distance, distance))
    assert measured(reference, prediction, tolerance=distance).surface_dice == 1
    assert measured(reference, prediction, tolerance=distance - 1e-9).surface_dice == 0


def test_equal_masks_are_no_distance_apart():
    reference, _ = PAIRS[0]
    assert measured(reference, reference) == SurfaceMeasures(0, 0, 0, 1)


def test_a_shift_along_each_axis_measures_its_spacing():
    box = np.zeros((9, 9, 9), bool)
    box[3:6, 3:6, 3:6] = True
    for axis, step in enumerate(SPACING):
        ours = measured(box, np.roll(box, 1, axis))
        assert ours.hd95 == pytest.approx(step)
        # Of the 26 boundary voxels of either block 9 are outside of the other block, all others on its boundary but for
        # the one in the middle of a face, which is now the centre of the other.
        assert ours.assd == pytest.approx((9 * step + min(SPACING)) / 26)


def test_the_95th_percentile_is_linear_between_distances():
    reference, prediction = np.zeros((2, 3, 3, 40), bool)
    reference[1, 1, 0:20] = True
    prediction[1, 1, 0:22] = True  # two of 22 voxels are 1 and 2 away: the 95th percentile lies at place 19.95
    ours = measured(reference, prediction, (1.0, 1.0, 1.0))
    assert ours.hd95 == pytest.approx(0.95)
    assert ours.assd == pytest.approx(3 / 42)


def test_empty_masks_have_no_surface():
    empty, full = np.zeros((4, 5, 6), bool), np.ones((4, 5, 6), bool)
    both = measured(empty, empty)
    assert all(map(math.isnan, (both.hd95, both.hd95_adam, both.assd, both.surface_dice)))
    for pair in ((empty, full), (full, empty)):
        one = measured(*pair)
        assert all(map(math.isnan, (one.hd95, one.hd95_adam, one.assd)))
        assert one.surface_dice == 0
    # A mask that fills the volume ends with it: for ADAM nothing of it is boundary.
    whole = measured(full, full)
    assert (whole.hd95, whole.assd, whole.surface_dice) == (0, 0, 1)
    assert math.isnan(whole.hd95_adam)


def test_surface_measures_of_a_case_by_class_and_left_out():
    reference, prediction = (np.zeros((8, 8, 8), np.uint8) for _ in range(2))
    reference[2:4, 2:4, 2:4] = prediction[2:4, 2:4, 3:5] = 1
    reference[6, 6, 6] = prediction[6, 6, 1] = 2
    measures = evaluate_case(reference, prediction, (1, 1, 1)).measures
    assert (measures["hd95[1]"], measures["hd95[2]"], measures["hd95"]) == (1, 5, 3)
    assert (measures["assd[1]"], measures["assd"]) == (0.5, 2.75)
    assert measures["surface_dice"] == 0.5
    assert evaluate_case(reference, prediction, (1, 1, 1), tolerance_mm=5).measures["surface_dice"] == 1
    without = evaluate_case(reference, prediction, (1, 1, 1), surface=False).measures
    assert measures.keys() - without.keys() == {
        key + of_class for key in ("hd95", "hd95_adam", "assd", "surface_dice") for of_class in ("", "[1]", "[2]")
    }
    assert all(measures[key] == value for key, value in without.items() if not math.isnan(value))
    with pytest.raises(InputError, match="tolerance -1 mm is negative"):
        evaluate_case(reference, prediction, (1, 1, 1), tolerance_mm=-1)
