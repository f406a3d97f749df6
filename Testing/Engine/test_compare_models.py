"""The new model against the old one: lesions aligned, false positives, and honesty about what was seen."""

from __future__ import annotations

import csv
import io
import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from inference_fakes import FakeModel, linear, model
from rich.console import Console
from training_fakes import TINY, blobs

from lossseg.cli.show import show
from lossseg.dataset import Dataset, add_case, create_dataset, open_dataset, shared_patients
from lossseg.errors import InputError
from lossseg.images import Geometry, Volume
from lossseg.inference import PredictSettings
from lossseg.jobs.actions.compare import CompareParams, run
from lossseg.jobs.typed import jsonable
from lossseg.model import Ensemble, Member
from lossseg.reporting import Silent
from lossseg.studies.old_new import compare_models, validation_cases
from lossseg.studies.old_new_files import write_old_new
from lossseg.training import TrainingSettings, train

SIZE = (12, 16, 20)
SETTINGS = PredictSettings(device="cpu", precision="full")
BACKGROUND, DIM, BRIGHT = 1.0, 5.0, 10.0


def box(z: int, y: int, x: int, n: int = 3) -> tuple[slice, slice, slice]:
    return slice(z, z + n), slice(y, y + n), slice(x, x + n)


@pytest.fixture
def dataset(tmp_path: Path) -> Dataset:
    """A: a dim and a bright lesion, and something bright that is none. B: no lesion, something dim. 2 mm slices."""
    folder = tmp_path / "data"
    create_dataset(folder, "Two kinds", ["MR"], {"background": 0, "lesion": 1})
    geometry = Geometry(SIZE, (2.0, 1.0, 1.0))
    image, label = np.full(SIZE, BACKGROUND, np.float32), np.zeros(SIZE, np.uint8)
    image[box(1, 1, 1)], image[box(7, 9, 14)], image[box(7, 1, 14)] = DIM, BRIGHT, BRIGHT
    label[box(1, 1, 1)] = label[box(7, 9, 14)] = 1
    add_case(folder, "A", [Volume(image, geometry)], Volume(label, geometry))
    image = np.full(SIZE, BACKGROUND, np.float32)
    image[box(4, 4, 4)] = DIM
    add_case(folder, "B", [Volume(image, geometry)], Volume(np.zeros(SIZE, np.uint8), geometry))
    return open_dataset(folder)


def above(threshold: float, name: str, **training) -> FakeModel:
    """Foreground where the image is brighter than `threshold`."""
    made = model(linear(4.0, -4.0 * threshold), spacing=(2.0, 1.0, 1.0), name=name)
    return replace(made, training={"train": [], "validation": [], "seen": []} | training)


def ensemble(*models: FakeModel) -> Ensemble:
    return Ensemble(models[0].name, tuple(Member(one) for one in models))


OLD = above(7.5, "old")
NEW = above(3.0, "new", validation=["A", "B"])


class Listen(Silent):
    def __init__(self) -> None:
        super().__init__()
        self.warnings: list[str] = []
        self.stages: list[tuple[str, int, int]] = []

    def warning(self, message: str, hint: str = "") -> None:
        self.warnings.append(message)

    def progress(self, stage: str, done: int, total: int, eta_s: float | None = None) -> None:
        self.stages.append((stage, done, total))


