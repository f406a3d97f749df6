"""Long volumes: preprocessed in slabs, their images stored once for all labels; one label of a dataset by itself."""

from __future__ import annotations

import os
from pathlib import Path

import numpy as np
import pytest
from scipy import ndimage

from lossseg.dataset import add_case, create_dataset, open_dataset
from lossseg.dataset.one_label import of_one_label
from lossseg.errors import InputError
from lossseg.images import Geometry, Volume, read_label, read_volume, write_volume
from lossseg.phantoms import make_dataset, muscle_ultrasound
from lossseg.phantoms.enlarged import enlarged, small_size
from lossseg.preprocessing import ChannelKind, ChannelScheme, Plan, cached_image, prepare, prepare_dataset, resampling
from lossseg.preprocessing.case import prepare_label
from lossseg.preprocessing.resampling import resample_label

SIZE = (90, 20, 24)
FLIPPED = (-1.0, 0.0, 0.0, 0.0, -1.0, 0.0, 0.0, 0.0, 1.0)


def plan(labels: dict[str, int], spacing=(1.0, 1.0, 1.0)) -> Plan:
    return Plan((ChannelScheme("US", ChannelKind.ZSCORE),), spacing, (16, 16, 16), 2, labels, {})


@pytest.fixture
def dataset(tmp_path: Path):
    """One case of two labels and a region to ignore, its axes against the patient's."""
    folder = tmp_path / "data"
    create_dataset(folder, "Long", ("US",), {"background": 0, "one": 1, "two": 2, "ignore": 3})
    rng = np.random.default_rng(5)
    geometry = Geometry(SIZE, (1.0, 1.0, 1.0), (0.0, 0.0, 0.0), FLIPPED)
    label = np.zeros(SIZE, np.uint8)
    label[5:40, 3:9, 4:12], label[30:80, 11:16, 6:20], label[84:, :4, :4] = 1, 2, 3
    label[60:63, 3:6, 3:6] = 1
    image = rng.integers(1, 900, SIZE).astype(np.int16)
    image[:4] = 0
    add_case(folder, "case", [Volume(image, geometry)], Volume(label, geometry))
    return open_dataset(folder)


@pytest.mark.parametrize("spacing", [(1.0, 1.0, 1.0), (1.4, 0.8, 1.0)])
def test_a_large_case_is_preprocessed_in_slabs_to_the_same_voxels(dataset, tmp_path, monkeypatch, spacing):
    chosen = plan(dataset.labels, spacing)
    whole = prepare([read_volume(dataset.cases[0].images[0])], chosen)
    label = prepare_label(read_label(dataset.cases[0].label), whole, chosen)
    small = prepare_dataset(dataset, chosen, tmp_path / "small")["case"]
    np.testing.assert_array_equal(small.image(), whole.image)
    np.testing.assert_array_equal(small.label(), label)
    asked = []
    monkeypatch.setattr(cached_image, "LARGE", 1)
    monkeypatch.setattr(resampling, "_LARGE", 1)
    monkeypatch.setattr(cached_image, "prepare", lambda *_: asked.append(1))
    large = prepare_dataset(dataset, chosen, tmp_path / "large")["case"]
    assert not asked and large.image().shape[1] > 1.5 * cached_image.SLAB
    np.testing.assert_allclose(large.image(), whole.image, atol=2e-6)
    np.testing.assert_array_equal(large.label(), label)
    assert (
        (large.lesions, large.padding) == (small.lesions, pytest.approx(small.padding, abs=2e-6)) == (3, large.padding)
    )
    for lesion in range(3):
        np.testing.assert_array_equal(large.lesion_voxels(lesion), small.lesion_voxels(lesion))


def test_labels_in_slabs_are_those_of_the_whole(monkeypatch):
    rng = np.random.default_rng(2)
    coarse = rng.integers(0, 4, (12, 5, 6)).astype(np.uint8)
    label = coarse.repeat(7, 0).repeat(3, 1).repeat(3, 2)
    for shape in ((61, 20, 11), (130, 15, 18), (84, 9, 9)):
        whole = resample_label(label, shape)
        with monkeypatch.context() as patched:
            patched.setattr(resampling, "_LARGE", 1)
            np.testing.assert_array_equal(resample_label(label, shape), whole)
        assert set(np.unique(whole)) == {0, 1, 2, 3}


