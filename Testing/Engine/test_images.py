"""Reading and writing volumes: values, geometry, and one clear error per kind of bad file."""

from __future__ import annotations

import gc
import gzip
import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import SimpleITK as sitk
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from lossseg.errors import DiskFull, InputError
from lossseg.images import (
    IMAGE_ENDINGS,
    Geometry,
    Volume,
    case_name,
    image_ending,
    read_label,
    read_volume,
    resample_to,
    write_volume,
)

# A rotation by 30 degrees about the z axis of LPS: the grid is oblique.
COS, SIN = np.cos(np.pi / 6), np.sin(np.pi / 6)
OBLIQUE = (COS, -SIN, 0.0, SIN, COS, 0.0, 0.0, 0.0, 1.0)
GEOMETRY = Geometry(size=(4, 5, 6), spacing=(3.0, 0.5, 0.75), origin=(10.0, -20.0, 30.5), direction=OBLIQUE)
WRITABLE = (".nii.gz", ".nii", ".nrrd", ".mha")


def noise(geometry: Geometry = GEOMETRY, dtype: str = "float32") -> np.ndarray:
    return (np.random.default_rng(1).normal(size=geometry.size) * 100).astype(dtype)


def write_mhd(path: Path, array: np.ndarray) -> None:
    sitk.WriteImage(GEOMETRY.apply_to(sitk.GetImageFromArray(array)), str(path), useCompression=True)


def cut(source: Path, kept: float) -> Path:
    data = source.read_bytes()
    target = source.with_name("cut_" + source.name)
    target.write_bytes(data[: int(len(data) * kept)])
    return target


@pytest.mark.parametrize("ending", WRITABLE)
@pytest.mark.parametrize("dtype", ["uint8", "int16", "uint16", "int32", "float32", "float64"])
def test_what_is_written_is_read_again(tmp_path: Path, ending: str, dtype: str) -> None:
    path = tmp_path / f"köpf ünd hals{ending}"
    array = np.abs(noise(dtype="float64")).astype(dtype)
    write_volume(path, array, GEOMETRY)
    volume = read_volume(path)
    assert volume.array.dtype == np.float32
    np.testing.assert_array_equal(volume.array, array.astype(np.float32))
    assert volume.geometry.matches(GEOMETRY), volume.geometry.difference(GEOMETRY)
    assert volume.path == path
    assert [file.name for file in tmp_path.iterdir()] == [path.name]


def test_the_type_of_the_values_is_kept_and_bool_becomes_uint8(tmp_path: Path) -> None:
    for dtype, stored in [("int16", sitk.sitkInt16), ("bool", sitk.sitkUInt8), ("float16", sitk.sitkFloat32)]:
        write_volume(tmp_path / "a.nii.gz", (noise() > 0).astype(dtype), GEOMETRY)
        image = sitk.ReadImage(str(tmp_path / "a.nii.gz"))
        assert image.GetPixelID() == stored
        np.testing.assert_array_equal(sitk.GetArrayFromImage(image), noise() > 0)


def test_an_mhd_with_its_separate_data_file_is_read(tmp_path: Path) -> None:
    write_mhd(tmp_path / "a.mhd", noise())
    np.testing.assert_array_equal(read_volume(tmp_path / "a.mhd").array, noise())
    with pytest.raises(InputError, match="cannot be written in the format"):
        write_volume(tmp_path / "b.mhd", noise(), GEOMETRY)


def test_the_affine_maps_indices_to_ras() -> None:
    # Worked by hand: LPS = origin + direction @ (index * spacing); RAS flips the first two axes.
    x, y, z = 2, 3, 1
    lps = np.array([10 + COS * 1.5 - SIN * 1.5, -20 + SIN * 1.5 + COS * 1.5, 30.5 + 3.0])
    np.testing.assert_allclose((GEOMETRY.affine @ [x, y, z, 1])[:3], lps * [-1, -1, 1])
    image = GEOMETRY.apply_to(sitk.Image([6, 5, 4], sitk.sitkUInt8))
    np.testing.assert_allclose(image.TransformIndexToPhysicalPoint((x, y, z)), lps)
    assert GEOMETRY.voxel_volume == pytest.approx(3.0 * 0.5 * 0.75)
    assert Geometry((1, 1, 1), (3.0, 2.0, 1.0)).affine.tolist() == np.diag([-1.0, -2.0, 3.0, 1.0]).tolist()