def test_each_lesion_is_judged_with_both(dataset):
    listener = Listen()
    result = compare_models(ensemble(OLD), ensemble(NEW), dataset, (), listener, SETTINGS)
    assert result.cases == ("A", "B")
    dim, bright = result.lesions
    assert (dim.case, dim.number, dim.old, dim.new) == ("A", 1, "missed", "found")
    assert (bright.number, bright.old, bright.new) == (2, "found", "found")
    assert (result.gained, result.lost) == (1, 0)
    # 27 voxels of 2 mm3; the middle of the box in x, y, z is (2, 2, 2) voxels, in RAS mm (-2, -2, 4).
    assert dim.volume_mm3 == 54.0 and dim.centroid_ras == pytest.approx((-2.0, -2.0, 4.0))
    assert np.isnan(dim.old_confidence) and dim.old_overlap == 0
    assert dim.new_confidence == pytest.approx(1 / (1 + np.exp(-8.0)), abs=1e-6) and dim.new_overlap == 1.0
    assert bright.old_confidence == pytest.approx(1 / (1 + np.exp(-10.0)), abs=1e-6)
    assert [(one.case, one.model) for one in result.false_positives] == [("A", "old"), ("A", "new"), ("B", "new")]
    assert result.measures["old"]["recall"] == 0.5 and result.measures["new"]["recall"] == 1.0
    assert result.measures["old"]["false_positives"] == 0.5 and result.measures["new"]["false_positives"] == 1.0
    # Dice in A: 2 * 27 / (54 + 54) for the old model, 2 * 54 / (54 + 81) for the new one; in B 0 or undefined.
    assert result.measures["old"]["dice"] == pytest.approx(0.5)
    assert ("compare", 2, 2) in listener.stages and listener.warnings == []
    assert result.seen_by_old == result.seen_by_new == ()


def test_what_is_lost_counts_too(dataset):
    result = compare_models(ensemble(NEW), ensemble(OLD), dataset, ("A",), Silent(), SETTINGS)
    assert (result.gained, result.lost, result.cases) == (0, 1, ("A",))


def test_seen_cases_are_marked_through_every_origin(dataset):
    old = above(7.5, "old", train=["B"])
    new = above(3.0, "new", train=["A"], seen=["B"], started_from="old")
    result = compare_models(ensemble(OLD, old), ensemble(new), dataset, ("B", "A"), Silent(), SETTINGS)
    assert result.cases == ("B", "A")
    assert result.seen_by_old == ("B",) and result.seen_by_new == ("B", "A")
    assert result.notes == ()


def test_another_case_of_a_patient_that_was_trained_on_is_seen(tmp_path):
    folder = tmp_path / "visits"
    create_dataset(folder, "Visits", ["MR"], {"background": 0, "lesion": 1})
    geometry = Geometry(SIZE, (2.0, 1.0, 1.0))
    names = ("PAT01_visit1", "PAT01_visit2", "PAT02_visit1", "PAT02_visit2", "PAT03_visit1")
    for name in names:
        image, label = np.full(SIZE, BACKGROUND, np.float32), np.zeros(SIZE, np.uint8)
        image[box(1, 1, 1)], label[box(1, 1, 1)] = BRIGHT, 1
        add_case(folder, name, [Volume(image, geometry)], Volume(label, geometry))
    dataset = open_dataset(folder)
    old = above(7.5, "old", train=["PAT01_visit1"], seen=["PAT03_visit0"])
    new = above(3.0, "new", train=["PAT02_visit1"], validation=["PAT02_visit2", "PAT03_visit1"])
    result = compare_models(ensemble(old), ensemble(new), dataset, names, Silent(), SETTINGS)
    assert result.seen_by_old == ("PAT01_visit1", "PAT01_visit2", "PAT03_visit1")
    assert result.seen_by_new == ("PAT02_visit1", "PAT02_visit2")
    # A validation case whose patient was trained on says little, as long as there are others.
    assert validation_cases(ensemble(new), dataset) == ("PAT03_visit1",)
    leaking = above(3.0, "new", train=["PAT02_visit1"], validation=["PAT02_visit2"])
    assert validation_cases(ensemble(leaking), dataset) == ("PAT02_visit2",)
    # Members of folds have seen each other's cases: the first of those that are left is taken.
    other = above(3.0, "other", train=["PAT03_visit1"], validation=["PAT01_visit2"])
    assert validation_cases(ensemble(new, other), dataset) == ("PAT01_visit2",)


def test_a_stem_that_all_cases_share_is_no_patient():
    names = [f"BraTS20_Training_{index:03d}" for index in range(4)]
    assert shared_patients(names, names[1:2]) == {names[1]}
    assert shared_patients(["sub-01_ses-1", "sub-01_ses-2"], ["sub-01_ses-9"]) == {"sub-01_ses-1", "sub-01_ses-2"}
    assert shared_patients(["PAINTED_01", "PAINTED_02"], ["PAINTED_02", "gone"]) == {"PAINTED_02"}
    assert shared_patients(names, []) == frozenset()


