"""Ending an interrupted training where it is, and the history of its metrics."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from training_fakes import SIZE, TINY, Recorder, blobs

from lossseg.dataset import add_case, create_dataset
from lossseg.errors import Cancelled, InputError
from lossseg.evaluation.learning_curves import read_history
from lossseg.images import Geometry, Volume
from lossseg.jobs.actions.train import TrainParams, run
from lossseg.model import load
from lossseg.reporting import Silent
from lossseg.training import TrainingSettings, cross_validate, train
from lossseg.training import checkpoint as checkpoints
from lossseg.training.history import HistoryReporter
from lossseg.training.loop import Trainer

SETTINGS = TrainingSettings(epochs=4, iterations=5, seed=2, folds=3, validations=3, **TINY)
FINISH = TrainingSettings(finish=True, device="cpu", workers=0)


@pytest.fixture(scope="module")
def dataset(tmp_path_factory) -> Path:
    return blobs(tmp_path_factory.mktemp("daten") / "blobs")


def interrupted(dataset: Path, out: Path, at: int, settings: TrainingSettings = SETTINGS) -> None:
    with pytest.raises(Cancelled):
        train(dataset, out, settings, Recorder(cancel_at=at))


def lines(folder: Path) -> list[dict]:
    return [json.loads(line) for line in (folder / "history.jsonl").read_text(encoding="utf-8").splitlines()]


def same(left: dict[str, torch.Tensor], right: dict[str, torch.Tensor]) -> bool:
    return left.keys() == right.keys() and all(torch.equal(left[name], right[name]) for name in left)


def forbid_steps(monkeypatch) -> None:
    def step(self, batches, done):
        raise AssertionError("trained further")

    monkeypatch.setattr(Trainer, "_step", step)


def test_a_validated_run_ends_with_its_best_weights(dataset, tmp_path, monkeypatch):
    """Validations are due after 10, 15 and 20 steps; it is stopped between the last two."""
    out = tmp_path / "run"
    interrupted(dataset, out, 11)
    best = checkpoints.read(out / "checkpoints" / "best.safetensors")
    assert best.step in (10, 15) and checkpoints.read(out / "checkpoints" / "last.safetensors").step == 16
    forbid_steps(monkeypatch)
    # Nothing but the folder is needed: the run's own settings hold.
    train(dataset, out, FINISH, Silent())
    model = load(out)
    assert same(model.network().state_dict(), best.averaged)
    assert model.training["weights"] == {"step": best.step, "averaged": True}
    assert model.training["finished_early"] is True and model.training["steps"] == 16
    assert model.training["settings"]["seed"] == 2 and model.training["settings"]["epochs"] == 4
    assert model.scores["dice"] == best.facts["progress"]["best_scores"]["dice"] is not None
    with pytest.raises(InputError, match="already holds a model"):
        train(dataset, out, FINISH, Silent())


def test_a_run_without_validation_is_validated_once(dataset, tmp_path, monkeypatch):
    out = tmp_path / "run"
    interrupted(dataset, out, 1)
    last = checkpoints.read(out / "checkpoints" / "last.safetensors")
    assert not (out / "checkpoints" / "best.safetensors").exists()
    forbid_steps(monkeypatch)
    train(dataset, out, FINISH, Silent())
    model = load(out)
    chosen = last.averaged if model.training["weights"]["averaged"] else last.network
    assert same(model.network().state_dict(), chosen)
    assert {row["step"] for row in lines(out) if row["series"].startswith("validation")} == {last.step}
    assert set(model.scores) >= {"dice", "recall", "false_positives"}


def test_without_held_out_cases_the_last_weights_are_the_model(dataset, tmp_path):
    out = tmp_path / "run"
    interrupted(dataset, out, 1, replace(SETTINGS, fold="all"))
    last = checkpoints.read(out / "checkpoints" / "last.safetensors")
    train(dataset, out, FINISH, Silent())
    model = load(out)
    assert same(model.network().state_dict(), last.averaged) and model.scores == {}


def test_what_cannot_be_finished_says_so(dataset, tmp_path):
    with pytest.raises(InputError, match="holds no run to finish"):
        train(dataset, tmp_path / "nothing", FINISH, Silent())
    out = tmp_path / "run"
    interrupted(dataset, out, 1)
    for path in (out / "checkpoints").iterdir():
        path.unlink()
    with pytest.raises(InputError, match="stopped before its first checkpoint"):
        train(dataset, out, FINISH, Silent())
    (out / "training.json").write_text("{}", encoding="utf-8")
    with pytest.raises(InputError, match=r"training\.json cannot be read"):
        train(dataset, out, FINISH, Silent())
    with pytest.raises(InputError, match="holds no fold that was begun"):
        cross_validate(dataset, tmp_path / "cv", FINISH, Silent())


def test_a_run_killed_while_it_validates_goes_on_from_its_best(dataset, tmp_path):
    out, whole = tmp_path / "run", train(dataset, tmp_path / "whole", SETTINGS, Silent())
    interrupted(dataset, out, 11)
    (out / "checkpoints" / "last.safetensors").unlink()
    train(dataset, out, replace(SETTINGS, resume=True), Silent())
    assert same(load(out).network().state_dict(), load(whole).network().state_dict())


def test_begun_folds_are_finished_and_others_left_out(dataset, tmp_path):
    out = tmp_path / "cv"
    with pytest.raises(Cancelled):
        cross_validate(dataset, out, SETTINGS, Recorder(cancel_at=1))
    params = TrainParams(dataset, out, cross_validate=True, finish=True, device="cpu", workers=0)
    summary = run(params, Silent())
    assert [model["folder"] for model in summary["models"]] == [out / "fold_0"]
    assert load(out / "fold_0").training["steps"] < 20


def test_a_resumed_run_keeps_its_cases(tmp_path):
    """A case that was added meanwhile is none of the interrupted run's."""
    data, out = blobs(tmp_path / "data"), tmp_path / "run"
    chosen = replace(SETTINGS, fold="all")
    interrupted(data, out, 1, chosen)
    geometry = Geometry(SIZE, (1.0, 1.0, 1.0))
    image = np.random.default_rng(0).normal(100, 10, SIZE)
    add_case(data, "later", [Volume(image.astype(np.float32), geometry)], Volume(np.zeros(SIZE, np.uint8), geometry))
    train(data, out, replace(chosen, resume=True), Silent())
    assert load(out).training["train"] == [f"case_{index}" for index in range(6)]


