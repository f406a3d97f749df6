"""Studies: equal conditions, pause and continue, failed runs, what may change, and what comes out."""

from __future__ import annotations

import csv
import json
from dataclasses import replace
from pathlib import Path

import pytest
import torch
from studies_fakes import LOSSES, NAMES, Listener, settings
from training_fakes import Recorder, blobs

from lossseg.dataset import read_splits, replace_label
from lossseg.errors import Cancelled, DiskFull, InputError
from lossseg.images import read_label
from lossseg.locking import LOCK_FILE
from lossseg.model import load
from lossseg.reporting import Silent
from lossseg.studies import single_run
from lossseg.studies.conditions import StudySettings
from lossseg.studies.state import RunState, StudyState
from lossseg.studies.study import run_study
from lossseg.training import TrainingSettings
from lossseg.training import run as training_run


@pytest.fixture(scope="module")
def dataset(tmp_path_factory) -> Path:
    return blobs(tmp_path_factory.mktemp("daten") / "Läsionen hell")


@pytest.fixture(scope="module")
def done(dataset, tmp_path_factory):
    """A finished study of two losses and two folds, and what it told."""
    out = tmp_path_factory.mktemp("Stüdies") / "a study"
    listener = Listener()
    return out, run_study(dataset, out, settings(), listener), listener


# What comes out


def test_a_study_trains_every_loss_on_every_fold(done):
    out, summary, _ = done
    keys = [f"{name}/fold_{fold}" for fold in (0, 1) for name in NAMES]
    assert [run["key"] for run in summary["runs"]] == keys
    assert {run["state"] for run in summary["runs"]} == {"finished"}
    assert summary["out"] == out and summary["report"] == out / "report.html"
    for name, loss in zip(NAMES, LOSSES, strict=True):
        models = [load(out / name / f"fold_{fold}") for fold in (0, 1)]
        assert [model.loss for model in models] == [loss, loss]
        held_out = [case for model in models for case in model.training["validation"]]
        assert sorted(held_out) == [f"case_{index}" for index in range(6)]
        assert all((out / name / "predictions" / f"{case}_probability.nii.gz").exists() for case in held_out)
    state = json.loads((out / "study.json").read_text(encoding="utf-8"))
    assert state["runs"] == summary["runs"] and state["losses"] == list(LOSSES)
    assert not (out / LOCK_FILE).exists()


def test_results_compare_the_losses_on_all_cases(done):
    out, _, _ = done
    results = json.loads((out / "results.json").read_text(encoding="utf-8"))
    comparison = results["comparison"]
    assert comparison["models"] == list(LOSSES) and len(comparison["cases"]) == 6
    keys = {measure["key"] for measure in comparison["measures"]}
    assert {"dice", "hd95", "pooled_lesion_recall", "pooled_object_dice", "false_positives"} <= keys
    for loss in results["losses"]:
        assert loss["cases"] == 6 and loss["failures"] == []
        assert loss["froc"]["bootstrap"]["samples"] == 1000
        assert (out / loss["report"]).exists()
    with (out / "results.csv").open(encoding="utf-8") as file:
        rows = list(csv.DictReader(file))
    assert {row["model"] for row in rows} == set(LOSSES) and len(rows) == 2 * len(keys)
    with (out / "runs.csv").open(encoding="utf-8") as file:
        assert [row["state"] for row in csv.DictReader(file)] == ["finished"] * 4
    page = (out / "report.html").read_text(encoding="utf-8")
    for words in ("2 losses × 2 folds: 4 runs, 4 finished", "did not train on it", "Equal conditions", "FROC"):
        assert words in page
    assert "10 steps" in page and "dice_topk_k_0.1/evaluation/report.html" in page


def test_the_winner_of_a_fold_has_its_highest_score(done):
    out, summary, _ = done
    for fold in summary["winners"]["folds"]:
        own = {
            loss: load(out / name / f"fold_{fold['fold']}").scores["dice"]
            for name, loss in zip(NAMES, LOSSES, strict=True)
        }
        assert fold["values"] == own
        assert own[fold["winner"]] == max(own.values())
    means = summary["winners"]["means"]
    first = [fold["values"][LOSSES[0]] for fold in summary["winners"]["folds"]]
    assert means[LOSSES[0]]["mean"] == pytest.approx(sum(first) / 2) and means[LOSSES[0]]["folds"] == 2


