"""nnU-Net's label "ignore": its voxels teach nothing, are no lesions, and are not judged."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
import torch
from inference_fakes import linear, model
from training_fakes import SIZE, TINY

from lossseg.dataset import add_case, check_case, create_dataset, open_dataset, replace_label
from lossseg.errors import InputError
from lossseg.evaluation.learning_curves import read_history
from lossseg.images import Geometry, Volume, write_volume
from lossseg.inference import PredictSettings
from lossseg.jobs.actions.evaluate import EvaluateParams
from lossseg.jobs.actions.evaluate import run as evaluate
from lossseg.model import Ensemble, Member, load
from lossseg.preprocessing import PlanSettings, counted, fingerprint, plan_dataset, prepare_dataset
from lossseg.reporting import Silent
from lossseg.studies.old_new import compare_models
from lossseg.training import TrainingSettings, train
from lossseg.training import run as runs
from lossseg.training.validation import Validator

GEOMETRY = Geometry(SIZE, (1.0, 1.0, 1.0))
LABELS = {"background": 0, "lesion": 1, "ignore": 2}
UNKNOWN = (slice(0, 20), slice(12, 24), slice(0, 24))


def case(seed: int, ignored: int = 2) -> tuple[np.ndarray, np.ndarray]:
    """A bright lesion, and a half that nobody looked at, in which there is another bright thing."""
    image = np.random.default_rng(seed).normal(100, 5, SIZE).astype(np.float32)
    label = np.zeros(SIZE, np.uint8)
    label[UNKNOWN] = ignored
    label[4:9, 3:8, 4:9] = 1
    image[4:9, 3:8, 4:9] += 80
    image[10:15, 15:20, 12:17] += 80
    return image, label


def write(folder: Path, labels: dict[str, int], ignored: int = 2) -> Path:
    create_dataset(folder, "Half annotated", ("MR",), labels)
    for seed in range(2):
        image, label = case(seed, ignored)
        add_case(folder, f"P{seed}", [Volume(image, GEOMETRY)], Volume(label, GEOMETRY))
    return folder


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return write(tmp_path / "data", LABELS)


def test_the_description_keeps_it_apart_from_the_classes(folder):
    dataset = open_dataset(folder)
    assert dataset.labels == {"background": 0, "lesion": 1} and dataset.ignore == 2
    assert dataset.foreground == {"lesion": 1} and dataset.values == LABELS
    content = json.loads((folder / "dataset.json").read_text(encoding="utf-8"))
    assert content["labels"] == LABELS and content["numTraining"] == 2
    assert check_case(dataset.cases[0], dataset).foreground_voxels == {"lesion": 125}
    replace_label(folder, "P0", Volume(case(0)[1], GEOMETRY), folder.parent / "bin")
    with pytest.raises(InputError, match="label 3"):
        replace_label(folder, "P0", Volume(case(0, 3)[1], GEOMETRY), folder.parent / "bin")


def test_without_it_the_value_is_still_an_error(tmp_path):
    folder = write(tmp_path / "data", {"background": 0, "lesion": 1}, ignored=0)
    write_volume(folder / "labelsTr" / "P0.nii.gz", case(0)[1], GEOMETRY)
    dataset = open_dataset(folder)
    plan = plan_dataset(dataset, PlanSettings(memory_gb=2, filters=(4, 8, 8), patch=(16, 16, 16), batch=2))[1]
    with pytest.raises(InputError, match="holds label 2"):
        prepare_dataset(dataset, plan, tmp_path / "cache")


def test_it_is_no_lesion_for_the_plan_and_the_sampler(folder, tmp_path):
    dataset = open_dataset(folder)
    facts = fingerprint(dataset)
    assert facts.lesions_mm3.tolist() == [125.0, 125.0]
    assert facts.foreground == pytest.approx(125 / np.prod(SIZE))
    plan = plan_dataset(dataset, PlanSettings(memory_gb=2, filters=(4, 8, 8), patch=(16, 16, 16), batch=2))[1]
    assert plan.classes == 2
    cached = prepare_dataset(dataset, plan, tmp_path / "cache")["P0"]
    assert cached.lesions == 1
    assert (cached.label().ravel()[cached.lesion_voxels(0)] == 1).all()
    assert np.count_nonzero(cached.label() == 2) == 20 * 12 * 24
    kept = counted(np.asarray(cached.label()), plan.classes)
    assert np.unique(kept).tolist() == [0, 1] and kept.dtype == cached.label().dtype


@pytest.mark.parametrize("expression", ["dice + ce", "iw(dice) + boundary", "cc(dice)"])
def test_its_voxels_teach_nothing(folder, tmp_path, monkeypatch, expression):
    """What the network says of the voxels to ignore changes no loss of a training step."""
    build, steps = runs.losses.build, []

    def watched(*arguments, **options):
        loss = build(*arguments, **options)
        loss.register_forward_hook(lambda _, given, value: steps.append((*given, float(value.detach()))))
        return loss

    monkeypatch.setattr(runs.losses, "build", watched)
    train(
        folder, tmp_path / "run", TrainingSettings(loss=expression, epochs=1, iterations=3, folds=2, **TINY), Silent()
    )
    full = [(logits, target, maps, value) for logits, target, maps, value in steps if (target == 2).any()]
    assert len(full) >= 3
    loss = build(expression, classes=2)
    loss.ignore, loss.spacing = 2, (1.0, 1.0, 1.0)
    for logits, target, maps, value in full:
        there = (target == 2) * torch.tensor([-9.0, 9.0]).reshape(1, 2, 1, 1, 1)
        assert float(loss(logits.detach() + there, target, maps)) == pytest.approx(value, rel=1e-4)
        seen = (target == 1) * torch.tensor([-9.0, 9.0]).reshape(1, 2, 1, 1, 1)
        if (target == 1).any():
            assert float(loss(logits.detach() + seen, target, maps)) < value


def test_validation_does_not_judge_them(folder, tmp_path):
    dataset = open_dataset(folder)
    plan = plan_dataset(dataset, PlanSettings(memory_gb=2, filters=(4, 8, 8), patch=(16, 16, 16), batch=2))[1]
    cases = prepare_dataset(dataset, plan, tmp_path / "cache")
    validator = Validator([cases["P0"], cases["P1"]], plan, torch.device("cpu"), None)
    # Bright is foreground, in the ignored half too.
    scores = validator.scores(linear(8.0, -16.0))
    assert scores.recall == 1.0 and scores.false_positives == 0.0
    assert scores.dice > 0.95


def test_a_comparison_does_not_judge_them(folder):
    net = model(linear(1.0, -140.0), name="bright")
    both = Ensemble("bright", (Member(net),))
    settings = PredictSettings(device="cpu", precision="full")
    result = compare_models(both, both, open_dataset(folder), ("P0",), Silent(), settings)
    assert [(pair.old, pair.new) for pair in result.lesions] == [("found", "found")]
    assert result.false_positives == ()


def test_evaluation_takes_it_from_the_dataset(folder, tmp_path):
    for seed in range(2):
        prediction = (case(seed)[0] > 140).astype(np.uint8)
        write_volume(tmp_path / "predicted" / f"P{seed}.nii.gz", prediction, GEOMETRY)
    params = EvaluateParams(tmp_path / "predicted", folder / "labelsTr", out=tmp_path / "out", workers=0, pictures=0)
    evaluate(params, Silent())
    rows = (tmp_path / "out" / "lesions.csv").read_text(encoding="utf-8")
    assert rows.count(",found,") == 2 and "false_positive" not in rows


def test_training_learns_beside_them(folder, tmp_path):
    settings = TrainingSettings(epochs=3, iterations=60, folds=2, seed=1, validations=1, **TINY)
    out = train(folder, tmp_path / "run", settings, Silent())
    assert load(out).labels == {"background": 0, "lesion": 1}
    assert load(out).scores["recall"] == 1.0
    (loss,) = [course for course in read_history(out) if course.name == "loss"]
    assert loss.values[-1] < 0.6 * loss.values[0]