# The cases that a model has seen


def test_a_fine_tuned_model_has_seen_what_its_origin_saw(dataset, tmp_path):
    short = replace(SETTINGS, epochs=1, iterations=1)
    first = train(dataset, tmp_path / "first", short, Silent())
    second = train(dataset, tmp_path / "second", replace(short, fold=1, start_from=first), Silent())
    third = train(dataset, tmp_path / "third", replace(short, fold=1, start_from=second), Silent())
    held_out = set(load(first).training["validation"])
    assert load(first).training["seen"] == [] and not load(first).seen_cases & held_out
    assert load(second).training["seen"] == sorted(load(first).training["train"])
    assert load(second).seen_cases == load(third).seen_cases == {f"case_{index}" for index in range(6)}


# The history


def test_every_metric_is_a_line_of_the_history(dataset, tmp_path):
    recorder = Recorder()
    out = train(dataset, tmp_path / "run", SETTINGS, recorder)
    told = [
        {"name": name, "step": step, "value": value, "series": series}
        for (series, name), values in recorder.values.items()
        for step, value in values
    ]

    def order(row):
        return row["series"], row["name"], row["step"]

    assert sorted(lines(out), key=order) == sorted(told, key=order)
    assert {row["step"] for row in lines(out) if row["name"] == "dice"} == {10, 15, 20}
    curves = {(course.series, course.name): course for course in read_history(out)}
    assert curves["training", "loss"].steps.tolist() == [1, 10, 20]
    assert curves["validation (averaged)", "dice"].steps.tolist() == [10, 15, 20]


def test_the_history_of_a_resumed_run_is_that_of_a_whole_one(dataset, tmp_path):
    whole, parts = train(dataset, tmp_path / "whole", SETTINGS, Silent()), tmp_path / "parts"
    interrupted(dataset, parts, 11)
    step = checkpoints.read(parts / "checkpoints" / "last.safetensors").step
    # The crash came later than the last checkpoint, in the middle of a line.
    with open(parts / "history.jsonl", "a", encoding="utf-8") as file:
        file.write(json.dumps({"name": "loss", "step": step + 1, "value": 99.0, "series": "training"}) + "\n")
        file.write('{"name": "lo')
    train(dataset, parts, replace(SETTINGS, resume=True), Silent())
    assert 99.0 not in [row["value"] for row in lines(parts)]

    def points(folder: Path) -> dict[tuple[str, str], list[tuple[int, float]]]:
        return {
            (course.series, course.name): list(zip(course.steps.tolist(), course.values.tolist(), strict=True))
            for course in read_history(folder / "history.jsonl")
        }

    assert points(whole) == points(parts)


def test_a_line_is_there_as_soon_as_it_is_told(tmp_path):
    path = tmp_path / "run" / "history.jsonl"
    with HistoryReporter(path, Silent()) as reporter:
        reporter.metric("loss", 1, 0.5, "training")
        assert [json.loads(line) for line in path.read_text(encoding="utf-8").splitlines()] == [
            {"name": "loss", "step": 1, "value": 0.5, "series": "training"}
        ]
        reporter.metric("dice", 2, float("nan"))
    assert json.loads(path.read_text(encoding="utf-8").splitlines()[1])["value"] is None
    # A new run begins a new history.
    with HistoryReporter(path, Silent()):
        assert path.read_text(encoding="utf-8") == ""


def test_adaptive_dice_hears_of_each_class(tmp_path):
    folder = tmp_path / "two classes"
    create_dataset(folder, "Two", ("MR",), {"background": 0, "bright": 1, "dark": 2})
    rng, geometry = np.random.default_rng(1), Geometry(SIZE, (1.0, 1.0, 1.0))
    for index in range(2):
        image, label = rng.normal(100, 5, SIZE).astype(np.float32), np.zeros(SIZE, np.uint8)
        label[4:10, 4:10, 4:10], label[12:18, 12:18, 12:18] = 1, 2
        image[label == 1] += 80
        image[label == 2] -= 80
        add_case(folder, f"P{index}", [Volume(image, geometry)], Volume(label, geometry))
    settings = TrainingSettings(
        loss="tvmf_dice(adaptive=True)", epochs=2, iterations=8, folds=2, validations=2, optimizer="adamw", **TINY
    )
    recorder = Recorder()
    model = load(train(folder, tmp_path / "run", settings, recorder))
    dice = {name: dict(recorder.values["validation (averaged)", name]) for name in ("dice", "dice_1", "dice_2")}
    assert dice["dice_1"].keys() == {8, 16} and dice["dice_1"] != dice["dice_2"]
    assert dice["dice"][16] == pytest.approx((dice["dice_1"][16] + dice["dice_2"][16]) / 2)
    assert model.scores.keys() >= {"dice_1", "dice_2"}
    # The validation after step 8 decides the kappas of the second epoch.
    kept = checkpoints.read(tmp_path / "run" / "checkpoints" / "last.safetensors").loss["dice"]
    assert kept.tolist()[1:] == pytest.approx([dice["dice_1"][8], dice["dice_2"][8]])