def test_what_is_told_carries_the_run_and_counts_all_runs(done):
    out, _, listener = done
    assert {series for series, name, *_ in listener.metrics if name == "loss"} == {
        f"{name}/fold_{fold}: training" for name in NAMES for fold in (0, 1)
    }
    told = [(stage, value, total) for stage, value, total, _ in listener.stages if "fold_" in stage.split(":")[0]]
    counted = [value for stage, value, _ in told if ": train, steps" in stage]
    assert {total for *_, total in told} == {40}
    assert counted == sorted(counted) and counted[-1] == 40
    # Each of four runs begins and ends, and the list of runs is told once before.
    assert [path for kind, path in listener.files if kind == "study"] == [out / "study.json"] * 9
    assert ("report", out / "report.html") in listener.files


def test_finished_runs_are_never_repeated(done, dataset):
    out, before, _ = done
    times = {path: path.stat().st_mtime_ns for path in out.glob("*/fold_*/weights.safetensors")}
    predicted = {path: path.stat().st_mtime_ns for path in out.glob("*/predictions/*.nii.gz")}
    listener = Listener()
    again = run_study(dataset, out, settings(), listener)
    assert len(times) == 4 and len(predicted) == 24 and not listener.metrics
    assert all(path.stat().st_mtime_ns == time for path, time in (times | predicted).items())
    assert again == before


# Equal conditions


def test_runs_of_a_fold_begin_alike(dataset, tmp_path, monkeypatch):
    """Bit for bit the same initial weights and the same patches, whatever the loss needs beside them."""
    weights: list[dict[str, torch.Tensor]] = []
    seen: list[list[torch.Tensor]] = []
    Trainer, stream = training_run.Trainer, training_run.stream

    class Watched(Trainer):
        def __init__(self, network, *others) -> None:
            weights.append({name: value.clone() for name, value in network.state_dict().items()})
            super().__init__(network, *others)

    def watched(*arguments, **named):
        images: list[torch.Tensor] = []
        seen.append(images)
        for batch in stream(*arguments, **named):
            images.append(batch["image"].clone())
            yield batch

    monkeypatch.setattr(training_run, "Trainer", Watched)
    monkeypatch.setattr(training_run, "stream", watched)
    losses = ("dice + ce", "iw(dice)", "dice + ce + 0.1*boundary")
    run_study(dataset, tmp_path / "study", settings(*losses, only_folds=(0,), training={"iterations": 3}), Silent())
    assert len(weights) == len(seen) == 3
    assert sum(value.numel() for value in weights[0].values()) > 1000
    for other, images in zip(weights[1:], seen[1:], strict=True):
        assert other.keys() == weights[0].keys()
        assert all(torch.equal(value, other[name]) for name, value in weights[0].items())
        assert len(images) == 3 and all(torch.equal(a, b) for a, b in zip(seen[0], images, strict=True))
    models = [load(path.parent) for path in (tmp_path / "study").glob("*/fold_0/model.json")]
    assert len(models) == 3 and len({str(model.plan.to_json()) for model in models}) == 1
    assert len({str(model.training["train"]) for model in models}) == 1


def test_repeats_have_seeds_of_their_own_and_the_same_splits(dataset, tmp_path):
    chosen = settings("dice + ce", only_folds=(1,), repeats=2, training={"iterations": 3, "seed": 4})
    summary = run_study(dataset, tmp_path / "study", chosen, Silent())
    assert [(run["key"], run["seed"]) for run in summary["runs"]] == [
        ("dice_ce/fold_1", 4),
        ("dice_ce/seed_5/fold_1", 5),
    ]
    one, other = (load(tmp_path / "study" / run["key"]) for run in summary["runs"])
    assert one.training["validation"] == other.training["validation"]
    first, second = one.network().state_dict(), other.network().state_dict()
    assert any(not torch.equal(value, second[name]) for name, value in first.items())
    spread = json.loads((tmp_path / "study" / "results.json").read_text(encoding="utf-8"))["seeds"]["dice + ce"]
    assert spread["Dice"]["seeds"] == 2 and spread["Dice"]["std"] >= 0
    assert "Seeds" in (tmp_path / "study" / "report.html").read_text(encoding="utf-8")


