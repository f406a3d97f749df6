"""What a model folder holds that was a MONAI bundle: its plan, its network, and a model of ours that comes back."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
import torch
from monai_bundles import (
    CROP,
    GAUSSIAN,
    INFERER,
    NORMALISE,
    PERCENTILES,
    RANGE,
    SEGRESNET,
    SPACING,
    UNET,
    bundle,
    config,
    image,
    parsed,
)
from test_exchange_monai import CT, DYNUNET, PLAIN, make

from lossseg.errors import InputError
from lossseg.exchange import export_bundle, import_bundle
from lossseg.images import read_volume
from lossseg.inference import Predictor, torch_backend
from lossseg.inference.ladder import smaller_patch, total_stride
from lossseg.model import load
from lossseg.networks import read_config
from lossseg.networks.memory import estimate_memory_bytes
from lossseg.preprocessing import Plan


def imported(tmp_path: Path, content: dict) -> tuple[Path, Path]:
    source = bundle(tmp_path / "source", content)
    return source, import_bundle(source, tmp_path / "models").model


NETWORKS = {
    "UNet": UNET | {"kernel_size": [3, 3, 1], "act": ["LeakyRELU", {"negative_slope": 0.1}], "dropout": 0.1},
    "AttentionUnet": {"channels": [4, 8, 8], "strides": [2, 2]},
    "BasicUNet": {"features": [4, 4, 8, 8, 8, 4], "norm": "batch", "upsample": "nontrainable"},
    "DynUNet": {
        "kernel_size": [3, [3, 3, 1], 3],
        "strides": [1, [2, 2, 1], 2],
        "upsample_kernel_size": [[2, 2, 1], 2],
        "filters": [4, 6, 8],
        "norm_name": "instance",
        "deep_supervision": True,
        "res_block": True,
    },
    "SegResNet": SEGRESNET | {"out_channels": 2, "in_channels": 1, "upsample_mode": "deconv"},
    "SegResNetDS": {"init_filters": 4, "blocks_down": [1, 1], "dsdepth": 2, "norm": "INSTANCE"},
    "VNet": {"act": ["elu", {"inplace": True}]},
}


@pytest.mark.parametrize("name", NETWORKS)
def test_networks_are_built_as_they_are(tmp_path, name):
    network = {"spatial_dims": 3, "in_channels": 1, "out_channels": 2} | NETWORKS[name] | {"_target_": name}
    source, folder = imported(tmp_path, config(network))
    model, theirs = load(folder), parsed(source).get_parsed_content("network").eval()
    theirs.load_state_dict(torch.load(source / "models" / "model.pt", weights_only=True))
    window = torch.randn(1, 1, 16, 16, 16, generator=torch.Generator().manual_seed(1))
    with torch.no_grad():
        torch.testing.assert_close(model.network()(window), theirs(window))
    checked = read_config(model.network_config)
    assert checked.parameters == sum(parameter.numel() for parameter in theirs.parameters())
    assert checked.maps((16, 16, 16)).widest >= 2 * 16**3
    assert all(16 % step == 0 for step in checked.divisor) and checked.to_json() == model.network_config


def test_references_and_choices_are_followed(tmp_path):
    content = config(
        UNET | {"out_channels": "$len(@names)"},
        [SPACING | {"pixdim": "@pixdim"}, RANGE],
        settings={"fine": False, "overlap": 0.25},
        names=["nothing", "organ", "lesion"],
        pixdim="$[1.5, 1.5, 1.5] if @settings#fine else [3.0, 3.0, @settings::overlap * 12]",
        weights="$'model.pt' if not @settings#fine else 'other.pt'",
        checkpointloader={"_target_": "CheckpointLoader", "load_path": "$@bundle_root + '/models/' + @weights"},
        inferer=INFERER | {"overlap": "@settings#overlap", "device": "@device"},
    )
    _, model = imported(tmp_path, content)
    plan = load(model).plan
    assert plan.spacing == (3.0, 3.0, 3.0) and plan.network["out_channels"] == 3
    assert plan.monai is not None and plan.monai.overlap == (0.25, 0.25, 0.25)
    assert load(model).training["weights"] == "model.pt" and plan.labels == {
        "background": 0,
        "class 1": 1,
        "class 2": 2,
    }


def test_less_memory_is_used_by_smaller_windows(tmp_path):
    _, folder = imported(tmp_path, config(SEGRESNET))
    model = load(folder)
    assert total_stride(model.network_config) == (2, 2, 2)
    assert smaller_patch(model.plan.patch, 1, total_stride(model.network_config)) == (8, 16, 16)
    assert estimate_memory_bytes(model.network_config, (16, 16, 16), 1, training=False) > 4 * 8 * 16**3


@pytest.mark.parametrize("name", ["DynUNet", "PlainConvUNet"])
def test_an_exported_model_comes_back_the_same(tmp_path, name):
    point = {"threshold": 0.375, "min_confidence": 0.25}
    network = PLAIN if name == "PlainConvUNet" else DYNUNET
    first = make(tmp_path / "first", network, CT, spacing=(1.2, 0.8, 1.0), operating_point=point, licence="CC0")
    card = json.loads((first / "model.json").read_text(encoding="utf-8"))
    (first / "model.json").write_text(json.dumps(card | {"training": {"train": ["case_7"]}}))
    exported = export_bundle(first, tmp_path / "exported")
    assert "case_7" not in (exported / "configs" / "lossseg.json").read_text(encoding="utf-8")
    second = import_bundle(exported, tmp_path / "models").model
    before, after = load(first), load(second)
    assert after.operating_point == before.operating_point and after.licence == "CC0" and after.loss == before.loss
    assert after.plan.grid() == before.plan.grid() and after.plan.patch == before.plan.patch
    volume = read_volume(image(tmp_path / "case.nii.gz"))
    predictors = [Predictor([load(path)], "cpu", backend=torch_backend) for path in (first, second)]
    a, b = (predictor.predict([volume], keep_probability=True) for predictor in predictors)
    assert np.array_equal(a.probability, b.probability) and np.array_equal(a.label, b.label)


def test_a_plan_goes_through_json(tmp_path):
    _, model = imported(tmp_path, config(SEGRESNET, [SPACING, NORMALISE, PERCENTILES, CROP], inferer=GAUSSIAN))
    plan = load(model).plan
    assert Plan.from_json(json.loads(json.dumps(plan.to_json()))) == plan
    assert [step.kind for step in plan.monai.steps] == ["resample", "normalise", "percentiles", "crop"]
    broken = plan.to_json()
    broken["monai"]["axcodes"] = "RAR"
    with pytest.raises(InputError, match="axcodes"):
        Plan.from_json(broken)
