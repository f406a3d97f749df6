"""Models of ours as MONAI bundles: run by MONAI alone, with what `lossseg predict` gives."""

from __future__ import annotations

import dataclasses
import importlib.util
import json
from pathlib import Path
from typing import Any

import monai.bundle
import numpy as np
import pytest
import torch
from inference_fakes import noise
from scipy import ndimage

from lossseg import networks
from lossseg.errors import InputError
from lossseg.exchange import export_bundle
from lossseg.images import Geometry, read_label, read_volume, write_volume
from lossseg.inference import Predictor, torch_backend
from lossseg.model import load, save
from lossseg.networks import read_config
from lossseg.preprocessing import ChannelKind, ChannelScheme, NnUNetGrid, Plan

EXAMPLES = Path(__file__).parents[2] / "examples"
STAGES = {"kernels": [[3, 3, 3]] * 3, "strides": [[1, 1, 1], [2, 2, 2], [2, 2, 2]], "filters": [4, 6, 8]}
DYNUNET = {"name": "DynUNet", "in_channels": 1, "out_channels": 2, "deep_supervision": True} | STAGES
PLAIN = DYNUNET | {"name": "PlainConvUNet", "blocks": [1] * 3, "decoder_convolutions": [1] * 2, "bias": True}
CT = ChannelScheme("CT", ChannelKind.CT, low=-60.0, high=60.0, mean=5.0, std=30.0)
ZSCORE = ChannelScheme("MR", ChannelKind.ZSCORE)
# Stored along R, A and S; the network sees S, P and L.
STORED = (-1.0, 0.0, 0.0, 0.0, -1.0, 0.0, 0.0, 0.0, 1.0)


def make(folder: Path, network: dict[str, Any], *channels: ChannelScheme, **options: Any) -> Path:
    spacing, patch = options.pop("spacing", (1.5, 1.0, 1.0)), options.pop("patch", (16, 24, 20))
    labels = {"background": 0} | {f"class {number}": number for number in range(1, max(network["out_channels"], 2))}
    torch.manual_seed(5)
    state = networks.build(network).state_dict()
    weights = {name: value + 0.2 * torch.randn(value.shape) for name, value in state.items()}
    # The biases of the outputs decide how much is foreground: none of the classes is to vanish.
    plan = Plan(channels, spacing, patch, 2, labels, read_config(network).to_json())
    save(folder, plan=plan, weights=weights, loss="dice + ce", training={}, scores={"dice": float("nan")}, **options)
    return folder


def cases(folder: Path, channels: int, spacing=(1.5, 1.0, 1.0), size=(16, 24, 20)) -> list[Path]:
    folder.mkdir()
    for case in range(2):
        for channel in range(channels):
            array = ndimage.gaussian_filter(noise(size, 10 * case + channel), 1.5) * 200
            geometry = Geometry(size, spacing, (7.0, -3.0, 2.0), STORED)
            write_volume(folder / f"case{case}_{channel:04d}.nii.gz", np.round(array).astype(np.float32), geometry)
    return sorted(folder.glob("*_0000.nii.gz"))


def run(bundle: Path, images: Path, out: Path) -> None:
    monai.bundle.run(
        config_file=str(bundle / "configs" / "inference.json"),
        meta_file=str(bundle / "configs" / "metadata.json"),
        bundle_root=str(bundle),
        dataset_dir=str(images),
        output_dir=str(out),
        device="cpu",
    )


def agreement(model: Path, images: Path, out: Path, channels: int) -> list[float]:
    """For each case the share of voxels on which MONAI and we agree; each result must hold every class."""
    predictor = Predictor([load(model)], "cpu", min_voxels=0, precision="full", backend=torch_backend)
    shares = []
    for first in sorted(images.glob("*_0000.nii.gz")):
        paths = [Path(str(first).replace("_0000.", f"_{number:04d}.")) for number in range(channels)]
        ours = predictor.predict([read_volume(path) for path in paths])
        theirs = read_label(out / f"{first.name[:-7]}_seg.nii.gz")
        assert theirs.geometry.matches(ours.geometry)
        assert set(np.unique(ours.label)) == set(range(len(load(model).labels)))
        shares.append(float((theirs.array == ours.label).mean()))
    return shares


