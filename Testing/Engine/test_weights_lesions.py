"""Numbers of lesions and of the nearest lesion."""

from __future__ import annotations

import numpy as np
import pytest
from scipy.ndimage import distance_transform_edt, label

from lossseg.weights import make_maps


def numbers(target: np.ndarray, spacing: tuple[float, ...] | None = None) -> tuple[np.ndarray, np.ndarray]:
    made = make_maps(["lesions", "nearest_lesion"], target, spacing=spacing)
    assert made["lesions"].dtype == made["nearest_lesion"].dtype == np.float32
    return made["lesions"][0], made["nearest_lesion"][0]


def test_lesions_and_what_is_nearest_by_hand() -> None:
    target = np.zeros((1, 3, 8), np.uint8)
    target[0, 0, :2], target[0, 2, 6] = 1, 1
    lesions, nearest = numbers(target)
    assert lesions[0].tolist() == [[1, 1, 0, 0, 0, 0, 0, 0], [0] * 8, [0, 0, 0, 0, 0, 0, 2, 0]]
    assert nearest[0].tolist() == [[1, 1, 1, 1, 2, 2, 2, 2], [1, 1, 1, 1, 2, 2, 2, 2], [1, 1, 1, 1, 2, 2, 2, 2]]


def test_corners_join_and_touching_classes_are_one_lesion() -> None:
    target = np.zeros((2, 2, 5), np.uint8)
    target[0, 0, 0], target[1, 1, 1], target[0, 0, 4] = 1, 2, 2
    lesions, _ = numbers(target)
    assert (lesions[0, 0, 0], lesions[1, 1, 1], lesions[0, 0, 4]) == (1, 1, 2)
    assert lesions.sum() == 4


def test_spacing_decides_what_is_nearest() -> None:
    target = np.zeros((5, 1, 4), np.uint8)
    target[0, 0, 0], target[4, 0, 3] = 1, 1
    # From (2, 0, 0): 2 steps in z to the first, 2 in z and 3 in x to the second
    _, nearest = numbers(target, (1.0, 1.0, 1.0))
    assert nearest[3, 0, 0] == 1
    # 3 steps of 9 mm against 1 of 9 mm and 3 of 1 mm
    _, nearest = numbers(target, (9.0, 1.0, 1.0))
    assert nearest[3, 0, 0] == 2


@pytest.mark.parametrize("spacing", [None, (3.0, 1.0, 0.6)])
@pytest.mark.parametrize("seed", range(3))
def test_regions_follow_one_distance_transform_for_each_lesion(seed: int, spacing: tuple[float, ...] | None) -> None:
    target = np.random.default_rng(seed).random((12, 14, 16)) < 0.01
    labels, count = label(target, np.ones((3, 3, 3)))
    distances = np.stack([distance_transform_edt(labels != number, sampling=spacing) for number in range(1, count + 1)])
    lesions, nearest = numbers(target, spacing)
    assert count > 3
    assert np.array_equal(lesions, labels)
    chosen = np.take_along_axis(distances, nearest[None].astype(int) - 1, 0)[0]
    np.testing.assert_allclose(chosen, distances.min(0), rtol=1e-12)
    assert np.array_equal(nearest[target], lesions[target])


@pytest.mark.parametrize("shape", [(3, 4, 5), (4, 5)])
def test_empty_full_and_single(shape: tuple[int, ...]) -> None:
    for values in numbers(np.zeros(shape, np.uint8)):
        assert not values.any()
    for values in numbers(np.ones(shape, np.uint8)):
        assert (values == 1).all()
    single = np.zeros(shape, np.uint8)
    single[(0,) * len(shape)] = 1
    lesions, nearest = numbers(single)
    assert lesions.sum() == 1 and lesions.flat[0] == 1
    assert (nearest == 1).all()


def test_planes_join_over_corners() -> None:
    lesions, nearest = numbers(np.array([[1, 0, 0, 0, 0], [0, 1, 0, 0, 1]]))
    assert lesions.tolist() == [[1, 0, 0, 0, 0], [0, 1, 0, 0, 2]]
    assert nearest.tolist() == [[1, 1, 1, 2, 2], [1, 1, 1, 2, 2]]
