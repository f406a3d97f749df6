"""A study folder that was moved or renamed: what its runs are continued with lies in it, wherever it is now."""

import json

import pytest


@pytest.fixture
def run(module, tmp_path):
    """Writes the job of a run, moves the study, and returns the run's folder in its new place."""

    def make(kind, **parameters):
        folder = tmp_path / "old" / "study" / "runs" / f"20260101-120000-{kind}"
        folder.mkdir(parents=True)
        given = {name: str(value) if hasattr(value, "parts") else value for name, value in parameters.items()}
        (folder / "job.json").write_text(json.dumps({"job": kind, "params": given}))
        (tmp_path / "new").mkdir()
        (tmp_path / "old" / "study").rename(tmp_path / "new" / "renamed")
        return tmp_path / "new" / "renamed" / "runs" / folder.name

    return make


def test_a_training_goes_on_in_the_moved_study(run, tmp_path):
    from SlicerLossSegLib.training_run import TrainingRun

    old, new = tmp_path / "old" / "study", tmp_path / "new" / "renamed"
    name = "20260101-120000-train"
    folder = run(
        "train",
        dataset=old / "dataset",
        out=old / "runs" / name / "model",
        splits=old / "runs" / name / "splits.json",
        cache=old / "cache",
        start_from=tmp_path / "elsewhere" / "model",
        loss="dice + ce",
        epochs=3,
    )
    (folder / "run.json").write_text(
        json.dumps(
            {
                "started": "2026-01-01T12:00:00+00:00",
                "loss": "dice + ce",
                "cases": ["a"],
                "rival": str(old / "models" / "first"),
                "decision": "open",
                "ended": False,
            }
        )
    )
    (folder / "model").mkdir()
    (folder / "model" / "training.json").write_text("{}")
    training = TrainingRun.read(folder)
    assert training.rival == new / "models" / "first"
    resumed = training.resumed(finish=False)
    assert resumed == {
        "dataset": str(new / "dataset"),
        "out": str(folder / "model"),
        "splits": str(folder / "splits.json"),
        "cache": str(new / "cache"),
        "start_from": str(tmp_path / "elsewhere" / "model"),
        "loss": "dice + ce",
        "epochs": 3,
        "finish": False,
        "resume": True,
    }


def test_an_experiment_goes_on_in_the_moved_study(run, tmp_path):
    from lossseg.errors import InputError
    from SlicerLossSegLib.experiment import Experiment

    old, new = tmp_path / "old" / "study", tmp_path / "new" / "renamed"
    folder = run("study", dataset=old / "dataset", out=old / "runs" / "20260101-120000-study" / "study", losses=["ce"])
    parameters = Experiment(folder).parameters
    assert parameters == {
        "dataset": str(new / "dataset"),
        "out": str(folder / "study"),
        "losses": ["ce"],
    }
    (folder / "job.json").write_text("{}")
    with pytest.raises(InputError, match="job.json is damaged"):
        assert Experiment(folder).parameters
