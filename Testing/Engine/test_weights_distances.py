"""Distance maps: closed forms by hand, scipy's exact transform, and the masks without a surface."""

from __future__ import annotations

from itertools import pairwise

import numpy as np
import pytest
import torch
from monai.losses import HausdorffDTLoss
from scipy.ndimage import distance_transform_edt, gaussian_filter

from lossseg.errors import InputError
from lossseg.weights import distance_field, make_maps
from lossseg.weights.near import near_field

SPACINGS = [None, (1.7, 1.7, 1.7), (3.0, 1.0, 0.4)]


def balls(shape: tuple[int, int, int] = (40, 44, 48)) -> np.ndarray:
    """Few lesions in a large volume, one of them cut by the border: where voxels are far from the surface."""
    grid = np.indices(shape)
    centres = (((8, 9, 10), 5), ((30, 30, 0), 4), ((20, 35, 40), 1))
    return np.logical_or.reduce([((grid - np.reshape(c, (3, 1, 1, 1))) ** 2).sum(0) <= r * r for c, r in centres])


def masks() -> dict[str, np.ndarray]:
    rng = np.random.default_rng(0)
    one = np.zeros((9, 8, 7), bool)
    one[4, 3, 2] = True
    corner = np.zeros((9, 8, 7), bool)
    corner[8, 7, 6] = True
    return {
        "balls": balls(),
        "all but balls": ~balls(),
        "half of the voxels": rng.random((20, 21, 35)) < 0.5,
        "a few voxels": rng.random((20, 21, 35)) < 0.02,
        "one in a thousand": rng.random((40, 40, 70)) < 0.001,
        "smooth": gaussian_filter(rng.normal(size=(40, 40, 40)), 2) > 0,
        "one voxel": one,
        "all but one voxel": ~one,
        "a corner": corner,
        "a row": rng.random((1, 1, 50)) < 0.2,
        "a slice": rng.random((1, 30, 31)) < 0.1,
    }


def outside_and_depth(mask: np.ndarray, spacing: tuple[float, ...] | None) -> tuple[np.ndarray, np.ndarray]:
    return distance_transform_edt(~mask, sampling=spacing), distance_transform_edt(mask, sampling=spacing)


@pytest.mark.parametrize("name", masks())
@pytest.mark.parametrize("spacing", SPACINGS)
def test_every_distance_equals_scipys(name: str, spacing: tuple[float, ...] | None) -> None:
    mask = masks()[name]
    outside, depth = outside_and_depth(mask, spacing)
    made = make_maps(["distance", "signed_distance", "region_wise"], mask.astype(np.uint8), spacing=spacing)
    np.testing.assert_allclose(distance_field(mask, spacing), outside + depth, rtol=0, atol=1e-4)
    np.testing.assert_allclose(made["distance"][0], outside + depth, rtol=0, atol=1e-4)
    np.testing.assert_allclose(made["signed_distance"][0], outside - (depth - 1) * mask, rtol=0, atol=1e-4)
    np.testing.assert_allclose(made["region_wise"][0], np.where(mask, -depth / depth.max(), 1), rtol=0, atol=1e-5)


@pytest.mark.parametrize("spacing", [None, (2.5, 0.8)])
@pytest.mark.parametrize("share", [0.003, 0.05, 0.5, 0.99])
def test_planes_equal_scipys(share: float, spacing: tuple[float, float] | None) -> None:
    mask = np.random.default_rng(1).random((60, 45)) < share
    outside, depth = outside_and_depth(mask, spacing)
    np.testing.assert_allclose(distance_field(mask, spacing), outside + depth, rtol=0, atol=1e-4)
    made = make_maps(["signed_distance"], mask, spacing=spacing)["signed_distance"][0]
    np.testing.assert_allclose(made, outside - (depth - 1) * mask, rtol=0, atol=1e-4)


def test_near_and_far_masks_are_told_apart() -> None:
    far, near = balls((64, 64, 64)), np.random.default_rng(0).random((64, 64, 64)) < 0.3
    assert near_field(far, (1.0, 1.0, 1.0)) is None
    assert near_field(near, (1.0, 1.0, 1.0)) is not None
    assert near_field(near, (2.0, 1.0, 1.0)) is not None


@pytest.mark.parametrize("width", [15, 16, 17])
def test_the_reach_of_bytes_ends_where_they_overflow(width: int) -> None:
    """A wall in the plane x = 0 and nothing else: distances 1 to `width`, of which 16 does not fit."""
    mask = np.zeros((3, 3, width + 1), bool)
    mask[:, :, 0] = True
    field = distance_field(mask)
    expected = np.array([1.0, *range(1, width + 1)])
    np.testing.assert_allclose(field, np.broadcast_to(expected, mask.shape), atol=1e-5)
    assert (near_field(mask, (1.0, 1.0, 1.0)) is None) == (width >= 16)


