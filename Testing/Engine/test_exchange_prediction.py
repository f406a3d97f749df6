"""How a model that nnU-Net trained is run: its axes, its resampling, its windows, and logits on the way back."""

from __future__ import annotations

import dataclasses
import json
import os
import subprocess
import sys
from pathlib import Path

import nnunet_results as made_up
import numpy as np
import pytest
import torch
from inference_fakes import linear, model, noise, sigmoid, volume
from torch import nn

from lossseg.images import Geometry, Volume, read_label, write_volume
from lossseg.inference import Predictor, TorchBackend, torch_backend
from lossseg.inference.backend import Mirrored
from lossseg.inference.sliding_window import gaussian, sliding_logits
from lossseg.preprocessing import ChannelKind, ChannelScheme, NnUNetGrid, Plan, nnunet, prepare, restore
from lossseg.preprocessing.intensity import normalise

ENGINE = Path(__file__).parents[2] / "SlicerLossSeg"
SAGITTAL = (0.0, 0.0, -1.0, 1.0, 0.0, 0.0, 0.0, -1.0, 0.0)


def plan(*schemes: ChannelScheme, spacing=(1.0, 1.0, 1.0), **grid) -> Plan:
    chosen = schemes or (ChannelScheme("MR", ChannelKind.NONE),)
    return Plan(chosen, spacing, (8, 8, 8), 2, {"background": 0, "lesion": 1}, {}, NnUNetGrid(**grid))


def fake(net: nn.Module, *, spacing=(1.0, 1.0, 1.0), kind=ChannelKind.NONE, labels=None, patch=(8, 8, 8), **grid):
    made = model(net, spacing=spacing, kind=kind, labels=labels, patch=patch)
    return dataclasses.replace(made, plan=dataclasses.replace(made.plan, nnunet=NnUNetGrid(**grid)))


def predictor(*models, **options) -> Predictor:
    return Predictor(models, "cpu", precision="full", min_voxels=0, backend=torch_backend, **options)


def test_plans_of_our_own_do_not_mention_nnunet():
    own = model(linear(1.0)).plan
    assert "nnunet" not in own.to_json() and Plan.from_json(own.to_json()).nnunet is None


def test_linear_resampling_by_hand():
    """Voxel i of 4 over 2 lies at (i + 0.5) / 2 - 0.5: -0.25, 0.25, 0.75, 1.25; the border goes on for ever."""
    array = np.array([0.0, 4.0], np.float32).reshape(2, 1, 1)
    np.testing.assert_allclose(nnunet.resample(array, (4, 1, 1), None, 1).ravel(), [0, 1, 3, 4], atol=1e-6)


def test_cubic_resampling_stays_in_the_range_of_the_image():
    array = np.zeros((12, 12, 12), np.float32)
    array[4:8, 4:8, 4:8] = 100
    result = nnunet.resample(array, (17, 17, 17), None, 3)
    assert (result.min(), result.max()) == (0.0, 100.0)
    assert nnunet.resample(array, (12, 12, 12), None, 3) is array


def test_the_separate_axis_is_nearest_neighbour():
    array = noise((3, 4, 4))
    result = nnunet.resample(array, (6, 8, 8), 0, 3)
    flat = nnunet.resample(array, (3, 8, 8), 0, 3)
    np.testing.assert_array_equal(result, flat[[0, 0, 1, 1, 2, 2]])
    np.testing.assert_array_equal(nnunet.resample(array.transpose(1, 2, 0), (8, 8, 6), 2, 3), result.transpose(1, 2, 0))


@pytest.mark.parametrize(
    ("spacing", "target", "axis"),
    [
        ((3.1, 1.0, 1.0), (1.0, 1.0, 1.0), 0),
        ((3.0, 1.0, 1.0), (1.0, 1.0, 1.0), None),
        ((1.0, 1.0, 1.0), (1.0, 4.0, 1.0), 1),
        ((1.0, 1.0, 5.0), (4.0, 1.0, 1.0), 2),
        ((0.2, 1.0, 1.0), (1.0, 1.0, 9.0), None),
    ],
)
def test_which_axis_goes_on_its_own(spacing, target, axis):
    assert nnunet.separate_axis(spacing, target) == axis


