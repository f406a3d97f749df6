"""The configuration files of a MONAI bundle for a model of ours. No torch."""

from __future__ import annotations

import platform
from typing import Any

import lossseg
from lossseg.errors import InputError
from lossseg.model import Model
from lossseg.networks.config import DynUNetConfig
from lossseg.preprocessing import ChannelKind, ChannelScheme

_SCHEMA = "https://github.com/Project-MONAI/MONAI-extra-test-data/releases/download/0.8.1/meta_schema_20240725.json"
_AXES = "SPL"


def inference_config(model: Model) -> dict[str, Any]:
    """configs/inference.json: segments CASE_0000.nii.gz (and _0001 ...) of `dataset_dir` into `output_dir`.

    Raises:
        InputError: the model cannot be expressed in MONAI's transforms.
    """
    plan = model.plan
    if plan.nnunet:
        raise InputError(
            f"{model.folder} was trained by nnU-Net, whose resampling MONAI's transforms do not have.",
            "Export models that lossseg trained.",
        )
    if plan.monai:
        raise InputError(f"{model.folder} was imported from a MONAI bundle.", "Use that bundle.")
    masks = [scheme.name for scheme in plan.channels if scheme.kind is ChannelKind.ORGAN_MASK]
    if masks:
        raise InputError(
            f"{model.folder} takes the mask {masks[0]}, which MONAI's transforms cannot apply.",
            "Export models without an organ mask.",
        )
    windows = {
        "roi_size": list(plan.patch),
        "sw_batch_size": 1,
        "overlap": 0.5,
        "mode": "gaussian",
        "sigma_scale": 0.125,
    }
    # What stands for "nothing there" where a window is larger than the image. MONAI takes one value for all channels.
    outside = "0.0" if any(scheme.nonzero for scheme in plan.channels) else "float(item['image'].min())"
    count = len(plan.channels)
    files = f"[name.replace('_0000.', f'_{{number:04d}}.') for number in range({count})]"
    return {
        "imports": [
            "$import glob",
            "$import os",
            "$import torch",
            "$from monai.inferers import sliding_window_inference",
        ],
        "bundle_root": ".",
        "checkpoint": "$os.path.join(@bundle_root, 'models', 'model.pt')",
        "dataset_dir": "$os.path.join(@bundle_root, 'data')",
        "output_dir": "$os.path.join(@bundle_root, 'eval')",
        "device": "$torch.device('cuda:0' if torch.cuda.is_available() else 'cpu')",
        "network_def": _network(model),
        "network": "$@network_def.to(@device).eval()",
        "preprocessing": {"_target_": "Compose", "transforms": _before(model)},
        "files": f"$[{files} for name in sorted(glob.glob(os.path.join(@dataset_dir, '*_0000.nii*')))]",
        "dataset": {
            "_target_": "Dataset",
            "data": "$[{'image': channels} for channels in @files]",
            "transform": "@preprocessing",
        },
        "windows": windows,
        "inferer": {"_target_": "SlidingWindowInferer"} | windows,
        "postprocessing": {"_target_": "Compose", "transforms": _after(model)},
        "segment": "$torch.no_grad()(lambda item: @postprocessing(dict(item, "
        "pred=sliding_window_inference(item['image'][None].to(@device), predictor=@network, "
        f"cval={outside}, **@windows)[0])))",
        "initialize": ["$@network.load_state_dict(torch.load(@checkpoint, map_location=@device, weights_only=True))"],
        "run": ["$[@segment(item)['pred'].shape for item in @dataset]"],
    }


def metadata(model: Model) -> dict[str, Any]:
    """configs/metadata.json."""
    plan, versions = model.plan, model.versions
    packages = {"nibabel": "5.2.0"} | ({} if _is_monais(model) else {"lossseg": lossseg.__version__})
    names = {str(value): name for name, value in plan.labels.items()}
    return {
        "schema": _SCHEMA,
        "version": "1.0.0",
        "changelog": {"1.0.0": "exported"},
        "monai_version": versions.get("monai", ""),
        "pytorch_version": versions.get("torch", "").partition("+")[0],
        "numpy_version": "1.26.0",
        "python_version": versions.get("python", platform.python_version()),
        "required_packages_version": packages,
        "name": model.name,
        "task": f"Segmentation of {', '.join(list(plan.labels)[1:])}",
        "description": f"Trained by lossseg with the loss {model.loss}.",
        "authors": "",
        "copyright": model.licence,
        "intended_use": "Research. Not a medical device; a person must check every result.",
        "eval_metrics": model.scores,
        "network_data_format": {
            "inputs": {
                "image": {
                    "type": "image",
                    "format": "intensity",
                    "num_channels": plan.inputs,
                    "spatial_shape": list(plan.patch),
                    "dtype": "float32",
                    "value_range": [],
                    "is_patch_data": True,
                    "channel_def": {str(number): scheme.name for number, scheme in enumerate(plan.channels)},
                }
            },
            "outputs": {
                "pred": {
                    "type": "image",
                    "format": "segmentation",
                    "num_channels": plan.network["out_channels"],
                    "spatial_shape": list(plan.patch),
                    "dtype": "float32",
                    "value_range": [],
                    "is_patch_data": True,
                    "channel_def": names,
                }
            },
        },
    }


