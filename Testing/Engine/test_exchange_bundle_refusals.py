"""MONAI bundles that are not imported: nothing in them is executed, and a sentence says what stands in the way."""

from __future__ import annotations

import json
import os
import pickle
import shutil
from pathlib import Path
from typing import Any

import pytest
import torch
from monai_bundles import AFTER, CROP, INFERER, LOAD, RANGE, SPACING, TURN, UNET, bundle, config, image
from test_exchange_monai import CT, DYNUNET, make

from lossseg.errors import InputError
from lossseg.exchange import export_bundle, import_bundle
from lossseg.images import read_volume
from lossseg.model import load
from lossseg.phantoms import make_dataset
from lossseg.preprocessing import prepare, prepare_label
from lossseg.reporting import Silent
from lossseg.training import TrainingSettings, train


@pytest.fixture
def source(tmp_path: Path) -> Path:
    return bundle(tmp_path / "source", config())


def refused(source: Path, match: str, **changes: Any) -> None:
    """Importing with `changes` of the configuration is refused, and leaves nothing."""
    path = source / "configs" / "inference.json"
    path.write_text(json.dumps(json.loads(path.read_text()) | changes))
    with pytest.raises(InputError, match=match):
        import_bundle(source, source.parent / "models")
    assert not [*(source.parent / "models").glob("*")]


def test_code_of_a_configuration_is_not_executed(source):
    """Every bundle has imports and a line to run; they are never looked at."""
    path = source / "configs" / "inference.json"
    content = json.loads(path.read_text())
    crime = f"$__import__('pathlib').Path({str(source / 'crime')!r}).touch()"
    content |= {"imports": [crime, "$import os"], "initialize": [crime], "run": [crime], "device": crime}
    path.write_text(json.dumps(content))
    assert import_bundle(source, source.parent / "models").model.name == "source"
    assert not (source / "crime").exists()
    refused_to = source.parent / "others"
    for value in (
        crime,
        "$import os",
        "$os.system('true')",
        "$().__class__",
        "$(lambda: 1)()",
        "$[1 for x in @classes]",
    ):
        path.write_text(json.dumps(content | {"network_def": UNET | {"out_channels": value}}))
        with pytest.raises(
            InputError, match=r"inference\.json: network_def#out_channels is .* would have to be executed"
        ):
            import_bundle(source, refused_to)
    assert not (source / "crime").exists() and not refused_to.exists()


NETWORKS = {
    "out of the bundle": ({"_target_": "scripts.nets.Mine"}, "network_def is scripts.nets.Mine, code that comes with"),
    "of another package": ({"_target_": "os.system", "command": "x"}, "network_def is os.system, code that comes"),
    "unknown": (UNET | {"_target_": "SwinUNETR"}, "the network SwinUNETR .* is not supported.*UNet, AttentionUnet"),
    "no name": ({"channels": [1]}, "network_def names no class"),
    "in a plane": (UNET | {"spatial_dims": 2}, "spatial_dims of UNet .* is 2"),
    "unknown argument": (UNET | {"chanels": [4]}, "UNet has no argument 'chanels'.*channels"),
    "a wrong kind": (UNET | {"dropout": "a lot"}, "UNet: dropout is 'a lot'"),
    "a call inside": (UNET | {"act": {"_target_": "eval"}}, "network_def#act is what eval returns"),
    "a strange word": (UNET | {"norm": "__import__('os')"}, "norm is .* must be a word"),
    "no such layer": (UNET | {"norm": "nothing"}, "MONAI's UNet refuses its arguments"),
    "no channels": ({"_target_": "UNet", "out_channels": 2}, "has no in_channels"),
    "windows too small": (UNET | {"channels": [8] * 6, "strides": [2] * 5}, "MONAI's UNet refuses"),
    "features only": (
        {"_target_": "SegResNet", "in_channels": 1, "out_channels": 2, "use_conv_final": False},
        "SegResNet makes .* of a window",
    ),
}


@pytest.mark.parametrize("name", NETWORKS)
def test_networks(source, name):
    network, match = NETWORKS[name]
    refused(source, match, network_def=network)