@pytest.mark.parametrize(
    ("network", "channels"),
    [
        (DYNUNET, (CT,)),
        (DYNUNET | {"in_channels": 2, "out_channels": 3}, (ZSCORE, CT)),
        (DYNUNET, (ChannelScheme("MR", ChannelKind.ZSCORE, nonzero=True),)),
        (DYNUNET, (ChannelScheme("US", ChannelKind.RESCALE),)),
        (PLAIN, (ChannelScheme("CT", ChannelKind.WINDOW, low=-60.0, high=80.0),)),
    ],
    ids=["ct", "two channels, three classes", "nonzero", "rescaled", "built by lossseg"],
)
def test_monai_gives_the_same_labels(tmp_path, network, channels):
    """One window and no resampling: nothing but rounding may differ."""
    model = make(tmp_path / "model", network, *channels)
    cases(tmp_path / "images", len(channels))
    bundle = export_bundle(model, tmp_path / "bundle")
    run(bundle, tmp_path / "images", tmp_path / "out")
    assert min(agreement(model, tmp_path / "images", tmp_path / "out", len(channels))) > 0.9995


def test_resampling_is_nearly_ours(tmp_path):
    """A random network is undecided in many voxels, where little turns it; shifted by a voxel, 0.63 to 0.74 agree."""
    model = make(tmp_path / "model", DYNUNET, CT, spacing=(1.2, 0.8, 1.0), patch=(32, 36, 32))
    cases(tmp_path / "images", 1, size=(24, 28, 30))
    run(export_bundle(model, tmp_path / "bundle"), tmp_path / "images", tmp_path / "out")
    assert min(agreement(model, tmp_path / "images", tmp_path / "out", 1)) > 0.93


def test_the_threshold_of_the_validation_is_kept(tmp_path):
    point = {"threshold": 0.375, "min_confidence": 0.0}
    model = make(tmp_path / "model", DYNUNET, CT, operating_point=point)
    cases(tmp_path / "images", 1)
    run(export_bundle(model, tmp_path / "bundle"), tmp_path / "images", tmp_path / "out")
    assert min(agreement(model, tmp_path / "images", tmp_path / "out", 1)) > 0.9995
    assert "0.375" in (tmp_path / "bundle" / "configs" / "inference.json").read_text(encoding="utf-8")


def test_what_a_bundle_holds(tmp_path):
    model = make(tmp_path / "model", DYNUNET, CT, licence="CC BY 4.0")
    bundle = export_bundle(model, tmp_path / "bundle")
    files = sorted(path.relative_to(bundle).as_posix() for path in bundle.rglob("*") if path.is_file())
    configs = [f"configs/{name}.json" for name in ("inference", "lossseg", "metadata")]
    assert files == ["LICENSE", *configs, "docs/README.md", "models/model.pt"]
    facts = json.loads((bundle / "configs" / "metadata.json").read_text(encoding="utf-8"))
    assert facts["network_data_format"]["outputs"]["pred"]["channel_def"] == {"0": "background", "1": "class 1"}
    assert facts["required_packages_version"] == {"nibabel": "5.2.0"}
    assert (bundle / "LICENSE").read_text(encoding="utf-8") == "CC BY 4.0\n"
    config = json.loads((bundle / "configs" / "inference.json").read_text(encoding="utf-8"))
    assert config["network_def"]["_target_"] == "DynUNet" and "lossseg" not in json.dumps(config)
    weights = torch.load(bundle / "models" / "model.pt", weights_only=True)
    assert not any(name.startswith("deep_supervision") for name in weights)


def test_what_cannot_be_exported(tmp_path):
    model = make(tmp_path / "model", DYNUNET, CT)
    (tmp_path / "there").mkdir()
    with pytest.raises(InputError, match="there already exists"):
        export_bundle(model, tmp_path / "there")
    organ = ChannelScheme("organ_mask", ChannelKind.ORGAN_MASK)
    with pytest.raises(InputError, match="takes the mask organ_mask"):
        export_bundle(make(tmp_path / "masked", DYNUNET, CT, organ), tmp_path / "b")
    card = json.loads((model / "model.json").read_text(encoding="utf-8"))
    card["plan"]["nnunet"] = dataclasses.asdict(NnUNetGrid())
    (model / "model.json").write_text(json.dumps(card))
    with pytest.raises(InputError, match="was trained by nnU-Net"):
        export_bundle(model, tmp_path / "b")
    assert not (tmp_path / "b").exists()


def test_the_example_of_a_monai_loop_learns(tmp_path):
    from lossseg.phantoms import make_dataset

    make_dataset("ct", tmp_path / "data", cases=2, size=(32, 40, 40), seed=3)
    specification = importlib.util.spec_from_file_location("monai_loop", EXAMPLES / "monai_loop.py")
    example = importlib.util.module_from_spec(specification)
    specification.loader.exec_module(example)
    means = example.train(tmp_path / "data", "dice + topk(k=0.1)", epochs=3)
    assert len(means) == 3 and 0 < means[-1] < means[0] < 3
