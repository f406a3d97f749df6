"""The model folder and the ensemble file: portable, safe, and clear about what is wrong."""

from __future__ import annotations

import json
import pickle
import shutil
from pathlib import Path

import pytest
import torch

from lossseg import networks
from lossseg.errors import InputError
from lossseg.model import load, load_any, load_ensemble, save, save_ensemble
from lossseg.preprocessing import ChannelKind, ChannelScheme, Plan
from lossseg.studies.best_folds import best_folds

NETWORK = {
    "name": "DynUNet",
    "in_channels": 1,
    "out_channels": 2,
    "kernels": [[3, 3, 3]] * 3,
    "strides": [[1, 1, 1], [2, 2, 2], [2, 2, 2]],
    "filters": [4, 8, 8],
    "deep_supervision": False,
}


def make(folder: Path, *, channel: str = "MR", labels=None, scores=None, validation=("a",)) -> Path:
    plan = Plan(
        (ChannelScheme(channel, ChannelKind.ZSCORE),),
        (1.0, 1.0, 1.0),
        (16, 16, 16),
        2,
        labels or {"background": 0, "lesion": 1},
        NETWORK,
    )
    torch.manual_seed(4)
    weights = networks.build(NETWORK).state_dict()
    record = {"validation": list(validation)}
    save(folder, plan=plan, weights=weights, loss="dice + ce", training=record, scores=scores or {"dice": 0.5})
    return folder


def test_a_model_survives_its_folder(tmp_path):
    model = load(make(tmp_path / "modèle un", scores={"dice": 0.25, "recall": float("nan")}))
    assert model.scores == {"dice": 0.25, "recall": None}
    assert model.channels == ("MR",) and model.loss == "dice + ce"
    torch.manual_seed(4)
    expected = networks.build(NETWORK).state_dict()
    network = model.network()
    assert not network.training
    for name, value in network.state_dict().items():
        assert torch.equal(value, expected[name])


def test_a_model_is_never_overwritten(tmp_path):
    make(tmp_path / "m")
    with pytest.raises(InputError, match="already holds a model"):
        make(tmp_path / "m")


def test_a_newer_format_is_refused(tmp_path):
    card = make(tmp_path / "m") / "model.json"
    card.write_text(json.dumps(json.loads(card.read_text(encoding="utf-8")) | {"format": 99}))
    with pytest.raises(InputError, match="format 99"):
        load(tmp_path / "m")


def test_weights_that_are_a_pickle_are_not_executed(tmp_path):
    class Trap:
        def __reduce__(self):
            return (Path.touch, (tmp_path / "executed",))

    folder = make(tmp_path / "m")
    (folder / "weights.safetensors").write_bytes(pickle.dumps(Trap()))
    with pytest.raises(InputError, match=r"weights\.safetensors is damaged"):
        load(folder).network()
    assert not (tmp_path / "executed").exists()


def test_truncated_weights_and_a_missing_card_are_named(tmp_path):
    folder = make(tmp_path / "m")
    path = folder / "weights.safetensors"
    path.write_bytes(path.read_bytes()[:-50])
    with pytest.raises(InputError, match="damaged"):
        load(folder).network()
    (folder / "model.json").unlink()
    with pytest.raises(InputError, match=r"holds no model\.json"):
        load(folder)


def test_weights_of_another_network_are_refused(tmp_path):
    folder = make(tmp_path / "m")
    card = json.loads((folder / "model.json").read_text(encoding="utf-8"))
    card["plan"]["network"]["filters"] = [4, 8, 16]
    (folder / "model.json").write_text(json.dumps(card))
    with pytest.raises(InputError, match="does not fit the network"):
        load(folder).network()


def test_an_ensemble_can_be_moved(tmp_path):
    study = tmp_path / "study"
    members = [make(study / "models" / name) for name in ("one", "two")]
    save_ensemble(study / "ensembles" / "both.json", members, weights=[1, 3], chosen="by hand")
    shutil.move(study, tmp_path / "elsewhere")
    ensemble = load_ensemble(tmp_path / "elsewhere" / "ensembles" / "both.json")
    assert [member.model.name for member in ensemble.members] == ["one", "two"]
    assert [member.weight for member in ensemble.members] == [1.0, 3.0]
    assert ensemble.chosen == "by hand"


def test_members_must_fit_together(tmp_path):
    one, ct = make(tmp_path / "mr"), make(tmp_path / "ct", channel="CT")
    with pytest.raises(InputError, match="has the channels CT"):
        save_ensemble(tmp_path / "e.json", [one, ct])
    other = make(tmp_path / "other", labels={"background": 0, "nodule": 1})
    with pytest.raises(InputError, match="has the labels background, nodule"):
        save_ensemble(tmp_path / "e.json", [one, other])
    with pytest.raises(InputError, match="weight -1"):
        save_ensemble(tmp_path / "e.json", [one], weights=[-1])
    assert not (tmp_path / "e.json").exists()


def test_a_model_folder_is_an_ensemble_of_one(tmp_path):
    ensemble = load_any(make(tmp_path / "m"))
    assert len(ensemble.members) == 1 and ensemble.labels == {"background": 0, "lesion": 1}
    with pytest.raises(InputError, match="does not exist"):
        load_any(tmp_path / "nothing")


def test_best_folds_takes_the_winner_of_each_fold_as_the_adam_paper(tmp_path):
    # Table 1 of Ma 2020.
    ce = [0.4370, 0.5476, 0.5108, 0.6173, 0.4404]
    topk = [0.4921, 0.4888, 0.4926, 0.5998, 0.5240]
    groups = {
        name: [
            make(tmp_path / name / f"fold_{i}", scores={"dice": s}, validation=[f"case {i}"])
            for i, s in enumerate(values)
        ]
        for name, values in (("ce", ce), ("topk", topk))
    }
    table = best_folds(groups)
    assert table.winners == (1, 0, 0, 0, 1)
    best = [row[winner] for row, winner in zip(table.values, table.winners, strict=True)]
    assert sum(best) / 5 == pytest.approx(0.5384, abs=5e-5)
    assert [member.name for member in table.members] == [f"fold_{i}" for i in range(5)]


def test_best_folds_refuses_groups_that_do_not_compare(tmp_path):
    a = make(tmp_path / "a" / "fold_0", validation=["x"])
    b = make(tmp_path / "b" / "fold_0", validation=["y"])
    with pytest.raises(InputError, match="validated on different cases"):
        best_folds({"a": [a], "b": [b]})
    with pytest.raises(InputError, match="differ in their number of folds"):
        best_folds({"a": [a], "b": [b, b]})
    with pytest.raises(InputError, match="no validation score 'f9'"):
        best_folds({"a": [a]}, score="f9")
