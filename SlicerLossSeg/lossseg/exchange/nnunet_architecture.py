"""The network of nnU-Net's plans, in the present form and in that before version 2.3, as a config of ours. No torch."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from lossseg.errors import InputError
from lossseg.networks import read_config
from lossseg.networks.plain_conv_config import PlainConvConfig
from lossseg.networks.residual_encoder_config import ResidualEncoderConfig

_BLOCKS = {PlainConvConfig.name: "n_conv_per_stage", ResidualEncoderConfig.name: "n_blocks_per_stage"}
_FREE = ("n_stages", "features_per_stage", "kernel_sizes", "strides", "n_conv_per_stage_decoder", "conv_bias")
# Dropout does nothing in prediction, and which outputs deep supervision has decides nothing here.
_IGNORED = ("dropout_op", "dropout_op_kwargs", "deep_supervision")
_FIXED: Mapping[str, Any] = {
    "conv_op": "Conv3d",
    "norm_op": "InstanceNorm3d",
    "norm_op_kwargs": {"eps": 1e-05, "affine": True},
    "nonlin": "LeakyReLU",
    "nonlin_kwargs": {"inplace": True, "negative_slope": 0.01},
    "nonlin_first": False,
    "block": "BasicBlockD",
    "bottleneck_channels": None,
    "stem_channels": None,
}
_DEFAULTS = {"eps": 1e-05, "affine": False, "inplace": True, "negative_slope": 0.01}


def network_config(chosen: Mapping[str, Any], channels: int, classes: int, path: Path) -> dict[str, Any]:
    """The config for `lossseg.networks.build`.

    Args:
        chosen: the settings of one configuration of the plans in `path`.

    Raises:
        InputError: another architecture than PlainConvUNet and ResidualEncoderUNet, or one with other layers.
        KeyError, TypeError, ValueError: a setting is missing or of a wrong form.
    """
    name, settings = _described(chosen)
    if name not in _BLOCKS:
        raise InputError(f"{path}: the network {name} is not supported.", f"Supported: {' and '.join(_BLOCKS)}.")
    known = {*_FREE, *_IGNORED, *_FIXED, _BLOCKS[name]}
    for key, value in settings.items():
        if key not in known or (key in _FIXED and _simple(key, value) != _FIXED[key]):
            raise InputError(
                f"{path}: {name} with {key} = {value!r} is not supported.",
                "Supported are the networks that nnU-Net plans by itself.",
            )
    stages = int(settings["n_stages"])
    config = {
        "name": name,
        "in_channels": channels,
        "out_channels": classes,
        "kernels": [_each(kernel, 3) for kernel in _each(settings["kernel_sizes"], stages)],
        "strides": [_each(stride, 3) for stride in _each(settings["strides"], stages)],
        "filters": _each(settings["features_per_stage"], stages),
        "blocks": _each(settings[_BLOCKS[name]], stages),
        "decoder_convolutions": _each(settings["n_conv_per_stage_decoder"], stages - 1)[::-1],
        "bias": bool(settings.get("conv_bias", False)),
        "deep_supervision": False,
    }
    try:
        return read_config(config).to_json()
    except InputError as error:
        raise InputError(f"{path}: {error.message}", "Restore the result folder from a copy.") from error


def _described(chosen: Mapping[str, Any]) -> tuple[str, dict[str, Any]]:
    """Name and settings of the network, whichever form the plans have."""
    if "architecture" in chosen:
        described = chosen["architecture"]
        settings = dict(described["arch_kwargs"])
        # What a call leaves out has the library's default, which is not always what is supported.
        for key in ("norm_op", "norm_op_kwargs", "nonlin"):
            settings.setdefault(key, None)
        return str(described["network_class_name"]).rpartition(".")[2], settings
    name = str(chosen["UNet_class_name"])
    stages = len(chosen["n_conv_per_stage_encoder"])
    widest = int(chosen["unet_max_num_features"])
    return name, {
        "n_stages": stages,
        "features_per_stage": [
            min(int(chosen["UNet_base_num_features"]) * 2**stage, widest) for stage in range(stages)
        ],
        "kernel_sizes": chosen["conv_kernel_sizes"],
        "strides": chosen["pool_op_kernel_sizes"],
        _BLOCKS.get(name, "n_conv_per_stage"): chosen["n_conv_per_stage_encoder"],
        "n_conv_per_stage_decoder": chosen["n_conv_per_stage_decoder"],
        "conv_bias": True,
    }


def _simple(key: str, value: Any) -> Any:
    """A layer's class without its module, and its settings with the library's defaults."""
    if isinstance(value, str):
        return value.rpartition(".")[2]
    if key.endswith("_kwargs"):
        given = dict(value or {})
        return {name: given.pop(name, _DEFAULTS[name]) for name in _FIXED[key]} | given
    return value


def _each(value: int | Sequence[Any], count: int) -> list[Any]:
    """One entry for each of `count`, where one number may stand for all."""
    return [value] * count if isinstance(value, int) else list(value)
