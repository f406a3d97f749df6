import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import array_shapes, arrays
from scipy.spatial.distance import pdist

from lossseg.components import find
from lossseg.evaluation.shape import centroids, diameters


def longest_between_all_face_centres(voxels: np.ndarray, spacing: tuple[float, float, float]) -> float:
    steps = 0.5 * np.concatenate([np.eye(3), -np.eye(3)])
    return float(pdist(((voxels[:, None] + steps) * spacing).reshape(-1, 3)).max())


def test_one_voxel_is_as_long_as_its_longest_edge():
    mask = np.zeros((3, 3, 3), bool)
    mask[1, 1, 1] = True
    assert diameters(find(mask), (2.5, 0.5, 0.7)).tolist() == [2.5]


@pytest.mark.parametrize(("axis", "length"), [(0, 4 * 3.0), (1, 4 * 0.5), (2, 4 * 0.8)])
def test_voxels_in_a_row_measure_from_edge_to_edge(axis, length):
    mask = np.zeros((5, 5, 5), bool)
    at = [2, 2, 2]
    at[axis] = slice(1, 5)
    mask[tuple(at)] = True
    # Across the slices four thin voxels are shorter than the slice is thick, but not than its slant.
    slant = math.hypot(3.0, 3 * (0.5 if axis == 1 else 0.8)) if axis else 0.0
    assert diameters(find(mask), (3.0, 0.5, 0.8))[0] == pytest.approx(max(length, slant))


def test_a_box_and_a_flat_lesion():
    mask = np.zeros((4, 6, 20), bool)
    mask[0:2, 0:3, 0:4] = True  # 2 x 3 x 4: the longest runs between the faces across the longest axis
    mask[3, 0:6, 10:20] = True  # one slice of 6 x 10
    found = diameters(find(mask), (1.0, 1.0, 1.0))
    assert found == pytest.approx([math.sqrt(4**2 + 2**2 + 1**2), math.sqrt(10**2 + 5**2)])


def test_a_ball_of_many_voxels_measures_its_diameter():
    z, y, x = np.ogrid[-20:21, -20:21, -20:21]
    ball = z**2 + y**2 + x**2 <= 20**2
    assert diameters(find(ball), (1.0, 1.0, 1.0))[0] == pytest.approx(41.0)
    stretched = diameters(find(ball), (2.0, 1.0, 1.0))[0]
    assert stretched == pytest.approx(82.0)


@settings(deadline=None, max_examples=60)
@given(
    mask=arrays(bool, array_shapes(min_dims=3, max_dims=3, max_side=7), elements=st.booleans()),
    spacing=st.tuples(*[st.floats(0.2, 6)] * 3),
)
def test_diameters_and_centroids_equal_brute_force(mask, spacing):
    found = find(mask)
    coordinates = found.coordinates()
    each = [coordinates[found.labels == number] for number in range(1, found.count + 1)]
    expected = [longest_between_all_face_centres(voxels, spacing) for voxels in each]
    assert diameters(found, spacing) == pytest.approx(expected)
    assert centroids(found) == pytest.approx(np.array([voxels.mean(axis=0) for voxels in each]).reshape(-1, 3))