LOADED = [*LOAD, TURN]
BEFORE = {
    "unknown": (
        [*LOADED, {"_target_": "Lambdad", "keys": "image", "func": "$len"}],
        "the transform Lambdad .*transforms#3",
    ),
    "out of the bundle": ([*LOADED, {"_target_": "scripts.Mine", "keys": "image"}], "is scripts.Mine, code that comes"),
    "nothing loaded": ([RANGE], "preprocessing loads no image"),
    "several images": ([LOAD[0] | {"keys": ["artery", "vein"]}], "keys of LoadImaged"),
    "turned twice": ([*LOADED, TURN], "axcodes of Orientationd"),
    "turned nowhere": ([*LOAD, TURN | {"axcodes": "RAA"}], "axcodes of Orientationd .* is 'RAA'"),
    "resampled before turning": ([*LOAD, SPACING, TURN], "axcodes of Orientationd"),
    "cubic": ([*LOADED, SPACING | {"mode": 3}], "mode of Spacingd .* is 3"),
    "other extent": ([*LOADED, SPACING | {"scale_extent": True}], "scale_extent of Spacingd .* is True"),
    "no spacing": ([*LOADED, SPACING | {"pixdim": [1, 1, -1]}], "pixdim of Spacingd"),
    "no number": ([*LOADED, RANGE | {"a_min": "low"}], "a_min of ScaleIntensityRanged .* is 'low'"),
    "unknown argument": ([*LOADED, RANGE | {"power": 2}], "the argument power of ScaleIntensityRanged"),
    "integers": (
        [*LOADED, {"_target_": "EnsureTyped", "keys": "image", "dtype": "$torch.int16"}],
        "dtype of EnsureTyped",
    ),
    "a function": ([*LOADED, CROP | {"select_fn": "$lambda x: x > x.mean()"}], "select_fn of CropForegroundd"),
    "a margin": ([*LOADED, CROP | {"margin": 5}], "margin of CropForegroundd .* is 5"),
}


@pytest.mark.parametrize("name", BEFORE)
def test_preprocessing(source, name):
    transforms, match = BEFORE[name]
    refused(source, match, preprocessing={"_target_": "Compose", "transforms": transforms})


INFERERS = {
    "whole": ({"_target_": "SimpleInferer"}, "the inferer is SimpleInferer"),
    "in a plane": (INFERER | {"roi_size": [16, 16]}, "roi_size of SlidingWindowInferer"),
    "as large as the image": (INFERER | {"roi_size": -1}, "roi_size of SlidingWindowInferer"),
    "overlap": (INFERER | {"overlap": 1.0}, "overlap of SlidingWindowInferer"),
    "mode": (INFERER | {"mode": "linear"}, "mode of SlidingWindowInferer .* is 'linear'"),
    "filled": (INFERER | {"padding_mode": "circular"}, "padding_mode of SlidingWindowInferer"),
}


@pytest.mark.parametrize("name", INFERERS)
def test_windows(source, name):
    inferer, match = INFERERS[name]
    refused(source, match, inferer=inferer)


POST = {
    "labels that overlap": ([AFTER[0] | {"sigmoid": True, "softmax": False}], "sigmoid of Activationsd .* overlap"),
    "unknown": ([{"_target_": "Lambdad", "keys": "pred", "func": "$lambda x: x"}], "the transform Lambdad"),
    "threshold": (
        [AFTER[0], {"_target_": "AsDiscreted", "keys": "pred", "threshold": 0.5}],
        "threshold of AsDiscreted",
    ),
}


@pytest.mark.parametrize("name", POST)
def test_postprocessing(source, name):
    transforms, match = POST[name]
    refused(source, match, postprocessing={"_target_": "Compose", "transforms": transforms})


def test_a_single_output_without_a_threshold(source):
    refused(source, "no sigmoid and threshold", network_def=UNET | {"out_channels": 1}, postprocessing=[AFTER[0]])


def test_a_configuration_without_its_parts(source):
    path = source / "configs" / "inference.json"
    content = json.loads(path.read_text())
    del content["inferer"]
    path.write_text(json.dumps(content))
    refused(source, "has no inferer")


class _Harmful:
    def __reduce__(self):
        return os.mkdir, ("crime",)


def test_pickled_objects_are_not_loaded(source, monkeypatch):
    monkeypatch.chdir(source)
    weights = torch.load(source / "models" / "model.pt", weights_only=True)
    torch.save(weights | {"extra": _Harmful()}, source / "models" / "model.pt")
    refused(source, "holds objects other than tensors, numbers and words.*was not loaded")
    (source / "models" / "model.pt").write_bytes(pickle.dumps(_Harmful()))
    refused(source, "holds objects other than tensors|is damaged")
    assert not (source / "crime").exists()


