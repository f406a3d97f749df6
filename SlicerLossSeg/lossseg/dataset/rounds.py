"""The history of a study, `history.jsonl`: one line for each round of correcting, training and comparing."""

from __future__ import annotations

import json
import math
import os
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

from lossseg.errors import InputError
from lossseg.files import translate

HISTORY = "history.jsonl"


@dataclass(frozen=True)
class Round:
    """One round of the correction loop.

    Attributes:
        time: UTC, ISO 8601; two lines of one time are one round, of which the later one counts.
        cases: names of the cases that the new model was trained on.
        model: the new model, relative to the study folder where it lies in it.
        previous: the model that it was compared with; None in the first round.
        scores: of the new model on the validation cases, by name; None where undefined.
        used: whether the person chose the new model; None while that is open.
    """

    time: str
    cases: tuple[str, ...]
    model: str
    previous: str | None = None
    scores: Mapping[str, float | None] = field(default_factory=dict)
    used: bool | None = None


def append_round(study_folder: Path | str, new: Round) -> None:
    """Add a line to the study's history. A decision made later is appended as the same round with another `used`.

    Raises:
        InputError: no permission.
        DiskFull: no room.
    """
    path = Path(study_folder) / HISTORY
    value = asdict(new) | {"scores": {name: _defined(score) for name, score in new.scores.items()}}
    line = json.dumps(value, ensure_ascii=False, allow_nan=False) + "\n"
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        with open(path, "ab+") as file:
            _end_last_line(file)
            file.write(line.encode())
            file.flush()
            os.fsync(file.fileno())
    except OSError as error:
        raise translate(error, path) from error


def read_rounds(study_folder: Path | str) -> tuple[Round, ...]:
    """The rounds in their order; none where there is no history. A last line that was cut off is left out.

    Raises:
        InputError: a line that is no round.
    """
    path = Path(study_folder) / HISTORY
    try:
        lines = path.read_bytes().decode("utf-8", errors="replace").split("\n")
    except FileNotFoundError:
        return ()
    except OSError as error:
        raise InputError(f"{path} cannot be read ({error.strerror}).", "Check its permissions.") from error
    rounds: dict[str, Round] = {}
    for number, line in enumerate(lines, start=1):
        if not line.strip():
            continue
        try:
            found = _round(json.loads(line))
        except (KeyError, TypeError, ValueError, AttributeError) as error:
            if number == len(lines):
                break
            raise InputError(
                f"Line {number} of {path} is no round of the study.", "Delete the line, or restore a copy."
            ) from error
        rounds[found.time] = found
    return tuple(rounds.values())


def _round(value: Any) -> Round:
    used, previous = value.get("used"), value.get("previous")
    if not (used is None or isinstance(used, bool)) or isinstance(value["cases"], str):
        raise TypeError(value)
    return Round(
        time=str(value["time"]),
        cases=tuple(str(name) for name in value["cases"]),
        model=str(value["model"]),
        previous=None if previous is None else str(previous),
        scores={str(k): None if v is None else float(v) for k, v in dict(value.get("scores", {})).items()},
        used=used,
    )


def _end_last_line(file: Any) -> None:
    """A crash may have left half a line: it goes; a whole one without its end gets it."""
    file.seek(0)
    last = file.read().rpartition(b"\n")[2]
    if not last:
        return
    try:
        _round(json.loads(last))
        file.write(b"\n")
    except (KeyError, TypeError, ValueError, AttributeError):
        file.seek(-len(last), os.SEEK_END)
        file.truncate()


def _defined(score: float | None) -> float | None:
    return float(score) if score is not None and math.isfinite(score) else None
