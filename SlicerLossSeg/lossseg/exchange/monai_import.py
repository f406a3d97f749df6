"""MONAI bundles as model folders of our own: their configuration is read as data, nothing in them is executed."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

from lossseg.errors import InputError
from lossseg.exchange.monai_component import component
from lossseg.exchange.monai_metadata import channel_names, label_values, licence, renamed
from lossseg.exchange.monai_postprocessing import read_ending
from lossseg.exchange.monai_preprocessing import Windows, read_grid, read_windows
from lossseg.exchange.monai_values import Values
from lossseg.exchange.monai_weights import USUAL, fit, read_weights, refuse_program, weights_file
from lossseg.files import read_json, whole_folder
from lossseg.model import save
from lossseg.networks.config import DynUNetConfig
from lossseg.networks.monai_config import NETWORKS, MonaiConfig
from lossseg.preprocessing import ChannelKind, ChannelScheme, MonaiGrid, Plan, StepKind
from lossseg.reporting import Reporter, Silent, Stage

if TYPE_CHECKING:
    import torch

CONFIG, METADATA, OWN = "configs/inference.json", "configs/metadata.json", "configs/lossseg.json"
_FOLDERS = ("configs", "models")
_BATCH = 2
_NETWORK_KEYS = ("network_def", "network", "net")


@dataclass(frozen=True)
class ImportedBundle:
    """The model folder, and what is done otherwise than by the bundle."""

    model: Path
    warnings: tuple[str, ...]


@dataclass(frozen=True)
class _Read:
    """What `lossseg.model.save` is to write."""

    plan: Plan
    weights: Mapping[str, torch.Tensor]
    loss: str
    training: dict[str, Any]
    licence: str
    scores: dict[str, float] = field(default_factory=dict)
    point: dict[str, float] | None = None
    warnings: tuple[str, ...] = ()


def is_bundle(source: Path) -> bool:
    """Whether `source` looks like a MONAI bundle, or a file out of one, rather than nnU-Net's result folder."""
    source = Path(source)
    return source.is_file() or (not (source / "plans.json").exists() and any((source / p).is_dir() for p in _FOLDERS))


def import_bundle(
    source: Path,
    out: Path,
    *,
    name: str = "",
    channels: Sequence[str] = (),
    labels: Sequence[str] = (),
    reporter: Reporter | None = None,
) -> ImportedBundle:
    """Write the MONAI bundle in the folder `source` as the model folder OUT/NAME, complete or not at all.

    The model predicts what the bundle's own pipeline does, but for what `warnings` says; a bundle that lossseg exported
    becomes the model that it was made from.

    Args:
        name: of the folder to write; default the bundle's.
        channels, labels: names of the channels, and of the classes after the background, in their order; default what
            metadata.json calls them. Members of one ensemble have equal names.

    Raises:
        InputError: no bundle, a file in it that is missing, damaged or cannot be trusted, a configuration that would
            have to be executed or asks for what is not known here, or a result that exists already.
        DiskFull: no room.
    """
    source, out = Path(source), Path(out)
    _check_folder(source)
    name = name or _safe(source.resolve().name)
    if name != _safe(name):
        raise InputError(f"{name!r} cannot be the name of a folder.", "Use letters, digits, . _ and -.")
    target = out / name
    if target.exists():
        raise InputError(f"{target} already exists.", "Choose another name; models are never overwritten.")
    stage = Stage(reporter or Silent(), "import", 1)
    read = _own(source) if (source / OWN).is_file() else _any(source)
    plan = renamed(read.plan, channels, labels)
    with whole_folder(target) as beside:
        save(
            beside,
            plan=plan,
            weights=read.weights,
            loss=read.loss,
            training=read.training,
            scores=read.scores,
            operating_point=read.point,
            licence=read.licence,
        )
    stage.advance()
    return ImportedBundle(target, read.warnings)


def _check_folder(source: Path) -> None:
    if source.is_file():
        refuse_program(source)
        raise InputError(f"{source} is no folder of a MONAI bundle.", "Give the folder with configs and models in it.")
    if (source / CONFIG).is_file():
        return
    yaml = [path.name for ending in ("yaml", "yml") for path in (source / "configs").glob(f"inference.{ending}")]
    if yaml:
        raise InputError(
            f"{source / 'configs' / yaml[0]} is YAML, which is not read.",
            "Write it as configs/inference.json with Python: json.dump(yaml.safe_load(file), other).",
        )
    raise InputError(f"{source} is no MONAI bundle: it has no {CONFIG}.", "Give the folder with configs and models.")


