"""Preprocessing: intensity schemes, resampling and its inverse, orientation, planning, cache."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from lossseg.dataset import add_case, create_dataset, open_dataset
from lossseg.errors import InputError
from lossseg.images import Geometry, Volume
from lossseg.preprocessing import ChannelKind, ChannelScheme, Plan, fingerprint, prepare, prepare_dataset, restore
from lossseg.preprocessing.cache import lesion_index
from lossseg.preprocessing.case import prepare_label
from lossseg.preprocessing.fingerprint import CaseFingerprint, Fingerprint, Intensities
from lossseg.preprocessing.intensity import normalise
from lossseg.preprocessing.orientation import Orientation
from lossseg.preprocessing.planning import scheme, target_spacing
from lossseg.preprocessing.resampling import coarse_axis, resample_image, resample_label, resampled_shape

IDENTITY = (1.0, 0.0, 0.0, 0.0, 1.0, 0.0, 0.0, 0.0, 1.0)


def geometry(size=(8, 10, 12), spacing=(1.0, 1.0, 1.0), direction=IDENTITY) -> Geometry:
    return Geometry(size=size, spacing=spacing, origin=(0.0, 0.0, 0.0), direction=direction)


def plan(*schemes: ChannelScheme, spacing=(1.0, 1.0, 1.0)) -> Plan:
    chosen = schemes or (ChannelScheme("MR", ChannelKind.NONE),)
    return Plan(chosen, spacing, (8, 8, 8), 2, {"background": 0, "lesion": 1}, {})


def test_ct_is_clipped_and_scaled_by_the_training_foreground():
    ct = ChannelScheme("CT", ChannelKind.CT, low=-100.0, high=300.0, mean=50.0, std=25.0)
    values = normalise(np.array([[[-1000.0, 50.0, 75.0, 1000.0]]]), ct)
    np.testing.assert_allclose(values, [[[-6.0, 0.0, 1.0, 10.0]]])


def test_zscore_over_nonzero_voxels_leaves_the_background_zero():
    mr = ChannelScheme("MR", ChannelKind.ZSCORE, nonzero=True)
    values = normalise(np.array([[[0.0, 10.0, 20.0, 30.0]]]), mr)
    np.testing.assert_allclose(values[0, 0], [0.0, -1.2247449, 0.0, 1.2247449], rtol=1e-6)


def test_zscore_of_a_constant_image_is_zero_not_nan():
    values = normalise(np.full((2, 2, 2), 7.0), ChannelScheme("MR", ChannelKind.ZSCORE))
    assert not values.any()


def test_window_with_organ_mask_as_in_the_inverse_weighting_paper():
    window = ChannelScheme("CT", ChannelKind.WINDOW, low=-1000.0, high=300.0)
    image = np.array([[[-1200.0, -350.0, 300.0, 300.0]]])
    inside = np.array([[[True, True, True, False]]])
    np.testing.assert_allclose(normalise(image, window, inside), [[[0.0, 0.5, 1.0, 0.0]]])


def test_resampled_shape_keeps_the_extent():
    assert resampled_shape((10, 20, 30), (3.0, 1.0, 0.5), (1.0, 1.0, 1.0)) == (30, 20, 15)
    assert resampled_shape((1, 2, 2), (1.0, 1.0, 1.0), (9.0, 1.0, 1.0)) == (1, 2, 2)


def test_a_linear_ramp_keeps_its_positions_when_upsampled():
    ramp = np.broadcast_to(np.arange(10.0), (6, 8, 10))
    fine = resample_image(ramp, (6, 8, 20))
    # Voxel i of 20 lies at (i + 0.5) / 2 - 0.5 of the coarse grid; the spline mirrors at the border and bends the ends.
    np.testing.assert_allclose(fine[3, 4, 6:14], (np.arange(20) + 0.5)[6:14] / 2 - 0.5, atol=0.01)


def test_a_coarse_axis_is_resampled_by_nearest_neighbour_on_its_own():
    assert coarse_axis((5.0, 1.0, 1.0)) == 0
    assert coarse_axis((2.0, 1.0, 1.0)) is None
    stack = np.zeros((4, 8, 8))
    stack[2] = 1
    fine = resample_image(stack, (16, 8, 8), coarse=0)
    np.testing.assert_allclose(fine[:, 4, 4], [0] * 8 + [1] * 4 + [0] * 4, atol=1e-6)


def test_labels_are_resampled_per_class_and_stay_labels():
    label = np.zeros((4, 4, 4), np.uint8)
    label[:, :, 2:] = 3
    label[:, 2:, 2:] = 1
    fine = resample_label(label, (8, 8, 8))
    assert fine.dtype == np.uint8
    assert np.array_equal(fine, label.repeat(2, 0).repeat(2, 1).repeat(2, 2))


def test_a_label_without_background_keeps_its_classes():
    label = np.ones((4, 4, 4), np.uint8)
    label[2:] = 2
    assert np.array_equal(resample_label(label, (8, 4, 4)), label.repeat(2, 0))


@pytest.mark.parametrize(
    ("direction", "axes", "flips"),
    [
        (IDENTITY, (0, 1, 2), (False, False, False)),
        # x index runs towards S, y towards R, z towards A: a sagittal acquisition.
        ((0.0, -1.0, 0.0, 0.0, 0.0, -1.0, 1.0, 0.0, 0.0), (2, 0, 1), (False, True, True)),
        ((-1.0, 0.0, 0.0, 0.0, -1.0, 0.0, 0.0, 0.0, 1.0), (0, 1, 2), (False, True, True)),
    ],
)
def test_orientation_finds_the_patients_axes_and_undoes_itself(direction, axes, flips):
    orientation = Orientation.of(geometry(direction=direction))
    assert (orientation.axes, orientation.flips) == (axes, flips)
    array = np.arange(2 * 3 * 4).reshape(2, 3, 4)
    assert np.array_equal(orientation.undo(orientation.apply(array)), array)


def test_an_oblique_volume_takes_the_nearest_patient_axes():
    c, s = np.cos(0.3), np.sin(0.3)
    orientation = Orientation.of(geometry(direction=(c, -s, 0, s, c, 0, 0, 0, 1)))
    assert orientation == Orientation((0, 1, 2), (False, False, False))


def test_prepare_crops_to_nonzero_and_restore_comes_back_to_the_grid():
    array = np.zeros((12, 16, 20), np.float32)
    array[2:10, 4:12, 6:16] = np.arange(1, 11)
    volume = Volume(array, geometry((12, 16, 20), (2.0, 1.0, 1.0)))
    prepared = prepare([volume], plan(spacing=(1.0, 1.0, 1.0)))
    assert prepared.crop == (slice(2, 10), slice(4, 12), slice(6, 16))
    assert prepared.image.shape == (1, 16, 8, 10)
    back = restore(prepared.image[0], prepared)
    np.testing.assert_allclose(back, array[prepared.crop], atol=1e-4)


def test_a_sagittal_volume_prepares_to_the_same_voxels_as_the_axial_one():
    rng = np.random.default_rng(0)
    axial = rng.uniform(1, 2, (6, 7, 8)).astype(np.float32)
    label = (axial > 1.5).astype(np.uint8)
    direction = (0.0, -1.0, 0.0, 0.0, 0.0, -1.0, 1.0, 0.0, 0.0)
    orientation = Orientation.of(geometry(direction=direction))
    sagittal = orientation.undo(axial)
    own = Volume(axial, geometry(axial.shape))
    turned = Volume(sagittal, geometry(sagittal.shape, direction=direction))
    a, b = prepare([own], plan()), prepare([turned], plan())
    np.testing.assert_array_equal(a.image, b.image)
    np.testing.assert_array_equal(restore(b.image[0], b), sagittal)
    turned_label = Volume(orientation.undo(label), turned.geometry)
    np.testing.assert_array_equal(prepare_label(turned_label, b, plan()), label)


def test_padding_is_the_background_of_each_scheme():
    image = np.full((4, 4, 4), 5.0, np.float32)
    image[0, 0, 0] = -5
    volume = Volume(image, geometry(image.shape))
    assert prepare([volume], plan()).padding == (-5.0,)
    assert prepare([volume], plan(ChannelScheme("MR", ChannelKind.ZSCORE, nonzero=True))).padding == (0.0,)


def test_an_organ_mask_is_no_network_input():
    ct = ChannelScheme("CT", ChannelKind.WINDOW, low=0.0, high=10.0)
    mask = ChannelScheme("organ_mask", ChannelKind.ORGAN_MASK)
    inside = np.zeros((4, 4, 4), np.float32)
    inside[1:3] = 1
    shape = geometry((4, 4, 4))
    prepared = prepare([Volume(np.full((4, 4, 4), 10.0, np.float32), shape), Volume(inside, shape)], plan(ct, mask))
    assert prepared.image.shape == (1, 4, 4, 4)
    np.testing.assert_array_equal(prepared.image[0, :, 0, 0], [0, 1, 1, 0])


def test_wrong_channels_and_zeros_are_named():
    volume = Volume(np.zeros((4, 4, 4), np.float32), geometry((4, 4, 4)), Path("zeros.nii.gz"))
    with pytest.raises(InputError, match=r"2 image channel\(s\) given, but 1 are needed: MR"):
        prepare([volume, volume], plan())
    with pytest.raises(InputError, match=r"zeros\.nii\.gz holds only zeros"):
        prepare([volume], plan())


def facts(*spacings: tuple[float, float, float], shape=(20, 256, 256)) -> Fingerprint:
    cases = tuple(CaseFingerprint(f"c{i}", shape, s, 0.4, (8.0,), 1e-3) for i, s in enumerate(spacings))
    return Fingerprint(cases, (Intensities(-10.0, 90.0, 40.0, 20.0),))


def test_target_spacing_is_the_median_with_the_anisotropy_rule():
    assert target_spacing(facts((1.0, 0.5, 0.5), (2.0, 0.7, 0.7), (1.5, 0.6, 0.6))) == (1.5, 0.6, 0.6)
    coarse = facts((5.0, 0.5, 0.5), (5.0, 0.5, 0.5), (2.0, 0.5, 0.5))
    assert target_spacing(coarse)[0] == pytest.approx(2.6)  # the tenth percentile of 2, 5, 5
    tall = facts((5.0, 0.5, 0.5), (5.0, 0.5, 0.5), (2.0, 0.5, 0.5), shape=(300, 256, 256))
    assert target_spacing(tall)[0] == 5.0


def test_the_scheme_follows_the_channel_name():
    data = facts((1.0, 1.0, 1.0))
    ct = scheme("CT", data, data.intensities[0], {})
    assert (ct.kind, ct.low, ct.high, ct.mean, ct.std) == (ChannelKind.CT, -10.0, 90.0, 40.0, 20.0)
    assert scheme("FLAIR", data, data.intensities[0], {}).nonzero
    assert scheme("CT", data, data.intensities[0], {"CT": (-1000, 300)}).kind is ChannelKind.WINDOW
    with pytest.raises(InputError, match="window of CT is empty"):
        scheme("CT", data, data.intensities[0], {"CT": (300, -1000)})


def test_a_plan_survives_json():
    original = plan(ChannelScheme("CT", ChannelKind.CT, low=-1.0, high=2.0, mean=0.5, std=0.25))
    assert Plan.from_json(original.to_json()) == original
    with pytest.raises(InputError, match="plan cannot be read"):
        Plan.from_json({"channels": []})


def test_lesion_index_lists_each_lesion_of_each_class():
    label = np.zeros((3, 4, 5), np.uint8)
    label[0, 0, :2] = 1
    label[2, 3, 4] = 1
    label[0, 0, 2] = 2  # touches the first lesion, but is of another class
    voxels, offsets = lesion_index(label)
    assert offsets.tolist() == [0, 2, 3, 4]
    assert voxels.tolist() == [0, 1, 59, 2]
    assert lesion_index(np.zeros((2, 2, 2), np.uint8))[1].tolist() == [0]
    assert lesion_index(np.ones((2, 2, 2), np.uint8))[1].tolist() == [0, 8]


@pytest.fixture
def dataset(tmp_path: Path):
    folder = tmp_path / "données à moi"
    create_dataset(folder, "Toy", ("MR",), {"background": 0, "lesion": 1})
    rng = np.random.default_rng(1)
    for name in ("A", "B"):
        image = rng.uniform(1, 2, (8, 10, 12)).astype(np.float32)
        label = np.zeros(image.shape, np.uint8)
        label[2:4, 2:4, 2:4] = 1
        label[6, 8, 10] = 1
        add_case(folder, name, [Volume(image, geometry())], Volume(label, geometry()))
    return open_dataset(folder)


def test_the_cache_is_mapped_and_made_only_once(dataset, tmp_path):
    cases = prepare_dataset(dataset, plan(), tmp_path / "cache")
    case = cases["A"]
    assert isinstance(case.image(), np.memmap) and case.lesions == 2
    assert case.lesion_voxels(1).tolist() == [6 * 120 + 8 * 12 + 10]
    before = (case.folder / "image.npy").stat().st_mtime_ns
    prepare_dataset(dataset, plan(), tmp_path / "cache")
    assert (case.folder / "image.npy").stat().st_mtime_ns == before


def test_a_changed_label_is_prepared_anew(dataset, tmp_path):
    prepare_dataset(dataset, plan(), tmp_path / "cache")
    from lossseg.images import write_volume

    empty = np.zeros((8, 10, 12), np.uint8)
    write_volume(dataset.cases[0].label, empty, geometry())
    assert prepare_dataset(dataset, plan(), tmp_path / "cache")["A"].lesions == 0


def test_fingerprint_counts_lesions_and_foreground(dataset):
    data = fingerprint(dataset)
    assert data.lesions_mm3.tolist() == [1.0, 1.0, 8.0, 8.0]
    assert data.foreground == pytest.approx(9 / 960)
    assert data.empty_cases == 0
    assert 1 < data.intensities[0].percentile_00_5 < data.intensities[0].mean < data.intensities[0].percentile_99_5 < 2
