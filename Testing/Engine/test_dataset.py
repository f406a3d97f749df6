"""Dataset folders: what is opened, what is refused and with which words, what is written."""

from __future__ import annotations

import json
import shutil
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from lossseg.dataset import (
    add_case,
    check_case,
    check_cases,
    create_dataset,
    find_images,
    open_dataset,
    read_description,
)
from lossseg.errors import DiskFull, InputError
from lossseg.images import Geometry, Volume, read_label, read_volume, write_volume
from lossseg.reporting import Silent

GEOMETRY = Geometry((4, 5, 6), (3.0, 0.5, 0.75), (10.0, -20.0, 30.0), (0.6, -0.8, 0.0, 0.8, 0.6, 0.0, 0.0, 0.0, 1.0))
LABELS = {"background": 0, "lesion": 1, "oedema": 2}


def image(seed: int = 0, geometry: Geometry = GEOMETRY) -> Volume:
    values = np.random.default_rng(seed).integers(-1000, 1000, geometry.size).astype(np.int16)
    return Volume(values, geometry)


def label(*voxels: int, geometry: Geometry = GEOMETRY) -> Volume:
    """A label map with `voxels[i]` voxels of label i + 1."""
    flat = np.zeros(int(np.prod(geometry.size)), np.uint8)
    values = np.repeat(np.arange(1, len(voxels) + 1), voxels)
    flat[: values.size] = values
    return Volume(flat.reshape(geometry.size), geometry)


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Two channels, two foreground labels, two cases; one of them with an empty label."""
    path = tmp_path / "Jeu de données 1"
    create_dataset(path, "Läsionen", ["FLAIR", "T1"], LABELS)
    add_case(path, "A_1", [image(1), image(2)], label(3, 7))
    add_case(path, "B_1", [image(3), image(4)], label())
    return path


def edit(folder: Path, **changes: Any) -> None:
    """Changes keys of dataset.json; None removes one."""
    path = folder / "dataset.json"
    content = {**json.loads(path.read_text(encoding="utf-8")), **changes}
    path.write_text(json.dumps({key: value for key, value in content.items() if value is not None}), encoding="utf-8")


def test_a_dataset_is_written_in_the_raw_layout_and_opened_again(folder: Path) -> None:
    assert json.loads((folder / "dataset.json").read_text(encoding="utf-8")) == {
        "name": "Läsionen",
        "channel_names": {"0": "FLAIR", "1": "T1"},
        "labels": LABELS,
        "numTraining": 2,
        "file_ending": ".nii.gz",
    }
    assert sorted(path.relative_to(folder).as_posix() for path in folder.rglob("*.nii.gz")) == [
        "imagesTr/A_1_0000.nii.gz",
        "imagesTr/A_1_0001.nii.gz",
        "imagesTr/B_1_0000.nii.gz",
        "imagesTr/B_1_0001.nii.gz",
        "labelsTr/A_1.nii.gz",
        "labelsTr/B_1.nii.gz",
    ]
    dataset = open_dataset(folder)
    assert (dataset.name, dataset.channels, dataset.file_ending) == ("Läsionen", ("FLAIR", "T1"), ".nii.gz")
    assert list(dataset.labels.items()) == [("background", 0), ("lesion", 1), ("oedema", 2)]
    assert dataset.foreground == {"lesion": 1, "oedema": 2}
    assert [case.name for case in dataset.cases] == ["A_1", "B_1"]
    case = dataset.cases[0]
    assert [path.name for path in case.images] == ["A_1_0000.nii.gz", "A_1_0001.nii.gz"]
    np.testing.assert_array_equal(read_volume(case.images[1]).array, image(2).array)
    assert case.label is not None
    np.testing.assert_array_equal(read_label(case.label).array, label(3, 7).array)


def test_unknown_keys_are_ignored_and_kept(folder: Path) -> None:
    edit(folder, licence="CC BY", labels={"oedema": 2, "background": 0, "lesion": 1})
    assert list(open_dataset(folder).labels) == ["background", "lesion", "oedema"]
    add_case(folder, "C_1", [image(), image(1)], label(1))
    content = json.loads((folder / "dataset.json").read_text(encoding="utf-8"))
    assert (content["licence"], content["numTraining"]) == ("CC BY", 3)
    assert open_dataset(folder).extra == {"licence": "CC BY"}


def test_hidden_and_other_files_are_no_cases(folder: Path) -> None:
    for name in (".1234abcd.A_9_0000.nii.gz", "._A_1_0000.nii.gz", "notes.txt", "A_1.json"):
        (folder / "imagesTr" / name).write_text("x")
    assert len(open_dataset(folder).cases) == 2


@pytest.mark.parametrize(
    ("changes", "message", "hint"),
    [
        ({"labels": None}, "lacks labels", "Add what is missing"),
        ({"channel_names": None, "modality": {"0": "MR"}}, "lacks channel_names", "nnU-Net v1"),
        ({"channel_names": {}}, "names no channels", "FLAIR"),
        ({"channel_names": {"1": "T1", "2": "T2"}}, "numbers its channels 1, 2", "Number them 0, 1"),
        (
            {"labels": {"background": 0, "L1": 21, "L2": 23}},
            "not consecutive from 0: L1 = 21, L2 = 23",
            "21 to 1, 23 to 2",
        ),
        ({"labels": {"background": 0, "a": 1, "b": 1}}, "not consecutive", "1 to 2"),
        ({"labels": {"lesion": 1}}, "not consecutive", "1 to 0"),
        ({"labels": {"background": 0}}, "no label but the background", "lesion"),
        ({"labels": {"background": 0, "whole": [1, 2], "core": [2]}}, "region-based labels (whole, core)", "integer"),
        ({"labels": {"0": "background", "1": "lesion"}}, "labels that are no integers", "lesion"),
        ({"labels": {"background": 0, "lesion": 1, "ignore": 3}}, "the ignore label 3", "the next value, 2"),
        ({"labels": {"background": 0, "ignore": 1, "lesion": 2}}, "not consecutive", "2 to 1"),
        ({"file_ending": ".png"}, "file ending '.png'", ".nii.gz"),
        ({"file_ending": ".nrrd"}, "does not end in .nrrd", "Convert"),
        ({"file_ending": ".nii"}, "does not end in .nii ", "Convert"),
        ({"numTraining": 5}, "says numTraining 5, but there are 2 cases", "set numTraining to 2"),
        ({"numTraining": "5"}, "numTraining as '5'", "number"),
        ({"channel_names": {"0": "FLAIR", "1": "T1", "2": "T2"}}, "lacks channel 2 (T2)", "Add the file"),
        ({"channel_names": {"0": "FLAIR"}}, "is channel 1, but dataset.json names 1", "Number channels"),
    ],
)
def test_a_description_that_cannot_be_used(folder: Path, changes: dict[str, Any], message: str, hint: str) -> None:
    edit(folder, **changes)
    with pytest.raises(InputError) as error:
        open_dataset(folder)
    assert message in error.value.message
    assert str(folder) in error.value.message or "A_1" in error.value.message
    assert hint in error.value.hint


def test_many_labels_are_not_all_listed(folder: Path) -> None:
    edit(folder, labels={"background": 0} | {f"v{value}": value for value in range(20, 40)})
    with pytest.raises(InputError) as error:
        open_dataset(folder)
    assert "v27 = 27 and 12 more" in error.value.message
    assert "v28" not in error.value.message


def test_a_description_without_numbers_of_cases_is_enough(folder: Path) -> None:
    edit(folder, numTraining=None, name=None)
    dataset = open_dataset(folder)
    assert len(dataset.cases) == 2
    assert dataset.name == folder.name


def test_folders_that_are_no_dataset(tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"has no dataset\.json"):
        open_dataset(tmp_path)
    (tmp_path / "dataset.json").write_text("{")
    with pytest.raises(InputError, match="not valid JSON"):
        open_dataset(tmp_path)
    (tmp_path / "dataset.json").write_text("[]")
    with pytest.raises(InputError, match="no JSON object"):
        read_description(tmp_path)
    create_dataset(tmp_path / "new", "new", ["CT"], {"background": 0, "nodule": 1})
    with pytest.raises(InputError, match="has no training cases"):
        open_dataset(tmp_path / "new")
    with pytest.raises(InputError, match="holds a dataset already"):
        create_dataset(tmp_path / "new", "new", ["CT"], {"background": 0, "nodule": 1})


def test_missing_files_are_named(folder: Path) -> None:
    (folder / "labelsTr" / "B_1.nii.gz").rename(folder / "kept.nii.gz")
    with pytest.raises(InputError, match=r"B_1 has no label: .*labelsTr.B_1\.nii\.gz does not exist"):
        open_dataset(folder)
    (folder / "kept.nii.gz").rename(folder / "labelsTr" / "B_1.nii.gz")
    (folder / "imagesTr" / "A_1_0000.nii.gz").unlink()
    with pytest.raises(InputError, match=r"lacks channel 0 \(FLAIR\): .*A_1_0000\.nii\.gz does not exist"):
        open_dataset(folder)
    (folder / "imagesTr" / "A_1_0001.nii.gz").unlink()
    with pytest.raises(InputError, match="A_1 lacks channel 0"):
        open_dataset(folder)


def test_names_and_formats_that_do_not_fit(folder: Path) -> None:
    odd = folder / "imagesTr" / "A_1_0000.nrrd"
    shutil.copy(folder / "imagesTr" / "A_1_0000.nii.gz", odd)
    with pytest.raises(InputError, match=r"A_1_0000\.nrrd does not end in \.nii\.gz") as error:
        open_dataset(folder)
    assert "Convert" in error.value.hint
    odd.rename(folder / "imagesTr" / "C.nii.gz")
    with pytest.raises(InputError, match="no channel number") as error:
        open_dataset(folder)
    assert "C_0000.nii.gz" in error.value.hint


# --- the voxels of a case ---


def test_a_sound_case_is_counted(folder: Path) -> None:
    dataset = open_dataset(folder)
    check = check_case(dataset.cases[0], dataset)
    assert check.foreground_voxels == {"lesion": 3, "oedema": 7}
    assert not check.empty
    assert check.geometry.matches(GEOMETRY)


def test_empty_labels_are_allowed_and_counted(folder: Path) -> None:
    class Listener(Silent):
        def __init__(self) -> None:
            super().__init__()
            self.said: list[str] = []

        def warning(self, message: str, hint: str = "") -> None:
            self.said.append(message)

    listener = Listener()
    checks = check_cases(open_dataset(folder), listener)
    assert [check.empty for check in checks] == [False, True]
    assert checks[1].foreground_voxels == {"lesion": 0, "oedema": 0}
    assert listener.said == ["1 of 2 labels are empty: B_1."]


def rewrite(path: Path, array: np.ndarray, geometry: Geometry = GEOMETRY) -> None:
    write_volume(path, array, geometry)


def test_voxels_that_do_not_fit_the_dataset(folder: Path) -> None:
    dataset = open_dataset(folder)
    case = dataset.cases[0]
    channel, target = case.images[1], case.label
    assert target is not None
    shifted = Geometry(GEOMETRY.size, GEOMETRY.spacing, (10.0, -20.0, 31.0), GEOMETRY.direction)

    rewrite(target, label(1, 0, 2).array)
    with pytest.raises(InputError, match=r"A_1\.nii\.gz has voxels of label 3") as error:
        check_case(case, dataset)
    assert "1 (lesion)" in error.value.hint

    rewrite(target, label(3).array, shifted)
    with pytest.raises(InputError, match=r"A_1\.nii\.gz lies on another grid than .*A_1_0000\.nii\.gz: origin"):
        check_case(case, dataset)

    rewrite(target, label(3).array)
    rewrite(channel, image().array, shifted)
    with pytest.raises(InputError, match=r"A_1_0001\.nii\.gz lies on another grid"):
        check_case(case, dataset)

    rewrite(channel, np.zeros(GEOMETRY.size, np.float32))
    with pytest.raises(InputError, match=r"A_1_0001\.nii\.gz has the value 0 in every voxel"):
        check_case(case, dataset)

    broken = np.ones(GEOMETRY.size, np.float32)
    broken[0, 0, 0] = np.nan
    rewrite(channel, broken)
    with pytest.raises(InputError, match=r"A_1_0001\.nii\.gz has 1 voxels that are NaN"):
        check_case(case, dataset)

    rewrite(channel, image().array)
    target.unlink()
    with pytest.raises(InputError, match=r"A_1\.nii\.gz does not exist"):
        check_case(case, dataset)


# --- adding cases ---


def files_of(folder: Path) -> dict[str, bytes]:
    return {path.relative_to(folder).as_posix(): path.read_bytes() for path in folder.rglob("*") if path.is_file()}


@pytest.mark.parametrize(
    ("name", "volumes", "truth", "words"),
    [
        ("A_1", [image(), image()], label(1), "exists already"),
        ("../A", [image(), image()], label(1), "cannot be the name"),
        (".A", [image(), image()], label(1), "cannot be the name"),
        ("", [image(), image()], label(1), "cannot be the name"),
        ("C", [image()], label(1), "has 1 channels"),
        ("C", [image(), image(geometry=Geometry((4, 5, 6), (1.0, 1.0, 1.0)))], label(1), "another grid"),
        ("C", [image(), image()], label(1, geometry=Geometry((4, 5, 6), (1.0, 1.0, 1.0))), "another grid"),
        ("C", [image(), image()], label(1, 1, 1), "label 3"),
        ("C", [image(), image()], Volume(np.full(GEOMETRY.size, 0.5), GEOMETRY), "no labels"),
        ("C", [image(), image()], Volume(np.full(GEOMETRY.size, -1), GEOMETRY), "no labels"),
    ],
)
def test_a_case_that_does_not_fit_leaves_the_dataset_as_it_is(
    folder: Path, name: str, volumes: list[Volume], truth: Volume, words: str
) -> None:
    before = files_of(folder)
    with pytest.raises(InputError, match=words):
        add_case(folder, name, volumes, truth)
    assert files_of(folder) == before


def test_a_case_that_is_written_in_part_is_taken_back(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from lossseg.dataset import writing

    written: list[Path] = []

    def fails_at_the_label(path: Path, array: np.ndarray, geometry: Geometry) -> None:
        if len(written) == 2:
            raise DiskFull("No room left.")
        written.append(path)
        write_volume(path, array, geometry)

    monkeypatch.setattr(writing, "write_volume", fails_at_the_label)
    before = files_of(folder)
    with pytest.raises(DiskFull):
        add_case(folder, "C", [image(), image(1)], label(1))
    assert len(written) == 2
    assert files_of(folder) == before


def test_a_case_without_label_is_for_prediction(folder: Path) -> None:
    case = add_case(folder, "new", [image(8), image(9)], None)
    assert case.label is None
    assert len(open_dataset(folder).cases) == 2
    assert find_images(folder, 2) == [case]


# --- what to segment ---


def touch(folder: Path, *names: str) -> list[Path]:
    folder.mkdir(exist_ok=True)
    for name in names:
        (folder / name).write_bytes(b"")
    return [folder / name for name in names]


def test_a_folder_with_channel_numbers(tmp_path: Path) -> None:
    files = touch(tmp_path / "in", "b_0000.nii.gz", "b_0001.nii.gz", "a_0000.mha", "a_0001.mha", "readme.txt")
    cases = find_images(tmp_path / "in", 2)
    assert [(case.name, case.images) for case in cases] == [("a", tuple(files[2:4])), ("b", tuple(files[:2]))]
    with pytest.raises(InputError, match="lacks channel 2: the model takes 3"):
        find_images(tmp_path / "in", 3)
    with pytest.raises(InputError, match="is channel 1, but the model takes 1"):
        find_images(tmp_path / "in", 1)


def test_one_channel_needs_no_number(tmp_path: Path) -> None:
    files = touch(tmp_path / "in", "é à.nrrd", "scan_2024.nii", "x_0000.nii.gz")
    assert [(case.name, case.images) for case in find_images(tmp_path / "in", 1)] == [
        ("scan_2024", (files[1],)),
        ("x", (files[2],)),
        ("é à", (files[0],)),
    ]
    assert [case.name for case in find_images(files[0], 1)] == ["é à"]
    assert [case.name for case in find_images([str(files[2]), files[0]], 1)] == ["x", "é à"]


def test_the_channels_beside_a_file(tmp_path: Path) -> None:
    files = touch(tmp_path / "in", "a_0000.nii.gz", "a_0001.nii.gz", "b_0000.nii.gz", "c.nii.gz")
    (case,) = find_images(files[0], 2)
    assert (case.name, case.images) == ("a", tuple(files[:2]))
    (listed,) = find_images([files[3], files[2]], 2)
    assert (listed.name, listed.images) == ("c", (files[3], files[2]))
    with pytest.raises(InputError, match=r"c .*lacks channel 1"):
        find_images(files[3], 2)


def test_inputs_that_hold_no_images(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="does not exist"):
        find_images(tmp_path / "nothing", 1)
    with pytest.raises(InputError, match="does not exist"):
        find_images([tmp_path / "nothing"], 1)
    with pytest.raises(InputError, match="holds no images"):
        find_images(tmp_path, 1)
    with pytest.raises(InputError, match="No images are given"):
        find_images([], 1)
    touch(tmp_path / "in", "a.nii.gz", "a.nrrd")
    with pytest.raises(InputError, match="same case by name"):
        find_images(tmp_path / "in", 1)


def test_a_dicom_folder_is_a_case(tmp_path: Path) -> None:
    pydicom = pytest.importorskip("pydicom")
    folder = tmp_path / "série 1"
    folder.mkdir()
    for number in range(3):
        meta = pydicom.dataset.FileMetaDataset()
        meta.TransferSyntaxUID = pydicom.uid.ExplicitVRLittleEndian
        data = pydicom.Dataset()
        data.file_meta = meta
        meta.MediaStorageSOPClassUID = data.SOPClassUID = pydicom.uid.MRImageStorage
        meta.MediaStorageSOPInstanceUID = data.SOPInstanceUID = f"1.2.3.{number + 1}"
        data.Modality, data.SeriesInstanceUID, data.StudyInstanceUID = "MR", "1.2.3", "1.2"
        data.ImagePositionPatient, data.ImageOrientationPatient = [0, 0, 2.0 * number], [1, 0, 0, 0, 1, 0]
        data.PixelSpacing, data.InstanceNumber = [0.5, 0.5], number
        data.Rows, data.Columns, data.SamplesPerPixel, data.PhotometricInterpretation = 4, 5, 1, "MONOCHROME2"
        data.BitsAllocated, data.BitsStored, data.HighBit, data.PixelRepresentation = 16, 16, 15, 0
        data.PixelData = np.full((4, 5), 10 * number, np.uint16).tobytes()
        data.save_as(folder / f"{9 - number}.dcm", enforce_file_format=True)
    (case,) = find_images(folder, 1)
    assert (case.name, case.images) == ("série 1", (folder,))
    volume = read_volume(case.images[0])
    assert volume.geometry.spacing == pytest.approx((2.0, 0.5, 0.5))
    assert volume.array[:, 0, 0].tolist() == [0, 10, 20]
    assert [item.name for item in find_images([folder], 1)] == ["série 1"]
    with pytest.raises(InputError, match="lacks channel 1"):
        find_images(folder, 2)