def test_models_of_different_labels_share_the_image(dataset, tmp_path):
    names = ("one", "two")
    cases = {}
    for name in names:
        alone = of_one_label(dataset, name, tmp_path / name)
        cases[name] = prepare_dataset(alone, plan(alone.labels), tmp_path / "cache")["case"]
    one, two = (cases[name].folder / "image.npy" for name in names)
    assert one.parent != two.parent and one.samefile(two)
    assert (cases["one"].lesions, cases["two"].lesions) == (2, 1)
    assert cases["one"].padding == cases["two"].padding
    whole = read_label(dataset.cases[0].label).array
    box = np.s_[4:, ::-1, ::-1]
    for name, value in (("one", 1), ("two", 2)):
        expected = np.where(whole == 3, 2, whole == value)[box]
        np.testing.assert_array_equal(cases[name].label(), expected)
    # Another grid is another image.
    coarser = plan({"background": 0, "one": 1}, (2.0, 1.0, 1.0))
    other = prepare_dataset(open_dataset(tmp_path / "one"), coarser, tmp_path / "cache")["case"]
    assert not (other.folder / "image.npy").samefile(one)


def test_one_label_by_itself_follows_its_source(dataset, tmp_path):
    alone = of_one_label(dataset, "two", tmp_path / "two")
    assert (alone.labels, alone.ignore, alone.channels) == ({"background": 0, "two": 1}, 2, ("US",))
    case, source = alone.cases[0], dataset.cases[0]
    assert case.images[0].samefile(source.images[0])
    whole = read_label(source.label)
    np.testing.assert_array_equal(read_label(case.label).array, np.where(whole.array == 3, 2, whole.array == 2))
    made = case.label.stat().st_mtime_ns
    of_one_label(dataset, "two", tmp_path / "two")
    assert case.label.stat().st_mtime_ns == made
    changed = np.where(whole.array == 1, 2, 0).astype(np.uint8)
    write_volume(source.label, changed, whole.geometry)
    os.utime(source.label, ns=(made + 10**9, made + 10**9))
    of_one_label(dataset, "two", tmp_path / "two")
    np.testing.assert_array_equal(read_label(case.label).array, changed == 2)
    with pytest.raises(InputError, match="has no label three. Its labels are one, two"):
        of_one_label(dataset, "three", tmp_path / "three")
    assert not (tmp_path / "three").exists()


def test_where_there_are_no_links_images_are_copied(dataset, tmp_path, monkeypatch):
    def refused(*_):
        raise OSError("no links here")

    monkeypatch.setattr("lossseg.dataset.one_label.os.symlink", refused)
    monkeypatch.setattr("lossseg.dataset.one_label.os.link", refused)
    alone = of_one_label(dataset, "one", tmp_path / "one")
    copy, source = alone.cases[0].images[0], dataset.cases[0].images[0]
    assert not copy.samefile(source) and copy.read_bytes() == source.read_bytes()
    made = copy.stat().st_ino
    of_one_label(dataset, "one", tmp_path / "one")
    assert copy.stat().st_ino == made


def test_an_enlarged_phantom_has_the_grid_and_the_components_of_the_small_one():
    size, factor = (50, 49, 51), 3
    small = muscle_ultrasound(small_size(size, factor), seed=4)
    large = enlarged(small, size, factor, seed=1)
    assert small.image.shape == (17, 17, 17) and large.image.dtype == np.int16
    parts = [ndimage.label(large.label == muscle, np.ones((3, 3, 3)))[0] for muscle in (1, 2, 3)]
    found = sorted(int(n) for labelled in parts for n in np.bincount(labelled.ravel())[1:])
    assert list(large.lesion_voxels) == found and len(found) == 3
    # The corner of the first voxel stays where it was.
    corners = [volume.geometry.affine @ [-0.5, -0.5, -0.5, 1] for volume in (small, large)]
    np.testing.assert_allclose(corners[0], corners[1], atol=1e-9)
    assert large.geometry.spacing == pytest.approx([side / factor for side in small.geometry.spacing])
    np.testing.assert_array_equal(enlarged(small, size, factor, seed=1).image, large.image)


def test_a_long_dataset_has_three_muscles(tmp_path):
    size, factor = (70, 50, 48), 3
    dataset = make_dataset("us", tmp_path / "long", 1, size, seed=6, enlarge=factor)
    image, label = read_volume(dataset.cases[0].images[0]), read_label(dataset.cases[0].label)
    assert image.array.shape == label.array.shape == size and len(dataset.foreground) == 3
    assert set(np.unique(label.array)) == {0, 1, 2, 3}
    # Blocks are alike in the label, and nearly so in the image.
    blocks = label.array[:69, :48, :48].reshape(23, 3, 16, 3, 16, 3)
    assert (blocks == blocks[:, :1, :, :1, :, :1]).all()
    values = image.array[:69, :48, :48].reshape(23, 3, 16, 3, 16, 3)
    assert 0 < values.std((1, 3, 5)).mean() < 0.1 * image.array.std()
    with pytest.raises(InputError, match="enlarged 0 times"):
        make_dataset("us", tmp_path / "none", 1, size, enlarge=0)
