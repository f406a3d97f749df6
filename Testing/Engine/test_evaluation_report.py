import base64
import re
import sys
import zlib
from dataclasses import replace

import numpy as np
import pytest

from lossseg.errors import InputError, MissingDependency
from lossseg.evaluation import Failure, Outcome, evaluate_case, froc, report, summarise, tally, write_report
from lossseg.evaluation import png as png_file
from lossseg.evaluation.detections import ImageDetections
from lossseg.evaluation.figures import froc_svg
from lossseg.evaluation.pictures import PREDICTION_COLOUR, REFERENCE_COLOUR, lesion_picture
from lossseg.images import Geometry

SHAPE = (20, 30, 40)
TURNED = (0.0, -1.0, 0.0, 1.0, 0.0, 0.0, 0.0, 0.0, 1.0)  # x of the array to the back, y to the patient's right
GEOMETRY = Geometry(SHAPE, (2.0, 1.0, 1.0), (0.0, 0.0, 0.0))


def pixels(file: bytes) -> np.ndarray:
    """(height, width, 3) of an indexed PNG, decoded anew."""
    assert file.startswith(b"\x89PNG\r\n\x1a\n")
    width, height = (int.from_bytes(file[at : at + 4], "big") for at in (16, 20))
    data, palette, at = b"", np.zeros(0), 8
    while at < len(file):
        length, kind = int.from_bytes(file[at : at + 4], "big"), file[at + 4 : at + 8]
        body = file[at + 8 : at + 8 + length]
        assert int.from_bytes(file[at + 8 + length : at + 12 + length], "big") == zlib.crc32(kind + body)
        data += body if kind == b"IDAT" else b""
        palette = np.frombuffer(body, np.uint8).reshape(-1, 3) if kind == b"PLTE" else palette
        at += 12 + length
    lines = np.frombuffer(zlib.decompress(data), np.uint8).reshape(height, width + 1)
    kind, rows = lines[0, 0], lines[:, 1:]
    if kind:
        rows = np.cumsum(rows, axis=1 if kind == 1 else 0, dtype=np.uint8)
    return palette[rows]


def colour(text: str) -> list[int]:
    return [int(text[i : i + 2], 16) for i in (1, 3, 5)]


def where(picture: np.ndarray, text: str) -> np.ndarray:
    return (picture == colour(text)).all(axis=-1)


def arrays():
    rng = np.random.default_rng(0)
    image = rng.normal(100, 10, SHAPE).astype(np.float32)
    reference, prediction = np.zeros((2, *SHAPE), np.uint8)
    reference[10, 10:14, 10:14] = 1  # missed
    reference[5, 5, 5] = 1  # missed, smaller
    prediction[15, 20:22, 30:32] = 1  # false
    return image, reference, prediction


@pytest.mark.parametrize("noise", [0, 255])
def test_png_keeps_every_pixel(noise):
    rng = np.random.default_rng(1)
    indices = (np.add.outer(np.arange(7), np.arange(9)) + rng.integers(0, noise + 1, (7, 9))).astype(np.uint8)
    palette = rng.integers(0, 256, (256, 3)).astype(np.uint8)
    assert (pixels(png_file.encode(indices, palette)) == palette[indices]).all()


def test_a_picture_shows_the_lesion_in_the_middle_of_three_planes_true_to_scale():
    image, reference, prediction = arrays()
    missed = evaluate_case(reference, prediction, GEOMETRY.spacing, affine=GEOMETRY.affine).lesions[1]
    assert (missed.outcome, missed.voxels) == (Outcome.MISSED, 16)
    picture = pixels(lesion_picture(image, GEOMETRY, reference, prediction, missed, width_mm=40, pixels=80))
    assert picture.shape == (80, 3 * 80 + 2 * 6, 3)
    blue = where(picture, REFERENCE_COLOUR)
    # Two pixels per mm, a line of two pixels on each side: 4 x 4 mm, seen from the front and the side 4 x 2 mm.
    extents = []
    for panel in (blue[:, :80], blue[:, 86:166], blue[:, 172:]):
        rows, columns = np.flatnonzero(panel.any(axis=1)), np.flatnonzero(panel.any(axis=0))
        extents.append((np.ptp(columns) + 1, np.ptp(rows) + 1))
        assert abs(rows.mean() - 39.5) <= 1.5
        assert abs(columns.mean() - 39.5) <= 1.5
    assert extents == [(12, 12), (12, 8), (12, 8)]
    assert not where(picture, PREDICTION_COLOUR).any()