def _is_monais(model: Model) -> bool:
    return model.network_config["name"] == DynUNetConfig.name


def _network(model: Model) -> dict[str, Any]:
    """MONAI's DynUNet as it is; other architectures are built by lossseg, which must be installed then."""
    if not _is_monais(model):
        return {"_target_": "lossseg.networks.build", "config": dict(model.network_config)}
    config = DynUNetConfig.from_json(model.network_config)
    return {
        "_target_": "DynUNet",
        "spatial_dims": 3,
        "in_channels": config.in_channels,
        "out_channels": config.out_channels,
        "kernel_size": [list(kernel) for kernel in config.kernels],
        "strides": [list(stride) for stride in config.strides],
        "upsample_kernel_size": [list(stride) for stride in config.strides[1:]],
        "filters": list(config.filters),
        "norm_name": ["INSTANCE", {"affine": True}],
        "act_name": ["leakyrelu", {"inplace": True, "negative_slope": 0.01}],
        "deep_supervision": False,
    }


def _before(model: Model) -> list[dict[str, Any]]:
    """From files to the network's grid: as `preprocessing.prepare`, with MONAI's interpolation."""
    channels = model.plan.channels
    parts = [f"image_{number}" for number in range(len(channels))] if len(channels) > 1 else ["image"]
    steps: list[dict[str, Any]] = [
        {"_target_": "LoadImaged", "keys": "image"},
        {"_target_": "EnsureChannelFirstd", "keys": "image"},
        {"_target_": "EnsureTyped", "keys": "image", "dtype": "$torch.float32"},
        {"_target_": "CropForegroundd", "keys": "image", "source_key": "image", "select_fn": "$lambda x: x != 0"},
    ]
    if len(parts) > 1:
        steps.append({"_target_": "SplitDimd", "keys": "image", "output_postfixes": list(range(len(parts)))})
    for part, scheme in zip(parts, channels, strict=True):
        steps += [{"_target_": target, "keys": part} | settings for target, settings in _intensity(scheme)]
    if len(parts) > 1:
        steps.append({"_target_": "ConcatItemsd", "keys": parts, "name": "image"})
        steps.append({"_target_": "DeleteItemsd", "keys": parts})
    return [
        *steps,
        {"_target_": "Orientationd", "keys": "image", "axcodes": _AXES},
        {
            "_target_": "Spacingd",
            "keys": "image",
            "pixdim": list(model.plan.spacing),
            "mode": 3,
            "padding_mode": "nearest",
            "align_corners": False,
            "scale_extent": True,
        },
        {"_target_": "EnsureTyped", "keys": "image", "dtype": "$torch.float32"},
    ]


def _intensity(scheme: ChannelScheme) -> list[tuple[str, dict[str, Any]]]:
    low, high = scheme.low, scheme.high
    match scheme.kind:
        case ChannelKind.ZSCORE:
            return [("NormalizeIntensityd", {"nonzero": scheme.nonzero})]
        case ChannelKind.RESCALE:
            return [("ScaleIntensityd", {"minv": 0.0, "maxv": 1.0})]
        case ChannelKind.WINDOW:
            return [("ScaleIntensityRanged", {"a_min": low, "a_max": high, "b_min": 0.0, "b_max": 1.0, "clip": True})]
        case ChannelKind.CT:
            assert low is not None and high is not None
            mean, std = scheme.mean or 0.0, scheme.std or 1.0
            bounds = {"b_min": (low - mean) / std, "b_max": (high - mean) / std}
            return [("ScaleIntensityRanged", {"a_min": low, "a_max": high, "clip": True} | bounds)]
    return []


def _after(model: Model) -> list[dict[str, Any]]:
    """From logits to a label file on the image's grid; components are all kept."""
    decide: dict[str, Any]
    point, single = model.operating_point, model.network_config["out_channels"] == 1
    if single or (point is not None and model.plan.classes == 2):
        threshold = point.threshold if point else 0.5
        decide = {"_target_": "Lambdad", "keys": "pred", "func": f"$lambda x: (x[-1:] >= {threshold!r}).float()"}
    else:
        decide = {"_target_": "AsDiscreted", "keys": "pred", "argmax": True}
    return [
        {"_target_": "Activationsd", "keys": "pred", "sigmoid": single, "softmax": not single},
        {
            "_target_": "Invertd",
            "keys": "pred",
            "transform": "@preprocessing",
            "orig_keys": "image",
            "nearest_interp": False,
            "to_tensor": True,
        },
        decide,
        {
            "_target_": "SaveImaged",
            "keys": "pred",
            "output_dir": "@output_dir",
            "output_postfix": "seg",
            "output_dtype": "$torch.uint8",
            "resample": False,
            "separate_folder": False,
        },
    ]