def test_sizes_are_rounded_as_nnunet_does():
    """0.7 / 0.2 * 5 is 17.499... in floating point, 5 * 0.7 / 0.2 is 17.5."""
    assert nnunet.resampled_shape((5, 4, 1), (0.7, 1.0, 1.0), (0.2, 2.0, 3.0)) == (round(0.7 / 0.2 * 5), 2, 1)


def test_zeros_inside_the_body_are_measured():
    image = np.zeros((5, 5, 5), np.float32)
    image[1:4, 1:4, 1:4] = 10.0
    image[2, 2, 2] = 0.0
    body = nnunet.body([image, np.zeros_like(image)])
    assert body.sum() == 27
    values = normalise(image, ChannelScheme("MR", ChannelKind.ZSCORE, nonzero=True), body=body)
    assert values[body].mean() == pytest.approx(0, abs=1e-6) and values[body].std() == pytest.approx(1, abs=1e-6)
    assert values[2, 2, 2] < -4 and not values[~body].any()


def test_a_volume_rescaled_to_its_own_range():
    values = normalise(np.array([[[-10.0, 0.0, 30.0]]]), ChannelScheme("US", ChannelKind.RESCALE))
    np.testing.assert_allclose(values, [[[0.0, 0.25, 1.0]]])


def test_the_files_axes_are_kept_and_transposed():
    array = noise((4, 6, 8))
    given = Volume(array, Geometry(array.shape, (1.0, 2.0, 3.0), (0.0, 0.0, 0.0), SAGITTAL))
    chosen = plan(transpose=(2, 0, 1), spacing=(3.0, 1.0, 2.0))
    prepared = prepare([given], chosen)
    np.testing.assert_array_equal(prepared.image[0], array.transpose(2, 0, 1))
    np.testing.assert_array_equal(restore(prepared.image[0], prepared), array)
    assert prepared.padding == (0.0,)


def test_a_canonical_reader_turns_the_volume_to_s_a_r():
    array = noise((4, 6, 8))
    along = prepare([volume(array)], plan(canonical=True))
    # Stored along S, P and L: A and R run the other way.
    np.testing.assert_array_equal(along.image[0], array[:, ::-1, ::-1])
    turned = array.transpose(2, 1, 0)[::-1]
    stored = Volume(turned, Geometry(turned.shape, (1.0, 1.0, 1.0), (0.0, 0.0, 0.0), (0, 0, -1, 0, 1, 0, 1, 0, 0)))
    again = prepare([stored], plan(canonical=True))
    np.testing.assert_array_equal(again.image[0], along.image[0])
    np.testing.assert_array_equal(restore(again.image[0], again), turned)


def test_logits_go_back_not_probabilities():
    array = noise((6, 10, 8), 4)
    made = fake(linear(5.0), spacing=(1.0, 2.0, 1.0))
    coarse = nnunet.resample(array, (6, 5, 8), None, 3)
    logits = nnunet.resample(5 * coarse, (6, 10, 8), None, 1)
    found = predictor(made).predict([volume(array)], keep_probability=True)
    np.testing.assert_allclose(found.probability, sigmoid(logits), atol=2e-6)
    np.testing.assert_array_equal(found.label, logits > 0)
    assert np.abs(nnunet.resample(sigmoid(5 * coarse), (6, 10, 8), None, 1) - found.probability).max() > 0.05


def test_several_classes():
    array = noise((6, 10, 8), 5)
    labels = {"background": 0, "a": 1, "b": 2}

    class Three(nn.Module):
        def forward(self, x):
            return torch.cat([torch.zeros_like(x), 3 * x, -2 * x + 0.5], 1)

    found = predictor(fake(Three(), spacing=(1.0, 2.0, 1.0), labels=labels)).predict([volume(array)])
    coarse = nnunet.resample(array, (6, 5, 8), None, 3)
    logits = [nnunet.resample(values, (6, 10, 8), None, 1) for values in (0 * coarse, 3 * coarse, 0.5 - 2 * coarse)]
    np.testing.assert_array_equal(found.label, np.argmax(logits, 0))


