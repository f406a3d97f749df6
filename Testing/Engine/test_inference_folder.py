"""Many cases: files read and written."""

from __future__ import annotations

import csv
import json
from pathlib import Path

import numpy as np
import pytest
import torch
from inference_fakes import linear, model, volume

from lossseg import networks
from lossseg.dataset import Case
from lossseg.errors import Cancelled, InputError
from lossseg.images import read_label, read_volume, write_volume
from lossseg.inference import PredictSettings, predict_cases
from lossseg.model import Ensemble, Member, load_any, save, save_ensemble
from lossseg.preprocessing import ChannelKind, ChannelScheme, Plan
from lossseg.reporting import Silent

ENSEMBLE = Ensemble("e", tuple(Member(model(linear(slope), spacing=(2.0, 1.0, 1.0))) for slope in (4.0, 2.0)))
SETTINGS = PredictSettings(device="cpu", precision="full")


class Listen(Silent):
    def __init__(self) -> None:
        super().__init__()
        self.warnings: list[str] = []
        self.artifacts: list[tuple[str, str]] = []

    def warning(self, message: str, hint: str = "") -> None:
        self.warnings.append(message)

    def artifact(self, kind: str, path: Path) -> None:
        assert path.exists()
        self.artifacts.append((kind, path.name))


def write_case(folder: Path, name: str, lesions: int = 1) -> Case:
    image = np.full((8, 10, 20), -1.0, np.float32)
    for index in range(lesions):
        image[2:5, 3:6, 2 + 8 * index : 5 + 8 * index] = 1 + index
    given = volume(image, spacing=(2.0, 1.0, 1.0), origin=(10.0, 20.0, 30.0))
    path = folder / f"{name}_0000.nii.gz"
    write_volume(path, given.array, given.geometry)
    return Case(name, (path,), None)


def test_labels_tables_and_volumes_of_every_case(tmp_path: Path) -> None:
    reporter = Listen()
    cases = [write_case(tmp_path, "one"), write_case(tmp_path, "zwei mit ä", lesions=2)]
    settings = PredictSettings(device="cpu", precision="full", keep_probability=True, keep_disagreement=True)
    written = predict_cases(ENSEMBLE, cases, tmp_path / "out", settings, reporter)
    assert [path.name for path in written] == ["one.nii.gz", "zwei mit ä.nii.gz"] and written.failures == {}
    label = read_label(written[1])
    assert label.array.dtype == np.uint8 and np.count_nonzero(label.array) == 54
    assert label.geometry.matches(read_volume(cases[1].images[0]).geometry)
    probability = read_volume(tmp_path / "out" / "zwei mit ä_probability.nii.gz").array
    expected = [(1 / (1 + np.exp(-4 * x)) + 1 / (1 + np.exp(-2 * x))) / 2 for x in (1.0, 2.0)]
    np.testing.assert_allclose([probability[3, 4, 3], probability[3, 4, 11]], expected, atol=1e-5)
    spread = read_volume(tmp_path / "out" / "zwei mit ä_disagreement.nii.gz").array
    assert spread[3, 4, 3] == pytest.approx((1 / (1 + np.exp(-4.0)) - 1 / (1 + np.exp(-2.0))) / 2, abs=1e-5)
    with (tmp_path / "out" / "zwei mit ä.lesions.csv").open(encoding="utf-8") as file:
        rows = list(csv.DictReader(file))
    assert [row["outcome"] for row in rows] == ["unmatched", "unmatched"]
    assert [float(row["volume_mm3"]) for row in rows] == [54.0, 54.0]
    # Index (x, y, z) = (3, 4, 3) lies at LPS (13, 24, 36).
    assert [float(rows[0][key]) for key in ("r_mm", "a_mm", "s_mm")] == [-13.0, -24.0, 36.0]
    assert float(rows[1]["confidence_max"]) == pytest.approx(expected[1], abs=1e-3)
    table = json.loads((tmp_path / "out" / "zwei mit ä.lesions.json").read_text(encoding="utf-8"))
    assert [lesion["voxels"] for lesion in table["cases"][0]["lesions"]] == [27, 27]
    assert ("label", "one.nii.gz") in reporter.artifacts and (
        "disagreement",
        "one_disagreement.nii.gz",
    ) in reporter.artifacts


def test_nothing_is_overwritten_unasked(tmp_path: Path) -> None:
    cases = [write_case(tmp_path, "one"), write_case(tmp_path, "two")]
    out = tmp_path / "out"
    predict_cases(ENSEMBLE, cases[:1], out, SETTINGS, Silent())
    before = (out / "one.nii.gz").stat().st_mtime_ns
    with pytest.raises(InputError, match=r"one\.lesions\.csv and 2 more results already exist"):
        predict_cases(ENSEMBLE, cases, out, SETTINGS, Silent())
    assert not (out / "two.nii.gz").exists()
    written = predict_cases(ENSEMBLE, cases, out, PredictSettings(device="cpu", resume=True), Silent())
    assert [path.name for path in written] == ["one.nii.gz", "two.nii.gz"]
    assert (out / "one.nii.gz").stat().st_mtime_ns == before
    predict_cases(ENSEMBLE, cases, out, PredictSettings(device="cpu", overwrite=True), Silent())
    assert (out / "one.nii.gz").stat().st_mtime_ns != before


