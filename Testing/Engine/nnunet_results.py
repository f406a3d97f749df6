"""A made-up result folder of nnU-Net v2: random weights under the names that its training gives them."""

from __future__ import annotations

import copy
import json
from pathlib import Path
from typing import Any

import numpy as np
import torch

from lossseg import networks

MODULE = "dynamic_network_architectures.architectures.unet."
RESAMPLING = {"is_seg": False, "order": 3, "order_z": 0, "force_separate_z": None}
ARCHITECTURE = {
    "network_class_name": f"{MODULE}PlainConvUNet",
    "arch_kwargs": {
        "n_stages": 3,
        "features_per_stage": [4, 6, 8],
        "conv_op": "torch.nn.modules.conv.Conv3d",
        "kernel_sizes": [[1, 3, 3], [3, 3, 3], [3, 3, 3]],
        "strides": [[1, 1, 1], [1, 2, 2], [2, 2, 2]],
        "n_conv_per_stage": [2, 1, 3],
        "n_conv_per_stage_decoder": [1, 2],
        "conv_bias": True,
        "norm_op": "torch.nn.modules.instancenorm.InstanceNorm3d",
        "norm_op_kwargs": {"eps": 1e-05, "affine": True},
        "dropout_op": None,
        "dropout_op_kwargs": None,
        "nonlin": "torch.nn.LeakyReLU",
        "nonlin_kwargs": {"inplace": True},
    },
    "_kw_requires_import": ["conv_op", "norm_op", "dropout_op", "nonlin"],
}
CONFIGURATION = {
    "data_identifier": "nnUNetPlans_3d_fullres",
    "preprocessor_name": "DefaultPreprocessor",
    "batch_size": 2,
    "patch_size": [8, 16, 12],
    "median_image_size_in_voxels": [20.0, 24.0, 24.0],
    "spacing": [2.0, 1.0, 0.8],
    "normalization_schemes": ["CTNormalization"],
    "use_mask_for_norm": [False],
    "resampling_fn_data": "resample_data_or_seg_to_shape",
    "resampling_fn_seg": "resample_data_or_seg_to_shape",
    "resampling_fn_probabilities": "resample_data_or_seg_to_shape",
    "resampling_fn_data_kwargs": RESAMPLING,
    "resampling_fn_seg_kwargs": RESAMPLING | {"is_seg": True, "order": 1},
    "resampling_fn_probabilities_kwargs": RESAMPLING | {"order": 1},
    "batch_dice": False,
    "architecture": ARCHITECTURE,
}
INTENSITIES = {"mean": 40.0, "std": 20.0, "percentile_00_5": -10.0, "percentile_99_5": 90.0, "min": -99.0, "max": 99.0}


def plans(name: str = "3d_fullres", **changes: Any) -> dict[str, Any]:
    """A plans.json; `changes` are of the configuration, of which the file holds one."""
    return {
        "dataset_name": "Dataset900_MadeUp",
        "plans_name": "nnUNetPlans",
        "image_reader_writer": "SimpleITKIO",
        "transpose_forward": [0, 1, 2],
        "transpose_backward": [0, 1, 2],
        "experiment_planner_used": "ExperimentPlanner",
        "label_manager": "LabelManager",
        "foreground_intensity_properties_per_channel": {"0": INTENSITIES, "1": INTENSITIES},
        "configurations": {name: copy.deepcopy(CONFIGURATION) | changes},
    }


def residual() -> dict[str, Any]:
    """An architecture with a residual encoder."""
    made = copy.deepcopy(ARCHITECTURE)
    made["network_class_name"] = f"{MODULE}ResidualEncoderUNet"
    made["arch_kwargs"]["n_blocks_per_stage"] = [1, 2, 2]
    del made["arch_kwargs"]["n_conv_per_stage"]
    made["arch_kwargs"]["n_conv_per_stage_decoder"] = [1, 1]
    return made


def old(configuration: dict[str, Any]) -> dict[str, Any]:
    """A configuration as nnU-Net before version 2.3 wrote it."""
    made = {key: value for key, value in configuration.items() if key != "architecture"}
    arch = configuration["architecture"]["arch_kwargs"]
    return made | {
        "UNet_class_name": "PlainConvUNet",
        "UNet_base_num_features": 4,
        "unet_max_num_features": 12,
        "n_conv_per_stage_encoder": arch["n_conv_per_stage"],
        "n_conv_per_stage_decoder": arch["n_conv_per_stage_decoder"],
        "num_pool_per_axis": [1, 2, 2],
        "pool_op_kernel_sizes": arch["strides"],
        "conv_kernel_sizes": arch["kernel_sizes"],
    }


