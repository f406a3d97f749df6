"""Choosing ensembles: greedy selection against trying everything, the best few, and what may be compared."""

from __future__ import annotations

import itertools
import json
import shutil
from pathlib import Path

import numpy as np
import pytest
from studies_fakes import settings
from training_fakes import blobs

from lossseg.errors import InputError
from lossseg.images import read_label, read_volume
from lossseg.jobs.actions.ensemble import ACTION, EnsembleParams
from lossseg.model import load, load_ensemble
from lossseg.reporting import Silent
from lossseg.studies.candidates import candidates_of
from lossseg.studies.held_out import HeldOutCase, mean_dice, read_held_out
from lossseg.studies.selection import best, greedy
from lossseg.studies.study import run_study
from lossseg.training import TrainingSettings, train


def made_up(seed: int, candidates: int = 4, cases: int = 3, voxels: int = 40) -> list[HeldOutCase]:
    """Cases whose candidates are the reference under noise, each with another threshold."""
    rng = np.random.default_rng(seed)
    found = []
    for case in range(cases):
        reference = rng.random(voxels) < 0.3
        noise = rng.normal(0, 0.35, (candidates, voxels))
        probabilities = np.clip(0.3 + 0.4 * reference + noise, 0, 1).astype(np.float32)
        found.append(HeldOutCase(f"case_{case}", probabilities, reference, rng.uniform(0.4, 0.7, candidates)))
    return found


def dice_by_hand(case: HeldOutCase, counts) -> float:
    """The mean over a list in which every candidate stands as often as it was taken."""
    taken = [place for place, count in enumerate(counts) for _ in range(count)]
    predicted = np.mean(case.probabilities[taken].astype(float), 0) >= np.mean(case.thresholds[taken])
    both, total = (predicted & case.reference).sum(), predicted.sum() + case.reference.sum()
    return 2 * both / total if total else np.nan


@pytest.mark.parametrize("seed", range(5))
def test_every_round_of_greedy_selection_takes_the_best_candidate(seed):
    cases = made_up(seed)
    choice = greedy(cases, rounds=6)
    counts = np.zeros(4, int)
    for score in choice.path:
        tried = []
        for place in range(4):
            more = counts.copy()
            more[place] += 1
            tried.append(np.nanmean([dice_by_hand(case, more) for case in cases]))
        assert score == pytest.approx(max(tried))
        counts[int(np.argmax(tried))] += 1
    assert choice.score == max(choice.path)
    assert sum(choice.counts) == choice.path.index(choice.score) + 1
    assert mean_dice(cases, np.array(choice.counts)) == pytest.approx(choice.score)


@pytest.mark.parametrize("seed", range(5))
def test_greedy_selection_comes_near_the_best_of_all_ensembles(seed):
    """Never worse than the best single candidate, never better than the best of all multisets of up to four."""
    cases = made_up(seed, candidates=3)
    choice = greedy(cases, rounds=4)
    every = [counts for counts in itertools.product(range(5), repeat=3) if 1 <= sum(counts) <= 4]
    scores = {counts: np.nanmean([dice_by_hand(case, counts) for case in cases]) for counts in every}
    singles = [scores[tuple(int(i == place) for i in range(3))] for place in range(3)]
    assert max(singles) - 1e-12 <= choice.score <= max(scores.values()) + 1e-12
    assert scores[choice.counts] == pytest.approx(choice.score)


def test_replacement_lets_a_candidate_outweigh_another():
    """Three votes for the first, one for the second: no set without repetition is right everywhere."""
    reference = np.array([True, True, False])
    probabilities = np.array([[0.7, 0.45, 0.2], [0.0, 0.9, 0.2]], np.float32)
    cases = [HeldOutCase("a", probabilities, reference, np.array([0.5, 0.5]))]
    # Alone: one voxel each. 1 : 1 gives 0.35 and 0.675: one voxel. 2 : 1 gives 0.467, 3 : 1 gives 0.525 and 0.5625.
    choice = greedy(cases, rounds=8)
    assert choice.score == 1.0 and choice.counts == (3, 1)
    assert choice.path[0] == pytest.approx(2 / 3) and len(choice.path) == 8


