import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import array_shapes, arrays
from scipy.spatial import ConvexHull
from scipy.spatial.distance import pdist, squareform

from lossseg.components import find
from lossseg.evaluation.shape import Shapes, centroids, diameters, shapes


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


def axes_of(mask: np.ndarray, spacing: tuple[float, float, float] = (1.0, 1.0, 1.0), axial: int = 0) -> list[float]:
    """Long and short axis of the only component."""
    found = shapes(find(mask), spacing, axial)
    return [found.axial_long_mm.item(), found.axial_short_mm.item()]


def in_slice(pixels: np.ndarray) -> np.ndarray:
    mask = np.zeros((3, *pixels.shape), bool)
    mask[1] = pixels
    return mask


def test_one_voxel_measures_its_sides():
    assert axes_of(in_slice(np.eye(1, 3, 1, dtype=bool)), (5.0, 0.5, 0.7)) == [0.7, 0.5]


def test_axes_of_a_box_and_of_a_row():
    # Between the outer sides along the longer edge, and as wide as a segment square to that can be.
    assert axes_of(in_slice(np.ones((3, 10), bool)))[0] == pytest.approx(math.hypot(10, 2))
    assert axes_of(in_slice(np.ones((1, 6), bool)), (3.0, 0.5, 2.0)) == pytest.approx([12.0, 0.5])
    assert axes_of(in_slice(np.ones((6, 1), bool)), (3.0, 0.5, 2.0))[0] == pytest.approx(math.hypot(5 * 0.5, 2.0))


def test_axes_of_a_disc_and_of_an_ellipse():
    y, x = np.mgrid[-30:31, -30:31]
    assert axes_of(in_slice(x**2 + y**2 <= 20**2)) == pytest.approx([41, 41], abs=0.6)
    assert axes_of(in_slice(x**2 + y**2 <= 20**2), (4.0, 2.0, 1.0)) == pytest.approx([82, 41], abs=1)
    turned = math.radians(30)
    along, across = x * math.cos(turned) + y * math.sin(turned), y * math.cos(turned) - x * math.sin(turned)
    assert axes_of(in_slice((along / 25) ** 2 + (across / 9) ** 2 <= 1)) == pytest.approx([50, 18], abs=1.2)


def test_axes_are_those_of_the_slice_of_the_longest_diameter():
    mask = np.zeros((6, 20, 20), bool)
    mask[1, 4:12, 4:12] = True  # thick and short
    mask[2, 5, 2:18] = True  # thin and long
    mask[3:6, 5, 5] = True  # the longest in space
    assert axes_of(mask, (9.0, 1.0, 1.0)) == pytest.approx([16.0, 1.0])
    # In another order of storage the axial slices lie across another axis.
    assert axes_of(mask.transpose(1, 0, 2), (1.0, 9.0, 1.0), axial=1) == pytest.approx([16.0, 1.0])
    assert axes_of(mask.transpose(1, 2, 0), (1.0, 1.0, 9.0), axial=2) == pytest.approx([16.0, 1.0])


def test_a_notch_does_not_shorten_the_short_axis():
    pixels = np.ones((9, 21), bool)
    full = axes_of(in_slice(pixels))
    pixels[:6, 10] = False
    assert axes_of(in_slice(pixels)) == pytest.approx(full)


def axes_by_brute_force(voxels: np.ndarray, sides: np.ndarray) -> tuple[float, list[float]]:
    """The longest diameter of all slices; and for each diameter as long, the longest chord perpendicular to it of its
    slice's hull, from the half planes that bound the hull."""
    steps = np.array([(0.5, 0), (-0.5, 0), (0, 0.5), (0, -0.5)])
    slices = [((voxels[voxels[:, 0] == z, None, 1:] + steps) * sides).reshape(-1, 2) for z in np.unique(voxels[:, 0])]
    longest = max(pdist(points).max() for points in slices)
    chords = []
    for points in slices:
        hull = ConvexHull(points)
        for one, other in np.argwhere(squareform(pdist(points)) > longest - 1e-9):
            direction = (points[one] - points[other]) / longest
            slope = hull.equations[:, :2] @ np.array([-direction[1], direction[0]])
            up, down = slope > 1e-9, slope < -1e-9
            at = hull.equations[:, :2] @ points[hull.vertices].T + hull.equations[:, 2:]
            reach = -at / np.where(up | down, slope, 1.0)[:, None]
            chords.append((reach[up].min(axis=0) - reach[down].max(axis=0)).max())
    return longest, chords


@settings(deadline=None, max_examples=50)
@given(
    mask=arrays(bool, array_shapes(min_dims=3, max_dims=3, max_side=6), elements=st.booleans()),
    spacing=st.sampled_from([(3.1, 0.47, 0.83), (1.0, 0.71, 0.59), (0.6, 1.37, 0.42)]),
)
def test_axes_equal_brute_force(mask, spacing):
    found = find(mask)
    measured = shapes(found, spacing)
    for number in range(found.count):
        voxels = found.coordinates()[found.labels == number + 1]
        long_mm, chords = axes_by_brute_force(voxels, np.array(spacing[1:]))
        assert measured.axial_long_mm[number] == pytest.approx(long_mm)
        # Of several diameters of the same length either may be taken.
        assert min(abs(measured.axial_short_mm[number] - np.array(chords))) < 1e-9
        assert measured.axial_short_mm[number] <= measured.axial_long_mm[number] <= measured.diameter_mm[number] + 1e-9


def test_boxes_and_contact_with_the_border():
    mask = np.zeros((6, 7, 8), bool)
    mask[1:3, 2, 3:6] = True
    mask[2, 3, 6] = True
    mask[5, 4, 4] = True
    mask[3, 6, 0] = True
    found = shapes(find(mask), (1.0, 1.0, 1.0))
    assert found.first.tolist() == [[1, 2, 3], [3, 6, 0], [5, 4, 4]]
    assert found.last.tolist() == [[2, 3, 6], [3, 6, 0], [5, 4, 4]]
    assert found.at_border.tolist() == [False, True, True]


def test_no_component_has_no_shape():
    found = shapes(find(np.zeros((2, 3, 4), bool)), (1.0, 1.0, 1.0))
    assert isinstance(found, Shapes)
    assert found.centroid.shape == found.first.shape == (0, 3)
    assert found.diameter_mm.tolist() == found.axial_short_mm.tolist() == []


def test_large_components_are_measured_by_their_hull():
    z, y, x = np.ogrid[-14:15, -30:31, -30:31]
    shell = ((z / 14) ** 2 + (y / 30) ** 2 + (x / 30) ** 2 <= 1) & ((z / 12) ** 2 + (y / 28) ** 2 + (x / 28) ** 2 > 1)
    flat = np.zeros(shell.shape, bool)
    flat[14] = shell[14]
    for mask in (shell, flat):
        found = find(mask)
        corners = found.coordinates()[(found.coordinates()[:, 0] == 14)]
        # The longest runs along the equator, between outer faces.
        assert diameters(found, (1.0, 1.0, 1.0))[0] == pytest.approx(
            longest_between_all_face_centres(corners[np.abs(corners[:, 1:] - 30).max(axis=1) > 20], (1.0, 1.0, 1.0))
        )