# Pause and go on


def test_a_paused_study_goes_on_from_the_checkpoint(dataset, tmp_path):
    out, chosen = tmp_path / "study", settings(only_folds=(0,), training={"iterations": 40})
    # The loss is told at steps 1, 10, 20, ...: the third time is step 20 of the second run.
    first = Listener()
    whole = run_study(dataset, tmp_path / "whole", chosen, first)
    with pytest.raises(Cancelled):
        run_study(dataset, out, chosen, Listener(pause_after=5 + 3))
    state = StudyState.read(out)
    assert [run.state for run in state.runs] == [RunState.FINISHED, RunState.WAITING]
    assert not (out / "report.html").exists() and not (out / LOCK_FILE).exists()
    kept = (out / "dice_ce/fold_0/weights.safetensors").stat().st_mtime_ns
    second = Listener()
    parts = run_study(dataset, out, chosen, second)
    steps = [step for series, name, step, _ in second.metrics if name == "loss"]
    assert steps == [30, 40], "what was done before the pause is not done again"
    assert (out / "dice_ce/fold_0/weights.safetensors").stat().st_mtime_ns == kept
    for key in ("dice_ce/fold_0", "dice_topk_k_0.1/fold_0"):
        ours, theirs = load(out / key).network().state_dict(), load(tmp_path / "whole" / key).network().state_dict()
        assert all(torch.equal(value, theirs[name]) for name, value in ours.items())
    assert [run["scores"] for run in parts["runs"]] == [run["scores"] for run in whole["runs"]]
    # The bar goes on where it stood: one run and 20 of 40 steps, of 80.
    trained = [value for stage, value, _, _ in second.stages if ": train, steps" in stage]
    assert trained[0] >= 60 and trained[-1] == 80


def test_a_run_killed_before_its_first_checkpoint_begins_anew(dataset, tmp_path):
    out, chosen = tmp_path / "study", settings("dice + ce", only_folds=(0,))
    with pytest.raises(Cancelled):
        run_study(dataset, out, chosen, Listener(pause_after=1))
    folder = out / "dice_ce" / "fold_0" / "checkpoints"
    (folder / "last.safetensors").rename(folder / "best.safetensors")
    summary = run_study(dataset, out, chosen, Silent())
    assert [run["steps"] for run in summary["runs"]] == [10]


def test_a_model_that_is_gone_is_trained_again_with_its_predictions(dataset, tmp_path):
    out, chosen = tmp_path / "study", settings("dice + ce", only_folds=(0,))
    run_study(dataset, out, chosen, Silent())
    predicted = sorted((out / "dice_ce" / "predictions").glob("case_*.nii.gz"))
    before = [path.stat().st_mtime_ns for path in predicted]
    for path in (out / "dice_ce" / "fold_0").rglob("*.*"):
        path.unlink()
    listener = Listener()
    run_study(dataset, out, chosen, listener)
    assert any("dice_ce/fold_0 is gone" in warning for warning in listener.warnings)
    assert all(path.stat().st_mtime_ns > time for path, time in zip(predicted, before, strict=True))