def test_undefined_dice_is_left_out_and_said():
    empty = HeldOutCase("empty", np.zeros((2, 0), np.float32), np.zeros(0, bool), np.array([0.5, 0.5]))
    full = HeldOutCase("full", np.array([[0.9], [0.1]], np.float32), np.array([True]), np.array([0.5, 0.5]))
    assert np.isnan(empty.dice(np.array([1, 0])))
    assert mean_dice([empty, full], np.array([1, 0])) == 1.0
    assert greedy([empty, full], 3).counts == (1, 0)
    with pytest.raises(InputError, match="undefined for every held-out case"):
        greedy([empty], 3)
    with pytest.raises(InputError, match="rounds is 0"):
        greedy([full], 0)


# On the models of a study


@pytest.fixture(scope="module")
def study(tmp_path_factory) -> Path:
    """Three losses on two folds, just trained enough to differ."""
    root = tmp_path_factory.mktemp("Stüdies")
    chosen = settings("dice + ce", "ce", "iw(dice)", training={"iterations": 12, "optimizer": "adamw"})
    run_study(blobs(root / "data"), root / "study", chosen, Silent())
    return root / "study"


NAMES = ("dice_ce", "ce", "iw_dice")


def groups(study: Path, *names: str) -> dict[str, Path]:
    return {name: study / name for name in names or NAMES}


def ensemble(out: Path, **params) -> dict:
    return ACTION.run(EnsembleParams(out=out, **params), Silent())


def test_kept_voxels_give_the_dice_of_the_whole_volume(study):
    """The voxels left out can change nothing, whatever the weights."""
    candidates = candidates_of((), groups(study))
    data = json.loads((study / "study.json").read_text(encoding="utf-8"))["dataset"]
    cases = read_held_out(candidates, None, Silent())
    assert [case.name for case in cases] == [f"case_{index}" for index in range(6)]
    for weights in ((1, 0, 0), (1, 1, 1), (3, 1, 2)):
        share = np.array(weights) / sum(weights)
        for case in cases:
            paths = [study / name / "predictions" / f"{case.name}_probability.nii.gz" for name in NAMES]
            volumes = [read_volume(path).array.astype(float) for path in paths]
            points = [candidate.judge(case.name).operating_point for candidate in candidates]
            limit = sum(part * point.threshold for part, point in zip(share, points, strict=True))
            predicted = sum(part * volume for part, volume in zip(share, volumes, strict=True)) >= limit
            truth = read_label(Path(data) / "labelsTr" / f"{case.name}.nii.gz").array > 0
            total = predicted.sum() + truth.sum()
            whole = 2 * (predicted & truth).sum() / total if total else np.nan
            assert case.dice(np.array(weights)) == pytest.approx(whole, nan_ok=True)
    assert any(case.probabilities.shape[1] for case in cases)
    assert all(case.name not in candidates[0].judge(case.name).training["train"] for case in cases)


def test_greedy_members_have_their_counts_as_weights(study, tmp_path):
    summary = ensemble(tmp_path / "greedy.json", greedy=True, groups=groups(study))
    choice = greedy(read_held_out(candidates_of((), groups(study)), None, Silent()))
    assert [row["weight"] for row in summary["candidates"]] == list(choice.counts)
    assert summary["held_out"]["dice"] == pytest.approx(choice.score)
    assert summary["held_out"]["dice"] >= max(row["held_out_dice"] for row in summary["candidates"]) - 1e-12
    made = load_ensemble(tmp_path / "greedy.json")
    expected = [
        (study / name / f"fold_{fold}", float(count))
        for name, count in zip(NAMES, choice.counts, strict=True)
        if count
        for fold in (0, 1)
    ]
    assert [(member.model.folder.resolve(), member.weight) for member in made.members] == [
        (folder.resolve(), weight) for folder, weight in expected
    ]
    assert made.chosen.startswith("Greedy selection in ")


def test_model_folders_of_a_study_stand_for_their_losses(study, tmp_path):
    models = tuple(study / name / f"fold_{fold}" for fold in (0, 1) for name in NAMES)
    assert [candidate.name for candidate in candidates_of(models, {})] == list(NAMES)
    by_models = ensemble(tmp_path / "a.json", greedy=True, models=models)
    by_groups = ensemble(tmp_path / "b.json", greedy=True, groups=groups(study))
    assert by_models["candidates"] == by_groups["candidates"]


