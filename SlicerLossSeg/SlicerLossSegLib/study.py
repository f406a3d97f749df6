"""The study folder: where models, ensembles and runs of the user lie, and which models there are to choose from."""

from __future__ import annotations

import json
import math
import os
import secrets
import shutil
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from lossseg.errors import InputError
from lossseg.files import read_json, write_json

MODEL_CARD = "model.json"
WEIGHTS = "weights.safetensors"
_DEEPEST = 3


@dataclass(frozen=True)
class ModelCard:
    """What the list of models says of one.

    Attributes:
        name: its folder below `models`, with slashes.
        dice, small_recall: of its validation cases, 0 to 1; NaN where unknown.
        labels: name to value, with the background.
        licence, intended_use: as its maker wrote them.
    """

    folder: Path
    name: str
    loss: str
    network: str
    channels: tuple[str, ...]
    labels: dict[str, int]
    dice: float
    small_recall: float
    licence: str
    intended_use: str

    @classmethod
    def read(cls, folder: Path, name: str) -> ModelCard:
        """The card of the model in `folder`.

        Raises:
            InputError: there is none, or it is damaged.
        """
        card = read_json(folder / MODEL_CARD)
        if not (folder / WEIGHTS).exists():
            raise InputError(f"The model {folder} has no {WEIGHTS}.", "Restore its folder from a copy.")
        try:
            plan, scores = card["plan"], card["scores"]
            return cls(
                folder=folder,
                name=name,
                loss=str(card["loss"]),
                network=_network(plan["network"]),
                channels=tuple(str(channel["name"]) for channel in plan["channels"]),
                labels={str(label): int(value) for label, value in plan["labels"].items()},
                dice=_score(scores, "dice"),
                small_recall=_score(scores, "small_recall"),
                licence=str(card.get("licence", "")),
                intended_use=str(card.get("intended_use", "")),
            )
        except (KeyError, TypeError, ValueError, AttributeError) as error:
            raise InputError(f"{folder / MODEL_CARD} is damaged.", "Restore the folder from a copy.") from error


@dataclass(frozen=True)
class EnsembleEntry:
    """An ensemble file: its members' folders and how they were chosen."""

    path: Path
    members: tuple[Path, ...]
    chosen: str

    @property
    def name(self) -> str:
        return self.path.stem


class Study:
    """A study folder. It is made when something is first put into it."""

    def __init__(self, folder: Path) -> None:
        self.folder = Path(folder)

    @property
    def models_folder(self) -> Path:
        return self.folder / "models"

    @property
    def dataset_folder(self) -> Path:
        return self.folder / "dataset"

    @property
    def ensembles_folder(self) -> Path:
        return self.folder / "ensembles"

    def models(self) -> list[ModelCard]:
        """The models that can be read, by name."""
        cards = []
        for folder in _model_folders(self.models_folder):
            try:
                cards.append(ModelCard.read(folder, folder.relative_to(self.models_folder).as_posix()))
            except InputError:
                continue
        return cards

    def damaged(self) -> list[str]:
        """A sentence for each model folder that cannot be read."""
        sentences = []
        for folder in _model_folders(self.models_folder):
            try:
                ModelCard.read(folder, folder.name)
            except InputError as error:
                sentences.append(error.message)
        return sentences

    def ensembles(self) -> list[EnsembleEntry]:
        """The ensemble files whose members are all there, by name."""
        entries = []
        for path in sorted(self.ensembles_folder.glob("*.json")):
            try:
                record = read_json(path)
                members = tuple((path.parent / member["path"]).resolve() for member in record["members"])
            except (InputError, KeyError, TypeError):
                continue
            if members and all((member / MODEL_CARD).exists() for member in members):
                entries.append(EnsembleEntry(path, members, str(record.get("chosen", ""))))
        return entries

    def add_model(self, source: Path, name: str = "") -> ModelCard:
        """Copy a model folder into the study, complete or not at all.

        Args:
            name: of the model in the study, with slashes for folders; the folder's own when empty.

        Raises:
            InputError: it is no model, or one of that name is there.
        """
        source = Path(source)
        if not (source / MODEL_CARD).exists():
            raise InputError(f"{source} holds no {MODEL_CARD}.", "Choose the folder of a trained model.")
        ModelCard.read(source, source.name)
        target = self.models_folder / (name or source.name)
        if target.exists():
            raise InputError(
                f"The study has a model {name or source.name} already.", "Rename the folder and add it again."
            )
        beside = target.with_name(f".{secrets.token_hex(4)}")
        beside.mkdir(parents=True)
        try:
            for name in (WEIGHTS, MODEL_CARD):
                shutil.copyfile(source / name, beside / name)
            os.replace(beside, target)
        finally:
            shutil.rmtree(beside, ignore_errors=True)
        return ModelCard.read(target, target.relative_to(self.models_folder).as_posix())

    def add_ensemble(self, source: Path) -> list[ModelCard]:
        """Copy an ensemble with its members into the study. What is there already under the same name stays."""
        record = read_json(source)
        cards = []
        for member in record["members"]:
            folder = (source.parent / member["path"]).resolve()
            kept = self.models_folder / folder.name
            cards.append(ModelCard.read(kept, folder.name) if kept.exists() else self.add_model(folder))
        target = self.ensembles_folder / source.name
        if not target.exists():
            members = [
                {**member, "path": f"../models/{card.name}"}
                for member, card in zip(record["members"], cards, strict=True)
            ]
            write_json(target, {**record, "members": members})
        return cards