def test_a_straight_way_beyond_the_short_reach_beats_a_diagonal_within_it() -> None:
    """From the corner of this hole it is 5 straight to its rim, and 4 * sqrt(2) by offsets of at most 4."""
    z, y = np.indices((6, 6))
    mask = z**2 + y**2 > 25
    mask[0, 5] = True
    assert distance_field(mask)[0, 0] == 5
    np.testing.assert_allclose(distance_field(mask, (1.0, 1.0001))[0, 0], 5.0005, rtol=1e-6)


def test_hausdorff_distances_are_monais() -> None:
    mask = masks()["a few voxels"]
    theirs = HausdorffDTLoss(sigmoid=False).distance_field(torch.from_numpy(mask[None, None].astype(np.float32)))
    np.testing.assert_allclose(distance_field(mask), theirs[0, 0].numpy(), atol=1e-4)


def test_one_voxel_by_hand() -> None:
    target = np.zeros((1, 3, 4), np.uint8)
    target[0, 1, 1] = 1
    made = make_maps(["distance", "signed_distance", "region_wise"], target, spacing=(9.0, 2.0, 0.5))
    a, b = np.hypot(2, 0.5), np.hypot(2, 1)
    outside = np.array([[a, 2, a, b], [0.5, 0, 0.5, 1], [a, 2, a, b]])
    depth = 0.5 * target[0]
    np.testing.assert_allclose(made["distance"][0, 0], outside + depth, atol=1e-6)
    # -(0.5 mm - 1 mm): positive inside, as in the published code with a resolution under 1 mm
    np.testing.assert_allclose(made["signed_distance"][0, 0], outside + 0.5 * target[0], atol=1e-6)
    np.testing.assert_allclose(made["region_wise"][0, 0], [[1, 1, 1, 1], [1, -1, 1, 1], [1, 1, 1, 1]])


def test_depths_of_a_slab_by_hand() -> None:
    target = np.zeros((2, 2, 8), np.uint8)
    target[:, :, 3:] = 1
    made = make_maps(["distance", "signed_distance", "region_wise"], target)
    row = [3, 2, 1, 1, 2, 3, 4, 5]
    np.testing.assert_allclose(made["distance"][0, 1, 1], row, atol=1e-6)
    np.testing.assert_allclose(made["signed_distance"][0, 1, 1], [3, 2, 1, 0, -1, -2, -3, -4], atol=1e-6)
    np.testing.assert_allclose(made["region_wise"][0, 1, 1], [1, 1, 1, -0.2, -0.4, -0.6, -0.8, -1], atol=1e-6)


@pytest.mark.parametrize(("fill", "region_wise"), [(0, 1.0), (1, -1.0)])
@pytest.mark.parametrize("shape", [(4, 5, 6), (5, 6), (40, 40, 40)])
def test_without_a_surface_there_is_no_distance(fill: int, region_wise: float, shape: tuple[int, ...]) -> None:
    target = np.full(shape, fill, np.uint8)
    made = make_maps(["distance", "signed_distance", "region_wise"], target)
    assert not made["distance"].any()
    assert not made["signed_distance"].any()
    assert (made["region_wise"] == region_wise).all()
    assert not distance_field(target).any()


def test_an_absent_class_has_empty_maps_beside_one_that_is_there() -> None:
    target = np.zeros((4, 5, 6), np.uint8)
    target[2, 2, 2] = 2
    made = make_maps(["signed_distance", "region_wise"], target, classes=3)
    assert not made["signed_distance"][0].any() and (made["region_wise"][0] == 1).all()
    assert made["signed_distance"][1, 2, 2, 2] == 0 and made["region_wise"][1, 2, 2, 2] == -1
    np.testing.assert_allclose(made["signed_distance"][1, 2, 2], [2, 1, 0, 1, 2, 3], atol=1e-6)


def test_any_value_but_zero_is_inside_the_mask() -> None:
    values = np.array([[0.0, 0.0, 0.3, -1.0]])
    np.testing.assert_allclose(distance_field(values), [[2, 1, 1, 2]])
    with pytest.raises(InputError, match="spacing 1, 1, 1 does not fit an array of 2 axes"):
        distance_field(values, (1.0, 1.0, 1.0))


def test_coarser_spacing_only_stretches() -> None:
    mask = masks()["smooth"]
    fields = [distance_field(mask, (scale,) * 3) / scale for scale in (0.1, 1.0, 50.0)]
    for one, other in pairwise(fields):
        np.testing.assert_allclose(one, other, rtol=1e-5)