def test_the_best_have_the_highest_mean_score(study, tmp_path):
    means = {name: np.mean([load(study / name / f"fold_{fold}").scores["dice"] for fold in (0, 1)]) for name in NAMES}
    expected = sorted(NAMES, key=lambda name: -means[name])[:2]
    summary = ensemble(tmp_path / "best.json", best=2, groups=groups(study))
    assert {row["name"] for row in summary["candidates"] if row["weight"]} == set(expected)
    assert [row["score"] for row in summary["candidates"]] == pytest.approx([means[name] for name in NAMES])
    assert {member["weight"] for member in summary["members"]} == {1.0} and len(summary["members"]) == 4
    cases = read_held_out(candidates_of((), groups(study)), None, Silent())
    taken = np.array([row["weight"] for row in summary["candidates"]])
    assert summary["held_out"]["dice"] == pytest.approx(mean_dice(cases, taken))
    candidates = candidates_of((), groups(study))
    false = [candidate.score("false_positives") for candidate in candidates]
    assert best(candidates, 1, "false_positives") == [int(np.argmin(false))]


def test_single_models_of_one_fold_are_candidates(study, tmp_path):
    models = tuple(study / name / "fold_1" for name in NAMES)
    summary = ensemble(tmp_path / "one.json", greedy=True, models=models)
    assert [row["models"] for row in summary["candidates"]] == [1, 1, 1]
    assert summary["held_out"]["cases"] == 3
    asked_for_more = ensemble(tmp_path / "more.json", best=9, models=models)
    assert len(asked_for_more["members"]) == 3


def test_best_folds_say_that_they_have_no_honest_score(study, tmp_path):
    summary = ensemble(tmp_path / "folds.json", best_folds=True, groups=groups(study))
    assert summary["held_out"]["dice"] is None and "new cases" in summary["held_out"]["sentence"]


def test_models_without_kept_predictions_can_be_ranked_but_not_scored(study, tmp_path):
    for name in NAMES[:2]:
        shutil.copytree(study / name / "fold_0", tmp_path / name / "fold_0")
    apart = groups(tmp_path, *NAMES[:2])
    summary = ensemble(tmp_path / "best.json", best=1, groups=apart)
    assert summary["held_out"]["dice"] is None and "lies in no study" in summary["held_out"]["sentence"]
    assert [row["held_out_dice"] for row in summary["candidates"]] == [None, None]
    with pytest.raises(InputError, match="lies in no study"):
        ensemble(tmp_path / "greedy.json", greedy=True, groups=apart)
    data = Path(json.loads((study / "study.json").read_text(encoding="utf-8"))["dataset"])
    with pytest.raises(InputError, match="lacks the probability of the validation case"):
        ensemble(tmp_path / "greedy.json", greedy=True, groups=apart, references=data / "labelsTr")
    assert not (tmp_path / "greedy.json").exists()


@pytest.mark.parametrize(
    ("params", "sentence"),
    [
        (lambda study: {"best": 1, "greedy": True, "groups": groups(study)}, "--best and --greedy"),
        (lambda study: {"greedy": True, "groups": groups(study, "ce")}, "nothing to choose between"),
        (lambda study: {"greedy": True, "groups": groups(study, "ce", "none")}, "does not exist"),
        (lambda study: {"best": 1, "groups": groups(study), "score": "dize"}, "no validation score 'dize'"),
        (lambda study: {"best": 1, "groups": groups(study), "weights": (1.0,)}, "Weights were given"),
        (lambda study: {"groups": groups(study)}, "without a way to choose"),
        (
            lambda study: {"best": 1, "models": (study / "ce/fold_0", study / "dice_ce/fold_1")},
            "validated on different cases",
        ),
    ],
)
def test_bad_choices_are_named_and_nothing_is_written(study, tmp_path, params, sentence):
    with pytest.raises(InputError, match=sentence):
        ensemble(tmp_path / "e.json", **params(study))
    assert not list(tmp_path.iterdir())


def test_models_of_all_cases_cannot_be_ranked(study, tmp_path):
    data = Path(json.loads((study / "study.json").read_text(encoding="utf-8"))["dataset"])
    chosen = TrainingSettings(epochs=1, iterations=1, fold="all", plan=study / "plan.json", workers=0, device="cpu")
    blind = train(data, tmp_path / "blind", chosen, Silent())
    with pytest.raises(InputError, match="validated on no case"):
        ensemble(tmp_path / "e.json", best=1, models=(blind, study / "ce" / "fold_0"))
