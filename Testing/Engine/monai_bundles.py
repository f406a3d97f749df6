"""A made-up MONAI bundle as those of the model zoo are: random weights, and its pipeline run by MONAI alone."""

from __future__ import annotations

import copy
import json
from pathlib import Path
from typing import Any

import numpy as np
import torch
from inference_fakes import noise
from monai.bundle import ConfigParser
from monai.data import MetaTensor
from scipy import ndimage

from lossseg.images import Geometry, write_volume

AXIAL = (1, 0, 0, 0, 1, 0, 0, 0, 1)
UNET = {
    "_target_": "UNet",
    "spatial_dims": 3,
    "in_channels": 1,
    "out_channels": 2,
    "channels": [8, 16],
    "strides": [2],
    "num_res_units": 2,
    "norm": "batch",
}
SEGRESNET = {
    "_target_": "monai.networks.nets.SegResNet",
    "spatial_dims": 3,
    "in_channels": "@channels",
    "out_channels": "$@classes + 1",
    "init_filters": 8,
    "blocks_down": [1, 2],
    "blocks_up": [1],
    "dropout_prob": 0.2,
}
LOAD = [{"_target_": "LoadImaged", "keys": "@image_key"}, {"_target_": "EnsureChannelFirstd", "keys": "@image_key"}]
TURN = {"_target_": "Orientationd", "keys": "@image_key", "axcodes": "RAS"}
SPACING = {"_target_": "Spacingd", "keys": "@image_key", "pixdim": [1.5, 1.5, 2.0], "mode": "bilinear"}
RANGE = {
    "_target_": "ScaleIntensityRanged",
    "keys": "@image_key",
    "a_min": -57,
    "a_max": 164,
    "b_min": 0,
    "b_max": 1,
    "clip": True,
}
TYPE = {"_target_": "EnsureTyped", "keys": "@image_key"}
CROP = {"_target_": "CropForegroundd", "keys": "@image_key", "source_key": "@image_key"}
INFERER = {"_target_": "SlidingWindowInferer", "roi_size": [16, 16, 16], "sw_batch_size": 4, "overlap": 0.5}
GAUSSIAN = INFERER | {"mode": "gaussian", "overlap": [0.25, 0.5, 0.625], "roi_size": [16, 12, 20]}
PERCENTILES = {
    "_target_": "ScaleIntensityRangePercentilesd",
    "keys": "image",
    "lower": 2.0,
    "upper": 98,
    "b_min": -1.0,
    "b_max": 1.0,
    "clip": False,
    "channel_wise": True,
}
NORMALISE = {"_target_": "NormalizeIntensityd", "keys": "image", "nonzero": True, "channel_wise": True}
AFTER = [
    {"_target_": "Activationsd", "keys": "pred", "softmax": True},
    {
        "_target_": "Invertd",
        "keys": "pred",
        "transform": "@preprocessing",
        "orig_keys": "@image_key",
        "nearest_interp": False,
        "to_tensor": True,
    },
    {"_target_": "AsDiscreted", "keys": "pred", "argmax": True},
    {"_target_": "SaveImaged", "keys": "pred", "output_dir": "@output_dir"},
]


def config(network: dict[str, Any] = UNET, before: list[dict[str, Any]] | None = None, **others: Any) -> dict[str, Any]:
    """configs/inference.json; `before` follows after loading and turning."""
    made = {
        "imports": ["$import glob", "$import os"],
        "bundle_root": ".",
        "image_key": "image",
        "channels": 1,
        "classes": 2,
        "output_dir": "$@bundle_root + '/eval'",
        "device": "$torch.device('cuda:0' if torch.cuda.is_available() else 'cpu')",
        "network_def": network,
        "network": "$@network_def.to(@device)",
        "preprocessing": {
            "_target_": "Compose",
            "transforms": [*LOAD, TURN, *(before if before is not None else [RANGE, TYPE])],
        },
        "inferer": INFERER,
        "postprocessing": {"_target_": "Compose", "transforms": AFTER},
        "checkpointloader": {
            "_target_": "CheckpointLoader",
            "load_path": "$@bundle_root + '/models/model.pt'",
            "load_dict": {"model": "@network"},
        },
        "run": ["$print('nobody runs this')"],
    }
    return copy.deepcopy(made | others)


def bundle(folder: Path, content: dict[str, Any], **facts: Any) -> Path:
    """The bundle with random weights for its network."""
    (folder / "configs").mkdir(parents=True)
    (folder / "models").mkdir()
    (folder / "configs" / "inference.json").write_text(json.dumps(content))
    (folder / "configs" / "metadata.json").write_text(json.dumps({"version": "0.1.0", "name": "Made up"} | facts))
    torch.manual_seed(3)
    network = parsed(folder).get_parsed_content("network_def")
    state = network.state_dict()
    for name, value in state.items():
        if value.is_floating_point() and "running_var" not in name:
            value += 0.2 * torch.randn(value.shape)
    torch.save(state, folder / "models" / "model.pt")
    return folder


def image(path: Path, size=(20, 24, 22), spacing=(1.5, 1.0, 1.2), direction=AXIAL, seed=1, empty=0) -> Path:
    """A smooth noise of about -150 to 150 on a grid (z, y, x); -400 in the first `empty` planes of each axis."""
    array = ndimage.gaussian_filter(noise(size, seed), 1.5) * 300
    for axis in range(3):
        np.moveaxis(array, axis, 0)[:empty] = -400
    geometry = Geometry(size, spacing, (7.0, -3.0, 2.0), tuple(map(float, direction)))
    write_volume(path, np.round(array).astype(np.float32), geometry)
    return path


def parsed(folder: Path) -> ConfigParser:
    parser = ConfigParser()
    parser.read_config(str(folder / "configs" / "inference.json"))
    parser["bundle_root"] = str(folder)
    parser["device"] = "cpu"
    parser["network"] = "@network_def"
    return parser


def pipeline(folder: Path, images: list[Path]) -> tuple[np.ndarray, np.ndarray]:
    """What MONAI makes of the bundle: probabilities (K, z, y, x) after the inversion, and labels (z, y, x)."""
    parser = parsed(folder)
    network = parser.get_parsed_content("network").eval()
    network.load_state_dict(torch.load(folder / "models" / "model.pt", weights_only=True))
    before = parser.get_parsed_content("preprocessing")
    item = before({"image": [str(path) for path in images] if len(images) > 1 else str(images[0])})
    with torch.no_grad():
        item["pred"] = parser.get_parsed_content("inferer")(item["image"][None], network)[0]
    assert isinstance(item["pred"], MetaTensor)
    found: dict[str, np.ndarray] = {}
    for transform in parser.get_parsed_content("postprocessing").transforms:
        name = type(transform).__name__
        if name == "SaveImaged":
            break
        item = transform(item)
        found[name] = np.asarray(item["pred"]).transpose(0, 3, 2, 1)
    return found["Invertd"], found["AsDiscreted"][0]
