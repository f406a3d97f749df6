"""Which volume to correct next: what is left out, how the rest is ranked, and what is said when none is left."""

from __future__ import annotations

import io
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from inference_fakes import linear, model
from rich.console import Console

from lossseg import networks
from lossseg.cli.show import show
from lossseg.dataset import CaseRegister, CaseState, add_case, create_dataset, remove_case
from lossseg.errors import InputError
from lossseg.evaluation.listed import ListedProbability
from lossseg.images import Geometry, Volume, write_volume
from lossseg.inference import Prediction, PredictSettings
from lossseg.jobs.actions.next_case import NextCaseParams, run
from lossseg.jobs.typed import jsonable
from lossseg.model import Ensemble, Member, save
from lossseg.preprocessing import ChannelKind, ChannelScheme, Plan
from lossseg.reporting import Silent
from lossseg.studies.next_case import By, disagreement_of, next_case

SIZE = (8, 10, 12)
GEOMETRY = Geometry(SIZE, (1.0, 1.0, 1.0))
SETTINGS = PredictSettings(device="cpu", precision="full")
# The one sees what is brighter than 3, the other what is brighter than 7.5.
LOW, HIGH = (model(linear(4.0, -4.0 * at), name=f"above {at}") for at in (3.0, 7.5))
BOTH = Ensemble("both", (Member(LOW), Member(HIGH)))
ONE = Ensemble("one", (Member(LOW),))


def image(*spots: float) -> np.ndarray:
    """Background 1 with cubes of 27 voxels of these values."""
    array = np.ones(SIZE, np.float32)
    for place, value in enumerate(spots):
        array[1:4, 1:4, 4 * place : 4 * place + 3] = value
    return array


@pytest.fixture
def images(tmp_path: Path) -> Path:
    """agreed: two bright spots. doubtful: one dim spot. empty: none. mixed: one of each, and a bright one."""
    folder = tmp_path / "unlabelled"
    for name, spots in {"agreed": (10, 10), "doubtful": (5,), "empty": (), "mixed": (10, 5, 10)}.items():
        write_volume(folder / f"{name}_0000.nii.gz", image(*spots), GEOMETRY)
    return folder


@pytest.fixture
def study(tmp_path: Path) -> Path:
    create_dataset(tmp_path / "study" / "dataset", "study", ["MR"], {"background": 0, "lesion": 1})
    return tmp_path / "study"


def annotate(study: Path, *names: str) -> None:
    for name in names:
        label = Volume(np.zeros(SIZE, np.uint8), GEOMETRY)
        add_case(study / "dataset", name, [Volume(image(10), GEOMETRY)], label)


def order(found) -> list[str]:
    return [candidate.case for candidate in found.ranking]


def test_disagreement_comes_first(images):
    found = next_case(BOTH, images, None, By.DISAGREEMENT, Silent(), settings=SETTINGS)
    assert order(found)[:2] == ["doubtful", "mixed"] and found.left == 4
    scores = {candidate.case: candidate.score for candidate in found.ranking}
    # One of two members sees 27 voxels: mean and deviation 0.5 in each.
    assert scores["doubtful"] == pytest.approx(13.5 / (13.5 + 11), abs=1e-3)
    # Three spots of 27 voxels, one of which is doubtful.
    assert scores["mixed"] == pytest.approx(13.5 / (13.5 + 54 + 11), abs=1e-3)
    assert scores["agreed"] < 0.001 and scores["empty"] == 0
    assert found.next.channels == (images / "doubtful_0000.nii.gz",)
    assert found.sentence == "Correct doubtful next: the models of both disagree most on it. 3 more are left after it."
    assert (found.next.lesions, found.next.disagreement) == (0, found.next.score)


def test_many_predicted_lesions_come_first(images):
    found = next_case(ONE, images, None, By.LESIONS, Silent(), settings=SETTINGS)
    assert [(one.case, one.lesions) for one in found.ranking[:3]] == [("mixed", 3), ("agreed", 2), ("doubtful", 1)]
    assert found.next.disagreement is None and found.next.score == 3.0
    assert "sees the most lesions in it (3)" in found.sentence


def test_a_random_choice_is_repeatable_and_stays_for_the_rest(images, study):
    found = next_case(ONE, images, None, By.RANDOM, Silent(), seed=3)
    assert sorted(order(found)) == ["agreed", "doubtful", "empty", "mixed"]
    assert order(next_case(ONE, images, None, By.RANDOM, Silent(), seed=3)) == order(found)
    assert len({tuple(order(next_case(ONE, images, None, By.RANDOM, Silent(), seed=n))) for n in range(8)}) > 3
    annotate(study, order(found)[0])
    after = next_case(ONE, images, study / "dataset", By.RANDOM, Silent(), seed=3)
    assert order(after) == order(found)[1:]
    assert found.next.lesions is None and "drawn at random" in found.sentence