def test_geometries_differ_in_words() -> None:
    other = Geometry((4, 5, 7), (3.0, 0.5, 0.8), (10.0, -20.0, 31.0), Geometry((1, 1, 1), (1, 1, 1)).direction)
    words = GEOMETRY.difference(other)
    assert "size 4x5x6 against 4x5x7" in words
    assert "spacing 3x0.5x0.75 mm against 3x0.5x0.8 mm" in words
    assert "origin (10, -20, 30.5) mm against (10, -20, 31) mm" in words
    assert "direction" in words
    assert not GEOMETRY.matches(other)
    close = Geometry(GEOMETRY.size, (3.0002, 0.5, 0.75), (10.001, -20.0, 30.5), OBLIQUE)
    assert GEOMETRY.matches(close)
    assert GEOMETRY.difference(close) == ""
    assert not GEOMETRY.matches(close, tolerance=1e-5)


@pytest.mark.parametrize("name", ["a.nii.gz", "a.nii", "a.nrrd", "a.mha", "a.mhd"])
@pytest.mark.parametrize("kept", [0.6, 0.97, 0.999])
def test_a_truncated_file_is_an_error_and_never_voxels(tmp_path: Path, name: str, kept: float) -> None:
    geometry = Geometry((20, 20, 20), (1.0, 1.0, 1.0))
    array = noise(geometry)
    if name.endswith(".mhd"):
        sitk.WriteImage(sitk.GetImageFromArray(array), str(tmp_path / name), useCompression=True)
        data = cut(tmp_path / "a.zraw", kept)
        data.replace(tmp_path / "a.zraw")
        path = tmp_path / name
    else:
        write_volume(tmp_path / name, array, geometry)
        path = cut(tmp_path / name, kept)
    with pytest.raises(InputError, match="truncated") as error:
        read_volume(path)
    assert str(path) in error.value.message


@pytest.mark.parametrize("ending", [".nrrd", ".mha", ".nii"])
def test_a_truncated_uncompressed_file_is_an_error(tmp_path: Path, ending: str) -> None:
    path = tmp_path / f"a{ending}"
    sitk.WriteImage(sitk.GetImageFromArray(noise()), str(path), useCompression=False)
    np.testing.assert_array_equal(read_volume(path).array, noise())
    with pytest.raises(InputError, match="truncated"):
        read_volume(cut(path, 0.99))


def test_gzip_members_in_a_row_are_one_file(tmp_path: Path) -> None:
    write_volume(tmp_path / "a.nii", noise(), GEOMETRY)
    data = (tmp_path / "a.nii").read_bytes()
    (tmp_path / "b.nii.gz").write_bytes(gzip.compress(data[:400]) + gzip.compress(data[400:]))
    np.testing.assert_array_equal(read_volume(tmp_path / "b.nii.gz").array, noise())


@pytest.mark.parametrize(
    ("size", "pixel", "parts", "words"),
    [
        ([6, 5], sitk.sitkFloat32, 1, "2D"),
        ([6, 5, 4, 3], sitk.sitkFloat32, 1, "4D"),
        ([6, 5, 4], sitk.sitkVectorUInt8, 3, "3 values per voxel"),
        ([6, 5, 4], sitk.sitkComplexFloat32, 1, "complex"),
    ],
)
def test_images_of_another_kind_are_refused(
    tmp_path: Path, size: list[int], pixel: int, parts: int, words: str
) -> None:
    path = tmp_path / "a.nii.gz"
    sitk.WriteImage(sitk.Image(size, pixel, parts) if parts > 1 else sitk.Image(size, pixel), str(path))
    for read in (read_volume, read_label):
        with pytest.raises(InputError, match=words) as error:
            read(path)
        assert str(path) in error.value.message
        assert error.value.hint