def write(
    folder: Path,
    content: dict[str, Any] | None = None,
    *,
    channels: tuple[str, ...] = ("CT",),
    labels: dict[str, Any] | None = None,
    folds: tuple[int | str, ...] = (0,),
    mirror: tuple[int, ...] | None = (0, 1, 2),
    file: str = "checkpoint_final.pth",
    outputs: int | None = None,
) -> Path:
    """Write a result folder; the weights of fold K are those of seed K.

    Args:
        outputs: of the network; default one for each label.
    """
    folder.mkdir(parents=True, exist_ok=True)
    content = content or plans()
    labels = labels or {"background": 0, "lesion": 1}
    description = {
        "channel_names": {str(number): name for number, name in enumerate(channels)},
        "labels": labels,
        "numTraining": 4,
        "file_ending": ".nii.gz",
    }
    (folder / "dataset.json").write_text(json.dumps(description))
    (folder / "plans.json").write_text(json.dumps(content))
    name = next(iter(content["configurations"]))
    for seed, fold in enumerate(folds):
        (folder / f"fold_{fold}").mkdir(exist_ok=True)
        weights = checkpoint_weights(content["configurations"][name], len(channels), outputs or len(labels), seed)
        torch.save(checkpoint(weights, name, mirror), folder / f"fold_{fold}" / file)
    return folder


def checkpoint(weights: dict[str, torch.Tensor], configuration: str, mirror: tuple[int, ...] | None) -> dict[str, Any]:
    """What nnU-Net's trainer saves; its log is full of NumPy's numbers."""
    return {
        "network_weights": weights,
        "optimizer_state": {"state": {}, "param_groups": [{"lr": 0.01}]},
        "grad_scaler_state": None,
        "logging": {"mean_fg_dice": [np.float32(0.25), np.float64(0.5)], "dice": [np.zeros(2)]},
        "_best_ema": np.float64(0.5),
        "current_epoch": 7,
        "init_args": {"configuration": configuration, "fold": 0, "device": torch.device("cpu")},
        "trainer_name": "nnUNetTrainer",
        "inference_allowed_mirroring_axes": mirror,
    }


def checkpoint_weights(
    configuration: dict[str, Any], channels: int, outputs: int, seed: int
) -> dict[str, torch.Tensor]:
    """Random weights under nnU-Net's names: every encoder parameter four times, and a head for every stage."""
    state = network(configuration, channels, outputs, seed).state_dict()
    generator = torch.Generator().manual_seed(seed + 100)
    # Norms and biases start at 1 and 0: moved, so that each of them matters.
    own = {name: value + 0.1 * torch.randn(value.shape, generator=generator) for name, value in state.items()}
    last = max(int(name.split(".")[2]) for name in own if name.startswith("decoder.seg_layers."))
    arch = configuration.get("architecture", {}).get("arch_kwargs")
    filters = arch["features_per_stage"] if arch else [4, 8, 12]
    for stage in range(last):
        own[f"decoder.seg_layers.{stage}.weight"] = torch.randn(outputs, filters[-2 - stage], 1, 1, 1)
        own[f"decoder.seg_layers.{stage}.bias"] = torch.zeros(outputs)
    named = {}
    for name, value in own.items():
        named[name] = value
        for layer, place in ((".conv.", "0"), (".norm.", "1")):
            if layer in name:
                named[name.replace(layer, f".all_modules.{place}.")] = value
    encoder = {f"decoder.{name}": value for name, value in named.items() if name.startswith("encoder.")}
    return named | encoder


def network(configuration: dict[str, Any], channels: int, outputs: int, seed: int) -> torch.nn.Module:
    """Our network for a configuration, written out by hand here, with the weights of `seed`."""
    arch = configuration.get("architecture", {}).get("arch_kwargs") or {
        "features_per_stage": [4, 8, 12],
        "kernel_sizes": configuration["conv_kernel_sizes"],
        "strides": configuration["pool_op_kernel_sizes"],
        "n_conv_per_stage": configuration["n_conv_per_stage_encoder"],
        "n_conv_per_stage_decoder": configuration["n_conv_per_stage_decoder"],
        "conv_bias": True,
    }
    torch.manual_seed(seed)
    return networks.build(
        {
            "name": "PlainConvUNet" if "n_conv_per_stage" in arch else "ResidualEncoderUNet",
            "in_channels": channels,
            "out_channels": outputs,
            "kernels": arch["kernel_sizes"],
            "strides": arch["strides"],
            "filters": arch["features_per_stage"],
            "blocks": arch.get("n_conv_per_stage") or arch["n_blocks_per_stage"],
            "decoder_convolutions": arch["n_conv_per_stage_decoder"][::-1],
            "bias": arch["conv_bias"],
            "deep_supervision": False,
        }
    )