def test_annotated_cases_are_left_out_by_name_and_by_origin(images, study):
    annotate(study, "mixed", "patient 7")
    origin = str((images / "agreed_0000.nii.gz").resolve())
    CaseRegister.read(study).with_added("patient 7", origin=origin, by="Ana").write()
    found = next_case(ONE, images, study / "dataset", By.LESIONS, Silent(), settings=SETTINGS)
    assert order(found) == ["doubtful", "empty"]
    remove_case(study / "dataset", "mixed", study / "bin")
    CaseRegister.read(study).with_change("mixed", "removed", by="Ana", state=CaseState.REMOVED).write()
    found = next_case(ONE, images, study / "dataset", By.LESIONS, Silent(), settings=SETTINGS)
    assert order(found)[0] == "mixed"


def test_any_dataset_folder_will_do(images, study, tmp_path):
    annotate(study, "mixed")
    elsewhere = (study / "dataset").rename(tmp_path / "Dataset007_Other")
    found = next_case(ONE, images, elsewhere, By.RANDOM, Silent())
    assert sorted(order(found)) == ["agreed", "doubtful", "empty"]
    with pytest.raises(InputError, match=r"no dataset\.json"):
        next_case(ONE, images, tmp_path / "unlabelled", By.RANDOM, Silent())


def test_none_left_is_said_plainly(images, study):
    annotate(study, "agreed", "doubtful", "empty", "mixed")
    for by in By:
        found = next_case(BOTH, images, study / "dataset", by, Silent(), settings=SETTINGS)
        assert found.next is None and found.ranking == () and found.left == 0
        assert found.sentence == f"No volume in {images} is left to correct: all 4 are in the training set."
    assert found.to_json()["next"] is None


def test_a_limit_draws_the_volumes_that_are_segmented(images):
    found = next_case(ONE, images, None, By.LESIONS, Silent(), seed=1, limit=2, settings=SETTINGS)
    drawn = order(next_case(ONE, images, None, By.RANDOM, Silent(), seed=1))[:2]
    assert sorted(order(found)) == sorted(drawn) and found.left == 4
    assert "3 more are left after it, 1 of which were looked at." in found.sentence


def test_one_model_cannot_disagree(images):
    with pytest.raises(InputError, match="has no other to disagree with") as error:
        next_case(ONE, images, None, By.DISAGREEMENT, Silent())
    assert "ensemble" in error.value.hint


def test_a_volume_that_cannot_be_read_does_not_stop_the_others(images):
    (images / "mixed_0000.nii.gz").write_bytes(b"no image")
    found = next_case(ONE, images, None, By.LESIONS, Silent(), settings=SETTINGS)
    assert order(found)[0] == "agreed" and list(found.failures) == ["mixed"]
    for file in images.iterdir():
        file.write_bytes(b"no image")
    with pytest.raises(InputError, match="No volume in .* could be segmented"):
        next_case(ONE, images, None, By.LESIONS, Silent(), settings=SETTINGS)


def test_disagreement_does_not_grow_with_faint_noise_or_size():
    def prediction(mean: np.ndarray, deviation: np.ndarray) -> Prediction:
        geometry, nowhere = Geometry(mean.shape, (1.0, 1.0, 1.0)), ListedProbability.of(mean.shape, [], [])
        return Prediction(np.zeros(mean.shape, np.uint8), geometry, nowhere, mean, deviation)

    noise = np.full((20, 20, 20), 0.04, np.float32)
    assert disagreement_of(prediction(noise, noise)) == 0.0
    half = np.full((20, 20, 20), 0.5, np.float32)
    assert disagreement_of(prediction(half, half)) == pytest.approx(4000 / 4011)
    assert disagreement_of(prediction(half[:10], half[:10])) == pytest.approx(2000 / 2011)


def test_the_job_answers_with_a_ranking(images, study, tmp_path):
    folder = _saved(tmp_path / "model")
    params = NextCaseParams(folder, images, study / "dataset", by="random", limit=3, device="cpu")
    summary = jsonable(run(params, Silent()))
    assert summary["by"] == "random" and len(summary["ranking"]) == 3
    assert summary["next"] == summary["ranking"][0] and summary["next"]["channels"][0].endswith("_0000.nii.gz")
    assert summary["next"].keys() == {"case", "channels", "score", "lesions", "disagreement"}
    # Without a word one model goes by lesions.
    told = io.StringIO()
    answer = jsonable(run(replace(params, by=None), Silent()))
    show("next_case", answer, Console(file=told, soft_wrap=True))
    assert answer["by"] == "lesions" and told.getvalue().startswith("Correct ")


def _saved(folder: Path) -> Path:
    """A small network with random weights."""
    network = {
        "name": "DynUNet",
        "in_channels": 1,
        "out_channels": 2,
        "kernels": [[3, 3, 3]] * 3,
        "strides": [[1, 1, 1], [2, 2, 2], [2, 2, 2]],
        "filters": [4, 4, 4],
        "deep_supervision": True,
    }
    torch.manual_seed(0)
    scheme = ChannelScheme("MR", ChannelKind.NONE)
    plan = Plan((scheme,), (1.0, 1.0, 1.0), (8, 8, 8), 2, {"background": 0, "lesion": 1}, network)
    weights = networks.build(network).state_dict()
    save(folder, plan=plan, weights=weights, loss="dice", training={}, scores={})
    return folder
