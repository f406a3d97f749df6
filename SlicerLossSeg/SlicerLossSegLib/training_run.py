"""A training on disk: what was asked for, where its model lies, and whether anybody has decided what becomes of it.

A run is a folder STUDY/runs/TIME-train with run.json, the engine's job.json, and the engine's output in `model`. All
that is needed to continue it after a crash is there.
"""

from __future__ import annotations

import os
import shutil
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from enum import Enum
from pathlib import Path
from typing import Any

from slicer.i18n import tr as _

from lossseg.errors import InputError
from lossseg.files import read_json, write_json
from SlicerLossSegLib.job_record import job_parameters, where_now
from SlicerLossSegLib.study import MODEL_CARD, WEIGHTS, ModelCard, Study
from SlicerLossSegLib.training_request import HoldOut, TrainingRequest

_RECORD = "run.json"
_ENDING = "-train"
_CHECKPOINTS = "checkpoints"


class Decision(Enum):
    """What the person said about the outcome."""

    OPEN = "open"
    USED = "used"
    KEPT_OLD = "kept old"


@dataclass(frozen=True)
class TrainingRun:
    """A run's folder and what run.json says.

    Attributes:
        started: UTC, as ISO text.
        cases: that it trains on or is judged by.
        rival: the model that the outcome is compared with.
        ended: the person stopped it and kept what it had: of several folds perhaps some only.
    """

    folder: Path
    started: str
    loss: str
    cases: tuple[str, ...]
    rival: Path | None
    decision: Decision = Decision.OPEN
    ended: bool = False

    @classmethod
    def create(cls, study: Study, request: TrainingRequest, by: str) -> TrainingRun:
        """Make the run's folder; nothing is trained yet. Where no case is marked for validation, some are marked now.

        Args:
            by: who asks for it, for the record of the marks.

        Raises:
            InputError: too few cases, or the study folder may not be written to.
        """
        from lossseg.dataset import CaseRegister

        register = CaseRegister.read(study.folder)
        names = tuple(record.name for record in register.active)
        if not names:
            raise InputError(_("The training set has no case."), _("Add cases first."))
        if request.hold_out is HoldOut.MARKED and not any(one.fold == "validation" for one in register.active):
            chosen = held_out(names, request.share, request.seed)
            register = register.with_validation(chosen, by=by)
            register.write()
        rival = request.rival.resolve() if request.rival is not None else None
        now = datetime.now(UTC)
        folder = _new_folder(study.folder / "runs", now)
        splits = None
        if request.hold_out is HoldOut.MARKED:
            splits = folder / "splits.json"
            try:
                register.write_splits(splits)
            except InputError:
                shutil.rmtree(folder)
                raise
        run = cls(folder, now.isoformat(timespec="seconds"), request.loss, names, rival)
        parameters = request.parameters(study, run.model_folder, splits)
        write_json(folder / "job.json", {"job": "train", "params": _plain(parameters)})
        run.write()
        return run

    @classmethod
    def read(cls, folder: Path) -> TrainingRun:
        """Raises InputError: run.json is missing or damaged."""
        record = read_json(folder / _RECORD)
        try:
            rival = record["rival"]
            return cls(
                folder,
                str(record["started"]),
                str(record["loss"]),
                tuple(str(name) for name in record["cases"]),
                where_now(Path(rival), folder) if rival else None,
                Decision(record["decision"]),
                bool(record["ended"]),
            )
        except (KeyError, TypeError, ValueError) as error:
            raise InputError(f"{folder / _RECORD} is damaged.", "Move the folder away.") from error

    def write(self) -> None:
        write_json(
            self.folder / _RECORD,
            {
                "format": "lossseg-run",
                "version": 1,
                "started": self.started,
                "loss": self.loss,
                "cases": list(self.cases),
                "rival": str(self.rival) if self.rival else None,
                "decision": self.decision.value,
                "ended": self.ended,
            },
        )

    def decided(self, decision: Decision) -> TrainingRun:
        changed = replace(self, decision=decision)
        changed.write()
        return changed

    def stopped(self) -> TrainingRun:
        """As it is when its models were made of what it had learned."""
        changed = replace(self, ended=True)
        changed.write()
        return changed

    @property
    def model_folder(self) -> Path:
        """The engine's output: a model folder, or the folder of the folds' model folders."""
        return self.folder / "model"

    @property
    def study_folder(self) -> Path:
        """Of the study that it belongs to."""
        return self.folder.parent.parent

    @property
    def learned_from(self) -> tuple[str, ...]:
        """The cases that its models were trained on, those that one fold was judged by among them."""
        cards = [read_json(model / MODEL_CARD) for model in self.models]
        return tuple(sorted({str(name) for card in cards for name in card["training"]["train"]}))

    @property
    def parameters(self) -> dict[str, Any]:
        """Of the engine's job.

        Raises:
            InputError: job.json is missing or damaged.
        """
        return job_parameters(self.folder)

    @property
    def models(self) -> list[Path]:
        """The complete models, one or one per fold."""
        if _is_model(self.model_folder):
            return [self.model_folder]
        return [folder for folder in sorted(self.model_folder.glob("fold_*")) if _is_model(folder)]

    @property
    def is_trained(self) -> bool:
        """Whether nothing is left to train."""
        if _is_model(self.model_folder) or (self.ended and self.models):
            return True
        return self._is_cross_validated and len(self.models) == int(self.parameters.get("folds", 5))

    @property
    def can_be_continued(self) -> bool:
        return not self.is_trained and (self.folder / "job.json").exists()

    @property
    def has_learned(self) -> bool:
        """Whether there is a checkpoint or a model to keep."""
        return bool(self.models) or any(self.model_folder.glob(f"**/{_CHECKPOINTS}/*.safetensors"))

    @property
    def _is_cross_validated(self) -> bool:
        return bool(self.parameters.get("cross_validate"))

    def resumed(self, finish: bool) -> dict[str, Any]:
        """Parameters of the job that goes on with this run, or makes a model of what it has."""
        going_on = {**self.parameters, "finish": finish}
        if not self._is_cross_validated:
            # Without any output yet the run begins anew.
            going_on["resume"] = (self.model_folder / "training.json").exists()
        return going_on

    @property
    def title(self) -> str:
        """When it was started, local time, and its loss."""
        when = datetime.fromisoformat(self.started).astimezone().strftime("%Y-%m-%d %H:%M")
        return f"{when}, {self.loss}"

    def card(self) -> ModelCard:
        """Of its first model.

        Raises:
            InputError: there is none yet.
        """
        models = self.models
        if not models:
            raise InputError(_("The training {title} has no model yet.").format(title=self.title))
        return ModelCard.read(models[0], self.folder.name)