def test_a_model_that_does_not_say_what_it_saw_is_named(dataset):
    tuned = replace(NEW, training={"train": ["X"], "started_from": "first", "validation": ["A"]})
    foreign = replace(OLD, training={})
    listener = Listen()
    result = compare_models(ensemble(foreign), ensemble(tuned), dataset, (), listener, SETTINGS)
    assert result.notes == (
        "old does not say which cases it was trained on.",
        "new does not say which cases first, its origin, was trained on.",
    )
    assert listener.warnings == list(result.notes)


def test_an_ensemble_is_compared_where_all_members_were_validated(dataset):
    both = above(3.0, "one", validation=["A", "B"]), above(3.0, "two", validation=["B"])
    assert validation_cases(ensemble(*both), dataset) == ("B",)
    folds = above(3.0, "one", validation=["A"]), above(3.0, "two", validation=["B", "gone"])
    assert validation_cases(ensemble(*folds), dataset) == ("A", "B")
    with pytest.raises(InputError, match="was validated on no case"):
        validation_cases(ensemble(above(3.0, "one", validation=["gone"])), dataset)


def test_models_of_another_task_and_unknown_cases_are_refused(dataset):
    other = model(linear(1.0), labels={"background": 0, "nodule": 1}, name="other")
    with pytest.raises(InputError, match="other has the labels background, nodule"):
        compare_models(ensemble(OLD), ensemble(other), dataset, ("A",), Silent(), SETTINGS)
    ct = model(linear(1.0), channels=("CT",), name="ct")
    with pytest.raises(InputError, match="ct has the channels CT"):
        compare_models(ensemble(ct), ensemble(NEW), dataset, ("A",), Silent(), SETTINGS)
    with pytest.raises(InputError, match="no annotated case AA"):
        compare_models(ensemble(OLD), ensemble(NEW), dataset, ("AA",), Silent(), SETTINGS)


def test_the_comparison_is_written(dataset, tmp_path):
    result = compare_models(ensemble(OLD), ensemble(NEW), dataset, (), Silent(), SETTINGS)
    table, everything = write_old_new(tmp_path / "out", result)
    rows = list(csv.DictReader(io.StringIO(table.read_text(encoding="utf-8"))))
    assert [(row["case"], row["kind"], row["old"], row["new"]) for row in rows] == [
        ("A", "lesion", "missed", "found"),
        ("A", "lesion", "found", "found"),
        ("A", "false_positive", "false_positive", ""),
        ("A", "false_positive", "", "false_positive"),
        ("B", "false_positive", "", "false_positive"),
    ]
    assert (rows[0]["volume_mm3"], rows[0]["old_confidence"], rows[0]["new_overlap"]) == ("54.000", "n/a", "1.000")
    assert (rows[0]["r_mm"], rows[0]["s_mm"]) == ("-2.00", "4.00")
    content = json.loads(everything.read_text(encoding="utf-8"))
    assert set(content) >= {"cases", "seen_by_old", "seen_by_new", "lesions", "false_positives", "measures"}
    assert (content["gained"], content["lost"]) == (1, 0)
    assert content["lesions"][0]["old_confidence"] is None
    assert content["measures"]["old"].keys() == content["measures"]["new"].keys()


def test_the_job_compares_trained_models(tmp_path):
    data = blobs(tmp_path / "data")
    settings = TrainingSettings(epochs=1, iterations=2, folds=3, **TINY)
    first = train(data, tmp_path / "first", settings, Silent())
    second = train(data, tmp_path / "second", replace(settings, start_from=first, fold=1), Silent())
    summary = run(CompareParams(first, second, data, tmp_path / "out", device="cpu"), Silent())
    # The second was validated on what the first was trained on, and so has seen it.
    assert len(summary["cases"]) == 2
    assert summary["seen_by_old"] == summary["seen_by_new"] == summary["cases"]
    assert json.loads((tmp_path / "out" / "compare.json").read_text(encoding="utf-8"))["cases"] == summary["cases"]
    told = io.StringIO()
    show("compare", jsonable(summary), Console(file=told, soft_wrap=True))
    assert "in 2 cases" in told.getvalue() and "was trained on 2 of 2 cases" in told.getvalue()