def test_a_packed_file_beside_an_unpacked_one_of_the_same_name(tmp_path: Path) -> None:
    """ITK's reader gives the voxels of a.nii for a.nii.gz."""
    write_volume(tmp_path / "a.nii.gz", noise(), GEOMETRY)
    write_volume(tmp_path / "a.nii", noise() + 1, GEOMETRY)
    np.testing.assert_array_equal(read_volume(tmp_path / "a.nii.gz").array, noise())
    np.testing.assert_array_equal(read_volume(tmp_path / "a.nii").array, noise() + 1)


def test_a_volume_of_one_slice_is_a_volume(tmp_path: Path) -> None:
    geometry = Geometry((1, 5, 6), (2.0, 1.0, 1.0))
    write_volume(tmp_path / "a.nii.gz", noise(geometry), geometry)
    np.testing.assert_array_equal(read_volume(tmp_path / "a.nii.gz").array, noise(geometry))


@pytest.mark.parametrize("ending", WRITABLE)
@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_voxels_that_are_no_numbers_are_counted(tmp_path: Path, ending: str, dtype: str) -> None:
    array = noise(dtype=dtype)
    array[0, 0, :2], array[1, 1, 1] = np.nan, np.inf
    path = tmp_path / f"a{ending}"
    write_volume(path, array, GEOMETRY)
    with pytest.raises(InputError, match="3 voxels that are NaN or infinite") as error:
        read_volume(path)
    assert str(path) in error.value.message


def test_a_big_endian_file_is_judged_in_its_own_order(tmp_path: Path) -> None:
    nibabel = pytest.importorskip("nibabel")
    array = noise().T.astype(">f4")
    header = nibabel.Nifti1Header(endianness=">")
    nibabel.save(nibabel.Nifti1Image(array, np.eye(4), header), tmp_path / "a.nii")
    np.testing.assert_array_equal(read_volume(tmp_path / "a.nii").array, noise())
    array[0, 0, 0] = np.nan
    nibabel.save(nibabel.Nifti1Image(array, np.eye(4), header), tmp_path / "a.nii")
    with pytest.raises(InputError, match="1 voxels"):
        read_volume(tmp_path / "a.nii")


def test_a_file_with_scaled_integers_gives_the_scaled_values(tmp_path: Path) -> None:
    nibabel = pytest.importorskip("nibabel")
    image = nibabel.Nifti1Image(np.arange(24, dtype=np.int16).reshape(2, 3, 4), np.eye(4))
    image.header.set_slope_inter(0.5, -1.0)
    nibabel.save(image, tmp_path / "a.nii.gz")
    expected = np.arange(24).reshape(2, 3, 4).T * 0.5 - 1.0
    np.testing.assert_allclose(read_volume(tmp_path / "a.nii.gz").array, expected)
    lean = read_volume(tmp_path / "a.nii.gz", lean=True).array
    assert lean.dtype == np.float32
    np.testing.assert_allclose(lean, expected)


@pytest.mark.parametrize("ending", [ending for ending in IMAGE_ENDINGS if ending != ".mhd"])
@pytest.mark.parametrize(
    ("stored", "kept"),
    [("int16", "int16"), ("uint8", "uint8"), ("uint16", "uint16"), ("int32", "float32"), ("float32", "float32")],
)
def test_a_lean_volume_has_the_same_voxels_in_less_memory(tmp_path: Path, ending: str, stored: str, kept: str) -> None:
    array = np.random.default_rng(0).integers(0, 200, (4, 5, 6)).astype(stored)
    write_volume(tmp_path / f"a{ending}", array, Geometry((4, 5, 6), (1.0, 1.0, 1.0)))
    volume = read_volume(tmp_path / f"a{ending}", lean=True)
    gc.collect()  # the voxels outlive the reader's own image
    assert volume.array.dtype == kept and not volume.array.flags.writeable
    np.testing.assert_array_equal(volume.array, read_volume(tmp_path / f"a{ending}").array)