def undecided(study: Study) -> list[TrainingRun]:
    """The runs that nobody has decided about: interrupted ones, and trained ones; the newest first."""
    found = []
    for folder in sorted((study.folder / "runs").glob(f"*{_ENDING}"), reverse=True):
        try:
            run = TrainingRun.read(folder)
        except InputError:
            continue
        if run.decision is Decision.OPEN:
            found.append(run)
    return found


def held_out(names: Sequence[str], share: float, seed: int) -> list[str]:
    """The cases that are marked for validation when none is: about `share` of them, by patient, at least one.

    Raises:
        InputError: there are too few patients to hold one out.
    """
    if len(names) < 2:
        raise InputError(_("With one case nothing can be held out for validation."), _("Add a second case."))
    from lossseg.dataset import make_folds

    folds = max(2, min(len(names), round(1 / share)))
    return list(make_folds(names, folds, seed)[0].validation)


def _new_folder(runs: Path, now: datetime) -> Path:
    stem = now.strftime("%Y%m%d-%H%M%S")
    number = 0
    while True:
        folder = (runs / f"{stem}{f'-{number}' if number else ''}{_ENDING}").resolve()
        try:
            folder.mkdir(parents=True)
            return folder
        except FileExistsError:
            number += 1
        except OSError as error:
            raise InputError(
                _("{folder} cannot be made.").format(folder=folder), _("Choose another study folder.")
            ) from error


def _is_model(folder: Path) -> bool:
    return (folder / MODEL_CARD).exists() and (folder / WEIGHTS).exists()


def _plain(parameters: Mapping[str, Any]) -> dict[str, Any]:
    def plain(value: Any) -> Any:
        if isinstance(value, list | tuple):
            return [plain(item) for item in value]
        return os.fspath(value) if isinstance(value, Path) else value

    return {name: plain(value) for name, value in parameters.items() if value is not None}