def ensemble_file(members: Iterable[ModelCard], path: Path) -> Path:
    """Write an ensemble of equal shares for one job; members are named by whole paths.

    Raises:
        InputError: the members do not take the same channels or do not give the same labels.
    """
    cards = list(members)
    require_one_task(cards)
    entries = [{"path": str(card.folder.resolve()), "weight": 1.0} for card in cards]
    write_json(path, {"format": 1, "members": entries, "chosen": "Ticked in Slicer."})
    return path


def ensemble_of_study(members: Iterable[ModelCard], path: Path, chosen: str) -> None:
    """Write an ensemble of equal shares into the study; members are named relative to the file."""
    entries = [{"path": os.path.relpath(card.folder, path.parent), "weight": 1.0} for card in members]
    write_json(path, {"format": 1, "members": entries, "chosen": chosen})


def require_one_task(cards: list[ModelCard]) -> None:
    """Models can be averaged when they take the same channels and give the same labels.

    Raises:
        InputError: they do not.
    """
    first = cards[0]
    for card in cards[1:]:
        if card.channels != first.channels or card.labels != first.labels:
            raise InputError(
                f"{card.name} and {first.name} were not trained for the same task.",
                "Tick models with the same channels and labels only.",
            )


def first_member(ensemble: Path) -> Path:
    """The folder of an ensemble file's first member.

    Raises:
        InputError: it is no ensemble file.
    """
    try:
        return (ensemble.parent / read_json(ensemble)["members"][0]["path"]).resolve()
    except (KeyError, IndexError, TypeError) as error:
        raise InputError(f"{ensemble} is no ensemble file.", "Choose another one.") from error


def default_folder(documents: Path) -> Path:
    return documents / "LossSeg"


def _model_folders(base: Path) -> list[Path]:
    found: list[Path] = []
    front = [base] if base.is_dir() else []
    for _depth in range(_DEEPEST):
        inner: list[Path] = []
        for folder in front:
            for child in sorted(path for path in folder.iterdir() if path.is_dir() and path.name[0] != "."):
                (found if (child / MODEL_CARD).exists() else inner).append(child)
        front = inner
    return sorted(found)


def _network(config: dict[str, Any]) -> str:
    filters = config.get("filters", ())
    # Of a MONAI bundle the architecture stands beside the name.
    name = config.get("network") or config.get("name", "network")
    return f"{name} {'-'.join(map(str, filters))}".strip()


def _score(scores: dict[str, Any], name: str) -> float:
    value = scores.get(name)
    return math.nan if value is None else float(value)


def demo_study() -> Path:
    """The study that comes with the extension: a small ensemble trained on phantoms."""
    return Path(__file__).resolve().parents[1] / "Resources" / "DemoStudy"


def read_result_labels(path: Path) -> dict[str, int]:
    """Names and values of the labels in the engine's CASE.lesions.json."""
    (case,) = json.loads(path.read_text(encoding="utf-8"))["cases"]
    return {str(name): int(value) for name, value in case["labels"].items()}