def test_a_lean_volume_of_numbers_that_are_none_is_an_error(tmp_path: Path) -> None:
    array = noise()
    array[1, 2, 3] = np.inf
    sitk.WriteImage(sitk.GetImageFromArray(array), str(tmp_path / "a.nrrd"))
    with pytest.raises(InputError, match="1 voxels that are NaN"):
        read_volume(tmp_path / "a.nrrd", lean=True)


@pytest.mark.parametrize("content", [b"", b"hello" * 100])
@pytest.mark.parametrize("ending", IMAGE_ENDINGS)
def test_what_is_no_image_is_an_error(tmp_path: Path, content: bytes, ending: str) -> None:
    path = tmp_path / f"a{ending}"
    path.write_bytes(content)
    with pytest.raises(InputError, match="cannot be read as an image"):
        read_volume(path)


def test_files_that_are_missing_or_of_another_format(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="does not exist"):
        read_volume(tmp_path / "nothing.nii.gz")
    (tmp_path / "a.png").write_bytes(b"x")
    with pytest.raises(InputError, match="no known image format"):
        read_volume(tmp_path / "a.png")
    (tmp_path / "a.dcm").write_bytes(b"x")
    with pytest.raises(InputError, match="folder of its DICOM series"):
        read_volume(tmp_path / "a.dcm")
    with pytest.raises(InputError, match="holds no DICOM series"):
        read_volume(tmp_path)
    with pytest.raises(InputError, match="is a folder"):
        read_label(tmp_path)


def test_a_sheared_grid_is_an_error(tmp_path: Path) -> None:
    nibabel = pytest.importorskip("nibabel")
    affine = np.eye(4)
    affine[0, 1] = 0.2
    nibabel.save(nibabel.Nifti1Image(np.zeros((6, 5, 4), np.float32), affine), tmp_path / "a.nii.gz")
    with pytest.raises(InputError, match="sheared grid"):
        read_volume(tmp_path / "a.nii.gz")


def test_itk_warnings_are_shown_again_after_an_error(tmp_path: Path) -> None:
    before = sitk.ProcessObject.GetGlobalWarningDisplay()
    with pytest.raises(InputError):
        read_volume(tmp_path)
    assert sitk.ProcessObject.GetGlobalWarningDisplay() == before


def test_labels_have_the_smallest_type(tmp_path: Path) -> None:
    for highest, dtype in [(0, np.uint8), (255, np.uint8), (256, np.uint16), (65535, np.uint16)]:
        array = np.zeros(GEOMETRY.size, np.float64)
        array[1, 2, 3] = highest
        write_volume(tmp_path / "a.nii.gz", array, GEOMETRY)
        label = read_label(tmp_path / "a.nii.gz")
        assert label.array.dtype == dtype
        np.testing.assert_array_equal(label.array, array)


@pytest.mark.parametrize(
    ("value", "words"),
    [(0.5, "such as 0.5"), (np.nan, "such as nan"), (np.inf, "label inf"), (-1, "label -1"), (65536, "label 65536")],
)
def test_values_that_are_no_labels(tmp_path: Path, value: float, words: str) -> None:
    array = np.zeros(GEOMETRY.size, np.float32)
    array[1, 2, 3] = value
    write_volume(tmp_path / "a.nrrd", array, GEOMETRY)
    with pytest.raises(InputError, match=words):
        read_label(tmp_path / "a.nrrd")


def test_a_label_in_nifti_with_nan_is_refused(tmp_path: Path) -> None:
    array = np.zeros(GEOMETRY.size, np.float32)
    array[1, 2, 3] = np.nan
    write_volume(tmp_path / "a.nii.gz", array, GEOMETRY)
    with pytest.raises(InputError, match="1 voxels that are NaN"):
        read_label(tmp_path / "a.nii.gz")


def test_case_names_and_endings() -> None:
    assert image_ending("x/B.NII.GZ") == ".nii.gz"
    assert case_name(Path("x") / "B.1.NII.GZ") == "B.1"
    assert case_name("scan.v2.mha") == "scan.v2"
    assert case_name("series") == "series"
    assert [image_ending(name) for name in ("a.txt", ".nii.gz", "nii", "a.gz")] == ["", "", "", ""]


