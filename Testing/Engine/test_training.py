"""Training: sampling frequencies, budget, averaging, checkpoints, and runs from dataset to model folder."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
import torch
from torch import nn
from training_fakes import TINY, Leaning, Recorder, blobs

from lossseg.errors import Cancelled, InputError
from lossseg.model import load
from lossseg.preprocessing import CachedCase
from lossseg.preprocessing.cache import lesion_index
from lossseg.reporting import Silent
from lossseg.training import TrainingSettings, cross_validate, train
from lossseg.training import checkpoint as checkpoints
from lossseg.training import run as runs
from lossseg.training.averaging import AveragedWeights
from lossseg.training.budget import Clock, Minutes, Steps
from lossseg.training.sampling import LesionSampler, cut


def cached(folder: Path, label: np.ndarray, name: str = "A") -> CachedCase:
    folder = folder / name
    folder.mkdir(parents=True)
    voxels, offsets = lesion_index(label)
    np.save(folder / "image.npy", label[None].astype(np.float32))
    np.save(folder / "label.npy", label)
    np.save(folder / "voxels.npy", voxels)
    np.save(folder / "offsets.npy", offsets)
    return CachedCase(name, folder, len(offsets) - 1, (0.0,))


def three_lesions() -> np.ndarray:
    label = np.zeros((32, 32, 32), np.uint8)
    label[2:14, 2:14, 2:14] = 1  # 1728 voxels
    label[20:24, 20:24, 20:24] = 1  # 64 voxels
    label[28, 28, 28] = 1  # 1 voxel
    return label


def test_each_lesion_is_centred_equally_often_whatever_its_size(tmp_path):
    case = cached(tmp_path, three_lesions())
    sampler = LesionSampler([case], (8, 8, 8), oversampling=1.0, batch=2)
    generator = np.random.default_rng(0)
    centres = np.array([sampler.draw(i, generator).start for i in range(3000)]) + 4
    large = (centres < 16).all(1).mean()
    single = (centres >= 27).all(1).mean()
    # Three binomial standard deviations of 3000 draws at one third: 0.026.
    assert large == pytest.approx(1 / 3, abs=0.026)
    assert single == pytest.approx(1 / 3, abs=0.026)


def test_a_lesion_of_any_case_is_equally_likely(tmp_path):
    one = np.zeros((16, 16, 16), np.uint8)
    one[8, 8, 8] = 1
    cases = [cached(tmp_path, three_lesions(), "A"), cached(tmp_path, one, "B"), cached(tmp_path, one * 0, "C")]
    sampler = LesionSampler(cases, (8, 8, 8), oversampling=1.0, batch=1)
    generator = np.random.default_rng(0)
    chosen = np.bincount([sampler.draw(i, generator).case for i in range(2000)], minlength=3)
    assert sampler.lesions == 4
    assert chosen[0] / 2000 == pytest.approx(0.75, abs=0.03)
    assert chosen[2] == 0


@pytest.mark.parametrize(("oversampling", "batch"), [(0.5, 2), (1 / 3, 2), (0.25, 1)])
def test_the_share_of_lesion_patches_is_as_asked(tmp_path, oversampling, batch):
    label = np.zeros((64, 64, 64), np.uint8)
    label[5, 5, 5] = 1
    sampler = LesionSampler([cached(tmp_path, label)], (8, 8, 8), oversampling=oversampling, batch=batch)
    generator = np.random.default_rng(0)
    starts = [sampler.draw(i, generator).start for i in range(4000)]
    share = np.mean([start == (1, 1, 1) for start in starts])
    assert share == pytest.approx(oversampling, abs=0.025)


def test_without_lesions_patches_come_from_anywhere(tmp_path):
    sampler = LesionSampler([cached(tmp_path, np.zeros((16, 16, 16), np.uint8))], (8, 8, 8), oversampling=1.0, batch=1)
    starts = np.array([sampler.draw(i, np.random.default_rng(i)).start for i in range(300)])
    assert starts.min() == 0 and starts.max() == 8


def test_a_patch_larger_than_the_volume_is_filled_around_it():
    array = np.arange(8.0).reshape(2, 2, 2)
    patch = cut(array, (-1, 0, 0), (4, 2, 2), -7.0)
    assert (patch[0] == -7).all() and (patch[3] == -7).all()
    assert np.array_equal(patch[1:3], array)


def test_a_budget_in_minutes_keeps_its_reserve():
    now = [0.0]
    budget = Minutes(1.0, Clock(now=lambda: now[0]))
    budget.reserve = 20.0
    now[0] = 10.0
    assert (budget.done(5), budget.remaining_s(5)) == (0.25, 50.0)
    assert budget.counted(5) == ("seconds", 10, 60)
    now[0] = 40.0
    assert budget.done(9) == 1.0


def test_a_budget_in_steps_goes_on_after_an_interruption():
    now = [100.0]
    budget = Steps(40, Clock(before=30.0, now=lambda: now[0]), start=20)
    assert budget.done(20) == 0.5 and budget.remaining_s(20) is None
    now[0] = 105.0
    assert budget.remaining_s(30) == 5.0 and budget.seconds == 35.0
    assert budget.counted(30) == ("steps", 30, 40)


def test_averaged_weights_follow_the_closed_form():
    network = nn.Linear(1, 1, bias=False)
    with torch.no_grad():
        network.weight.fill_(0.0)
    averaged = AveragedWeights(network, decay=0.5)
    with torch.no_grad():
        network.weight.fill_(1.0)
    averaged.update(network, 1)  # decay min(0.5, 2 / 11)
    assert averaged.network.weight.item() == pytest.approx(1 - 2 / 11)
    averaged.update(network, 100)  # decay 0.5
    assert averaged.network.weight.item() == pytest.approx(1 - 1 / 11)


@pytest.fixture(scope="module")
def dataset(tmp_path_factory) -> Path:
    return blobs(tmp_path_factory.mktemp("daten") / "Läsionen hell")


def weights(folder: Path) -> dict[str, torch.Tensor]:
    return load(folder).network().state_dict()


def test_training_learns_and_writes_a_model_folder(dataset, tmp_path):
    recorder = Recorder()
    folder = train(
        dataset, tmp_path / "modèle", TrainingSettings(epochs=3, iterations=60, seed=1, folds=3, **TINY), recorder
    )
    model = load(folder)
    assert model.loss == "dice + ce" and model.labels == {"background": 0, "lesion": 1}
    assert model.training["steps"] == 180
    assert len(model.training["validation"]) == 2
    losses = [value for _, value in recorder.values["training", "loss"]]
    assert np.mean(losses[-5:]) < 0.6 * np.mean(losses[:3])
    # Bright blobs on noise are easy: a network that has learned anything separates them.
    assert model.scores["dice"] > 0.7
    assert model.scores["recall"] == 1.0
    card = json.loads((folder / "model.json").read_text(encoding="utf-8"))
    assert card["format"] == 1 and card["versions"]["torch"] == torch.__version__


@pytest.mark.parametrize(("optimizer", "learns"), [("sgd", False), ("adamw", True)])
def test_a_resumed_run_ends_with_the_same_weights(dataset, tmp_path, monkeypatch, optimizer, learns):
    if learns:
        monkeypatch.setattr(runs.losses, "build", lambda expression, *, classes: Leaning())
    settings = TrainingSettings(epochs=3, iterations=8, seed=5, folds=3, optimizer=optimizer, **TINY)
    whole = train(dataset, tmp_path / "whole", settings, Silent())
    with pytest.raises(Cancelled):
        train(dataset, tmp_path / "parts", settings, Recorder(cancel_at=10))
    saved = checkpoints.read(tmp_path / "parts" / "checkpoints" / "last.safetensors")
    assert 10 <= saved.step < 24
    from dataclasses import replace

    parts = train(dataset, tmp_path / "parts", replace(settings, resume=True), Silent())
    expected, actual = weights(whole), weights(parts)
    assert expected.keys() == actual.keys()
    for name, value in expected.items():
        assert torch.equal(value, actual[name]), name
    one, other = (checkpoints.read(folder / "checkpoints" / "last.safetensors") for folder in (whole, parts))
    assert (len(one.loss), len(one.loss_optimizer)) == ((3, 3) if learns else (0, 0))
    for group in ("loss", "loss_optimizer", "optimizer"):
        ours, theirs = getattr(one, group), getattr(other, group)
        assert ours.keys() == theirs.keys()
        assert all(torch.equal(value, theirs[name]) for name, value in ours.items()), group


def test_workers_do_not_change_the_result(dataset, tmp_path):
    one = train(dataset, tmp_path / "none", TrainingSettings(epochs=1, iterations=4, folds=3, **TINY), Silent())
    two = train(
        dataset,
        tmp_path / "two",
        TrainingSettings(epochs=1, iterations=4, folds=3, **(TINY | {"workers": 2})),
        Silent(),
    )
    assert all(torch.equal(a, b) for a, b in zip(weights(one).values(), weights(two).values(), strict=True))


def test_cross_validation_keeps_finished_folds(dataset, tmp_path):
    settings = TrainingSettings(epochs=1, iterations=2, folds=3, loss="dice + topk(k=0.1)", **TINY)
    models = cross_validate(dataset, tmp_path / "cv", settings, Silent())
    held_out = [name for folder in models for name in load(folder).training["validation"]]
    assert sorted(held_out) == [f"case_{index}" for index in range(6)]
    before = [(folder / "weights.safetensors").stat().st_mtime_ns for folder in models]
    cross_validate(dataset, tmp_path / "cv", settings, Silent())
    assert [(folder / "weights.safetensors").stat().st_mtime_ns for folder in models] == before


def test_fine_tuning_starts_from_the_weights_of_the_model(dataset, tmp_path):
    settings = TrainingSettings(epochs=1, iterations=20, fold="all", **TINY)
    first = train(dataset, tmp_path / "first", settings, Silent())
    tiny_step = TrainingSettings(
        epochs=1, iterations=1, fold="all", start_from=first, learning_rate=1e-8, ema_decay=0.0, **TINY
    )
    second = train(dataset, tmp_path / "second", tiny_step, Silent())
    assert load(second).training["started_from"] == "first"
    for name, value in weights(first).items():
        torch.testing.assert_close(weights(second)[name], value, atol=1e-5, rtol=0)


def test_a_budget_in_minutes_is_kept(dataset, tmp_path):
    folder = train(dataset, tmp_path / "timed", TrainingSettings(minutes=0.05, folds=3, **TINY), Silent())
    record = load(folder).training
    assert record["steps"] >= 1
    assert record["seconds"] < 30


@pytest.mark.parametrize(
    ("change", "sentence"),
    [
        ({"loss": "dicee + ce"}, "dicee"),
        ({"minutes": 1.0, "epochs": 1}, "Both minutes and epochs"),
        ({"fold": 7}, "The fold is 7"),
        ({"batch": 0}, "batch is 0"),
    ],
)
def test_bad_settings_are_named_and_leave_nothing(dataset, tmp_path, change, sentence):
    with pytest.raises(InputError, match=sentence):
        train(dataset, tmp_path / "bad", TrainingSettings(**({"epochs": 1, "iterations": 1} | TINY | change)), Silent())
    assert not (tmp_path / "bad" / "model.json").exists()


def test_an_unfinished_run_is_not_overwritten(dataset, tmp_path):
    settings = TrainingSettings(epochs=1, iterations=9, **TINY)
    with pytest.raises(Cancelled):
        train(dataset, tmp_path / "run", settings, Recorder(cancel_at=1))
    with pytest.raises(InputError, match="holds an unfinished run"):
        train(dataset, tmp_path / "run", settings, Silent())
    other = TrainingSettings(epochs=1, iterations=9, seed=8, resume=True, **TINY)
    with pytest.raises(InputError, match="had seed = 0, now it is 8"):
        train(dataset, tmp_path / "run", other, Silent())


def test_a_damaged_checkpoint_says_what_to_do(dataset, tmp_path):
    settings = TrainingSettings(epochs=1, iterations=9, **TINY)
    with pytest.raises(Cancelled):
        train(dataset, tmp_path / "run", settings, Recorder(cancel_at=1))
    path = tmp_path / "run" / "checkpoints" / "last.safetensors"
    path.write_bytes(path.read_bytes()[:100])
    with pytest.raises(InputError, match="checkpoint .* cannot be read"):
        train(dataset, tmp_path / "run", TrainingSettings(epochs=1, iterations=9, resume=True, **TINY), Silent())
