"""Ensembles of an experiment's models: the engine chooses, the models are kept in the study, Segment lists them."""

from __future__ import annotations

import math
import os
import shutil
from collections.abc import Callable
from dataclasses import dataclass
from enum import Enum
from pathlib import Path
from typing import Any

import qt
from slicer.i18n import tr as _

from lossseg.errors import InputError
from lossseg.files import write_json
from lossseg.studies.state import RunState, StudyRun
from SlicerLossSegLib import failures
from SlicerLossSegLib.experiment import Experiment
from SlicerLossSegLib.jobs import Job, JobQueue, State
from SlicerLossSegLib.study import MODEL_CARD, WEIGHTS, EnsembleEntry, Study
from SlicerLossSegLib.volumes import short_folder


class Choice(Enum):
    """How the members of an ensemble are chosen."""

    WINNERS = "Winner of each fold"
    BEST = "Best losses, all folds"
    GREEDY = "Greedy selection"
    TICKED = "Ticked models"


@dataclass(frozen=True)
class EnsembleRequest:
    """What is to be made.

    Attributes:
        name: of the ensemble in the study.
        best: how many losses, with `Choice.BEST`.
        score: validation score that decides, as the runs have it.
        keys: of the runs, with `Choice.TICKED`.
    """

    experiment: Experiment
    name: str
    choice: Choice
    best: int = 2
    score: str = "dice"
    keys: tuple[str, ...] = ()

    @property
    def candidates(self) -> list[StudyRun]:
        """The finished runs of the first seed, whose models can be chosen."""
        runs = self.experiment.runs
        first = {run.loss: run.seed for run in reversed(runs)}
        return [run for run in runs if run.state is RunState.FINISHED and run.seed == first[run.loss]]

    def parameters(self, out: Path) -> dict[str, Any]:
        """As parameters of the job `ensemble`.

        Raises:
            InputError: there is nothing to choose from.
        """
        runs = self.candidates
        folders = {run.key: self.experiment.out / run.key for run in runs}
        if not runs:
            raise InputError(_("No run of the experiment is finished yet."), _("Start it, or continue it."))
        if self.choice is Choice.TICKED:
            chosen = [folders[key] for key in self.keys if key in folders]
            if not chosen:
                raise InputError(_("No model is ticked."), _("Tick one or more."))
            return {"out": out, "models": chosen}
        groups = {run.loss: self.experiment.out / run.group for run in runs}
        if self.choice is Choice.WINNERS:
            return {"out": out, "best_folds": True, "groups": groups, "score": self.score}
        if self.choice is Choice.BEST:
            return {"out": out, "groups": groups, "best": min(self.best, len(groups)), "score": self.score}
        return {"out": out, "groups": groups, "greedy": True}


class EnsembleMaker:
    """Makes ensembles in the study.

    Args:
        current_study: returns the study folder that is chosen now.
        queue: of short jobs.
    """

    def __init__(self, current_study: Callable[[], Study], queue: JobQueue) -> None:
        self._current_study, self._queue = current_study, queue

    def check_name(self, name: str) -> None:
        """Raises InputError: the name is none, or taken."""
        if not name or Path(name).name != name or name.startswith(".") or "\\" in name:
            raise InputError(
                _("{name} is no name for an ensemble.").format(name=name or '""'), _("Use letters, digits, - and _.")
            )
        if (self._current_study().ensembles_folder / f"{name}.json").exists():
            raise InputError(
                _("The study has an ensemble {name} already.").format(name=name), _("Choose another name.")
            )

    def free_name(self, stem: str) -> str:
        """A name that no ensemble of the study has."""
        number, name = 1, stem
        while (self._current_study().ensembles_folder / f"{name}.json").exists():
            number += 1
            name = f"{stem}_{number}"
        return name

    def start(
        self,
        request: EnsembleRequest,
        *,
        on_change: Callable[[Job], None] = lambda job: None,
        on_end: Callable[[Job], None] = lambda job: None,
    ) -> Job:
        """Choose members, copy their models into the study, and write the ensemble; come back at once.

        After success `job.collected` is an `EnsembleEntry`.

        Raises:
            InputError: the name cannot be used, or there is nothing to choose from.
        """
        self.check_name(request.name)
        study = self._current_study()
        folder = short_folder("ensemble")

        def ended(job: Job) -> None:
            shutil.rmtree(folder, ignore_errors=True)
            on_end(job)

        try:
            parameters = request.parameters(folder / "chosen.json")
        except InputError:
            shutil.rmtree(folder, ignore_errors=True)
            raise
        return self._queue.add(
            Job(
                "ensemble",
                parameters,
                folder,
                collect=lambda job: keep(study, request, job.summary),
                on_change=on_change,
                on_end=ended,
            )
        )

    def make(self, request: EnsembleRequest) -> EnsembleEntry:
        """As `start`, and wait; Slicer's window stays alive meanwhile.

        Raises:
            LossSegError: of the kind that the engine reported, with a sentence and a hint.
        """
        loop = qt.QEventLoop()
        job = self.start(request, on_end=lambda ended: loop.quit())
        if not job.state.is_over:
            loop.exec_()
        if job.state is not State.FINISHED:
            raise failures.of_job(job)
        entry: EnsembleEntry = job.collected
        return entry


def keep(study: Study, request: EnsembleRequest, summary: dict[str, Any]) -> EnsembleEntry:
    """Copy the chosen models into the study, so that the experiment may be deleted, and write the ensemble's file.

    Raises:
        InputError: another model lies where one must go.
    """
    members, folders = [], []
    path = study.ensembles_folder / f"{request.name}.json"
    for member in summary["members"]:
        source = Path(member["folder"])
        folder = _kept(study, source, _model_name(request.experiment, source))
        folders.append(folder)
        weight = float(member.get("weight", 1.0))
        members.append({"path": Path(os.path.relpath(folder, path.parent)).as_posix(), "weight": weight})
    chosen = str(summary.get("chosen", ""))
    if request.choice is Choice.TICKED:
        chosen = _("Ticked in Slicer.")
    write_json(path, {"format": 1, "members": members, "chosen": chosen})
    return EnsembleEntry(path, tuple(folder.resolve() for folder in folders), chosen)


def suggested_score(runs: list[StudyRun]) -> list[str]:
    """The validation scores that every finished run has, Dice first."""
    shared = [
        name for name in (runs[0].scores if runs else {}) if all(_is_number(run.scores.get(name)) for run in runs)
    ]
    return sorted(shared, key=lambda name: (name != "dice", "recall" not in name, name))


def _is_number(value: Any) -> bool:
    return isinstance(value, int | float) and math.isfinite(value)


def _model_name(experiment: Experiment, source: Path) -> str:
    key = source.resolve().relative_to(experiment.out.resolve()).as_posix().replace("/", "_")
    return f"{experiment.folder.name}/{key}"


def _kept(study: Study, source: Path, name: str) -> Path:
    """Where the model lies in the study; it is copied there unless an earlier ensemble did so."""
    target = study.models_folder / name
    if all((target / file).exists() and _same(target / file, source / file) for file in (MODEL_CARD, WEIGHTS)):
        return target
    return study.add_model(source, name).folder


def _same(one: Path, other: Path) -> bool:
    if one.stat().st_size != other.stat().st_size:
        return False
    return one.read_bytes() == other.read_bytes()