def test_a_folder_that_is_a_file_is_named(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("x")
    with pytest.raises(InputError, match="is not a folder"):
        write_volume(tmp_path / "file" / "a.nii.gz", noise(), GEOMETRY)


def test_an_array_of_another_size_is_a_programming_error(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="grid of size"):
        write_volume(tmp_path / "a.nii.gz", np.zeros((1, 2, 3)), GEOMETRY)
    assert not list(tmp_path.iterdir())


FILL_THE_DISK = """
import resource, sys
import numpy as np
from pathlib import Path
from lossseg.errors import DiskFull
from lossseg.images import Geometry, write_volume
array = np.random.default_rng(0).normal(size=(20, 20, 20)).astype(np.float32)
resource.setrlimit(resource.RLIMIT_FSIZE, (5000, 5000))
try:
    write_volume(Path(sys.argv[1]), array, Geometry(array.shape, (1.0, 1.0, 1.0)))
except DiskFull as error:
    print(error.message)
"""


@pytest.mark.skipif(sys.platform == "win32", reason="file size limits are POSIX")
@pytest.mark.parametrize("ending", WRITABLE)
def test_a_write_that_stops_short_leaves_the_old_file(tmp_path: Path, ending: str) -> None:
    path = tmp_path / f"a{ending}"
    path.write_bytes(b"old")
    command = [sys.executable, "-c", FILL_THE_DISK, str(path)]
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)}
    run = subprocess.run(command, env=environment, capture_output=True, text=True, timeout=120, check=False)
    assert f"No room left on the disk to write {path}" in run.stdout, run.stderr
    assert path.read_bytes() == b"old"
    assert [file.name for file in tmp_path.iterdir()] == [path.name]
    assert issubclass(DiskFull, Exception)


def test_resampling_to_the_same_grid_changes_nothing() -> None:
    volume = Volume(noise(), GEOMETRY)
    for order in (0, 1):
        np.testing.assert_allclose(resample_to(volume, GEOMETRY, order=order).array, volume.array, atol=1e-4)
    np.testing.assert_allclose(resample_to(volume, GEOMETRY, order=3).array, volume.array, atol=0.05)
    with pytest.raises(ValueError, match="order 2"):
        resample_to(volume, GEOMETRY, order=2)


def test_resampling_samples_in_space() -> None:
    """A linear function of position is reproduced exactly by linear interpolation on a finer, shifted grid."""
    fine = Geometry((5, 7, 8), (1.5, 0.25, 0.3), (10.3, -19.4, 32.0), OBLIQUE)

    def ramp(geometry: Geometry) -> np.ndarray:
        z, y, x = np.indices(geometry.size)
        ras = np.einsum("ij,jzyx->izyx", geometry.affine, np.stack([x, y, z, np.ones_like(x)]))
        return np.asarray(2 * ras[0] - ras[1] + 0.5 * ras[2], np.float32)

    source = Geometry((9, 40, 40), (2.0, 0.5, 0.5), (5.0, -28.0, 28.0), OBLIQUE)
    result = resample_to(Volume(ramp(source), source), fine, order=1)
    np.testing.assert_allclose(result.array, ramp(fine), atol=1e-3)
    assert result.geometry == fine


def test_labels_keep_type_and_values_and_outside_is_background() -> None:
    label = Volume(np.full((2, 2, 2), 300, np.uint16), Geometry((2, 2, 2), (1.0, 1.0, 1.0)))
    wide = Geometry((2, 2, 4), (1.0, 1.0, 1.0))
    placed = resample_to(label, wide, order=0).array
    assert placed.dtype == np.uint16
    assert placed[0, 0].tolist() == [300, 300, 0, 0]
    mask = resample_to(Volume(label.array > 0, label.geometry), wide, order=0).array
    assert mask.dtype == np.bool_
    assert mask[1, 1].tolist() == [True, True, False, False]
    image = Volume(np.full((2, 2, 2), -700, np.float32), label.geometry)
    assert resample_to(image, wide, order=1).array[0, 0].tolist() == [-700] * 4


# --- DICOM ---


