"""One trained network: `model.json` says all about it, `weights.safetensors` holds its parameters."""

from __future__ import annotations

import hashlib
import platform
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

import lossseg
from lossseg.errors import InputError
from lossseg.files import atomic, read_json, write_json
from lossseg.preprocessing.plan import Plan

if TYPE_CHECKING:
    import torch
    from torch import nn

FORMAT = 1
_CARD = "model.json"
_WEIGHTS = "weights.safetensors"


@dataclass(frozen=True)
class OperatingChoice:
    """From which probability on a voxel is foreground, and which component is believed; both in [0, 1]."""

    threshold: float
    min_confidence: float

    @classmethod
    def from_json(cls, value: Mapping[str, float] | None) -> OperatingChoice | None:
        return cls(float(value["threshold"]), float(value["min_confidence"])) if value else None


@dataclass(frozen=True)
class Model:
    """A trained network and what is needed to use it.

    Attributes:
        loss: the loss expression it was trained with.
        training: the training record (settings, cases, epochs, seconds, device, seed).
        scores: validation measures by name; None where undefined.
        operating_point: threshold and lowest confidence that suited the validation cases best, both in [0, 1]; None
            where nothing was validated or there are several classes.
        licence: of the weights; empty when its maker named none.
        versions: of the engine, Python and the packages that wrote it.
    """

    folder: Path
    plan: Plan
    loss: str
    training: dict[str, Any] = field(default_factory=dict)
    scores: dict[str, float | None] = field(default_factory=dict)
    operating_point: OperatingChoice | None = None
    licence: str = ""
    versions: dict[str, str] = field(default_factory=dict)

    @property
    def name(self) -> str:
        return self.folder.name

    @property
    def labels(self) -> dict[str, int]:
        return self.plan.labels

    @property
    def channels(self) -> tuple[str, ...]:
        return tuple(scheme.name for scheme in self.plan.channels)

    @property
    def seen_cases(self) -> frozenset[str]:
        """Names of the cases that it was trained on, those of the models that it was fine-tuned from among them."""
        return frozenset(str(name) for key in ("train", "seen") for name in self.training.get(key, ()))

    @property
    def weights_digest(self) -> str:
        """SHA-256 of the file of its weights: two models of equal digests are one, wherever they lie.

        Raises:
            InputError: the file cannot be read.
        """
        try:
            with open(self.folder / _WEIGHTS, "rb") as file:
                return hashlib.file_digest(file, "sha256").hexdigest()
        except OSError as error:
            raise InputError(f"{self.folder / _WEIGHTS} cannot be read ({error.strerror}).", "Restore it.") from error

    @property
    def network_config(self) -> dict[str, Any]:
        return self.plan.network

    def network(self) -> nn.Module:
        """The network in evaluation mode with its weights, on the CPU.

        Raises:
            InputError: the weights are missing, damaged, or of another network.
        """
        from lossseg import networks

        network = networks.build(self.network_config)
        state = read_tensors(self.folder / _WEIGHTS)
        try:
            network.load_state_dict(state)
        except RuntimeError as error:
            raise InputError(
                f"{self.folder / _WEIGHTS} does not fit the network of {_CARD}.", "Restore the model folder."
            ) from error
        return network.eval()


def save(
    folder: Path,
    *,
    plan: Plan,
    weights: Mapping[str, torch.Tensor],
    loss: str,
    training: Mapping[str, Any],
    scores: Mapping[str, float],
    operating_point: Mapping[str, float] | None = None,
    licence: str = "",
) -> Model:
    """Write a model folder; `model.json` comes last, so that a folder with it is complete.

    Raises:
        InputError: `folder` already holds a model or cannot be written.
        DiskFull: no room.
    """
    folder = Path(folder)
    if (folder / _CARD).exists():
        raise InputError(f"{folder} already holds a model.", "Choose another name; models are never overwritten.")
    versions = _versions()
    defined = {name: (float(value) if value == value else None) for name, value in scores.items()}
    write_tensors(folder / _WEIGHTS, weights)
    card = {
        "format": FORMAT,
        "loss": loss,
        "plan": plan.to_json(),
        "training": dict(training),
        "scores": defined,
        "operating_point": dict(operating_point) if operating_point else None,
        "licence": licence,
        "versions": versions,
        "intended_use": "Research. Not a medical device; a person must check every result.",
    }
    write_json(folder / _CARD, card)
    return load(folder)


def load(folder: Path) -> Model:
    """Read the card of the model in `folder`; the weights are read when `Model.network()` is called.

    Raises:
        InputError: no model there, a damaged one, or one written by a newer engine.
    """
    folder = Path(folder)
    card_path = folder / _CARD
    if not card_path.exists():
        raise InputError(f"{folder} holds no {_CARD}.", "Give the folder of a trained model.")
    card = read_json(card_path)
    if not isinstance(card, dict) or not isinstance(card.get("format"), int):
        raise InputError(f"{card_path} is no model card.", "Restore the model folder from a copy.")
    if card["format"] > FORMAT:
        raise InputError(
            f"{card_path} has format {card['format']}, this engine ({lossseg.__version__}) reads up to {FORMAT}.",
            "Update lossseg.",
        )
    if not (folder / _WEIGHTS).exists():
        raise InputError(f"{folder / _WEIGHTS} does not exist.", "Restore the model folder from a copy.")
    try:
        return Model(
            folder=folder,
            plan=Plan.from_json(card["plan"]),
            loss=str(card["loss"]),
            training=dict(card["training"]),
            scores=dict(card["scores"]),
            operating_point=OperatingChoice.from_json(card.get("operating_point")),
            licence=str(card.get("licence", "")),
            versions=dict(card.get("versions", {})),
        )
    except (KeyError, TypeError, ValueError) as error:
        if isinstance(error, InputError):
            raise InputError(f"{card_path}: {error.message}", error.hint) from error
        raise InputError(f"{card_path} lacks {error}.", "Restore the model folder from a copy.") from error


def write_tensors(path: Path, tensors: Mapping[str, torch.Tensor]) -> None:
    """Write tensors as safetensors, complete or not at all."""
    from safetensors.torch import save_file

    with atomic(path) as beside:
        save_file({name: tensor.detach().cpu().contiguous().clone() for name, tensor in tensors.items()}, beside)


def read_tensors(path: Path) -> dict[str, torch.Tensor]:
    """Tensors from a safetensors file, which holds numbers only.

    Raises:
        InputError: the file is missing or damaged.
    """
    from safetensors import SafetensorError
    from safetensors.torch import load_file

    try:
        return load_file(path)
    except FileNotFoundError as error:
        raise InputError(f"{path} does not exist.", "Restore the model folder from a copy.") from error
    except (SafetensorError, OSError) as error:
        raise InputError(f"{path} is damaged ({error}).", "Restore the model folder from a copy.") from error


def _versions() -> dict[str, str]:
    import monai
    import torch

    return {
        "lossseg": lossseg.__version__,
        "python": platform.python_version(),
        "torch": torch.__version__,
        "monai": monai.__version__,
    }