@pytest.mark.parametrize("direction", [(1.0, 0, 0, 0, 1.0, 0, 0, 0, 1.0), TURNED], ids=["straight", "turned"])
def test_the_patients_right_is_on_the_left_however_the_volume_lies(direction):
    geometry = Geometry(SHAPE, (1.0, 1.0, 1.0), (-4.0, 3.0, 8.0), direction)
    image, reference = np.zeros(SHAPE, np.float32), np.zeros(SHAPE, np.uint8)
    reference[10, 15, 20] = 1
    lesion = evaluate_case(reference, np.zeros_like(reference), (1, 1, 1), affine=geometry.affine).lesions[0]
    # Bright 5 mm to the right, less 5 mm to the front, still less 5 mm to the head.
    for offset, value in (((5, 0, 0), 100), ((0, 5, 0), 60), ((0, 0, 5), 30)):
        index = np.linalg.inv(geometry.affine) @ [*np.add(lesion.centroid_ras, offset), 1]
        image[tuple(slice(round(at) - 2, round(at) + 3) for at in index[2::-1])] = value
    picture = pixels(lesion_picture(image, geometry, reference, reference, lesion, width_mm=30, pixels=90))[..., 0]
    axial, coronal, sagittal = picture[:, :90], picture[:, 96:186], picture[:, 192:]
    centre = 45
    assert axial[centre, centre - 15] > axial[centre - 15, centre] > axial[centre, centre + 15]
    assert coronal[centre, centre - 15] > coronal[centre - 15, centre] > coronal[centre + 15, centre]
    assert sagittal[centre, centre - 15] > sagittal[centre - 15, centre] > sagittal[centre, centre + 15]


def test_a_picture_of_one_slice_and_of_a_lesion_at_the_border():
    geometry = Geometry((1, 30, 40), (5.0, 1.0, 1.0))
    reference = np.zeros(geometry.size, np.uint8)
    reference[0, 0, 0] = 1
    image = np.full(geometry.size, 7, np.int16)
    lesion = evaluate_case(reference, np.zeros_like(reference), geometry.spacing, affine=geometry.affine).lesions[0]
    picture = pixels(
        lesion_picture(image, geometry, reference, np.zeros_like(reference), lesion, width_mm=24, pixels=48)
    )
    assert where(picture[:, :48], REFERENCE_COLOUR).any()
    assert where(picture[:, 54:102], REFERENCE_COLOUR).any()


def test_a_ring_is_shown_where_it_is_and_not_in_its_empty_middle():
    reference = np.zeros(SHAPE, np.uint8)
    reference[8:13, 10:19, 10:19] = 1
    reference[9:12, 11:18, 11:18] = 0
    lesion = evaluate_case(reference, np.zeros_like(reference), (2, 1, 1), affine=GEOMETRY.affine).lesions[0]
    picture = pixels(lesion_picture(np.zeros(SHAPE), GEOMETRY, reference, np.zeros_like(reference), lesion))
    assert all(where(picture[:, at : at + 224], REFERENCE_COLOUR).sum() > 100 for at in (0, 230, 460))


def test_arrays_of_another_size_are_refused():
    image, reference, prediction = arrays()
    lesion = evaluate_case(reference, prediction, GEOMETRY.spacing).lesions[0]
    with pytest.raises(InputError, match="image to draw has the size 19x30x40, not 20x30x40"):
        lesion_picture(image[1:], GEOMETRY, reference, prediction, lesion)


