"""What nnU-Net v2's dataset.json and plans.json say about a model, as a plan of our own. No torch."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from lossseg.dataset.description import checked_labels
from lossseg.errors import InputError
from lossseg.exchange.nnunet_architecture import network_config
from lossseg.files import read_json
from lossseg.preprocessing import ChannelKind, ChannelScheme, NnUNetGrid, Plan

READERS = {"SimpleITKIO": False, "NibabelIO": False, "SimpleITKIOWithReorient": True, "NibabelIOWithReorient": True}
"""nnU-Net's readers of volumes, and whether they turn them to the patient's axes."""

_RESAMPLING = "resample_data_or_seg_to_shape"
_RGB = (0.0, 255.0)


def read_plan(folder: Path, configuration: str, mirror: tuple[int, ...]) -> Plan:
    """The plan of `configuration` in a result folder, whose dataset.json and plans.json are read.

    Args:
        mirror: axes that may be mirrored in prediction, as the checkpoint says.

    Raises:
        InputError: a file is missing or damaged, or says something that cannot be reproduced here.
    """
    dataset, plans = _object(folder / "dataset.json"), _object(folder / "plans.json")
    path = folder / "plans.json"
    try:
        chosen = _configuration(plans, configuration, path)
        _check(plans, chosen, configuration, path)
        labels = _labels(dataset, folder / "dataset.json")
        channels = _channels(dataset, plans, chosen, path)
        spacing, patch, transpose = chosen["spacing"], chosen["patch_size"], plans["transpose_forward"]
        return Plan(
            channels=channels,
            spacing=(float(spacing[0]), float(spacing[1]), float(spacing[2])),
            patch=(int(patch[0]), int(patch[1]), int(patch[2])),
            batch=int(chosen["batch_size"]),
            labels=labels,
            network=network_config(chosen, len(channels), len(labels), path),
            nnunet=NnUNetGrid(
                transpose=(int(transpose[0]), int(transpose[1]), int(transpose[2])),
                mirror=mirror,
                image_order=_order(chosen, "resampling_fn_data", path),
                logit_order=_order(chosen, "resampling_fn_probabilities", path),
                canonical=READERS[plans["image_reader_writer"]],
            ),
        )
    except (KeyError, IndexError, TypeError, ValueError, AttributeError) as error:
        if isinstance(error, InputError):
            raise
        raise InputError(f"{path} cannot be read ({error!r}).", "Restore the result folder from a copy.") from error


def dataset_name(folder: Path) -> str:
    """The name that plans.json gives the dataset."""
    return str(_object(folder / "plans.json").get("dataset_name", ""))


def _configuration(plans: Mapping[str, Any], name: str, path: Path) -> dict[str, Any]:
    """The settings of a configuration with those that it inherits."""
    known = plans["configurations"]
    if name not in known:
        raise InputError(f"{path} has no configuration {name}.", f"It has {', '.join(known)}.")
    chain: list[str] = []
    settings: dict[str, Any] = {}
    while name:
        if name in chain or name not in known:
            raise InputError(f"{path}: what {chain[-1]} inherits from cannot be found.", "Restore it from a copy.")
        chain.append(name)
        settings = known[name] | settings
        name = known[name].get("inherits_from", "")
    return settings


def _check(plans: Mapping[str, Any], chosen: Mapping[str, Any], name: str, path: Path) -> None:
    """Raises InputError for what would be computed otherwise here than by nnU-Net."""
    if len(chosen["patch_size"]) != 3:
        raise InputError(
            f"{path}: {name} segments slice by slice, which is not supported.", "Import 3d_fullres or 3d_lowres."
        )
    if chosen.get("previous_stage"):
        raise InputError(
            f"{path}: {name} needs the result of {chosen['previous_stage']}, which is not supported.",
            "Import 3d_fullres or 3d_lowres.",
        )
    expected = {
        "preprocessor_name": (chosen.get("preprocessor_name"), ("DefaultPreprocessor",)),
        "label_manager": (plans.get("label_manager", "LabelManager"), ("LabelManager",)),
        "image_reader_writer": (plans["image_reader_writer"], tuple(READERS)),
    }
    for key, (value, known) in expected.items():
        if value not in known:
            raise InputError(f"{path}: the {key} {value!r} is not supported.", f"Supported: {', '.join(known)}.")


def _labels(dataset: Mapping[str, Any], path: Path) -> dict[str, int]:
    """Labels without the ignore label, for which networks have no output."""
    labels = {
        name: value[0] if isinstance(value, list) and len(value) == 1 else value
        for name, value in dataset["labels"].items()
        if name != "ignore"
    }
    return checked_labels(labels, path)


def _channels(
    dataset: Mapping[str, Any], plans: Mapping[str, Any], chosen: Mapping[str, Any], path: Path
) -> tuple[ChannelScheme, ...]:
    names = dataset.get("channel_names") or dataset["modality"]
    intensities = plans.get("foreground_intensity_properties_per_channel") or plans.get(
        "foreground_intensity_properties_by_modality", {}
    )
    schemes, masked = chosen["normalization_schemes"], chosen["use_mask_for_norm"]
    if not len(names) == len(schemes) == len(masked):
        raise InputError(
            f"{path}: {len(schemes)} normalisations are given for {len(names)} channels.",
            "Restore the result folder from a copy.",
        )
    return tuple(
        _scheme(str(names[str(index)]), schemes[index], bool(masked[index]), intensities.get(str(index), {}), path)
        for index in range(len(names))
    )


def _scheme(name: str, scheme: str, masked: bool, intensities: Mapping[str, float], path: Path) -> ChannelScheme:
    match scheme:
        case "ZScoreNormalization":
            return ChannelScheme(name, ChannelKind.ZSCORE, nonzero=masked)
        case "CTNormalization":
            low, high = float(intensities["percentile_00_5"]), float(intensities["percentile_99_5"])
            mean, std = float(intensities["mean"]), float(intensities["std"])
            return ChannelScheme(name, ChannelKind.CT, low=low, high=high, mean=mean, std=std)
        case "NoNormalization":
            return ChannelScheme(name, ChannelKind.NONE)
        case "RescaleTo01Normalization":
            return ChannelScheme(name, ChannelKind.RESCALE)
        case "RGBTo01Normalization":
            return ChannelScheme(name, ChannelKind.WINDOW, low=_RGB[0], high=_RGB[1])
    raise InputError(
        f"{path}: the normalisation {scheme} is not supported.",
        "Supported: ZScore-, CT-, No-, RescaleTo01- and RGBTo01Normalization.",
    )


def _order(chosen: Mapping[str, Any], key: str, path: Path) -> int:
    """The spline order of a resampling that is nnU-Net's own."""
    settings = chosen[f"{key}_kwargs"]
    usual = {"is_seg": False, "order_z": 0, "force_separate_z": None}
    if chosen[key] != _RESAMPLING or any(settings.get(name, value) != value for name, value in usual.items()):
        raise InputError(
            f"{path}: the resampling {chosen[key]} {dict(settings)} is not supported.",
            f"Supported is {_RESAMPLING} with order_z 0 and force_separate_z null.",
        )
    order = settings["order"]
    if not isinstance(order, int) or not 0 <= order <= 5:
        raise InputError(f"{path}: the resampling has the order {order!r}.", "Give a whole number from 0 to 5.")
    return order


def _object(path: Path) -> dict[str, Any]:
    value = read_json(path)
    if not isinstance(value, dict):
        raise InputError(f"{path} holds no JSON object.", "Restore the result folder from a copy.")
    return value