def write_series(
    folder: Path, array: np.ndarray, positions: list[float], uid: str = "1.2.3", title: str = "TOF"
) -> None:
    """One CT slice file per plane of `array` (z, y, x), int16, pixels of 0.5 (y) x 0.75 (x) mm."""
    folder.mkdir(parents=True, exist_ok=True)
    writer = sitk.ImageFileWriter()
    writer.KeepOriginalImageUIDOn()
    for number, (plane, z) in enumerate(zip(array, positions, strict=True)):
        image = sitk.GetImageFromArray(plane[None])
        image.SetSpacing((0.75, 0.5, 2.0))
        image.SetOrigin((-3.0, 4.0, z))
        for tag, value in {
            "0008|0060": "CT",
            "0008|0016": "1.2.840.10008.5.1.4.1.1.2",
            "0008|0018": f"{uid}.{number + 1}",
            "0020|000d": "1.2.4",
            "0020|000e": uid,
            "0008|103e": title,
            "0020|0013": str(number),
            "0020|0032": f"-3\\4\\{z}",
            "0020|0037": "1\\0\\0\\0\\1\\0",
            "0028|1053": "1",
            "0028|1052": "0",
        }.items():
            image.SetMetaData(tag, value)
        writer.SetFileName(str(folder / f"{title}{uid}_{len(positions) - number:03d}.dcm"))
        writer.Execute(image)


def test_a_dicom_series_is_read_in_the_order_of_positions(tmp_path: Path) -> None:
    array = noise(dtype="int16")
    write_series(tmp_path / "séries 1", array, [10.0, 12.0, 14.0, 16.0])
    volume = read_volume(tmp_path / "séries 1")
    np.testing.assert_array_equal(volume.array, array)
    assert volume.array.dtype == np.float32
    lean = read_volume(tmp_path / "séries 1", lean=True).array
    assert lean.dtype == np.int16
    np.testing.assert_array_equal(lean, array)
    assert volume.geometry.matches(Geometry((4, 5, 6), (2.0, 0.5, 0.75), (-3.0, 4.0, 10.0)))


def test_several_series_are_listed_with_their_counts(tmp_path: Path) -> None:
    write_series(tmp_path, noise(dtype="int16"), [1.0, 2.0, 3.0, 4.0], uid="1.2.3", title="TOF")
    write_series(tmp_path, noise(dtype="int16")[:2], [1.0, 2.0], uid="1.2.9", title="LOCALIZER")
    with pytest.raises(InputError, match="holds 2 DICOM series") as error:
        read_volume(tmp_path)
    assert "TOF (4 files)" in error.value.message
    assert "LOCALIZER (2 files)" in error.value.message


def test_a_missing_slice_is_an_error(tmp_path: Path) -> None:
    write_series(tmp_path, noise(dtype="int16"), [1.0, 3.0, 7.0, 9.0])
    with pytest.raises(InputError, match=r"4 mm between .* 2 mm elsewhere"):
        read_volume(tmp_path)


# --- any grid ---


@settings(max_examples=20, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    size=st.tuples(st.integers(1, 4), st.integers(1, 4), st.integers(1, 4)),
    spacing=st.tuples(*[st.floats(0.1, 10)] * 3),
    origin=st.tuples(*[st.floats(-500, 500)] * 3),
    angle=st.floats(-3, 3),
    ending=st.sampled_from(WRITABLE),
)
def test_every_grid_survives_the_file(
    tmp_path: Path,
    size: tuple[int, int, int],
    spacing: tuple[float, float, float],
    origin: tuple[float, float, float],
    angle: float,
    ending: str,
) -> None:
    c, s = float(np.cos(angle)), float(np.sin(angle))
    geometry = Geometry(size, spacing, origin, (1.0, 0.0, 0.0, 0.0, c, -s, 0.0, s, c))
    array = np.arange(np.prod(size), dtype=np.int16).reshape(size)
    write_volume(tmp_path / f"a{ending}", array, geometry)
    volume = read_volume(tmp_path / f"a{ending}")
    np.testing.assert_array_equal(volume.array, array)
    assert volume.geometry.matches(geometry), volume.geometry.difference(geometry)
