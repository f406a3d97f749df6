"""The state file of a study: which runs there are and how far each is. It is written whole after every change."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace
from enum import StrEnum
from pathlib import Path
from typing import Any

from lossseg import __version__
from lossseg.errors import InputError
from lossseg.files import found, from_here, read_json, write_json

STATE_FILE = "study.json"
PREDICTIONS = "predictions"
_FORMAT, _VERSION = "lossseg-study", 1
_LONGEST = 60
# Names of Windows' devices.
_RESERVED = {"con", "prn", "aux", "nul"}


class RunState(StrEnum):
    """How far a run is. One that was paused waits, and goes on from its checkpoint."""

    WAITING = "waiting"
    RUNNING = "running"
    FINISHED = "finished"
    FAILED = "failed"


@dataclass(frozen=True)
class StudyRun:
    """One run of a study: a loss, the fold that it is validated on, and a seed.

    Attributes:
        key: its folder below the study's, with `/`: LOSS/fold_K, and LOSS/seed_S/fold_K for further seeds.
        loss: the expression as it was given.
        seconds: that its training took; None before it ended.
        steps: optimizer steps taken; None before it finished.
        scores: of its validation cases, by name; None where undefined.
        sentence: why it failed; else empty.
    """

    key: str
    loss: str
    fold: int
    seed: int
    state: RunState = RunState.WAITING
    seconds: float | None = None
    steps: int | None = None
    scores: Mapping[str, float | None] = field(default_factory=dict)
    sentence: str = ""

    @property
    def group(self) -> str:
        """The key without the fold: the runs of one loss and seed lie together."""
        return self.key.rpartition("/")[0]

    def to_json(self) -> dict[str, Any]:
        return {
            "key": self.key,
            "loss": self.loss,
            "fold": self.fold,
            "seed": self.seed,
            "state": self.state.value,
            "seconds": self.seconds,
            "steps": self.steps,
            "scores": dict(self.scores),
            "sentence": self.sentence,
        }

    @classmethod
    def from_json(cls, value: Mapping[str, Any]) -> StudyRun:
        return cls(**{**value, "state": RunState(value["state"])})


@dataclass(frozen=True)
class StudyState:
    """A study as its file tells it.

    Attributes:
        folder: of the study, absolute.
        dataset: folder of the dataset, absolute; where that is gone, what lies the same way from the study's folder.
        conditions: what is the same for every run and must not change, setting by setting, as JSON data.
        runs: in the order in which they are done.
        cases: digest of each case's files by its name, which tell the dataset in another place; see `dataset.digests`.
    """

    folder: Path
    dataset: Path
    conditions: Mapping[str, Any]
    runs: tuple[StudyRun, ...] = ()
    cases: Mapping[str, str] = field(default_factory=dict)

    @property
    def path(self) -> Path:
        return self.folder / STATE_FILE

    @property
    def losses(self) -> tuple[str, ...]:
        """The expressions, in the order in which they came in."""
        return tuple(dict.fromkeys(run.loss for run in self.runs))

    @property
    def groups(self) -> dict[str, tuple[StudyRun, ...]]:
        """The runs of each loss and seed, by their folder."""
        return {
            name: tuple(run for run in self.runs if run.group == name)
            for name in dict.fromkeys(run.group for run in self.runs)
        }

    def with_run(self, changed: StudyRun) -> StudyState:
        """The state with one run in place of that of the same key."""
        return replace(self, runs=tuple(changed if run.key == changed.key else run for run in self.runs))

    def run(self, key: str) -> StudyRun:
        return next(run for run in self.runs if run.key == key)

    def write(self) -> None:
        """Write the file, complete or not at all."""
        write_json(
            self.path,
            {
                "format": _FORMAT,
                "version": _VERSION,
                "engine_version": __version__,
                "dataset": str(self.dataset),
                "way_to_dataset": from_here(self.dataset, self.folder),
                "cases": dict(self.cases),
                "conditions": dict(self.conditions),
                "losses": list(self.losses),
                "runs": [run.to_json() for run in self.runs],
            },
        )

    @classmethod
    def read(cls, folder: Path) -> StudyState:
        """The study in `folder`.

        Raises:
            InputError: there is none, its file is damaged, or a newer engine wrote it.
        """
        folder = Path(folder).absolute()
        path = folder / STATE_FILE
        value = read_json(path)
        if not isinstance(value, dict) or value.get("format") != _FORMAT:
            raise InputError(f"{path} is not the file of an experiment.", "Choose another folder.")
        if value.get("version", 1) > _VERSION:
            raise InputError(f"{path} was written by a newer engine.", "Update lossseg.")
        try:
            runs = tuple(StudyRun.from_json(run) for run in value["runs"])
            dataset = found(Path(value["dataset"]), value.get("way_to_dataset"), folder)
            return cls(folder, dataset, dict(value["conditions"]), runs, dict(value.get("cases", {})))
        except (KeyError, TypeError, ValueError) as error:
            raise InputError(f"{path} is damaged ({error!r}).", "Restore it from a copy.") from error


def folder_name(loss: str, taken: Iterable[str]) -> str:
    """A folder name for a loss expression that any file system takes: "dice + topk(k=0.1)" is dice_topk_k_0.1.

    Args:
        taken: names that others have; compared without regard to case.
    """
    name = re.sub(r"[^a-z0-9.]+", "_", loss.lower()).strip("_.")[:_LONGEST].rstrip("_.") or "loss"
    if name in _RESERVED or name in {other.lower() for other in taken}:
        name += "_" + hashlib.sha256(loss.encode()).hexdigest()[:6]
    return name