def _own(source: Path) -> _Read:
    """A bundle that lossseg exported: its card says everything."""
    record = _object(source / OWN)
    found = hashlib.sha256((source / CONFIG).read_bytes()).hexdigest()
    if record.get("inference") != found:
        raise InputError(
            f"{source / CONFIG} was changed after it was exported.", "Import the bundle as it was, or the model itself."
        )
    try:
        card = record["model"]
        network = dict(card["plan"]["network"])
        if network["name"] == DynUNetConfig.name:
            network["deep_supervision"] = False  # The heads of training are not in a bundle.
        plan = Plan.from_json(card["plan"] | {"network": network})
        return _Read(
            plan=plan,
            weights=fit(read_weights(source / USUAL), network, source / USUAL),
            loss=str(card["loss"]),
            training={"imported_from": "MONAI bundle", "bundle": source.resolve().name},
            licence=str(card.get("licence", "")),
            scores={key: float("nan") if value is None else float(value) for key, value in card["scores"].items()},
            point=card.get("operating_point"),
        )
    except (KeyError, TypeError, ValueError, AttributeError) as error:
        if isinstance(error, InputError):
            raise
        raise InputError(f"{source / OWN} cannot be read ({error!r}).", "Restore it from a copy.") from error


def _any(source: Path) -> _Read:
    """A bundle of MONAI's parts."""
    values = Values(_object(source / CONFIG), source / CONFIG)
    for key in ("preprocessing", "inferer", "postprocessing"):
        if key not in values:
            raise InputError(f"{values.path} has no {key}.", "Import a bundle with MONAI's usual names.")
    facts = _object(source / METADATA) if (source / METADATA).is_file() else {}
    config = _network(values)
    windows = read_windows(values)
    _check_window(config, windows, values)
    grid, spacing = read_grid(values, windows)
    ending = read_ending(values, config.out_channels)
    path = weights_file(source, values)
    plan = Plan(
        channels=tuple(ChannelScheme(name, ChannelKind.NONE) for name in channel_names(facts, config.in_channels)),
        spacing=spacing,
        patch=windows.patch,
        batch=_BATCH,
        labels=label_values(facts, max(config.out_channels, 2), source / METADATA),
        network=config.to_json(),
        monai=grid,
    )
    record = {"imported_from": "MONAI bundle", "bundle": str(facts.get("name") or source.resolve().name)}
    return _Read(
        plan=plan,
        weights=fit(read_weights(path), plan.network, path),
        loss="unknown",
        training=record | {"version": str(facts.get("version", "")), "weights": path.name},
        licence=licence(source, facts),
        point=None if ending.threshold is None else {"threshold": ending.threshold, "min_confidence": 0.0},
        warnings=tuple(dict.fromkeys([*_of_rounding(grid), *ending.warnings])),
    )


def _of_rounding(grid: MonaiGrid) -> list[str]:
    kinds = [step.kind for step in grid.steps]
    after = grid.steps[kinds.index(StepKind.RESAMPLE) :] if grid.resamples else ()
    if any(step.nonzero and step.kind is StepKind.NORMALISE for step in after):
        return ["Voxels that resampling leaves at 0 count as empty here; in MONAI rounding decides."]
    return []


def _network(values: Values) -> MonaiConfig:
    for key in _NETWORK_KEYS:
        if key in values and isinstance(values.raw(key), Mapping):
            part = component(values, values.raw(key), key)
            break
    else:
        raise InputError(f"{values.path} has no network_def.", "Import a bundle with MONAI's usual names.")
    known = {name.lower(): name for name in NETWORKS}
    if part is None or part.name.lower() not in known:
        raise InputError(
            f"{values.path}: the network {part.target if part else 'is switched off'} ({key}) is not supported.",
            f"Supported: {', '.join(NETWORKS)}, built from constants.",
        )
    arguments = {name: part.constant(name) for name in part.arguments}
    if arguments.pop("spatial_dims", 3) != 3:
        raise part.refused("spatial_dims", part.constant("spatial_dims"), "Import a network in three dimensions.")
    counts = {name: arguments.pop(name, None) for name in ("in_channels", "out_channels")}
    for name, value in counts.items():
        if value is None:
            raise InputError(f"{values.path}: {part.target} ({key}) has no {name}.", "Write it down there.")
    try:
        return MonaiConfig.from_json(
            {"name": MonaiConfig.name, "network": known[part.name.lower()], "arguments": arguments} | counts
        )
    except InputError as error:
        raise InputError(f"{values.path}: {error.message}", error.hint) from error


def _check_window(config: MonaiConfig, windows: Windows, values: Values) -> None:
    from lossseg.networks.monai_network import trace

    try:
        shape = trace(config, windows.patch).shape
    except InputError as error:
        raise InputError(f"{values.path}: {error.message}", error.hint) from error
    if shape != (1, config.out_channels, *windows.patch):
        raise InputError(
            f"{values.path}: {config.network} makes {shape[1:]} of a window of {windows.patch} voxels.",
            f"Import a network that gives {config.out_channels} values for each voxel.",
        )


def _object(path: Path) -> dict[str, Any]:
    value = read_json(path)
    if not isinstance(value, dict):
        raise InputError(f"{path} holds no JSON object.", "Restore the bundle from a copy.")
    return value


def _safe(name: str) -> str:
    """`name` as the name of a folder on every system."""
    return re.sub(r"[^A-Za-z0-9._-]+", "_", name).strip("._-") or "bundle"