def test_weights_of_another_network(source):
    path = source / "models" / "model.pt"
    weights = torch.load(path, weights_only=True)
    name = next(name for name in weights if name.endswith("weight"))
    torch.save({other: value for other, value in weights.items() if other != name}, path)
    refused(source, f"{name} is missing, not 8 x 1 x 3 x 3 x 3")
    torch.save(weights | {name: weights[name][:, :, 1:]}, path)
    refused(source, f"{name} is 8 x 1 x 2 x 3 x 3, not 8 x 1 x 3 x 3 x 3")
    torch.save(weights | {"more": torch.zeros(2)}, path)
    refused(source, "more is 2, not missing")
    torch.save(weights | {name: weights[name] * float("nan")}, path)
    refused(source, f"{name} is not finite")
    torch.save([1, 2], path)
    refused(source, "holds no parameters")
    path.write_bytes(b"nothing")
    refused(source, "is damaged|holds objects")
    path.unlink()
    refused(source, "models.model.pt does not exist.*monai.bundle download")
    torch.save({"epoch": 3, "model": {f"module.{name}": value.half() for name, value in weights.items()}}, path)
    made = load(import_bundle(source, source.parent / "fine").model).network().state_dict()
    assert made.keys() == weights.keys() and made[name].dtype == torch.float32
    assert torch.equal(made[name], weights[name].half().float())


def test_weights_outside_of_the_bundle(source):
    shutil.copy(source / "models" / "model.pt", source.parent / "model.pt")
    loader = {"_target_": "CheckpointLoader", "load_path": "$@bundle_root + '/../model.pt'"}
    refused(source, "lie outside of the bundle", checkpointloader=loader)


def test_torchscript_is_a_program(source):
    scripted = torch.jit.script(torch.nn.Conv3d(1, 2, 1))
    for path in (source / "models" / "model.pt", source.parent / "model.ts"):
        scripted.save(str(path))
    refused(source, "model.pt is TorchScript, a program, and is not executed.*configs/inference.json")
    with pytest.raises(InputError, match="model.ts is TorchScript, a program, and is not executed.*models/model.pt"):
        import_bundle(source.parent / "model.ts", source.parent / "models")
    torch.save({}, source.parent / "plain.pt")
    with pytest.raises(InputError, match="plain.pt is no folder of a MONAI bundle"):
        import_bundle(source.parent / "plain.pt", source.parent / "models")


def test_folders_that_are_no_bundle(source):
    (source / "configs" / "inference.json").rename(source / "configs" / "inference.yaml")
    with pytest.raises(InputError, match="inference.yaml is YAML, which is not read.*json.dump"):
        import_bundle(source, source.parent / "models")
    (source / "configs" / "inference.yaml").unlink()
    with pytest.raises(InputError, match="is no MONAI bundle: it has no configs/inference.json"):
        import_bundle(source, source.parent / "models")


def test_names(source):
    models = source.parent / "models"
    with pytest.raises(InputError, match=r"The channels a, b are given; the bundle has 1"):
        import_bundle(source, models, channels=("a", "b"))
    with pytest.raises(InputError, match=r"The labels background are given"):
        import_bundle(source, models, labels=("background",))
    with pytest.raises(InputError, match="cannot be the name of a folder"):
        import_bundle(source, models, name="../out")
    import_bundle(source, models)
    with pytest.raises(InputError, match="source already exists"):
        import_bundle(source, models)


def test_an_exported_bundle_that_was_changed(tmp_path):
    source = export_bundle(make(tmp_path / "model", DYNUNET, CT), tmp_path / "bundle")
    path = source / "configs" / "inference.json"
    path.write_text(path.read_text().replace("0.125", "0.25"))
    with pytest.raises(InputError, match="was changed after it was exported"):
        import_bundle(source, tmp_path / "models")


def test_what_an_imported_model_is_not_for(source, tmp_path):
    model = import_bundle(source, tmp_path / "models").model
    with pytest.raises(InputError, match="was imported from a MONAI bundle"):
        export_bundle(model, tmp_path / "again")
    make_dataset("ct", tmp_path / "data", cases=3, size=(24, 24, 24), seed=1)
    settings = TrainingSettings(start_from=model, device="cpu", folds=3)
    with pytest.raises(InputError, match="was imported from a MONAI bundle and only predicts"):
        train(tmp_path / "data", tmp_path / "run", settings, Silent())
    path = image(tmp_path / "case.nii.gz")
    prepared = prepare([read_volume(path)], load(model).plan)
    with pytest.raises(InputError, match="only predicts: labels are not brought"):
        prepare_label(read_volume(path), prepared, load(model).plan)
