"""How the learning rate falls, and the momentum: as the papers print them, and the same after an interruption."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest
import torch
from training_fakes import TINY, Recorder, blobs

from lossseg.errors import Cancelled, InputError
from lossseg.reporting import Silent
from lossseg.studies.conditions import StudySettings, open_study
from lossseg.training import Schedule, TrainingSettings, train
from lossseg.training import checkpoint as checkpoints
from lossseg.training.budget import Clock, Steps
from lossseg.training.loop import _optimizer
from lossseg.training.settings import Optimizer

STEPPED = {"schedule": "step", "momentum": 0.9}


@pytest.fixture(scope="module")
def dataset(tmp_path_factory) -> Path:
    return blobs(tmp_path_factory.mktemp("data") / "Blobs")


def rates(settings: TrainingSettings, steps: int) -> list[float]:
    budget = Steps(steps, Clock())
    return [settings.rate_at(budget.done(step)) for step in range(steps)]


def test_in_one_step_at_epoch_80_of_100_as_the_inverse_weighting_paper():
    """1e-2 in 80 epochs of 100 iterations, 1e-3 in the 20 that follow; no step in between."""
    fell = rates(TrainingSettings(**STEPPED), 100 * 100)
    assert fell[:8000] == [1e-2] * 8000
    assert fell[8000:] == pytest.approx([1e-3] * 2000, rel=1e-12)


@pytest.mark.parametrize(("at", "factor", "falls"), [(0.7, 0.5, 7), (0.0, 0.5, 0), (1.0, 0.5, 10), (0.25, 0.0, 3)])
def test_where_and_how_far_it_falls_can_be_chosen(at, factor, falls):
    fell = rates(TrainingSettings(schedule=Schedule.STEP, learning_rate=0.2, step_at=at, step_factor=factor), 10)
    assert fell == pytest.approx([0.2] * falls + [0.2 * factor] * (10 - falls))


def test_by_itself_as_nnunet():
    fell = rates(TrainingSettings(), 1000)
    assert fell[0] == 1e-2
    assert fell[500] == pytest.approx(1e-2 * 0.5**0.9)
    assert fell[-1] == pytest.approx(1e-2 * 0.001**0.9)


@pytest.mark.parametrize(("momentum", "expected"), [(None, (0.99, True)), (0.9, (0.9, True)), (0.0, (0.0, False))])
def test_momentum_is_that_of_nesterov(momentum, expected):
    (group,) = _optimizer([torch.nn.Parameter(torch.zeros(1))], TrainingSettings(momentum=momentum)).param_groups
    assert (group["momentum"], group["nesterov"]) == expected


def test_nesterov_steps_as_printed():
    """v <- m v + g, w <- w - rate (g + m v), weight decay 3e-5 in g."""
    weight = torch.nn.Parameter(torch.tensor([1.0], dtype=torch.float64))
    optimizer = _optimizer([weight], TrainingSettings(momentum=0.9))
    ours, velocity = 1.0, 0.0
    for _ in range(3):
        weight.grad = 2 * weight.detach()
        optimizer.step()
        slope = 2 * ours + 3e-5 * ours
        velocity = 0.9 * velocity + slope
        ours -= 1e-2 * (slope + 0.9 * velocity)
    assert weight.item() == pytest.approx(ours, rel=1e-12)


@pytest.mark.parametrize(
    ("change", "sentence"),
    [
        ({"momentum": 1.0}, "momentum is 1.0"),
        ({"step_at": 1.5}, "step_at is 1.5"),
        ({"step_factor": -1.0}, "step_factor is -1.0"),
        ({"momentum": 0.9, "optimizer": Optimizer.ADAMW}, "A momentum was given for adamw. Leave it out"),
    ],
)
def test_what_cannot_be_is_named(change, sentence):
    with pytest.raises(InputError, match=sentence):
        TrainingSettings(**change)


def test_a_run_is_trained_by_it_and_goes_on_as_if_not_interrupted(dataset, tmp_path):
    settings = TrainingSettings(epochs=2, iterations=20, seed=5, folds=3, validations=1, **STEPPED, **TINY)
    recorder = Recorder()
    whole = train(dataset, tmp_path / "whole", settings, recorder)
    told = dict(recorder.values["schedule", "learning_rate"])
    # The rate of step 40 is that of the last before the end, 39 of 40 done; 32 are 80 %.
    assert told == pytest.approx({1: 1e-2, 10: 1e-2, 20: 1e-2, 30: 1e-2, 40: 1e-3})
    with pytest.raises(Cancelled):
        train(dataset, tmp_path / "parts", settings, Recorder(cancel_at=30))
    parts = train(dataset, tmp_path / "parts", replace(settings, resume=True), Silent())
    one, other = (checkpoints.read(folder / "checkpoints" / "last.safetensors") for folder in (whole, parts))
    for group in ("network", "optimizer"):
        ours, theirs = getattr(one, group), getattr(other, group)
        assert ours.keys() == theirs.keys() and ours
        assert all(torch.equal(value, theirs[name]) for name, value in ours.items()), group


def test_a_run_is_not_resumed_with_another_schedule(dataset, tmp_path):
    settings = TrainingSettings(epochs=1, iterations=9, folds=3, **STEPPED, **TINY)
    with pytest.raises(Cancelled):
        train(dataset, tmp_path / "run", settings, Recorder(cancel_at=1))
    with pytest.raises(InputError, match="had schedule = step, now it is poly"):
        train(dataset, tmp_path / "run", replace(settings, resume=True, schedule=Schedule.POLY), Silent())


def test_a_study_begun_before_there_were_schedules_goes_on(dataset, tmp_path):
    from lossseg.dataset import open_dataset
    from lossseg.files import read_json, write_json

    data, out = open_dataset(dataset), tmp_path / "study"
    settings = StudySettings(("ce",), TrainingSettings(epochs=1, folds=2, **TINY))
    state, _ = open_study(data, out, settings, Silent())
    record = read_json(state.path)
    later = {"momentum", "schedule", "step_at", "step_factor"}
    assert later <= record["conditions"].keys()
    record["conditions"] = {name: value for name, value in record["conditions"].items() if name not in later}
    write_json(state.path, record)
    assert open_study(data, out, settings, Silent())[0].runs == state.runs
    stepped = replace(settings, training=replace(settings.training, schedule=Schedule.STEP))
    with pytest.raises(InputError, match="begun with schedule = poly, now it is step"):
        open_study(data, out, stepped, Silent())
