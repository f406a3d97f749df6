"""Coarse to fine: the first pass finds where to look, and there the result is that of the whole."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
import torch
from inference_fakes import FakeModel, linear, model, volume
from scipy import ndimage

from lossseg.dataset import Case
from lossseg.images import read_label, write_volume
from lossseg.inference import Precision, Predictor, PredictSettings, predict_cases
from lossseg.inference.backend import TorchBackend
from lossseg.inference.coarse_to_fine import BLOCK, Candidates
from lossseg.model import Ensemble, Member
from lossseg.reporting import Silent

EXACT = {"precision": "full", "min_voxels": 0}
SHAPE = (64, 56, 72)


def phantom(seed: int = 0, lesions: int = 3) -> np.ndarray:
    """Noise far below the threshold, and a few small lesions above it."""
    generator = np.random.default_rng(seed)
    image = generator.normal(-6, 0.3, SHAPE).astype(np.float32)
    for _ in range(lesions):
        z, y, x = (int(generator.integers(2, n - 4)) for n in SHAPE)
        image[z : z + 2, y : y + 3, x : x + 2] = 2
    return image


class Counting(TorchBackend):
    def __init__(self, made: FakeModel, counted: list[int]) -> None:
        super().__init__(made.network(), torch.device("cpu"))
        self.counted = counted

    def run(self, windows: torch.Tensor) -> torch.Tensor:
        self.counted.append(len(windows))
        return super().run(windows)


def counted_prediction(members: list[FakeModel], image: np.ndarray, **options: object) -> tuple:
    counted: list[int] = []

    def factory(made: FakeModel, device: torch.device, precision: Precision) -> Counting:
        return Counting(made, counted)

    predictor = Predictor(members, "cpu", backend=factory, **EXACT, **options)
    return predictor.predict([volume(image)], keep_probability=True), sum(counted)


def test_off_unless_asked_for() -> None:
    assert PredictSettings().coarse_to_fine is False
    assert counted_prediction([model(linear(1.0))], phantom())[0].looked_at is None


@pytest.mark.parametrize("seed", range(4))
def test_nothing_that_the_first_pass_sees_is_lost_and_windows_are_saved(seed: int) -> None:
    image, members = phantom(seed), [model(linear(1.0), patch=(16, 16, 16)), model(linear(1.5), patch=(16, 16, 16))]
    whole, all_windows = counted_prediction(members, image)
    found, windows = counted_prediction(members, image, coarse_to_fine=True)
    np.testing.assert_array_equal(found.label, whole.label)
    assert ndimage.label(found.label, np.ones((3, 3, 3)))[1] >= 2
    seen = found.looked_at
    assert seen.of_windows * 2 == all_windows == 2 * 7 * 6 * 8
    assert windows == seen.first_pass + 2 * seen.windows < 0.6 * all_windows
    assert seen.first_pass == 4 * 4 * 5
    assert seen.of_voxels == image.size and 0 < seen.share < 0.25
    # Where it was looked at in full, the probability is that of the whole to the bit; elsewhere it is 0.
    looked = found.probability > 0
    np.testing.assert_array_equal(found.probability[looked], whole.probability[looked])
    assert np.count_nonzero(looked) == seen.voxels
    assert ndimage.binary_dilation(whole.label > 0, iterations=BLOCK)[looked].any()
    assert looked[ndimage.binary_dilation(whole.label > 0, iterations=BLOCK)].all()


def test_where_nothing_is_found_nothing_more_is_run() -> None:
    labels = {"background": 0, "a": 1, "b": 2}
    net = lambda x: torch.cat([x * 0, x, x - 1], 1)  # noqa: E731
    for made in (model(linear(1.0)), model(torch.nn.Module(), labels=labels)):
        if len(made.plan.labels) == 3:
            made.net.forward = net  # type: ignore[method-assign]
        found, windows = counted_prediction([made], phantom(lesions=0), coarse_to_fine=True)
        assert not found.label.any() and not found.probability.any()
        assert (found.looked_at.windows, found.looked_at.share) == (0, 0.0)
        assert windows == found.looked_at.first_pass == 8 * 7 * 9


def test_a_region_is_looked_for_within_itself() -> None:
    image = phantom(1, lesions=0)
    image[10:13, 10:13, 10:13] = image[50:53, 40:43, 60:63] = 2
    roi = (-30.0, 0.0, -30.0, 0.0, 0.0, 30.0)
    whole, _ = counted_prediction([model(linear(1.0))], image, roi=roi)
    found, windows = counted_prediction([model(linear(1.0))], image, roi=roi, coarse_to_fine=True)
    np.testing.assert_array_equal(found.label, whole.label)
    assert np.argwhere(found.label).max() == 12
    assert windows == found.looked_at.first_pass + found.looked_at.windows


@pytest.mark.parametrize(("threshold", "faint"), [(None, 0.25), (0.8, 0.4), (0.1, 0.05)])
def test_candidates_are_blocks_with_their_neighbours(threshold: float | None, faint: float) -> None:
    candidates = Candidates((20, 17, 40), threshold)
    probability = np.zeros((2, 20, 17, 40), np.float32)
    probability[:, 9, 3, 33] = faint / 2 * 1.01  # both classes together reach it
    probability[0, 2, 16, 0] = faint * 0.99
    for first in range(0, 20, 3):
        candidates.take(first, probability[:, first : first + 3])
    expected = np.zeros((20, 17, 40), bool)
    expected[0:20, 0:16, 24:40] = True
    np.testing.assert_array_equal(candidates.needed(), expected)


def test_the_record_and_the_lesion_table_call_it_an_approximation(tmp_path: Path) -> None:
    given = volume(phantom(2))
    write_volume(tmp_path / "one_0000.nii.gz", given.array, given.geometry)
    case = Case("one", (tmp_path / "one_0000.nii.gz",), None)
    ensemble = Ensemble("e", (Member(model(linear(1.0), patch=(16, 16, 16))),))
    tables = []
    for coarse in (False, True):
        settings = PredictSettings(device="cpu", precision="full", coarse_to_fine=coarse, overwrite=True)
        written = predict_cases(ensemble, [case], tmp_path / "out", settings, Silent())
        tables.append(json.loads((tmp_path / "out" / "one.lesions.json").read_text(encoding="utf-8")))
        assert list(written.looked_at) == ["one"] * coarse
    assert np.count_nonzero(read_label(written[0]).array) == 36
    plain, approximate = tables
    assert "provenance" not in plain and plain["cases"] == approximate["cases"]
    record = approximate["provenance"]
    assert record == written.looked_at["one"].record
    assert record["approximation"].startswith("coarse to fine")
    assert 0 < record["looked_at_in_full"] < 0.25 and record["windows"] < record["of_windows"]
