import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import array_shapes, arrays
from scipy import ndimage

from lossseg import components
from lossseg.errors import InputError

STRUCTURE = {6: 1, 18: 2, 26: 3}

masks = arrays(bool, array_shapes(min_dims=3, max_dims=3, max_side=7), elements=st.booleans())


def brute_force(mask: np.ndarray, connectivity: int) -> tuple[np.ndarray, int]:
    """scipy's labels, numbered anew by first voxel."""
    labels, count = ndimage.label(mask, ndimage.generate_binary_structure(3, STRUCTURE[connectivity]))
    order = [value for value in dict.fromkeys(labels.ravel().tolist()) if value]
    number = np.zeros(count + 1, int)
    number[order] = np.arange(1, count + 1)
    return number[labels], count


def test_diagonal_neighbours_join_as_the_connectivity_says():
    mask = np.zeros((3, 3, 4), bool)
    mask[0, 0, 0] = mask[0, 0, 1] = True  # by a face
    mask[0, 1, 2] = True  # by an edge
    mask[1, 2, 3] = True  # by a corner
    assert [components.label(mask, connectivity)[1] for connectivity in (6, 18, 26)] == [3, 2, 1]
    labels, _ = components.label(mask, 18)
    assert labels[0].tolist() == [[1, 1, 0, 0], [0, 0, 1, 0], [0, 0, 0, 0]]
    assert labels[1, 2, 3] == 2


def test_components_are_numbered_by_their_first_voxel():
    mask = np.zeros((1, 3, 7), np.uint8)
    mask[0, 0, 5] = mask[0, 1, 5] = 1
    mask[0, 1, 0] = mask[0, 0, 1] = 3
    mask[0, 2, 3] = 200
    labels, count = components.label(mask)
    assert count == 3
    assert labels[0].tolist() == [[0, 1, 0, 0, 0, 2, 0], [1, 0, 0, 0, 0, 2, 0], [0, 0, 0, 3, 0, 0, 0]]
    assert components.sizes(labels).tolist() == [2, 2, 1]


def test_neighbours_do_not_wrap_around_the_border():
    mask = np.zeros((2, 4, 4), bool)
    mask[0, 1, 3] = mask[0, 2, 0] = True  # the end of one row and the begin of the next
    mask[0, 3, 3] = mask[1, 0, 0] = True  # the last voxel of one slice and the first of the next
    assert components.label(mask)[1] == 4


def test_an_empty_mask_has_no_component():
    mask = np.zeros((4, 5, 6), bool)
    labels, count = components.label(mask)
    assert count == 0
    assert labels.shape == (4, 5, 6)
    assert not labels.any()
    assert components.sizes(labels).tolist() == []
    assert not components.remove_small(mask).any()


def test_a_full_mask_is_one_component():
    labels, count = components.label(np.ones((2, 3, 4)), 6)
    assert count == 1
    assert (labels == 1).all()


def test_small_components_are_removed_one_by_one():
    mask = np.zeros((5, 8, 12), np.uint8)
    mask[1, 1, :11] = 1  # 11 voxels stay
    mask[4, 4, :10] = 2  # 10 do not
    mask[3, 7, 11] = 1
    kept = components.remove_small(mask)
    assert kept.dtype == bool
    assert kept.sum() == 11
    assert kept[1, 1, :11].all()
    assert mask.sum() == 11 + 20 + 1
    assert components.remove_small(mask, 10).sum() == 21
    assert (components.remove_small(mask, 1) == (mask > 0)).all()
    assert (components.remove_small(mask, 0) == (mask > 0)).all()


def test_an_array_in_another_memory_order_gives_the_same():
    mask = np.random.default_rng(1).random((6, 7, 8)) < 0.2
    turned = np.asfortranarray(mask)
    assert (components.label(turned)[0] == components.label(mask)[0]).all()
    assert (components.remove_small(turned, 3) == components.remove_small(mask, 3)).all()


@pytest.mark.parametrize(("mask", "connectivity"), [(np.zeros((4, 4)), 26), (np.zeros((2, 2, 2)), 8)])
def test_what_is_no_3d_neighbourhood_is_refused(mask, connectivity):
    with pytest.raises(InputError):
        components.label(mask, connectivity)


@pytest.mark.parametrize("most_runs", [0, 80_000], ids=["cc3d", "runs"])
@settings(deadline=None, max_examples=60)
@given(mask=masks, connectivity=st.sampled_from([6, 18, 26]))
def test_labels_equal_those_of_scipy(most_runs, mask, connectivity):
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(components, "_MOST_RUNS", most_runs)
        labels, count = components.label(mask, connectivity)
    expected, expected_count = brute_force(mask, connectivity)
    assert count == expected_count
    assert (labels == expected).all()


@settings(deadline=None, max_examples=40)
@given(mask=masks, connectivity=st.sampled_from([6, 18, 26]), least=st.integers(0, 6))
def test_what_is_kept_are_the_large_components(mask, connectivity, least):
    labels, count = brute_force(mask, connectivity)
    large = [value for value in range(1, count + 1) if (labels == value).sum() >= least]
    assert (components.remove_small(mask, least, connectivity) == np.isin(labels, large)).all()