def test_a_failed_run_is_named_and_the_others_go_on(dataset, tmp_path, monkeypatch):
    out, chosen, real = tmp_path / "study", settings(only_folds=(0,)), single_run.train

    def broken(folder, model, given, reporter):
        if "topk" not in given.loss:
            raise InputError("The loss became nan at step 3.", "Lower the learning rate.")
        return real(folder, model, given, reporter)

    monkeypatch.setattr(single_run, "train", broken)
    listener = Listener()
    summary = run_study(dataset, out, chosen, listener)
    assert [run["state"] for run in summary["runs"]] == ["failed", "finished"]
    assert summary["runs"][0]["sentence"] == "The loss became nan at step 3. Lower the learning rate."
    assert summary["winners"]["folds"][0]["winner"] is None
    assert any("dice_ce/fold_0 failed" in warning for warning in listener.warnings)
    page = (out / "report.html").read_text(encoding="utf-8")
    assert "1 finished, 1 failed" in page and "The loss became nan at step 3." in page
    monkeypatch.setattr(single_run, "train", real)
    again = run_study(dataset, out, chosen, Silent())
    assert [run["state"] for run in again["runs"]] == ["finished", "finished"]
    assert again["runs"][0]["sentence"] == "" and again["runs"][1] == summary["runs"][1]


def test_a_bug_is_a_failed_run_but_a_full_disk_stops_all(dataset, tmp_path, monkeypatch):
    def raises(error):
        def train(*arguments):
            raise error

        monkeypatch.setattr(single_run, "train", train)

    raises(ZeroDivisionError("a bug\nwith lines"))
    summary = run_study(dataset, tmp_path / "study", settings(only_folds=(0,)), Silent())
    assert [run["sentence"] for run in summary["runs"]] == [
        "Something unexpected happened (ZeroDivisionError): a bug"
    ] * 2
    assert summary["report"] is None and summary["winners"]["folds"] == []
    raises(DiskFull("No room left on the disk."))
    with pytest.raises(DiskFull):
        run_study(dataset, tmp_path / "study", settings(only_folds=(0,)), Silent())
    assert {run.state for run in StudyState.read(tmp_path / "study").runs} == {RunState.WAITING}


# What may change, and what may not


def test_losses_and_folds_may_be_added(dataset, tmp_path):
    out, brief = tmp_path / "study", {"iterations": 2}
    run_study(dataset, out, settings("dice + ce", only_folds=(1,), training=brief), Silent())
    kept = (out / "dice_ce/fold_1/weights.safetensors").stat().st_mtime_ns
    summary = run_study(dataset, out, settings("ce", only_folds=(1,), training=brief), Silent())
    assert [run["key"] for run in summary["runs"]] == ["dice_ce/fold_1", "ce/fold_1"]
    assert json.loads((out / "results.json").read_text(encoding="utf-8"))["comparison"]["models"] == ["dice + ce", "ce"]
    # The same loss in another way of writing is the same loss.
    summary = run_study(dataset, out, settings("dice+ce", training=brief), Silent())
    assert [run["key"] for run in summary["runs"]] == ["dice_ce/fold_1", "ce/fold_1", "dice_ce/fold_0"]
    assert {run["state"] for run in summary["runs"]} == {"finished"}
    assert (out / "dice_ce/fold_1/weights.safetensors").stat().st_mtime_ns == kept
    results = json.loads((out / "results.json").read_text(encoding="utf-8"))
    assert len(results["comparison"]["cases"]) == 3, "compared on the fold that both have"
    assert [loss["cases"] for loss in results["losses"]] == [6, 3]


@pytest.mark.parametrize(
    ("changed", "sentence"),
    [
        ({"iterations": 11}, "begun with iterations = 10, now it is 11"),
        ({"epochs": None, "minutes": 2.0}, "begun with minutes = None, now it is 2.0"),
        ({"seed": 3}, "begun with seed = 0, now it is 3"),
        ({"folds": 3}, "begun with folds = 2, now it is 3"),
        ({"learning_rate": 0.5}, "learning_rate"),
    ],
)
def test_a_changed_setting_is_named(done, dataset, changed, sentence):
    out, _, _ = done
    before = (out / "study.json").read_bytes()
    with pytest.raises(InputError, match=sentence):
        run_study(dataset, out, settings(training=changed), Silent())
    assert (out / "study.json").read_bytes() == before


