"""Inverse weights: Eq. (1) by hand, its sum, and the masks that break naive code; the register of maps."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

import lossseg
from lossseg.errors import InputError
from lossseg.weights import MAPS, inverse_weights, make_maps


def random_target(seed: int, shape: tuple[int, ...] = (12, 14, 16), share: float = 0.05) -> np.ndarray:
    return (np.random.default_rng(seed).random(shape) < share).astype(np.uint8)


def test_two_lesions_follow_equation_1() -> None:
    target = np.zeros((4, 5, 6), np.uint8)
    target[0, 0, :3] = 1
    target[3, 4, 5] = 1
    weights = inverse_weights(target)
    # N = 120, K + 1 = 3, sizes 3, 1 and 116
    assert weights.dtype == np.float32
    np.testing.assert_allclose(weights[0, 0, :3], 120 / (3 * 3), rtol=1e-6)
    np.testing.assert_allclose(weights[3, 4, 5], 120 / 3, rtol=1e-6)
    np.testing.assert_allclose(weights[target == 0], 120 / (3 * 116), rtol=1e-6)


@pytest.mark.parametrize("seed", range(5))
@pytest.mark.parametrize("connectivity", [6, 18, 26])
def test_sum_is_the_number_of_voxels(seed: int, connectivity: int) -> None:
    target = random_target(seed)
    assert inverse_weights(target, connectivity).sum(dtype=np.float64) == pytest.approx(target.size, rel=1e-6)


def test_every_component_has_the_same_share() -> None:
    target = np.zeros((10, 10, 10), bool)
    target[1:3, 1:3, 1:3], target[5:9, 5:9, 5:9], target[0, 9, 9] = True, True, True
    weights = inverse_weights(target).astype(np.float64)
    shares = [weights[1:3, 1:3, 1:3].sum(), weights[5:9, 5:9, 5:9].sum(), weights[0, 9, 9], weights[~target].sum()]
    np.testing.assert_allclose(shares, 250, rtol=1e-6)


def test_corners_join_only_with_26_neighbours() -> None:
    target = np.zeros((3, 3, 3), np.uint8)
    target[0, 0, 0] = target[1, 1, 1] = 1
    np.testing.assert_allclose(inverse_weights(target)[target == 1], 27 / (2 * 2), rtol=1e-6)
    np.testing.assert_allclose(inverse_weights(target, 6)[target == 1], 27 / 3, rtol=1e-6)


def test_empty_and_full_targets_weigh_one() -> None:
    assert np.array_equal(inverse_weights(np.zeros((3, 4, 5), np.uint8)), np.ones((3, 4, 5), np.float32))
    assert np.array_equal(inverse_weights(np.ones((3, 4, 5), np.uint8)), np.ones((3, 4, 5), np.float32))


def test_touching_classes_are_one_lesion_and_planes_are_allowed() -> None:
    target = np.array([[0, 1, 2, 0, 0, 0, 0, 3]])
    weights = inverse_weights(target)
    np.testing.assert_allclose(weights, [[8 / 15, 8 / 6, 8 / 6, *[8 / 15] * 4, 8 / 3]], rtol=1e-6)


@pytest.mark.parametrize(
    "target", [np.zeros((2, 2, 2), np.float32), np.zeros((0, 2, 2), np.uint8), np.zeros(4, np.uint8)]
)
def test_what_is_no_target_is_refused(target: np.ndarray) -> None:
    with pytest.raises(InputError, match=r"cannot be made from an array of shape .* and type"):
        inverse_weights(target)


@pytest.mark.parametrize("shape", [(4, 6, 8), (3, 5, 7), (1, 1, 1), (16, 16), (5, 3)])
@pytest.mark.parametrize("kind", [bool, np.uint8, np.int16, np.int64])
def test_any_type_and_layout_gives_the_same_weights(shape: tuple[int, ...], kind: type) -> None:
    target = random_target(2, shape, 0.2).astype(kind)
    expected = inverse_weights(target.astype(np.uint8).copy())
    assert np.array_equal(inverse_weights(target), expected)
    assert np.array_equal(inverse_weights(np.asfortranarray(target)), expected)
    read_only = target.copy()
    read_only.flags.writeable = False
    assert np.array_equal(inverse_weights(read_only), expected)


def test_values_other_than_one_are_foreground() -> None:
    target = np.zeros((2, 4, 8), np.uint8)
    target[0, 0, 0], target[1, 3, 6:] = 255, 3
    weights = inverse_weights(target)
    np.testing.assert_allclose(weights[0, 0, 0], 64 / 3, rtol=1e-6)
    np.testing.assert_allclose(weights[1, 3, 6:], 64 / 6, rtol=1e-6)
    np.testing.assert_allclose(weights[target == 0], 64 / (3 * 61), rtol=1e-6)


def test_a_lesion_at_each_border_is_counted() -> None:
    target = np.zeros((8, 8, 8), np.uint8)
    target[0, 0, 0] = target[7, 7, 7] = target[0, 7, 0] = target[7, 0, 7] = 1
    weights = inverse_weights(target)
    np.testing.assert_allclose(weights[target == 1], 512 / 5, rtol=1e-6)
    # Two rows that are neighbours in memory only: the end of one and the beginning of the next
    target = np.zeros((1, 2, 8), np.uint8)
    target[0, 0, 7] = target[0, 1, 0] = 1
    np.testing.assert_allclose(inverse_weights(target)[target == 1], 16 / 3, rtol=1e-6)


def test_maps_are_made_by_name() -> None:
    target = random_target(1)
    maps = make_maps(frozenset({"inverse_weights", "inverse_weights_volume"}), target)
    assert sorted(maps) == ["inverse_weights", "inverse_weights_volume"]
    for values in maps.values():
        assert values.dtype == np.float32
        assert np.array_equal(values, inverse_weights(target)[None])
    assert make_maps((), target) == {}
    with pytest.raises(InputError, match="no voxel map 'distances'.*"):
        make_maps(["distances"], target)


def test_every_map_has_a_channel_for_each_class_or_one_for_all() -> None:
    target = np.zeros((4, 5, 6), np.uint8)
    target[1:3, 1:3, 1:3], target[0, 4, 5] = 1, 2
    for shape in (target, target[1]):
        for name, made in make_maps(MAPS, shape, spacing=(2.0, 1.0, 0.5)[-shape.ndim :], classes=4).items():
            assert made.shape == (3 if MAPS[name].per_class else 1, *shape.shape)
            assert made.dtype == np.float32
            assert np.isfinite(made).all()


def test_a_class_has_the_map_of_its_own_mask() -> None:
    target = np.zeros((6, 7, 8), np.uint8)
    target[1:3, 1:3, 1:3], target[3:5, 3:5, 3:5] = 1, 2
    spacing = (3.0, 1.0, 0.7)
    for name in ("signed_distance", "distance", "region_wise"):
        both = make_maps([name], target, spacing=spacing, classes=4)[name]
        for channel in range(3):
            mask = (target == channel + 1).astype(np.uint8)
            alone = make_maps([name], mask, spacing=spacing)[name][0]
            assert np.array_equal(both[channel], alone), (name, channel)


def test_only_inverse_weights_of_a_patch_keep_their_sum_when_coarsened() -> None:
    assert [name for name, entry in MAPS.items() if entry.sums_to_voxels] == ["inverse_weights"]


@pytest.mark.parametrize(
    ("spacing", "classes", "sentence"),
    [
        ((1.0, 1.0), 2, "spacing 1, 1 does not fit an array of 3 axes"),
        ((1.0, 0.0, 1.0), 2, "spacing 1, 0, 1 does not fit"),
        ((1.0, float("nan"), 1.0), 2, "spacing 1, nan, 1 does not fit"),
        (None, 1, "Maps for 1 classes"),
    ],
)
def test_nonsense_is_named(spacing: tuple[float, ...] | None, classes: int, sentence: str) -> None:
    with pytest.raises(InputError, match=sentence):
        make_maps(["distance"], random_target(0), spacing=spacing, classes=classes)


def test_what_is_no_target_of_a_map_is_refused() -> None:
    with pytest.raises(InputError, match="map 'lesions' cannot be made from an array of shape .* and type float32"):
        make_maps(["lesions"], np.zeros((2, 2, 2), np.float32))


def test_weights_need_no_torch_and_wait_with_itk() -> None:
    code = (
        "import sys, lossseg.weights, lossseg.losses, lossseg.networks.planning; "
        "assert not {'torch', 'SimpleITK', 'scipy.ndimage'} & set(sys.modules)"
    )
    folder = Path(lossseg.__file__).parents[1]
    subprocess.run([sys.executable, "-c", code], check=True, cwd=folder)