@pytest.fixture
def cohort():
    _, reference, prediction = arrays()
    probability = np.where(prediction > 0, 0.7, 0.0)
    found = evaluate_case(reference, reference, GEOMETRY.spacing, np.where(reference > 0, 0.9, 0), name="good")
    wrong = evaluate_case(
        reference, prediction, GEOMETRY.spacing, probability, affine=GEOMETRY.affine, name="<wrong> & more"
    )
    return summarise([found, wrong, Failure("torn", "torn.nii.gz is <cut> short.")], {"threshold": 0.5})


def read(path) -> str:
    text = path.read_text(encoding="utf-8")
    assert "<script" not in text
    assert re.findall(r'(?:src|href)="(?!data:)', text) == []
    return text


def test_a_report_shows_numbers_and_a_picture_of_each_error(cohort, tmp_path):
    asked = []

    def source(name):
        asked.append(name)
        image, reference, prediction = arrays()
        return image, GEOMETRY, reference, prediction

    write_report(tmp_path / "report.html", cohort, source, title="Trial 7")
    text = read(tmp_path / "report.html")
    assert asked == ["<wrong> & more"]
    assert "<title>Trial 7</title>" in text
    assert "2 cases evaluated. Of 4 reference lesions 2 found and 2 missed; 1 false positive." in text
    assert "1 case could not be evaluated" in text
    assert "torn.nii.gz is &lt;cut&gt; short." in text
    assert "&lt;wrong&gt; &amp; more" in text
    assert "<wrong>" not in text
    assert '<div class="tile"><b>0.500</b><span>lesion recall, of 4 lesions</span></div>' in text
    pictures = re.findall(r'<img alt="([^"]*)" src="data:image/png;base64,([^"]*)"', text)
    assert [alt.split(" of ")[0] for alt, _ in pictures] == ["missed 2", "missed 1", "false positive 3"]
    assert pixels(base64.b64decode(pictures[0][1])).shape == (224, 3 * 224 + 12, 3)
    assert "All 2, largest first." in text
    assert "confidence 0.70 (mean 0.70)" in text
    assert "data:image/svg+xml;base64," in text
    assert "smallest third" in text
    assert "<td>threshold</td>" in text


def test_a_report_says_how_many_pictures_it_leaves_out(cohort, tmp_path):
    write_report(tmp_path / "report.html", cohort, lambda name: (arrays()[0], GEOMETRY, *arrays()[1:]), max_pictures=1)
    text = read(tmp_path / "report.html")
    assert text.count("<figure>") == 1
    assert "missed 2 of" in text
    assert "1 of 2, largest first; 1 left out here" in text
    assert "0 of 1, most confident first; 1 left out here" in text


def test_a_case_whose_image_cannot_be_read_is_named(cohort, tmp_path):
    def source(name):
        raise InputError("image.nii.gz does not exist.", "Check the path.")

    write_report(tmp_path / "report.html", cohort, source)
    text = read(tmp_path / "report.html")
    assert "<figure>" not in text
    assert "&lt;wrong&gt; &amp; more: image.nii.gz does not exist. Check the path." in text


def test_reports_without_pictures_without_reference_and_without_cases(cohort, tmp_path):
    write_report(tmp_path / "plain.html", cohort)
    assert "<figure>" not in read(tmp_path / "plain.html")
    _, _, prediction = arrays()
    write_report(tmp_path / "alone.html", summarise([evaluate_case(None, prediction, (1, 1, 1), name="new")]))
    alone = read(tmp_path / "alone.html")
    assert "1 lesion predicted, without a reference to compare with." in alone
    assert "reference lesions" not in alone.split("Definitions")[0]
    write_report(tmp_path / "empty.html", summarise([]))
    assert "0 cases evaluated." in read(tmp_path / "empty.html")


