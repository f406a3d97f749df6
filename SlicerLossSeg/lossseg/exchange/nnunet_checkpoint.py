"""nnU-Net's checkpoint files, of which nothing is executed, and the names of their parameters."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from lossseg.errors import InputError
from lossseg.exchange.torch_file import read_torch_file

if TYPE_CHECKING:
    import torch

# NumPy's numbers, of which the training's log is full. What stands in for them takes anything and does nothing.
_NUMPY = (
    "numpy.dtype",
    "numpy.ndarray",
    *(f"numpy.{core}.multiarray.{name}" for core in ("core", "_core") for name in ("scalar", "_reconstruct")),
)
_PREFIXES = re.compile(r"^(module\.|_orig_mod\.)+")
_AGAIN = re.compile(r"^decoder\.encoder\.|\.all_modules\.")
_HEAD = re.compile(r"^decoder\.seg_layers\.(\d+)\.")


class _Inert:
    """Stands in for a NumPy object in a pickle."""

    def __init__(self, *values: Any) -> None:
        pass

    def __setstate__(self, state: Any) -> None:
        pass


@dataclass(frozen=True)
class Checkpoint:
    """What a checkpoint holds that prediction needs.

    Attributes:
        weights: parameters by the names that our networks give them, float32; those of deep supervision's heads and
            those that are named twice are left out.
        configuration, trainer: names.
        mirror: axes that may be mirrored in prediction.
        epochs: of the training.
    """

    path: Path
    weights: dict[str, torch.Tensor]
    configuration: str
    trainer: str
    mirror: tuple[int, ...]
    epochs: int


def read_checkpoint(path: Path) -> Checkpoint:
    """The checkpoint in `path`, without executing anything from it.

    Raises:
        InputError: the file is missing or damaged, holds objects other than tensors, numbers and words, or is no
            checkpoint of nnU-Net v2.
    """
    content = _load(path)
    try:
        weights = content["network_weights"]
        configuration = str(content["init_args"]["configuration"])
        trainer = str(content["trainer_name"])
        mirror = tuple(int(axis) for axis in content.get("inference_allowed_mirroring_axes") or ())
        if not set(mirror) <= {0, 1, 2}:
            raise ValueError(mirror)
        return Checkpoint(path, _renamed(weights), configuration, trainer, mirror, int(content["current_epoch"]))
    except (KeyError, TypeError, ValueError, AttributeError) as error:
        raise InputError(
            f"{path} is no checkpoint of nnU-Net v2 ({error!r}).", "Give the folder that its training wrote."
        ) from error


def check_fit(checkpoint: Checkpoint, config: Mapping[str, Any]) -> None:
    """Raises InputError unless the weights are those of the network that `config` describes."""
    import torch

    from lossseg import networks

    with torch.device("meta"):
        expected = {name: tuple(value.shape) for name, value in networks.build(config).state_dict().items()}
    found = {name: tuple(value.shape) for name, value in checkpoint.weights.items()}
    odd = sorted(name for name in expected.keys() | found.keys() if expected.get(name) != found.get(name))
    if odd:
        raise InputError(
            f"{checkpoint.path} holds the weights of another network than plans.json describes: {odd[0]} is "
            f"{_shape(found.get(odd[0]))}, not {_shape(expected.get(odd[0]))}.",
            f"A trainer that changes the network (here {checkpoint.trainer}) cannot be imported.",
        )
    for name, value in checkpoint.weights.items():
        if not bool(value.isfinite().all()):
            raise InputError(f"{checkpoint.path}: {name} is not finite.", "Import another checkpoint.")


def _load(path: Path) -> dict[str, Any]:
    allowed: list[Any] = [(_Inert, name) for name in _NUMPY]
    content = read_torch_file(path, "Import checkpoints that nnU-Net's own trainer wrote.", allowed)
    if not isinstance(content, dict):
        raise InputError(f"{path} is no checkpoint of nnU-Net v2.", "Give the folder that its training wrote.")
    return content


def _renamed(weights: Mapping[str, Any]) -> dict[str, torch.Tensor]:
    import torch

    named = {_PREFIXES.sub("", name): value for name, value in weights.items()}
    heads = [int(match[1]) for name in named if (match := _HEAD.match(name))]
    result = {}
    for name, value in named.items():
        head = _HEAD.match(name)
        if _AGAIN.search(name) or (head and int(head[1]) < max(heads)):
            continue
        if not isinstance(value, torch.Tensor):
            raise TypeError(f"{name} is no tensor")
        result[name] = value.detach().float()
    return result


def _shape(shape: tuple[int, ...] | None) -> str:
    return "missing" if shape is None else " x ".join(map(str, shape)) or "a number"
