"""Planning against nnU-Net's rules worked out by hand."""

from __future__ import annotations

import json
import math

import pytest

from lossseg.errors import InputError
from lossseg.networks.memory import estimate_memory_bytes
from lossseg.networks.planning import Design, first_patch, fit_patch, plan_network, plan_topology

CHANNELS = {"in_channels": 1, "out_channels": 2}
MIB, GIB = 2**20, 2**30
ALL3 = (3, 3, 3)


def test_isotropic_patch_of_64() -> None:
    config, patch = plan_network((1, 1, 1), (64, 64, 64), **CHANNELS)
    assert config == {
        "name": "DynUNet",
        "in_channels": 1,
        "out_channels": 2,
        "kernels": [[3, 3, 3]] * 5,
        "strides": [[1, 1, 1]] + [[2, 2, 2]] * 4,
        "filters": [32, 64, 128, 256, 320],
        "deep_supervision": True,
    }
    assert patch == (64, 64, 64)
    assert json.loads(json.dumps(config)) == config


def test_thick_slices_are_pooled_once_planes_are_as_coarse() -> None:
    """Spacing (5, 1, 1) -> (5, 2, 2) -> (5, 4, 4) -> (10, 8, 8) -> (20, 16, 16) -> (20, 32, 32)."""
    topology = plan_topology((5, 1, 1), (20, 160, 150))
    assert topology.strides == ((1, 1, 1), (1, 2, 2), (1, 2, 2), (2, 2, 2), (2, 2, 2), (1, 2, 2))
    assert topology.kernels == ((1, 3, 3), (1, 3, 3), ALL3, ALL3, ALL3, ALL3)
    assert topology.divisor == (4, 32, 32)
    config, patch = plan_network((5, 1, 1), (20, 160, 150), Design(max_filters=360), **CHANNELS)
    assert patch == (20, 160, 160)
    assert config["filters"] == [32, 64, 128, 256, 360, 360]


def test_spacing_just_below_twice_counts_as_equal() -> None:
    assert plan_topology((1.99, 1, 1), (64, 64, 64)).kernels[0] == ALL3
    assert plan_topology((2, 1, 1), (64, 64, 64)).kernels[0] == (1, 3, 3)
    assert plan_topology((2, 1, 1), (64, 64, 64)).strides[1] == (1, 2, 2)


def test_a_single_axis_stops_at_three_edges() -> None:
    assert plan_topology((1, 1, 1), (4, 4, 48)).strides == ((1, 1, 1), (1, 1, 2), (1, 1, 2), (1, 1, 2))[:4]
    assert plan_topology((1, 1, 1), (4, 4, 16)).strides[1] == (1, 1, 2)
    assert plan_topology((1, 1, 1), (4, 4, 11)).strides[1] == (1, 1, 1)


def test_coarse_axes_are_halved_when_fine_ones_are_used_up() -> None:
    assert plan_topology((4, 1, 1), (64, 8, 8)).strides[1:4] == ((1, 2, 2), (2, 1, 1), (2, 1, 1))


@pytest.mark.parametrize("patch", [(8, 8, 8), (4, 4, 4), (1, 1, 1)])
def test_tiny_patches_have_three_stages(patch: tuple[int, int, int]) -> None:
    config, rounded = plan_network((1, 1, 1), patch, **CHANNELS)
    assert len(config["strides"]) == len(config["kernels"]) == len(config["filters"]) == 3
    assert rounded == patch


def test_given_filters_fix_the_stages() -> None:
    config, patch = plan_network((1, 1, 1), (64, 64, 60), Design(filters=(16, 32, 64)), **CHANNELS)
    assert config["filters"] == [16, 32, 64]
    assert config["strides"] == [[1, 1, 1], [2, 2, 2], [2, 2, 2]]
    assert patch == (64, 64, 60)


def test_patches_are_rounded_up() -> None:
    assert plan_network((1, 1, 1), (61, 70, 33), **CHANNELS)[1] == (64, 80, 40)


