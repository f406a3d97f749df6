"""From probabilities to labels; the running mean; regions of interest."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pytest
from inference_fakes import linear, model

from lossseg.errors import InputError
from lossseg.images import Geometry
from lossseg.inference.postprocess import SmallRule, remove_small, remove_unsure, to_labels, voxel_limit
from lossseg.inference.roi import check_bounds, context, intersection, on_plan_grid, voxel_box
from lossseg.inference.running_mean import Means, RunningMean
from lossseg.preprocessing import ChannelKind, Prepared


def row(*values: float) -> np.ndarray:
    return np.array(values, np.float32).reshape(1, 1, -1)


def test_two_classes_without_and_with_a_threshold() -> None:
    probability = row(0.0, 0.3, 0.5, 0.51, 1.0)[None]
    assert to_labels(probability).ravel().tolist() == [0, 0, 0, 1, 1]
    assert to_labels(probability, 0.3).ravel().tolist() == [0, 1, 1, 1, 1]
    assert to_labels(probability, 1.0).ravel().tolist() == [0, 0, 0, 0, 1]
    assert to_labels(probability).dtype == np.uint8


def test_several_classes_take_the_most_probable_one() -> None:
    # Background is 0.4, 0.3, 0.0, 0.8, 1.0.
    foreground = np.stack([row(0.35, 0.3, 0.5, 0.1, 0.0), row(0.25, 0.4, 0.5, 0.1, 0.0)])
    assert to_labels(foreground).ravel().tolist() == [0, 2, 1, 0, 0]
    assert to_labels(foreground, 0.5).ravel().tolist() == [1, 2, 1, 0, 0]
    assert to_labels(foreground, 0.15).ravel().tolist() == [1, 2, 1, 1, 0]


def lesions() -> np.ndarray:
    labels = np.zeros((3, 3, 40), np.uint8)
    labels[0, 0, 0:10] = 1
    labels[0, 0, 12:23] = 1
    labels[2, 2, 0:5] = 2
    labels[2, 2, 5:9] = 1
    labels[0, 0, 30], labels[1, 1, 31] = 2, 2
    return labels


def test_small_components_go_class_by_class() -> None:
    kept = remove_small(lesions(), 11)
    assert np.count_nonzero(kept) == 11 and (kept[0, 0, 12:23] == 1).all()
    kept = remove_small(lesions(), 5)
    assert np.bincount(kept.ravel()).tolist() == [360 - 26, 21, 5]
    # Corners touch: two voxels are one component.
    assert np.bincount(remove_small(lesions(), 2).ravel()).tolist() == [360 - 32, 25, 7]
    np.testing.assert_array_equal(remove_small(lesions(), 1), lesions())
    np.testing.assert_array_equal(remove_small(lesions(), 0), lesions())


def test_the_rule_by_case_empties_all_or_nothing() -> None:
    np.testing.assert_array_equal(remove_small(lesions(), 32, SmallRule.CASE), lesions())
    assert not remove_small(lesions(), 33, SmallRule.CASE).any()
    assert not remove_small(np.zeros((2, 2, 2), np.uint8), 11).any()


def test_the_limit_in_mm3_takes_the_place_of_voxels() -> None:
    assert voxel_limit(11, None, 0.5) == 11
    assert voxel_limit(11, 3.0, 0.5) == 6
    assert voxel_limit(11, 3.1, 0.5) == 7
    assert voxel_limit(11, 0.3, 0.1) == 3
    assert voxel_limit(11, 0.0, 0.1) == 0


def mean_of(running: RunningMean, stack: np.ndarray, weights: Sequence[float]) -> list[Means]:
    """The mean over `stack` (members, classes, z, y, x), each given in two slabs."""
    for probability, weight in zip(stack, weights, strict=True):
        running.begin(weight)
        parts = [running.add(first, probability[:, first : first + 3].copy()) for first in (0, 3)]
    return parts


@pytest.mark.parametrize("on_disk", [False, True])
@pytest.mark.parametrize("channels", [1, 3])
def test_running_mean_and_deviation_equal_those_of_a_stack(
    channels: int, on_disk: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    if on_disk:
        monkeypatch.setattr("lossseg.preprocessing.stack.IN_MEMORY", 0)
    generator = np.random.default_rng(0)
    stack = generator.dirichlet(np.ones(channels + 1), size=(5, 4, 3, 6))[..., 1:].astype(np.float32)
    stack = np.moveaxis(stack, -1, 1)
    weights = np.array([1.0, 2.0, 0.5, 4.0, 1.0])
    running = RunningMean(channels, (4, 3, 6), 5, variance=True)
    parts = mean_of(running, stack, weights)
    assert running.weight == 8.5
    found = np.concatenate([part.probability for part in parts], axis=1)
    np.testing.assert_allclose(found, np.average(stack, axis=0, weights=weights), atol=1e-6)
    anything = stack.sum(axis=1).astype(float)
    mean = np.average(anything, axis=0, weights=weights)
    np.testing.assert_allclose(np.concatenate([part.any_foreground() for part in parts]), mean, atol=1e-6)
    spread = np.average((anything - mean) ** 2, axis=0, weights=weights)
    squares = np.concatenate([part.squares for part in parts])
    np.testing.assert_allclose(np.sqrt(squares / running.weight), np.sqrt(spread), atol=1e-6)


def test_the_last_member_is_told_and_nothing_is_kept_of_a_single_one() -> None:
    running = RunningMean(1, (4, 3, 6), 2)
    assert [running.begin(1.0), running.begin(1.0)] == [False, True]
    alone = RunningMean(1, (10**6, 10**6, 10**6), 1)  # would not fit anywhere
    assert alone.begin(2.0)
    given = np.random.default_rng(1).random((1, 2, 3, 3)).astype(np.float32)
    assert alone.add(0, given).probability is given


GRID = Geometry((10, 20, 30), (3.0, 2.0, 1.0), (5.0, -7.0, 11.0))


def test_bounds_in_ras_become_the_voxels_they_touch() -> None:
    # LPS index (x, y, z) lies at (5 + x, -7 + 2 y, 11 + 3 z) mm: R = -L, A = -P.
    box = voxel_box((-15.0, -10.0, -5.0, 1.0, 17.0, 20.0), GRID)
    assert box == (slice(2, 4), slice(3, 7), slice(5, 11))
    # A box of less than a voxel is the voxel it lies in; one that is too large is cut to the volume.
    assert voxel_box((-15.1, -14.9, 0.9, 1.1, 16.9, 17.1), GRID) == (slice(2, 3), slice(3, 4), slice(10, 11))
    assert voxel_box((-999, 999, -999, 999, -999, 999), GRID) == (slice(0, 10), slice(0, 20), slice(0, 30))


def test_an_oblique_grid_gets_the_smallest_box_around() -> None:
    turn = np.deg2rad(30)
    cosine, sine = float(np.cos(turn)), float(np.sin(turn))
    oblique = Geometry((10, 40, 40), (1.0, 1.0, 1.0), (0.0, 0.0, 0.0), (cosine, -sine, 0, sine, cosine, 0, 0, 0, 1))
    centre = oblique.affine @ [20, 20, 5, 1]
    half = 4.0
    bounds = tuple(value for middle in centre[:3] for value in (middle - half, middle + half))
    reach = half * (cosine + sine)
    z, y, x = voxel_box(bounds, oblique)
    assert (z.start, z.stop) == (1, 10)
    for part in (y, x):
        assert part == slice(int(np.floor(20 - reach + 0.5)), int(np.ceil(20 + reach - 0.5)) + 1)
    inside = [
        index
        for index in np.ndindex(oblique.size)
        if (np.abs((oblique.affine @ [*index[::-1], 1] - centre)[:3]) <= half).all()
    ]
    assert all(part.start <= i < part.stop for index in inside for part, i in zip((z, y, x), index, strict=True))


def test_bounds_outside_of_the_volume_or_upside_down() -> None:
    with pytest.raises(InputError, match="outside of the volume"):
        voxel_box((100.0, 120.0, 0.0, 1.0, 17.0, 20.0), GRID)
    for wrong in [(1, 0, 0, 1, 0, 1), (0, 1, 0, 1, 0), (0, 1, 0, 1, 0, float("nan"))]:
        with pytest.raises(InputError, match="no box"):
            check_bounds(wrong)


def test_context_is_half_a_patch_along_each_stored_axis() -> None:
    box = (slice(4, 6), slice(10, 12), slice(10, 20))
    plan = model(linear(1.0), patch=(6, 4, 4), spacing=(2.0, 2.0, 0.5), kind=ChannelKind.WINDOW).plan
    body = tuple(slice(0, length) for length in GRID.size)
    assert context(box, body, [plan], GRID) == (slice(2, 8), slice(8, 14), slice(9, 21))
    assert context(box, (slice(3, 7), *body[1:]), [plan], GRID)[0] == slice(3, 7)
    # Axes stored as (L, P, S): the margins follow the patient's axes.
    turned = Geometry((30, 20, 10), (1.0, 2.0, 3.0), (0.0, 0.0, 0.0), (0, 0, 1, 0, 1, 0, 1, 0, 0))
    assert context(box[::-1], body[::-1], [plan], turned) == (slice(9, 21), slice(8, 14), slice(2, 8))
    assert context(None, body, [plan], GRID) is None
    # What is measured on the whole volume must not depend on the region.
    assert context(box, body, [model(linear(1.0), kind=ChannelKind.ZSCORE).plan], GRID) is None


@pytest.mark.parametrize("sign", [1.0, -1.0])
def test_the_box_on_the_plans_grid(sign: float) -> None:
    geometry = Geometry((20, 20, 40), (1.0, 1.0, 0.5), (0.0, 0.0, 0.0), (1, 0, 0, 0, 1, 0, 0, 0, sign))
    crop = (slice(5, 20), slice(0, 20), slice(0, 40))
    plan = model(linear(1.0)).plan
    prepared = Prepared(np.zeros((1, 15, 20, 20), np.float32), crop, geometry, (0.0,), plan)
    mask = on_plan_grid((slice(9, 11), slice(0, 20), slice(10, 20)), prepared)
    rows = np.flatnonzero(mask.any(axis=(1, 2)))
    expected = (2, 7) if sign > 0 else (7, 12)
    assert (rows[0], rows[-1]) == expected
    columns = np.flatnonzero(mask.any(axis=(0, 1)))
    assert (columns[0], columns[-1]) == (3, 11)


def test_boxes_that_do_not_meet_have_an_empty_intersection() -> None:
    crop = (slice(5, 10),) * 3
    assert intersection((slice(0, 3), slice(6, 20), slice(12, 15)), crop) == (slice(5, 5), slice(6, 10), slice(10, 10))


def test_components_that_are_never_sure_are_removed_whole() -> None:
    labels = np.zeros((4, 5, 6), np.uint8)
    labels[1, 1, 1:3] = 1
    labels[3, 4, 5] = 1
    labels[1, 1, 3] = 2  # touches the first component, but is of another class
    probability = np.full(labels.shape, 0.5, np.float32)
    probability[1, 1, 2] = 0.9
    expected = labels.copy()
    expected[3, 4, 5] = expected[1, 1, 3] = 0
    np.testing.assert_array_equal(remove_unsure(labels.copy(), probability, 0.8), expected)
    np.testing.assert_array_equal(remove_unsure(labels.copy(), probability, 0.0), labels)
    np.testing.assert_array_equal(remove_unsure(np.zeros_like(labels), probability, 0.8), np.zeros_like(labels))