def test_members_of_both_kinds_share_an_ensemble():
    array = noise((8, 8, 8), 6)
    both = predictor(fake(linear(3.0), transpose=(1, 2, 0)), model(linear(1.0)))
    found = both.predict([volume(array)], keep_probability=True, keep_disagreement=True)
    np.testing.assert_allclose(found.probability, (sigmoid(3 * array) + sigmoid(array)) / 2, atol=1e-6)
    np.testing.assert_allclose(found.disagreement, np.abs(sigmoid(3 * array) - sigmoid(array)) / 2, atol=1e-6)


def test_a_region_of_interest_gives_what_the_whole_does():
    array = noise((16, 18, 20), 7)
    made = fake(linear(2.0), transpose=(2, 0, 1), kind=ChannelKind.NONE)
    whole = predictor(made).predict([volume(array)], keep_probability=True).probability
    part = predictor(made, roi=(-9.0, -3.0, -8.0, -4.0, 2.0, 6.0)).predict([volume(array)], keep_probability=True)
    inside = part.probability > 0
    assert inside.any() and not inside.all()
    np.testing.assert_allclose(part.probability[inside], whole[inside], atol=1e-6)


def test_only_axes_that_were_mirrored_in_training_are():
    calls = []

    class Watch(nn.Module):
        def forward(self, x):
            calls.append(x.clone())
            return torch.cat([torch.zeros_like(x), x], 1)

    image = torch.from_numpy(noise((1, 1, 4, 4, 4)))
    backend = TorchBackend(Watch(), torch.device("cpu"))
    torch.testing.assert_close(Mirrored(backend, axes=(2,)).run(image)[:, 1:], image)
    assert len(calls) == 2 and torch.equal(calls[1], image.flip(4))
    calls.clear()
    predictor(fake(Watch(), mirror=(0, 2)), mirror=True).predict([volume(noise((8, 8, 8)))])
    assert len(calls) == 4


def test_windows_are_weighted_around_the_voxel_after_the_middle():
    weights = gaussian(8, 4)
    assert weights.argmax() == 4 and weights[3] == weights[5]
    place = iter((0.0, 1.0))
    image, axes = torch.zeros(1, 12, 1, 1), [weights, torch.ones(1), torch.ones(1)]
    from lossseg.inference.sliding_window import place_windows

    logits = sliding_logits(
        image, lambda x: torch.full_like(x, next(place)), place_windows((12, 1, 1), (8, 1, 1)), weights=axes
    )
    # Voxel 6 lies at 6 in the window from 0 and at 2 in that from 4, both two from the centre.
    assert logits.ravel()[6] == pytest.approx(0.5) and logits.ravel()[5] < 0.5


def test_from_the_result_folder_to_labels_on_the_command_line(tmp_path):
    source = made_up.write(tmp_path / "result", folds=(0, 1))
    geometry = Geometry((12, 20, 14), (1.5, 1.0, 1.0), (3.0, -4.0, 5.0), SAGITTAL)
    image = np.random.default_rng(2).integers(-50, 120, geometry.size).astype(np.int16)
    write_volume(tmp_path / "scan.nii.gz", image, geometry)

    def lossseg(*arguments: object) -> str:
        answer = subprocess.run(
            [sys.executable, "-m", "lossseg", *map(str, arguments)],
            capture_output=True,
            text=True,
            env={**os.environ, "PYTHONPATH": str(ENGINE)},
            timeout=600,
        )
        assert answer.returncode == 0, answer.stderr
        return answer.stdout

    events = lossseg("import-model", source, tmp_path / "models", "--ensembles", tmp_path / "ensembles", "--json")
    summary = json.loads(events.splitlines()[-1])["summary"]
    assert [Path(path).name for path in summary["models"]] == ["fold_0", "fold_1"] and summary["warnings"] == []
    lossseg("predict", summary["ensemble"], tmp_path / "scan.nii.gz", tmp_path / "out", "--min-voxels", "0")
    label = read_label(tmp_path / "out" / "scan.nii.gz")
    assert label.geometry.matches(geometry) and 0 < label.array.mean() < 1