def test_first_patch_is_a_cube_in_mm() -> None:
    assert first_patch((1, 1, 1), (500, 500, 500)) == (256, 256, 256)
    # (64^3 * 4)^(1/3) mm = 101.6 mm
    assert first_patch((4, 1, 1), (500, 500, 500), 64**3) == (25, 102, 102)
    assert first_patch((5, 1, 1), (24, 200, 180)) == (24, 200, 180)


@pytest.mark.parametrize(
    ("spacing", "median"),
    [((1, 1, 1), (160, 200, 180)), ((5, 1, 1), (24, 220, 200)), ((0.5, 0.36, 0.36), (140, 512, 512))],
)
def test_fitted_patches_fill_the_memory_and_grow_with_it(
    spacing: tuple[float, float, float], median: tuple[int, int, int]
) -> None:
    voxels = []
    for memory in (1 * GIB, 4 * GIB, 16 * GIB):
        patch, batch, config = fit_patch(spacing, median, memory, **CHANNELS)
        need = estimate_memory_bytes(config, patch, batch, True)
        assert 0.5 * memory < need <= memory
        assert batch >= 2
        assert plan_network(spacing, patch, **CHANNELS) == (config, patch)
        voxels.append(math.prod(patch) * batch)
    assert voxels == sorted(set(voxels))


def test_shape_of_fitted_patches_follows_the_median() -> None:
    patch, batch, _ = fit_patch((1, 1, 1), (64, 128, 128), 2 * GIB, **CHANNELS)
    assert batch == 2
    assert patch[1] / patch[0] == pytest.approx(2, rel=0.35) and patch[2] / patch[0] == pytest.approx(2, rel=0.35)


def test_room_that_is_left_goes_to_the_batch() -> None:
    patch, batch, config = fit_patch((1, 1, 1), (32, 32, 32), 4 * GIB, **CHANNELS)
    assert patch == (32, 32, 32)
    assert batch > 20
    assert estimate_memory_bytes(config, patch, batch, True) <= 4 * GIB
    assert estimate_memory_bytes(config, patch, batch + 1, True) > 4 * GIB
    few = fit_patch((1, 1, 1), (32, 32, 32), 4 * GIB, **CHANNELS, dataset_voxels=100 * 32**3)
    assert few.batch == 5
    assert fit_patch((1, 1, 1), (32, 32, 32), 4 * GIB, **CHANNELS, dataset_voxels=32**3).batch == 2


def test_patch_and_batch_can_be_fixed() -> None:
    fixed = fit_patch((1, 1, 1), (100, 100, 100), 8 * GIB, **CHANNELS, patch=(60, 64, 64), batch=3)
    assert fixed.patch == (64, 64, 64)
    assert fixed.batch == 3


def test_too_little_memory() -> None:
    with pytest.raises(InputError, match=r"10 MiB of memory are too little: 2 patches of .* take about \d+ MiB"):
        fit_patch((1, 1, 1), (100, 100, 100), 10 * MIB, **CHANNELS)
    with pytest.raises(InputError, match="too little: 3 patches"):
        fit_patch((1, 1, 1), (100, 100, 100), 100 * MIB, **CHANNELS, patch=(64, 64, 64), batch=3)


@pytest.mark.parametrize(("spacing", "shape"), [((0, 1, 1), (8, 8, 8)), ((1, 1), (8, 8, 8)), ((1, 1, 1), (8, 0, 8))])
def test_nonsense_is_refused(spacing: tuple[float, ...], shape: tuple[int, ...]) -> None:
    with pytest.raises(InputError, match=r"The (spacing|shape) .* is not possible"):
        plan_network(spacing, shape, **CHANNELS)


def test_half_precision_takes_half_the_maps() -> None:
    config, patch = plan_network((1, 1, 1), (64, 64, 64), **CHANNELS)
    full, half = (estimate_memory_bytes(config, patch, 8, True, bytes_per_value=size) for size in (4, 2))
    assert 0.5 < half / full < 0.6
