"""An ensemble is a small JSON file that names its members by paths relative to itself, so that it can be moved."""

from __future__ import annotations

import os
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from lossseg.errors import InputError
from lossseg.files import read_json, write_json
from lossseg.model.folder import Model, OperatingChoice, load

_FORMAT = 1


@dataclass(frozen=True)
class Member:
    """A model of an ensemble and its share of the mean probability (any positive number)."""

    model: Model
    weight: float = 1.0


@dataclass(frozen=True)
class Ensemble:
    """Models with equal channels and labels whose probabilities are averaged.

    Attributes:
        chosen: in words, how the members were chosen.
    """

    name: str
    members: tuple[Member, ...]
    chosen: str = ""

    def __post_init__(self) -> None:
        if not self.members:
            raise InputError(f"The ensemble {self.name} has no member.", "Name at least one model.")
        first = self.members[0].model
        for member in self.members:
            if member.weight <= 0:
                raise InputError(
                    f"{member.model.name} has the weight {member.weight:g}.", "Give a weight above 0 or leave it out."
                )
            for what in ("channels", "labels"):
                own, others = getattr(member.model, what), getattr(first, what)
                if own != others:
                    raise InputError(
                        f"{member.model.folder} has the {what} {_words(own)}, {first.folder} has {_words(others)}.",
                        "Combine models of the same task only.",
                    )

    @property
    def labels(self) -> dict[str, int]:
        return self.members[0].model.labels

    @property
    def channels(self) -> tuple[str, ...]:
        return self.members[0].model.channels

    @property
    def operating_point(self) -> OperatingChoice | None:
        """The members' weighted mean, None unless each has one: their probabilities are averaged likewise."""
        points = [(member.model.operating_point, member.weight) for member in self.members]
        total = sum(weight for _, weight in points)
        chosen = [(point, weight / total) for point, weight in points if point is not None]
        if len(chosen) < len(points):
            return None
        return OperatingChoice(
            threshold=sum(point.threshold * share for point, share in chosen),
            min_confidence=sum(point.min_confidence * share for point, share in chosen),
        )


def save_ensemble(
    path: Path, members: Sequence[Path], *, weights: Sequence[float] | None = None, chosen: str = ""
) -> Ensemble:
    """Write the ensemble of the model folders `members` to `path`, replacing none.

    Raises:
        InputError: the file exists, a member is no model, or members do not fit together.
    """
    path = Path(path)
    if path.exists():
        raise InputError(f"{path} already exists.", "Choose another name; ensembles are never overwritten.")
    shares = list(weights) if weights is not None else [1.0] * len(members)
    if len(shares) != len(members):
        raise InputError(f"{len(shares)} weight(s) given for {len(members)} member(s).", "Give one weight per member.")
    chain = zip(members, shares, strict=True)
    ensemble = Ensemble(path.stem, tuple(Member(load(Path(m)), float(w)) for m, w in chain), chosen)
    base = path.parent.resolve()
    entries = [
        {"path": Path(os.path.relpath(member.model.folder.resolve(), base)).as_posix(), "weight": member.weight}
        for member in ensemble.members
    ]
    write_json(path, {"format": _FORMAT, "members": entries, "chosen": chosen})
    return ensemble


def load_ensemble(path: Path) -> Ensemble:
    """Read an ensemble file and the cards of its members.

    Raises:
        InputError: no ensemble file, a member is missing, or a newer format.
    """
    path = Path(path)
    value: Any = read_json(path)
    if not isinstance(value, dict) or not isinstance(value.get("members"), list):
        raise InputError(f"{path} is no ensemble file.", "Make one with `lossseg ensemble`.")
    if value.get("format", 1) > _FORMAT:
        raise InputError(f"{path} was written by a newer engine.", "Update lossseg.")
    try:
        members = tuple(
            Member(load(path.parent / entry["path"]), float(entry.get("weight", 1.0))) for entry in value["members"]
        )
    except (KeyError, TypeError) as error:
        raise InputError(f"{path} names a member without a path.", "Make it anew with `lossseg ensemble`.") from error
    return Ensemble(path.stem, members, str(value.get("chosen", "")))


def load_any(path: Path) -> Ensemble:
    """An ensemble file, or a model folder as an ensemble of one.

    Raises:
        InputError: `path` is neither.
    """
    path = Path(path)
    if not path.exists():
        raise InputError(f"{path} does not exist.", "Give a model folder or an ensemble file.")
    if path.is_dir():
        model = load(path)
        return Ensemble(model.name, (Member(model),))
    return load_ensemble(path)


def _words(value: Any) -> str:
    return ", ".join(value) or "none"
