"""The weights of a MONAI bundle, of which nothing is executed."""

from __future__ import annotations

import os
import re
import zipfile
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from lossseg.errors import InputError
from lossseg.exchange.monai_values import Values
from lossseg.exchange.torch_file import read_torch_file

if TYPE_CHECKING:
    import torch

USUAL = "models/model.pt"
_INSIDE = ("model", "state_dict", "model_state_dict", "network", "net")
_PREFIXES = re.compile(r"^(module\.|_orig_mod\.)+")
_TWICE = "skip_layers."
"""MONAI's DynUNet names every block once more below this."""

_WHAT_INSTEAD = "Import the bundle's folder, with configs/inference.json and the weights in models/model.pt."


def weights_file(bundle: Path, values: Values) -> Path:
    """The file that the bundle's CheckpointLoader reads, models/model.pt where it cannot be told.

    Raises:
        InputError: it is no file of the bundle.
    """
    for key, node in values.content.items():
        for number, part in enumerate(node if isinstance(node, list) else [node]):
            if isinstance(part, Mapping) and str(part.get("_target_", "")).rpartition(".")[2] == "CheckpointLoader":
                named = _named(values, part.get("load_path"), f"{key}#{number}")
                inside = os.path.normpath(named or USUAL)
                if Path(inside).is_absolute() or Path(inside).parts[:1] == ("..",):
                    raise InputError(
                        f"{values.path}: the weights {named} lie outside of the bundle.", "Put them into models."
                    )
                return bundle / inside
    return bundle / USUAL


def _named(values: Values, path: Any, key: str) -> str:
    """`load_path` relative to the bundle; empty where it would have to be executed."""
    rooted = Values({**values.content, "bundle_root": "."}, values.path)
    try:
        named = rooted.constant(path, key)
    except InputError:
        return ""
    return named if isinstance(named, str) else ""


def read_weights(path: Path) -> dict[str, torch.Tensor]:
    """The parameters in a file of torch's, by their names, floating point in 32 bits.

    Raises:
        InputError: the file is missing or damaged, is TorchScript, or holds anything but tensors, numbers and words.
    """
    if not path.is_file():
        raise InputError(
            f"{path} does not exist.", "Download the weights with the bundle: `python -m monai.bundle download`."
        )
    refuse_program(path)
    return _parameters(read_torch_file(path, "Save the network's state_dict() alone."), path)


def refuse_program(path: Path) -> None:
    """Raises InputError for a TorchScript file, which is a program."""
    if not zipfile.is_zipfile(path):
        return
    with zipfile.ZipFile(path) as archive:
        inside = [name.partition("/")[2] for name in archive.namelist()]
    if "constants.pkl" in inside or any(name.startswith("code/") for name in inside):
        raise InputError(f"{path} is TorchScript, a program, and is not executed.", _WHAT_INSTEAD)


def fit(weights: Mapping[str, torch.Tensor], config: Mapping[str, Any], path: Path) -> dict[str, torch.Tensor]:
    """The weights of the network that `config` describes, no more and no less.

    Raises:
        InputError: one is missing, left over, of another shape or not finite.
    """
    import torch

    from lossseg import networks

    with torch.device("meta"):
        expected = {name: tuple(value.shape) for name, value in networks.build(config).state_dict().items()}
    left = {name for name in weights.keys() - expected.keys() if not name.startswith(_TWICE)}
    found = {name: tuple(weights[name].shape) for name in expected if name in weights}
    odd = sorted(left | {name for name, shape in expected.items() if found.get(name) != shape})
    if odd:
        name = odd[0]
        has = tuple(weights[name].shape) if name in weights else None
        raise InputError(
            f"{path} holds the weights of another network than the configuration describes: {name} is "
            f"{_shape(has)}, not {_shape(expected.get(name))}.",
            "Import a bundle as it was published, or correct its network_def.",
        )
    for name in expected:
        if not bool(weights[name].isfinite().all()):
            raise InputError(f"{path}: {name} is not finite.", "Import other weights.")
    return {name: weights[name] for name in expected}


def _parameters(content: Any, path: Path) -> dict[str, torch.Tensor]:
    import torch

    for key in _INSIDE:
        if isinstance(content, Mapping) and isinstance(content.get(key), Mapping):
            content = content[key]
            break
    if not isinstance(content, Mapping) or not content:
        raise InputError(f"{path} holds no parameters of a network.", "Save the network's state_dict() there.")
    for name, value in content.items():
        if not isinstance(name, str) or not isinstance(value, torch.Tensor):
            raise InputError(f"{path}: {name} is no parameter.", "Save the network's state_dict() alone.")
    return {
        _PREFIXES.sub("", name): value.detach().float() if value.is_floating_point() else value.detach()
        for name, value in content.items()
    }


def _shape(shape: tuple[int, ...] | None) -> str:
    return "missing" if shape is None else " x ".join(map(str, shape)) or "a number"