def test_the_dataset_and_given_splits_and_plans_are_held(done, dataset, tmp_path):
    out, _, _ = done
    other = blobs(tmp_path / "other")
    replace_label(other, "case_3", read_label(other / "labelsTr" / "case_4.nii.gz"), tmp_path / "bin")
    with pytest.raises(InputError, match="begun with dataset ="):
        run_study(other, out, settings(), Silent())
    splits = json.loads((out / "splits_final.json").read_text(encoding="utf-8"))
    (tmp_path / "splits.json").write_text(json.dumps(splits[::-1]))
    with pytest.raises(InputError, match="begun with splits ="):
        run_study(dataset, out, settings(training={"splits": tmp_path / "splits.json"}), Silent())
    plan = json.loads((out / "plan.json").read_text(encoding="utf-8"))
    (tmp_path / "plan.json").write_text(json.dumps(plan | {"batch": 7}))
    with pytest.raises(InputError, match="begun with plan ="):
        run_study(dataset, out, settings(training={"plan": tmp_path / "plan.json"}), Silent())


def test_given_splits_and_plan_are_taken(done, dataset, tmp_path):
    out, _, _ = done
    splits = json.loads((out / "splits_final.json").read_text(encoding="utf-8"))[::-1]
    (tmp_path / "splits.json").write_text(json.dumps(splits))
    plan = json.loads((out / "plan.json").read_text(encoding="utf-8")) | {"batch": 1}
    (tmp_path / "plan.json").write_text(json.dumps(plan))
    chosen = settings(
        "ce",
        only_folds=(0,),
        training={"splits": tmp_path / "splits.json", "plan": tmp_path / "plan.json", "iterations": 2},
    )
    run_study(dataset, tmp_path / "study", chosen, Silent())
    model = load(tmp_path / "study" / "ce" / "fold_0")
    assert model.plan.batch == 1 and model.training["validation"] == splits[0]["val"]
    assert [list(fold.validation) for fold in read_splits(tmp_path / "study" / "splits_final.json")] == [
        fold["val"] for fold in splits
    ]


@pytest.mark.parametrize(
    ("make", "sentence"),
    [
        (lambda: settings("dice + ce", "dice+ce"), "given twice"),
        (lambda: StudySettings((), TrainingSettings()), "no loss to train with"),
        (lambda: settings("dicee"), "dicee"),
        (lambda: settings(only_folds=(2,)), "The fold asked for is 2"),
        (lambda: settings(training={"folds": 9}), "9 folds are asked for"),
    ],
)
def test_bad_settings_are_named_and_leave_nothing(dataset, tmp_path, make, sentence):
    with pytest.raises(InputError, match=sentence):
        run_study(dataset, tmp_path / "study", make(), Silent())
    assert not (tmp_path / "study").exists() or not list((tmp_path / "study").iterdir())


def test_a_folder_in_use_is_not_touched(dataset, tmp_path):
    (tmp_path / "notes.txt").write_text("mine")
    with pytest.raises(InputError, match="is not empty and holds no study"):
        run_study(dataset, tmp_path, settings(), Silent())
    (tmp_path / "study.json").write_text('{"name": "a study folder of Slicer"}')
    with pytest.raises(InputError, match="not the file of an experiment"):
        run_study(dataset, tmp_path, settings(), Silent())
    assert sorted(path.name for path in tmp_path.iterdir()) == ["notes.txt", "study.json"]


def test_a_state_file_of_a_newer_engine_is_refused(done, tmp_path):
    out, _, _ = done
    value = json.loads((out / "study.json").read_text(encoding="utf-8"))
    assert StudyState.read(out).run("dice_ce/fold_1").fold == 1
    (tmp_path / "study.json").write_text(json.dumps(value | {"version": 99}))
    with pytest.raises(InputError, match="newer engine"):
        StudyState.read(tmp_path)
    (tmp_path / "study.json").write_text(json.dumps(value | {"runs": [{"key": "x"}]}))
    with pytest.raises(InputError, match="is damaged"):
        StudyState.read(tmp_path)


def test_a_recorder_of_trainings_is_enough(dataset, tmp_path):
    """A study needs no more of a listener than a training does."""
    recorder = Recorder()
    run_study(dataset, tmp_path / "study", replace(settings("ce", only_folds=(0,)), pictures=0), recorder)
    assert ("ce/fold_0: training", "loss") in recorder.values
