"""Inverse weights: Eq. (1) by hand, its sum, and the masks that break naive code."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

import lossseg
from lossseg.errors import InputError
from lossseg.weights import inverse_weights, make_maps


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


def test_maps_are_made_by_name() -> None:
    target = random_target(1)
    maps = make_maps(frozenset({"inverse_weights"}), target)
    assert list(maps) == ["inverse_weights"]
    assert np.array_equal(maps["inverse_weights"], inverse_weights(target))
    assert make_maps((), target) == {}
    with pytest.raises(InputError, match="no voxel map 'distance'"):
        make_maps(["distance"], target)


def test_weights_need_no_torch() -> None:
    code = "import sys, lossseg.weights, lossseg.losses, lossseg.networks.planning; assert 'torch' not in sys.modules"
    folder = Path(lossseg.__file__).parents[1]
    subprocess.run([sys.executable, "-c", code], check=True, cwd=folder)