def test_the_image_is_never_replaced(tmp_path: Path) -> None:
    case = write_case(tmp_path, "one")
    inside = Case("one_0000", case.images, None)
    with pytest.raises(InputError, match="replace the image itself"):
        predict_cases(ENSEMBLE, [inside], tmp_path, PredictSettings(device="cpu", overwrite=True), Silent())


def test_a_case_that_fails_does_not_stop_the_others(tmp_path: Path) -> None:
    missing = Case("gone", (tmp_path / "gone_0000.nii.gz",), None)
    reporter = Listen()
    written = predict_cases(ENSEMBLE, [missing, write_case(tmp_path, "one")], tmp_path / "out", SETTINGS, reporter)
    assert [path.name for path in written] == ["one.nii.gz"]
    assert list(written.failures) == ["gone"] and "gone_0000.nii.gz" in written.failures["gone"].message
    assert len(reporter.warnings) == 1 and reporter.warnings[0].startswith("The case gone was not segmented")


def test_all_cases_failing_is_an_error(tmp_path: Path) -> None:
    missing = [Case(name, (tmp_path / f"{name}_0000.nii.gz",), None) for name in ("a", "b")]
    with pytest.raises(InputError, match=r"None of 2 cases could be segmented\. a: .* b: "):
        predict_cases(ENSEMBLE, missing, tmp_path / "out", SETTINGS, Silent())
    with pytest.raises(InputError, match=r"a_0000\.nii\.gz") as caught:
        predict_cases(ENSEMBLE, missing[:1], tmp_path / "out", SETTINGS, Silent())
    assert "None of" not in caught.value.message
    assert not (tmp_path / "out").exists() or not list((tmp_path / "out").iterdir())


def test_cancelling_leaves_nothing_half_written(tmp_path: Path) -> None:
    cases = [write_case(tmp_path, "one"), write_case(tmp_path, "two")]
    out = tmp_path / "out"
    with pytest.raises(Cancelled):
        predict_cases(ENSEMBLE, cases, out, SETTINGS, Silent(cancelled=lambda: (out / "one.nii.gz").exists()))
    assert sorted(path.name for path in out.iterdir()) == ["one.lesions.csv", "one.lesions.json", "one.nii.gz"]


@pytest.mark.parametrize("ending", [".nrrd", ".mha", ".nii"])
def test_other_endings(tmp_path: Path, ending: str) -> None:
    settings = PredictSettings(device="cpu", file_ending=ending)
    written = predict_cases(ENSEMBLE, [write_case(tmp_path, "one")], tmp_path / "out", settings, Silent())
    assert written[0].name == f"one{ending}" and np.count_nonzero(read_label(written[0]).array) == 27


def test_settings_that_cannot_be(tmp_path: Path) -> None:
    case = write_case(tmp_path, "one")
    for settings in (PredictSettings(file_ending=".png"), PredictSettings(overlap=2.0), PredictSettings(device="gpu")):
        with pytest.raises(InputError):
            predict_cases(ENSEMBLE, [case], tmp_path / "out", settings, Silent())


def test_models_and_ensembles_from_files(tmp_path: Path) -> None:
    network = {
        "name": "DynUNet",
        "in_channels": 1,
        "out_channels": 2,
        "kernels": [[3, 3, 3]] * 3,
        "strides": [[1, 1, 1], [2, 2, 2], [2, 2, 2]],
        "filters": [4, 4, 4],
        "deep_supervision": True,
    }
    scheme = ChannelScheme("MR", ChannelKind.NONE)
    plan = Plan((scheme,), (2.0, 1.0, 1.0), (8, 12, 20), 2, {"background": 0, "lesion": 1}, network)
    direct = []
    case = write_case(tmp_path, "one")
    image = torch.from_numpy(read_volume(case.images[0]).array)[None, None, :, :]
    image = torch.nn.functional.pad(image, (0, 0, 1, 1, 0, 0), value=-1.0)
    for seed in range(2):
        torch.manual_seed(seed)
        built = networks.build(network).eval()
        save(tmp_path / f"m{seed}", plan=plan, weights=built.state_dict(), loss="dice + ce", training={}, scores={})
        with torch.no_grad():
            direct.append(built(image).softmax(1)[0, 1, :, 1:-1].numpy())
    save_ensemble(tmp_path / "e.json", [tmp_path / "m0", tmp_path / "m1"], weights=[1.0, 3.0])
    settings = PredictSettings(device="cpu", precision="full", keep_probability=True)
    predict_cases(load_any(tmp_path / "e.json"), [case], tmp_path / "e", settings, Silent())
    predict_cases(load_any(tmp_path / "m1"), [case], tmp_path / "m", settings, Silent())
    both = read_volume(tmp_path / "e" / "one_probability.nii.gz").array
    np.testing.assert_allclose(both, 0.25 * direct[0] + 0.75 * direct[1], atol=1e-5)
    np.testing.assert_allclose(read_volume(tmp_path / "m" / "one_probability.nii.gz").array, direct[1], atol=1e-5)