def test_pictures_stop_before_the_file_is_too_large(tmp_path, monkeypatch):
    monkeypatch.setattr(report, "_MOST_BYTES", 100_000)
    size = (20, 40, 40)
    image = np.random.default_rng(5).normal(size=size).astype(np.float32)
    prediction = np.zeros(size, np.uint8)
    prediction[4::8, 4::8, 4::8] = 1
    done = summarise([evaluate_case(np.zeros_like(prediction), prediction, (0.6, 0.6, 0.6), name="noise")])
    assert done.count(Outcome.FALSE_POSITIVE) == 50
    geometry = Geometry(size, (0.6, 0.6, 0.6))
    write_report(tmp_path / "r.html", done, lambda name: (image, geometry, None, prediction), max_pictures=12)
    text = read(tmp_path / "r.html")
    shown, left_out = map(int, re.search(r"(\d+) of 50, most confident first; (\d+) left out", text).groups())
    assert shown + left_out == 50
    assert shown == text.count("<figure>")
    assert 2 <= shown < 12
    assert len(text) < 100_000 * 4 / 3 + 50_000


def test_the_froc_figure_says_what_it_needs(cohort, tmp_path, monkeypatch):
    curve = froc([ImageDetections([0.9, 0.2], [0.5])])
    figure = froc_svg(curve)
    assert figure == froc_svg(curve)
    assert b"Lesion recall" in figure
    assert b"1/8" in figure
    monkeypatch.setitem(sys.modules, "matplotlib", None)
    with pytest.raises(MissingDependency, match=re.escape('pip install "lossseg[report]"')):
        froc_svg(curve)
    write_report(tmp_path / "report.html", cohort)
    text = read(tmp_path / "report.html")
    assert "The FROC figure needs matplotlib." in text
    assert "image/svg" not in text


def test_false_positives_keep_a_third_of_the_pictures(tmp_path):
    reference, prediction = np.zeros((2, *SHAPE), np.uint8)
    reference[2, 2:28:4, 2] = 1  # seven missed
    prediction[15, 2:28:4, 30] = 1  # seven false
    image = np.zeros(SHAPE, np.float32)
    done = summarise([evaluate_case(reference, prediction, GEOMETRY.spacing, affine=GEOMETRY.affine, name="one")])

    def write(most, **more):
        write_report(
            tmp_path / "r.html", done, lambda name: (image, GEOMETRY, reference, prediction), max_pictures=most, **more
        )
        return read(tmp_path / "r.html")

    text = write(6)
    assert re.findall(r'alt="(missed|false positive) ', text) == ["missed"] * 4 + ["false positive"] * 2
    assert "4 of 7, largest first; 3 left out here" in text
    assert "2 of 7, most confident first; 5 left out here" in text
    assert write(100).count("<figure>") == 14
    assert "There were no images to show" not in text
    assert "There were no images to show" in write(6, with_images=False)


def test_a_report_tells_of_merged_and_split_lesions_and_of_every_mean(tmp_path):
    reference, prediction = np.zeros((2, *SHAPE), np.uint8)
    reference[5, 5, 5:8] = reference[5, 5, 10:13] = reference[12, 10, 0:9] = 1
    prediction[5, 5, 5:13] = prediction[12, 10, 0:3] = prediction[12, 10, 6:9] = 1
    done = summarise([evaluate_case(reference, prediction, (1, 1, 1), name="one")])
    write_report(tmp_path / "r.html", done)
    text = read(tmp_path / "r.html")
    assert "merged with 2" in text
    assert "split into 2; at the border" in text
    assert "<td>Merged lesions</td><td>2.00</td>" in text
    assert "<h2>Means over the cases</h2>" in text


def test_probabilities_have_their_place_in_a_report(cohort, tmp_path):
    reference = np.zeros((1, 1, 4), np.uint8)
    reference[0, 0, :2] = 1
    voxels = tally(reference, np.array([[[0.9, 0.6, 0.6, 0.1]]], np.float32))
    write_report(tmp_path / "r.html", replace(cohort, voxels=voxels))
    text = read(tmp_path / "r.html")
    assert "<h2>Precision and recall by voxel</h2>" in text
    assert "<h2>What the probabilities mean</h2>" in text
    # |0.9 - 1| + 2 |0.6 - 0.5| + |0.1 - 0|, over four voxels.
    assert "<td>all voxels</td><td>0.1</td>" in text
    assert "average precision by voxel" in text
    write_report(tmp_path / "plain.html", cohort)
    assert "What the probabilities mean" not in read(tmp_path / "plain.html")
