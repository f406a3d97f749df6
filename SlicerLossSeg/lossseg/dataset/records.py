"""What a study's register says of one case, and how that is written."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from enum import StrEnum
from pathlib import Path
from typing import Any, Literal

from lossseg.errors import InputError

FoldOf = int | Literal["train", "validation"] | None


class CaseState(StrEnum):
    """How a case's label came about, or that the case was taken out.

    ANNOTATED: a person drew it, or it was copied in.
    CORRECTED: a person corrected what a model gave, or what was there.
    REMOVED: its files lie in the bin.
    """

    ANNOTATED = "annotated"
    CORRECTED = "corrected"
    REMOVED = "removed"


@dataclass(frozen=True)
class Change:
    """One thing that was done to a case.

    Attributes:
        time: UTC, ISO 8601 to the second.
        by: who or what did it.
        what: in words.
    """

    time: str
    by: str
    what: str


@dataclass(frozen=True)
class CaseRecord:
    """One case of the study.

    Attributes:
        fold: its number among k folds, "train" or "validation" of a hold-out split, None while nothing is said.
        origin: where it came from: a file, a node of the scene, "found in the folder".
        changes: the oldest first.
    """

    name: str
    state: CaseState
    fold: FoldOf = None
    origin: str = ""
    changes: tuple[Change, ...] = ()

    def to_json(self) -> dict[str, Any]:
        """Everything but the name, under which it is kept."""
        value = asdict(self) | {"state": self.state.value, "changes": [asdict(change) for change in self.changes]}
        del value["name"]
        return value

    @classmethod
    def from_json(cls, name: str, value: Any, where: Path) -> CaseRecord:
        """The record that `to_json` gave.

        Raises:
            InputError: it is none; the sentence names `where` and the case.
        """
        try:
            changes = tuple(
                Change(*(_text(change[key]) for key in ("time", "by", "what"))) for change in value["changes"]
            )
            return cls(name, CaseState(value["state"]), checked_fold(value["fold"]), _text(value["origin"]), changes)
        except (KeyError, TypeError, ValueError) as error:
            raise InputError(
                f"{where} says nothing that can be read of the case {name} ({error!r}).",
                "Restore the file from a copy, or move it away: the cases themselves are in the dataset.",
            ) from error


def checked_fold(value: Any) -> FoldOf:
    """`value`, or `ValueError` unless it is a number from 0, "train", "validation" or None."""
    if value in ("train", "validation") or value is None:
        return value
    if isinstance(value, int) and not isinstance(value, bool) and value >= 0:
        return value
    raise ValueError(f"fold {value!r}")


def records_from_json(content: Any, where: Path, newest: int) -> dict[str, CaseRecord]:
    """The records in the content of a cases.json, by name.

    Raises:
        InputError: another file, a damaged one, or one of a newer format than `newest`.
    """
    if not isinstance(content, Mapping) or not isinstance(content.get("cases"), Mapping):
        raise InputError(
            f"{where} is no register of cases.", "Restore it from a copy, or move it away: the cases stay as they are."
        )
    form = content.get("format")
    if not isinstance(form, int) or form > newest:
        raise InputError(f"{where} has the format {form!r}, this engine reads up to {newest}.", "Update lossseg.")
    return {str(name): CaseRecord.from_json(str(name), value, where) for name, value in content["cases"].items()}


def _text(value: Any) -> str:
    if not isinstance(value, str):
        raise TypeError(f"{value!r} is no text")
    return value
