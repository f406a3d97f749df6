"""Every network of the catalogue through the real training, its model folder, and prediction by windows."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from training_fakes import TINY, Recorder, blobs

from lossseg import networks
from lossseg.cli.app import make_app
from lossseg.dataset import Case, add_case, create_dataset
from lossseg.errors import Cancelled, InputError
from lossseg.files import read_json
from lossseg.images import Geometry, Volume, read_label, write_volume
from lossseg.inference import PredictSettings, predict_cases
from lossseg.inference.sliding_window import place_windows, sliding_logits
from lossseg.model import Ensemble, Member, load, save
from lossseg.networks.catalogue import NETWORKS
from lossseg.networks.planning import Design, plan_network
from lossseg.preprocessing import ChannelKind, ChannelScheme, Plan, read_plan
from lossseg.reporting import Silent
from lossseg.training import TrainingSettings, train

AXES = (1.0, 0.0, 0.0, 0.0, 1.0, 0.0, 0.0, 0.0, 1.0)
SHORT = TINY | {"epochs": 1, "iterations": 2, "validations": 1}


def thick_slices(folder: Path) -> Path:
    """Four volumes of two channels and two classes of lesions in slices of 4 mm."""
    create_dataset(folder, "Thick", ("T1", "T2"), {"background": 0, "core": 1, "rim": 2})
    rng = np.random.default_rng(5)
    size = (10, 28, 24)
    geometry = Geometry(size, (4.0, 1.0, 1.0), (0.0, 0.0, 0.0), AXES)
    for index in range(4):
        label = np.zeros(size, np.uint8)
        z, y, x = (int(rng.integers(1, n - 7)) for n in size)
        label[z : z + 3, y : y + 6, x : x + 6] = 2
        label[z + 1, y + 2 : y + 4, x + 2 : x + 4] = 1
        channels = [
            rng.normal(100, 10, size).astype(np.float32) + weight * label.astype(np.float32) for weight in (20, -15)
        ]
        add_case(folder, f"case_{index}", [Volume(c, geometry) for c in channels], Volume(label, geometry))
    return folder


@pytest.fixture(scope="module")
def dataset(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return blobs(tmp_path_factory.mktemp("data") / "blobs")


@pytest.fixture(scope="module")
def thick(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return thick_slices(tmp_path_factory.mktemp("data") / "thick")


@pytest.mark.parametrize("name", NETWORKS)
def test_two_steps_and_a_prediction(name, dataset, tmp_path):
    recorder = Recorder()
    out = train(dataset, tmp_path / "models" / name, TrainingSettings(network=name, **SHORT), recorder)
    model = load(out)
    assert model.training["settings"]["network"] == name and model.training["steps"] == 2
    losses = [value for (series, what), values in recorder.values.items() if what == "loss" for _, value in values]
    assert losses and np.isfinite(losses).all()
    network = model.network()
    assert model.plan.patch == (16, 16, 16) and network.config.to_json() == model.plan.network
    rng = np.random.default_rng(0)
    size = (20, 33, 18)
    image = Volume(rng.normal(100, 10, size).astype(np.float32), Geometry(size, (1.0,) * 3, (0.0,) * 3, AXES))
    write_volume(tmp_path / "new_0000.nii.gz", image.array, image.geometry)
    case = Case("new", (tmp_path / "new_0000.nii.gz",), None)
    settings = PredictSettings(device="cpu", precision="full")
    written = predict_cases(Ensemble(name, (Member(model),)), [case], tmp_path / "out", settings, Silent())
    assert written.failures == {} and read_label(written[0]).array.shape == size


@pytest.mark.parametrize("name", NETWORKS)
def test_two_channels_three_classes_and_thick_slices(name, thick, tmp_path):
    settings = TrainingSettings(network=name, folds=2, **(SHORT | {"patch": (8, 16, 16)}))
    model = load(train(thick, tmp_path / name, settings, Silent()))
    assert model.plan.spacing == (4.0, 1.0, 1.0) and model.plan.patch == (8, 16, 16)
    assert model.plan.network["in_channels"] == 2 and model.plan.network["out_channels"] == 3
    steps = model.plan.network["strides"]
    assert [1, 2, 2] in steps
    image = torch.randn(2, 12, 20, 17)
    logits = sliding_logits(image, model.network(), place_windows(image.shape[1:], model.plan.patch))
    assert tuple(logits.shape) == (3, 12, 20, 17) and bool(logits.isfinite().all())


@pytest.mark.parametrize("name", NETWORKS)
def test_a_model_folder_gives_the_same_outputs(name, tmp_path):
    config, patch = plan_network(
        (1, 1, 1), (16, 16, 16), Design(network=name, filters=(2, 4, 4)), in_channels=1, out_channels=2
    )
    torch.manual_seed(1)
    network = networks.build(config)
    # A step in training mode moves the statistics of batch norms away from where they begin.
    network.train()(torch.randn(2, 1, *patch) + 1)
    plan = Plan((ChannelScheme("MR", ChannelKind.NONE),), (1.0,) * 3, patch, 2, {"background": 0, "lesion": 1}, config)
    save(tmp_path / "m", plan=plan, weights=network.state_dict(), loss="dice + ce", training={}, scores={})
    again = load(tmp_path / "m").network()
    image = torch.randn(1, 1, *patch)
    with torch.no_grad():
        assert torch.equal(again(image), network.eval()(image))


@pytest.mark.parametrize("name", NETWORKS)
def test_no_deep_supervision_is_no_error(name, dataset, tmp_path):
    settings = TrainingSettings(network=name, deep_supervision=False, fold="all", **SHORT)
    model = load(train(dataset, tmp_path / name, settings, Silent()))
    assert model.plan.network.get("deep_supervision", False) is False


def test_a_plan_decides_the_network(dataset, tmp_path):
    train(dataset, tmp_path / "first", TrainingSettings(network="attention_unet", fold="all", **SHORT), Silent())
    chosen = {"plan": tmp_path / "plan.json", "fold": "all", "epochs": 1, "iterations": 1, "workers": 0}
    (tmp_path / "plan.json").write_text((tmp_path / "first" / "model.json").read_text(encoding="utf-8"))
    second = train(dataset, tmp_path / "second", TrainingSettings(device="cpu", **chosen), Silent())
    assert load(second).plan.network["name"] == "AttentionUNet"


def test_a_run_begun_before_networks_had_names_goes_on(dataset, tmp_path):
    """Its record lacks the settings that came later, which then had their default; another network is refused."""
    settings = TrainingSettings(fold="all", **(SHORT | {"iterations": 20}))
    with pytest.raises(Cancelled):
        train(dataset, tmp_path / "run", settings, Recorder(cancel_at=1))
    record = read_json(tmp_path / "run" / "training.json")
    assert record["settings"].pop("network") == "unet" and record["settings"].pop("dilations") is None
    (tmp_path / "run" / "training.json").write_text(json.dumps(record), encoding="utf-8")
    with pytest.raises(InputError, match="had network = unet, now it is attention_unet"):
        train(dataset, tmp_path / "run", replace(settings, resume=True, network="attention_unet"), Silent())
    model = load(train(dataset, tmp_path / "run", replace(settings, resume=True), Silent()))
    assert model.training["steps"] == 20


def test_the_command_line_plans_what_it_names(dataset, tmp_path):
    from typer.testing import CliRunner

    def plan(name: str, *words: str) -> Plan:
        path = tmp_path / f"{name}.json"
        line = ["plan", str(dataset), "--out", str(path), "--patch", "16", "16", "16", "--batch", "2", *words]
        answer = CliRunner().invoke(make_app(), line)
        assert answer.exit_code == 0, answer.output
        assert read_json(path)["plan"]["network"]["name"] == read_plan(path).network["name"]
        return read_plan(path)

    wide = plan("wide", "--max-filters", "360", "--base-filters", "200")
    assert wide.network["name"] == "DynUNet" and set(wide.network["filters"][1:]) == {360}
    reuse = plan("reuse", "--network", "shared_dilation", "--dilations", "1,2")
    assert reuse.network["dilations"] == [[1, 1, 1], [2, 2, 2]] and reuse.network["filters"] == [4, 8, 16, 32, 64]
    assert plan("gates", "--network", "attention_unet").network["filters"][0] == 16
    answer = CliRunner().invoke(make_app(), ["plan", str(dataset), "--network", "vnet"])
    assert answer.exit_code == 2


def test_dilations_of_a_network_without_any(dataset, tmp_path):
    with pytest.raises(InputError, match="The network unet has no dilated filters"):
        train(dataset, tmp_path / "m", TrainingSettings(dilations=(1, 2), fold="all", **SHORT), Silent())


@pytest.mark.parametrize("name", NETWORKS)
def test_each_network_learns_a_patch_by_heart(name):
    torch.manual_seed(0)
    filters = (4, 8, 8) if NETWORKS[name].dilated else (8, 16, 16)
    design = Design(network=name, filters=filters, deep_supervision=False)
    config, patch = plan_network((1, 1, 1), (16, 16, 16), design, in_channels=1, out_channels=2)
    network = networks.build(config).train()
    target = torch.zeros(2, *patch, dtype=torch.long)
    target[:, 4:9, 5:11, 6:12] = 1
    image = torch.randn(2, 1, *patch) + 2 * target[:, None]
    optimizer = torch.optim.Adam(network.parameters(), lr=1e-2)
    for _ in range(40):
        logits = network(image)
        loss = torch.nn.functional.cross_entropy(logits, target)
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
    found = logits.argmax(1)
    assert 2 * int((found * target).sum()) / int(found.sum() + target.sum()) > 0.8
