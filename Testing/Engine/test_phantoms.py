"""Phantoms: their truth is true, their intensities are those of the modality, the seed decides all."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
from scipy import ndimage

from lossseg.dataset import check_cases, open_dataset
from lossseg.errors import Cancelled, InputError
from lossseg.images import read_label, read_volume
from lossseg.phantoms import KINDS, Phantom, chest_ct, make_dataset, muscle_ultrasound, tof_mra
from lossseg.reporting import Silent

SMALL = (40, 48, 56)
EVERY_NEIGHBOUR = np.ones((3, 3, 3))


def components(mask: np.ndarray) -> list[int]:
    """Sizes of the 26-connected components, ascending, by scipy: another implementation than the phantoms use."""
    labelled, _ = ndimage.label(mask, EVERY_NEIGHBOUR)
    return sorted(np.bincount(labelled.ravel())[1:].tolist())


def around(mask: np.ndarray, steps: int) -> np.ndarray:
    """The voxels outside of `mask` within that many steps."""
    return ndimage.binary_dilation(mask, EVERY_NEIGHBOUR, steps) & ~mask


@pytest.mark.parametrize("make", [tof_mra, chest_ct, muscle_ultrasound])
def test_the_seed_decides_all(make: object) -> None:
    assert callable(make)
    one, same, other = make(SMALL, seed=5), make(SMALL, seed=5), make(SMALL, seed=6)
    np.testing.assert_array_equal(one.image, same.image)
    np.testing.assert_array_equal(one.label, same.label)
    assert one.lesion_voxels == same.lesion_voxels
    assert np.count_nonzero(one.image != other.image) > 0.3 * one.image.size


@pytest.mark.parametrize("make", [tof_mra, chest_ct, muscle_ultrasound])
def test_arrays_and_grid(make: object) -> None:
    assert callable(make)
    phantom: Phantom = make(SMALL, (1.0, 0.5, 0.8), seed=1)
    assert phantom.image.shape == phantom.label.shape == SMALL
    assert (phantom.image.dtype, phantom.label.dtype) == (np.float32, np.uint8)
    np.testing.assert_array_equal(phantom.image, np.rint(phantom.image))
    assert (phantom.geometry.size, phantom.geometry.spacing) == (SMALL, (1.0, 0.5, 0.8))
    # Centred: the middle of the index range is the patient's origin.
    middle = [(n - 1) / 2 for n in SMALL[::-1]]
    np.testing.assert_allclose(phantom.geometry.affine @ [*middle, 1], [0, 0, 0, 1], atol=1e-9)


@pytest.mark.parametrize("make", [tof_mra, chest_ct, muscle_ultrasound])
def test_volumes_too_small_to_draw_in(make: object) -> None:
    assert callable(make)
    with pytest.raises(InputError, match="15x40x40 voxels is too small"):
        make((15, 40, 40))
    with pytest.raises(InputError, match="not positive"):
        make(SMALL, (1.0, 0.0, 1.0))


# --- TOF-MRA ---


@pytest.mark.parametrize(
    ("wanted", "seed"), [([5], 0), ([5, 20, 80], 1), ([300, 60, 12, 5], 2), ([1500], 3), ([1], 4), ([30] * 6, 5)]
)
def test_aneurysms_have_the_asked_sizes(wanted: list[int], seed: int) -> None:
    phantom = tof_mra((56, 64, 64), seed=seed, aneurysms=wanted)
    assert list(phantom.lesion_voxels) == components(phantom.label)
    assert len(phantom.lesion_voxels) == len(wanted)
    for found, asked in zip(phantom.lesion_voxels, sorted(wanted), strict=True):
        assert abs(found - asked) <= 0.25 * asked


def test_a_giant_aneurysm_fits_a_larger_volume() -> None:
    phantom = tof_mra((64, 80, 80), seed=1, aneurysms=[4000])
    assert phantom.lesion_voxels[0] == pytest.approx(4000, rel=0.25)
    assert components(phantom.label) == list(phantom.lesion_voxels)


def test_foreground_can_be_one_voxel_in_a_hundred_thousand() -> None:
    phantom = tof_mra((64, 160, 160), seed=2, aneurysms=[12])
    assert 0 < np.mean(phantom.label > 0) < 1e-5


def test_volumes_without_aneurysm() -> None:
    for none in ([], 0):
        phantom = tof_mra(SMALL, seed=3, aneurysms=none)
        assert not phantom.label.any()
        assert phantom.lesion_voxels == ()
        assert np.count_nonzero(phantom.image > 180) > 100, "vessels are there all the same"


def test_random_sizes_keep_their_limits() -> None:
    sizes = [size for seed in range(8) for size in tof_mra(SMALL, seed=seed, aneurysms=4).lesion_voxels]
    assert len(sizes) == 32
    assert 4 <= min(sizes) < 30
    assert 100 < max(sizes) <= 1.25 * 0.004 * np.prod(SMALL)
    assert {len(tof_mra((32, 40, 40), seed=seed).lesion_voxels) for seed in range(12)} == {1, 2, 3}


def test_an_aneurysm_is_as_bright_as_the_vessel_it_sits_on() -> None:
    for seed in range(4):
        phantom = tof_mra((48, 64, 64), seed=seed, aneurysms=[200])
        lesion = phantom.label > 0
        core = ndimage.binary_erosion(lesion)
        bright = phantom.image > 180
        parent = around(lesion, 2) & bright
        assert parent.any(), "the parent vessel touches it"
        assert 0.75 < np.median(phantom.image[core]) / np.median(phantom.image[parent]) < 1.4
        assert np.count_nonzero(bright & ~lesion) > 200
        assert phantom.image[lesion].min() > 0, "inside the head"


def test_the_brain_is_dark_and_the_background_zero() -> None:
    phantom = tof_mra((48, 64, 64), seed=1)
    head = phantom.image > 0
    assert components(head) == [np.count_nonzero(head)], "one solid piece"
    assert 0.35 < head.mean() < 0.65
    assert not phantom.image[0, 0].any()
    tissue = phantom.image[head & (phantom.image < 150)]
    assert 70 < np.median(tissue) < 110
    assert 8 < tissue.std() < 35, "uneven and noisy"
    assert phantom.image.max() > 230


def test_anisotropic_aneurysms_are_round_in_mm() -> None:
    """The moments of the voxels in mm do not follow the spacing of 4 to 1."""
    ratios = []
    for seed in range(6):
        phantom = tof_mra((24, 96, 96), (1.6, 0.4, 0.4), seed=seed, aneurysms=[400])
        spread = (np.argwhere(phantom.label) * phantom.geometry.spacing).std(axis=0)
        ratios.append(spread[0] / spread[1:].mean())
    assert 0.75 < np.mean(ratios) < 1.25


def test_random_lesions_fit_the_smallest_volumes() -> None:
    for seed in range(10):
        for make in (tof_mra, chest_ct):
            assert len(make((16, 16, 16), seed=seed).lesion_voxels) == 1
            assert 1 <= len(make((16, 24, 32), seed=seed).lesion_voxels) <= 3


def test_aneurysms_that_cannot_be_placed() -> None:
    with pytest.raises(InputError, match="no room for an aneurysm of 4000 voxels in a volume of 16x16x16"):
        tof_mra((16, 16, 16), aneurysms=[4000])
    with pytest.raises(InputError, match="0 voxels is asked for"):
        tof_mra(SMALL, aneurysms=[0, 5])


# --- CT ---


def test_nodules_have_exactly_the_asked_sizes() -> None:
    wanted = [20, 33, 75, 180, 400, 900]
    phantom = chest_ct((56, 64, 64), seed=4, nodules=wanted)
    assert list(phantom.lesion_voxels) == wanted == components(phantom.label)
    assert phantom.organ is not None
    assert phantom.organ.dtype == np.bool_
    assert phantom.organ[phantom.label > 0].all(), "nodules lie in the lungs"


def test_hounsfield_units() -> None:
    phantom = chest_ct((56, 64, 64), seed=1, nodules=[600])
    image, organ = phantom.image, phantom.organ
    assert organ is not None
    lung = ndimage.binary_erosion(organ) & (phantom.label == 0)
    assert np.median(image[lung]) == pytest.approx(-850, abs=40)
    assert np.median(image[:, 0, :]) == pytest.approx(-1000, abs=15), "air"
    nodule = ndimage.binary_erosion(phantom.label > 0)
    assert -600 < np.median(image[nodule]) < 80
    assert np.median(image[nodule]) > np.median(image[lung]) + 200
    assert np.count_nonzero((image > -60) & lung) > 30, "vessels in the lung"
    body = image[(image > -60) & (image < 120) & ~organ]
    assert np.median(body) == pytest.approx(45, abs=15)
    assert image.min() >= -1024
    assert 300 < image.max() <= 3071, "bone"
    assert len(components(organ)) >= 2, "two lungs"


def test_volumes_with_many_nodules_or_none() -> None:
    counts = [len(chest_ct((40, 40, 40), seed=seed).lesion_voxels) for seed in range(5)]
    assert all(5 <= count <= 12 for count in counts)
    assert len(set(counts)) > 1
    assert chest_ct(SMALL, nodules=[]).lesion_voxels == ()
    with pytest.raises(InputError, match="no room for a nodule of 100000 voxels"):
        chest_ct(SMALL, nodules=[100000])


# --- ultrasound ---


def test_three_long_muscles_side_by_side() -> None:
    phantom = muscle_ultrasound((64, 48, 48), seed=2)
    assert set(np.unique(phantom.label)) == {0, 1, 2, 3}
    sizes = []
    for muscle in (1, 2, 3):
        (size,) = components(phantom.label == muscle)
        sizes.append(size)
        z, y, x = (np.argwhere(phantom.label == muscle) * phantom.geometry.spacing).T
        assert np.ptp(z) > 1.8 * max(np.ptp(y), np.ptp(x))
    assert phantom.lesion_voxels == tuple(sorted(sizes))
    assert min(sizes) > 0.02 * phantom.label.size
    # Soleus lies below the two heads of the gastrocnemius, which lie beside each other.
    centres = ndimage.center_of_mass(phantom.label > 0, phantom.label, [1, 2, 3])
    assert centres[0][1] > max(centres[1][1], centres[2][1]) + 5
    assert centres[1][2] < centres[0][2] < centres[2][2]


def test_speckle_fasciae_and_attenuation() -> None:
    phantom = muscle_ultrasound((64, 64, 64), seed=3)
    image, label = phantom.image, phantom.label
    assert image.min() >= 0
    assert image.max() <= 255
    envelope = image**2
    muscle = ndimage.binary_erosion(label == 1, iterations=3)
    contrast = envelope[muscle].std() / envelope[muscle].mean()
    assert 0.45 < contrast < 0.95, "Rayleigh speckle has 0.52, the striation adds to it"
    inside = np.where(muscle, image - image[muscle].mean(), np.nan)
    neighbours = np.nanmean(inside[:, :, 1:] * inside[:, :, :-1]) / np.nanmean(inside**2)
    assert 0.2 < neighbours < 0.9, "speckle is correlated"
    inner = ndimage.binary_erosion(label == 2, iterations=3)
    assert image[around(label == 2, 1)].mean() > 1.3 * image[inner].mean(), "a bright fascia"
    background = label == 0
    assert image[:, 12:20][background[:, 12:20]].mean() > 1.2 * image[:, 44:52][background[:, 44:52]].mean()


# --- datasets ---


@pytest.mark.parametrize("kind", sorted(KINDS))
def test_a_dataset_of_phantoms_can_be_trained_on(tmp_path: Path, kind: str) -> None:
    folder = tmp_path / "phantômes 1"
    dataset = make_dataset(kind, folder, 2, (24, 32, 32), seed=7)
    assert dataset == open_dataset(folder)
    prefix = kind.upper()
    assert [case.name for case in dataset.cases] == [f"{prefix}_001", f"{prefix}_002"]
    assert list(dataset.foreground.values()) == ([1, 2, 3] if kind == "us" else [1])
    checks = check_cases(dataset, Silent())
    assert not any(check.empty for check in checks)
    assert json.loads((folder / "dataset.json").read_text(encoding="utf-8"))["numTraining"] == 2
    assert sorted(path.name for path in folder.iterdir()) == ["dataset.json", "imagesTr", "labelsTr"]

    again = make_dataset(kind, tmp_path / "again", 1, (24, 32, 32), seed=7)
    first, copy = dataset.cases[0], again.cases[0]
    assert first.label is not None
    assert copy.label is not None
    np.testing.assert_array_equal(read_volume(first.images[0]).array, read_volume(copy.images[0]).array)
    np.testing.assert_array_equal(read_label(first.label).array, read_label(copy.label).array)
    other = make_dataset(kind, tmp_path / "other", 1, (24, 32, 32), seed=8)
    assert (read_volume(first.images[0]).array != read_volume(other.cases[0].images[0]).array).mean() > 0.2


def test_every_eighth_patient_has_no_aneurysm(tmp_path: Path) -> None:
    dataset = make_dataset("tof", tmp_path / "d", 9, (16, 24, 24), seed=1)
    assert [check.empty for check in check_cases(dataset, Silent())] == [False] * 7 + [True, False]


def test_phantoms_are_not_written_over_something(tmp_path: Path) -> None:
    (tmp_path / "notes.txt").write_text("mine")
    with pytest.raises(InputError, match="is not empty") as error:
        make_dataset("tof", tmp_path, 1, SMALL)
    assert "another folder" in error.value.hint
    assert [path.name for path in tmp_path.iterdir()] == ["notes.txt"]
    with pytest.raises(InputError, match="is not empty"):
        make_dataset("tof", tmp_path / "notes.txt", 1, SMALL)
    with pytest.raises(InputError, match="no phantom of kind 'mri'"):
        make_dataset("mri", tmp_path / "d", 1, SMALL)
    with pytest.raises(InputError, match="0 cases"):
        make_dataset("tof", tmp_path / "d", 0, SMALL)
    assert not (tmp_path / "d").exists()


def test_a_cancelled_dataset_leaves_nothing(tmp_path: Path) -> None:
    folder = tmp_path / "d"

    def cancelled() -> bool:
        return any(folder.rglob("labelsTr/*.nii.gz"))

    with pytest.raises(Cancelled):
        make_dataset("us", folder, 3, (16, 16, 16), reporter=Silent(cancelled))
    assert not list(folder.iterdir())
    assert len(make_dataset("us", folder, 1, (16, 16, 16)).cases) == 1
