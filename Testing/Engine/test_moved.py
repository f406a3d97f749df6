"""Studies and trainings go on after their folder, the dataset's, or all together were moved."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import pytest
import torch
from studies_fakes import Listener, settings
from training_fakes import TINY, Recorder, blobs

from lossseg.dataset import add_case, digests, open_dataset, read_splits, replace_label, write_splits
from lossseg.errors import Cancelled, InputError
from lossseg.files import found, from_here, read_json, write_json
from lossseg.images import read_label, read_volume
from lossseg.model import load
from lossseg.preprocessing import read_plan
from lossseg.reporting import Silent
from lossseg.studies.candidates import Candidate
from lossseg.studies.held_out import references_of
from lossseg.studies.state import RunState, StudyState
from lossseg.studies.study import run_study
from lossseg.training import TrainingSettings, train

KEYS = ("dice_ce/fold_0", "dice_topk_k_0.1/fold_0")
STEPS = 40
CHOSEN = settings(only_folds=(0,), training={"iterations": STEPS})


def equal(one: Path, other: Path) -> bool:
    """Whether two models have the same weights, bit for bit."""
    ours, theirs = load(one).network().state_dict(), load(other).network().state_dict()
    return ours.keys() == theirs.keys() and all(torch.equal(value, theirs[name]) for name, value in ours.items())


@pytest.fixture(scope="module")
def whole(tmp_path_factory) -> Path:
    """The study as it ends without any interruption."""
    folder = tmp_path_factory.mktemp("whole")
    run_study(blobs(folder / "data"), folder / "study", CHOSEN, Silent())
    return folder / "study"


def half_done(project: Path) -> tuple[Path, Path]:
    """Dataset and study in one folder; the first run is finished, the second has its checkpoint of step 20."""
    dataset, study = blobs(project / "data"), project / "studies" / "first"
    with pytest.raises(Cancelled):
        run_study(dataset, study, CHOSEN, Listener(pause_after=5 + 3))
    assert [run.state for run in StudyState.read(study).runs] == [RunState.FINISHED, RunState.WAITING]
    return dataset, study


@pytest.mark.parametrize("moved", ["together", "apart"])
def test_a_half_done_study_goes_on_elsewhere_as_if_it_had_stayed(moved, whole, tmp_path):
    dataset, study = half_done(tmp_path / "here")
    (tmp_path / "there").mkdir()
    if moved == "together":
        (tmp_path / "here").rename(tmp_path / "there" / "project")
        dataset, study = (tmp_path / "there" / "project" / name for name in ("data", "studies/first"))
        assert StudyState.read(study).dataset == dataset, "it is found on the same way as before"
    else:
        study = study.rename(tmp_path / "there" / "renamed")
        assert StudyState.read(study).dataset == dataset
        dataset = dataset.rename(tmp_path / "there" / "mounted")
    kept = (study / KEYS[0] / "weights.safetensors").stat().st_mtime_ns
    listener = Listener()
    summary = run_study(dataset, study, CHOSEN, listener)
    assert [run["state"] for run in summary["runs"]] == ["finished", "finished"] and summary["report"]
    steps = [(series, step) for series, name, step, _ in listener.metrics if name == "loss"]
    assert steps == [(f"{KEYS[1]}: training", 30), (f"{KEYS[1]}: training", 40)], "nothing is done twice"
    assert (study / KEYS[0] / "weights.safetensors").stat().st_mtime_ns == kept
    assert all(equal(study / key, whole / key) for key in KEYS)
    assert not listener.warnings
    state = StudyState.read(study)
    assert state.dataset == dataset and set(state.cases) == {f"case_{index}" for index in range(6)}
    model = load(study / KEYS[0])
    assert references_of(Candidate("dice", (model,), study / "dice_ce")) == dataset / "labelsTr"
    # Nothing of it was written to where it had been.
    assert not [path for path in (tmp_path / "here").rglob("*") if path.is_file() and "cache" not in path.parts]


def test_another_dataset_is_none_that_was_moved_and_a_corrected_case_is_told(tmp_path):
    dataset, study = half_done(tmp_path / "here")
    other = blobs(tmp_path / "other")
    # More cases do not matter: the study's own are the same.
    labels = other / "labelsTr"
    image, label = read_volume(other / "imagesTr" / "case_0_0000.nii.gz"), read_label(labels / "case_0.nii.gz")
    add_case(other, "case_9", [image], label)
    names = [f"case_{index}" for index in range(6)]
    assert digests(open_dataset(other), names) == digests(open_dataset(dataset), names)
    replace_label(other, "case_3", read_label(labels / "case_4.nii.gz"), tmp_path / "bin")
    before = (study / "study.json").read_bytes()
    with pytest.raises(InputError, match="was begun with dataset = .*here.data, now it is .*other"):
        run_study(other, study, CHOSEN, Silent())
    assert (study / "study.json").read_bytes() == before
    # Where the dataset lies where it lay, its owner has corrected it, and is told what that means.
    replace_label(dataset, "case_3", read_label(dataset / "labelsTr" / "case_4.nii.gz"), tmp_path / "bin")
    listener = Listener()
    run_study(dataset, study, CHOSEN, listener)
    assert listener.warnings == ["The case case_3 was changed since the study was last worked on."]
    again = Listener()
    run_study(dataset, study, CHOSEN, again)
    assert not again.warnings


# Single trainings


def interrupted(folder: Path) -> tuple[Path, Path, TrainingSettings]:
    """A fine-tuning of given splits, interrupted at step 11, all in one folder."""
    dataset, first, out = blobs(folder / "data"), folder / "models" / "first", folder / "models" / "tuned"
    train(dataset, first, TrainingSettings(epochs=1, iterations=2, **TINY), Silent())
    splits = folder / "my splits.json"
    write_splits(splits, read_splits(first / "splits_final.json"))
    chosen = TrainingSettings(epochs=2, iterations=10, validations=2, splits=splits, start_from=first, **TINY)
    with pytest.raises(Cancelled):
        train(dataset, out, chosen, Recorder(cancel_at=11))
    return dataset, out, chosen


def test_a_moved_training_goes_on_to_the_same_weights(tmp_path):
    here, there = tmp_path / "here", tmp_path / "there"
    _, _, chosen = interrupted(here)
    stayed = tmp_path / "stayed"
    train(here / "data", stayed, chosen, Silent())
    here.rename(there)
    going_on = replace(chosen, resume=True, splits=there / "my splits.json", start_from=there / "models" / "first")
    train(there / "data", there / "models" / "tuned", going_on, Silent())
    assert equal(there / "models" / "tuned", stayed) and not here.exists()


def test_a_moved_training_is_finished_with_the_files_on_the_same_way(tmp_path):
    here, there = tmp_path / "here", tmp_path / "there"
    interrupted(here)
    here.rename(there)
    model = load(train(there / "data", there / "models" / "tuned", TrainingSettings(finish=True), Silent()))
    assert model.training["finished_early"] and model.training["started_from"] == "first"
    assert not here.exists()


def test_files_that_hold_something_else_are_refused(tmp_path):
    dataset, out, chosen = interrupted(tmp_path / "here")
    resumed = replace(chosen, resume=True)
    others = tmp_path / "other.json"
    write_splits(others, read_splits(chosen.splits)[::-1])
    with pytest.raises(InputError, match="was begun with another splits than .*other.json holds"):
        train(dataset, out, replace(resumed, splits=others), Silent())
    train(dataset, tmp_path / "other", TrainingSettings(epochs=1, iterations=2, seed=1, **TINY), Silent())
    with pytest.raises(InputError, match="was begun with another start from than .*other holds"):
        train(dataset, out, replace(resumed, start_from=tmp_path / "other"), Silent())
    with pytest.raises(InputError, match="had splits = .*my splits.json, now it is None"):
        train(dataset, out, replace(resumed, splits=None), Silent())
    # A record of an engine that kept no digest is held by the path.
    record = read_json(out / "training.json")
    del record["start_from_weights"], record["ways"]
    write_json(out / "training.json", record)
    (tmp_path / "copy").mkdir()
    for file in ("model.json", "weights.safetensors"):
        (tmp_path / "copy" / file).write_bytes((chosen.start_from / file).read_bytes())
    with pytest.raises(InputError, match="was begun with another start from"):
        train(dataset, out, replace(resumed, start_from=tmp_path / "copy"), Silent())
    train(dataset, out, resumed, Silent())
    assert load(out).training["steps"] == 20


def test_a_plan_is_held_by_what_it_says(tmp_path):
    dataset, out = blobs(tmp_path / "data"), tmp_path / "run"
    train(dataset, tmp_path / "first", TrainingSettings(epochs=1, iterations=1, **TINY), Silent())
    plan = read_json(tmp_path / "first" / "training.json")["plan"]
    for name, value in (("mine", plan), ("same", plan), ("other", plan | {"batch": 1})):
        (tmp_path / f"{name}.json").write_text(json.dumps(value))
    assert read_plan(tmp_path / "other.json").batch == 1
    chosen = TrainingSettings(epochs=1, iterations=4, plan=tmp_path / "mine.json", workers=0, device="cpu")
    with pytest.raises(Cancelled):
        train(dataset, out, chosen, Recorder(cancel_at=1))
    with pytest.raises(InputError, match="was begun with another plan than .*other.json holds"):
        train(dataset, out, replace(chosen, resume=True, plan=tmp_path / "other.json"), Silent())
    train(dataset, out, replace(chosen, resume=True, plan=tmp_path / "same.json"), Silent())
    assert load(out).training["steps"] == 4


def test_a_path_is_found_where_it_was_or_on_the_same_way(tmp_path):
    folder, file = tmp_path / "a" / "study", tmp_path / "a" / "data" / "file"
    way = from_here(file, folder)
    assert way == "../data/file"
    assert found(file, way, folder) == file, "where neither is there, the path stays as it was"
    (tmp_path / "b" / "data").mkdir(parents=True)
    assert found(file, way, tmp_path / "b" / "study") == tmp_path / "b" / "data" / "file", (
        "what may still be made there"
    )
    file.parent.mkdir(parents=True)
    file.touch()
    assert found(file, way, tmp_path / "b" / "study") == file
    assert found(file, None, tmp_path / "b" / "study") == file
