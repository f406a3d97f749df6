from collections.abc import Iterator
from contextlib import contextmanager

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import array_shapes, arrays
from scipy import ndimage

from lossseg import components
from lossseg.components import labelling, listing, slabs
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


WAYS = {
    "runs": {"_VOXELS_PER_RUN": 0, "_DENSE": 1},
    "slabs": {"_VOXELS_PER_RUN": 10**9, "_DENSE": 1, "_VOXELS_PER_SLAB": 1},
    "slabs of several slices": {"_VOXELS_PER_RUN": 10**9, "_DENSE": 1, "_VOXELS_PER_SLAB": 90},
    "array": {"_DENSE": 0},
}


@contextmanager
def only(way: str) -> Iterator[None]:
    """Leave only one way to find components, whatever the mask."""
    with pytest.MonkeyPatch.context() as patch:
        for name, value in WAYS[way].items():
            patch.setattr(slabs if name == "_VOXELS_PER_SLAB" else labelling, name, value)
        yield


@pytest.mark.parametrize("way", WAYS)
@settings(deadline=None, max_examples=60)
@given(mask=masks, connectivity=st.sampled_from([6, 18, 26]))
def test_labels_equal_those_of_scipy(way, mask, connectivity):
    with only(way):
        labels, count = components.label(mask, connectivity)
    expected, expected_count = brute_force(mask, connectivity)
    assert count == expected_count
    assert labels.dtype == np.int32
    assert (labels == expected).all()


@pytest.mark.parametrize("way", WAYS)
@pytest.mark.parametrize("kind", [np.uint8, np.int16, np.float32, np.float64])
def test_every_way_takes_every_type_and_numbers_by_first_voxel(way, kind):
    random = np.random.default_rng(5)
    mask = random.choice(np.array([0, 0, 0, 1, 3], kind), (9, 11, 13))
    mask[0, 0, 0], mask[8, 10, 12] = (-1, -0.5) if np.issubdtype(kind, np.floating) else (7, 7)
    with only(way):
        labels, count = components.label(mask.transpose(2, 0, 1), 6)
    expected, expected_count = brute_force(mask.transpose(2, 0, 1) != 0, 6)
    assert count == expected_count
    assert (labels == expected).all()


@pytest.mark.parametrize("way", WAYS)
@pytest.mark.parametrize("shape", [(1, 1, 9), (1, 9, 7), (9, 1, 1), (3, 3, 3), (5, 7, 9)])
def test_a_lattice_of_single_voxels_is_counted(way, shape):
    """The most components that a volume can have, which is more than cc3d expects where a side is odd."""
    mask = np.zeros(shape, bool)
    mask[::2, ::2, ::2] = True
    with only(way):
        labels, count = components.label(mask)
    assert count == mask.sum()
    assert labels[mask].tolist() == list(range(1, count + 1))


@pytest.mark.parametrize("connectivity", [6, 18, 26])
def test_a_dense_mask_of_many_slabs_equals_scipy(connectivity):
    field = ndimage.gaussian_filter(np.random.default_rng(2).standard_normal((20, 40, 50)), 1.2)
    mask = field > np.quantile(field, 0.7)
    with only("slabs of several slices"):
        found = components.find(mask, connectivity)
    expected, expected_count = brute_force(mask, connectivity)
    assert found.count == expected_count
    assert (found.array() == expected).all()
    assert (found.sizes == np.bincount(expected.ravel())[1:]).all()


@pytest.mark.parametrize("kind", [bool, np.uint8, np.int16, np.float32, np.int64])
@pytest.mark.parametrize("size", [1, 7, 64, 1003])
def test_the_foreground_is_listed_in_order(kind, size):
    flat = np.zeros(size, kind)
    flat[np.random.default_rng(size).choice(size, max(1, size // 40), replace=False)] = 1
    if kind == np.float32:
        flat[0] = -0.0  # bits are set, yet it is background
    for array in (flat, np.repeat(flat, 3), np.append(np.zeros(1, kind), flat)[1:]):
        assert components.foreground(array).tolist() == np.flatnonzero(array).tolist()


def test_a_sparse_mask_is_listed_word_by_word():
    mask = np.zeros((4, 8, 10), np.uint8)
    mask[1, 2, 3] = mask[3, 7, 9] = 200
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(listing, "_one_by_one", lambda flat: pytest.fail("walked one by one"))
        assert components.foreground(mask).tolist() == [103, 319]


def test_places_of_voxels_in_a_list():
    assert components.places(np.array([1, 4, 9, 2]), np.array([1, 2, 4])).tolist() == [0, 2, -1, 1]
    assert components.places(np.array([1]), np.zeros(0, np.int64)).tolist() == [-1]


def test_components_one_after_the_other():
    mask = np.zeros((1, 3, 5), bool)
    mask[0, 0, 0] = mask[0, 0, 2] = mask[0, 1, 2] = mask[0, 2, 4] = mask[0, 2, 0] = True
    found = components.find(mask, 6)
    assert found.voxels[found.by_component].tolist() == [0, 2, 7, 10, 14]
    assert found.starts.tolist() == [0, 1, 3, 4]
    chosen = found.subset(np.array([False, True, False, True]))
    assert chosen.voxels.tolist() == [2, 7, 14]
    assert chosen.labels.tolist() == [1, 1, 2]
    assert chosen.sizes.tolist() == [2, 1]


@settings(deadline=None, max_examples=40)
@given(mask=masks, connectivity=st.sampled_from([6, 18, 26]), least=st.integers(0, 6))
def test_what_is_kept_are_the_large_components(mask, connectivity, least):
    labels, count = brute_force(mask, connectivity)
    large = [value for value in range(1, count + 1) if (labels == value).sum() >= least]
    assert (components.remove_small(mask, least, connectivity) == np.isin(labels, large)).all()
