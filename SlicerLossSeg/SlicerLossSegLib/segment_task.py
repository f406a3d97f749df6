"""Segmenting volumes: what goes into the engine's job `predict`, and what comes back from it into the scene."""

from __future__ import annotations

import json
import math
import shutil
from collections import deque
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import qt
from slicer.i18n import tr as _

from lossseg.errors import InputError
from lossseg.files import write_json, write_text
from lossseg.jobs.events import Failed
from SlicerLossSegLib.jobs import Job, State
from SlicerLossSegLib.segment_case import ENDING, CaseInput, CaseState, Options
from SlicerLossSegLib.segment_result import Collected, Result, read_result, show_result
from SlicerLossSegLib.volumes import Grid, Snapshot, short_folder, snapshot


@dataclass(eq=False)
class SegmentTask:
    """One job `predict` over one or many cases, from nodes in the scene to nodes in the scene.

    Args:
        cases: those that are done already are left out.
        model: model folder or ensemble file.
        ensemble: makes the ensemble file in the folder that it is given, instead of `model`.
        channels: the names of a case's channels.
        save_to: folder for the results of cases that are files.
        on_case: called with each case whose state changed.
        on_result: called with what each case left in the scene.
        on_end: called when everything is over; `job` tells how.
    """

    cases: Sequence[CaseInput]
    model: Path | None
    options: Options
    channels: tuple[str, ...] = ("image",)
    ensemble: Callable[[Path], Path] | None = None
    save_to: Path | None = None
    on_case: Callable[[CaseInput], None] = lambda case: None
    on_result: Callable[[Result], None] = lambda result: None
    on_change: Callable[[Job], None] = lambda job: None
    on_log: Callable[[str], None] = lambda line: None
    on_end: Callable[[SegmentTask], None] = lambda task: None
    job: Job = field(init=False)
    results: list[Result] = field(init=False, default_factory=list)
    _snapshots: dict[str, tuple[Snapshot, ...]] = field(init=False, default_factory=dict)
    _codes: dict[str, CaseInput] = field(init=False, default_factory=dict)
    _wanted: bool = field(init=False, default=True)
    _to_show: deque[tuple[str, Collected]] = field(init=False, default_factory=deque)

    def start(self, queue: Any) -> SegmentTask:
        """Hand the job to a queue.

        Raises:
            InputError: there is nothing to segment, or a volume cannot be used.
        """
        todo = [case for case in self.cases if case.state is not CaseState.DONE]
        if not todo:
            raise InputError(_("There is no volume to segment."), _("Choose one."))
        for place, case in enumerate(todo, start=1):
            case.state, case.note = CaseState.WAITING, ""
            code = f"c{place:04d}"
            self._codes[code] = case
            if case.volumes:
                self._snapshots[code] = _checked(case, len(self.channels))
        folder = short_folder("segment")
        self.job = Job(
            kind="predict",
            parameters={
                "model": self.model or folder / "ensemble.json",
                "input": [path for code in self._codes for path in self._input_files(code, folder)],
                "out": folder / "out",
                **self.options.parameters(),
            },
            folder=folder,
            prepare=lambda: self._prepare(folder),
            collect=self._collect,
            on_change=self._changed,
            on_log=self.on_log,
            on_end=self._ended,
        )
        queue.add(self.job)
        return self

    def forget_scene(self) -> None:
        """The scene was closed: whatever comes must not go into the next one."""
        self._wanted = False

    def abandon(self) -> None:
        """The module goes away: nobody is told any more."""
        self.forget_scene()
        self.on_case = self.on_result = self.on_end = lambda news: None

    def _input_files(self, code: str, folder: Path) -> list[Path]:
        # Files of a person go through a copy in NRRD too: their names may be what the engine takes for channels.
        return [folder / "in" / f"{code}_{channel:04d}{ENDING}" for channel in range(len(self.channels))]

    def _prepare(self, folder: Path) -> None:
        if self.ensemble is not None:
            self.ensemble(folder / "ensemble.json")
        for code, case in self._codes.items():
            targets = self._input_files(code, folder)
            if case.volumes:
                for shot, target in zip(self._snapshots[code], targets, strict=True):
                    shot.write(target)
            else:
                _copy(case.files, targets)

    def _changed(self, job: Job) -> None:
        finished = self._announced(job)
        running = job.state is State.RUNNING
        for code, case in self._codes.items():
            before = case.state
            if case.state is CaseState.DONE:
                continue
            if code in finished:
                case.state = CaseState.SEGMENTED
            elif running and case.state is CaseState.WAITING and not self._is_running():
                case.state = CaseState.RUNNING
            if case.state is not before:
                self.on_case(case)
        self.on_change(job)

    def _is_running(self) -> bool:
        return any(case.state is CaseState.RUNNING for case in self._codes.values())

    def _collect(self, job: Job) -> dict[str, Collected]:
        """In a thread: read and measure what the engine wrote."""
        for code, reason in job.summary.get("failures", {}).items():
            self._codes[code].note = str(reason).replace(code, self._codes[code].name)
        return self._read_all(job)

    def _read_all(self, job: Job) -> dict[str, Collected]:
        out = Path(job.parameters["out"])
        collected = {}
        for code in self._announced(job):
            case = self._codes[code]
            if case.volumes:
                collected[code] = read_result(out, code, self._snapshots[code][0].grid, self.options)
            else:
                case.note = _keep(out, code, case.name, self.save_to or case.files[0].parent)
                case.state = CaseState.DONE
        return collected

    def _announced(self, job: Job) -> list[str]:
        """The cases whose labels are complete: the engine announces a file after it was written."""
        labels = {
            Path(artifact.path).name.removesuffix(ENDING) for artifact in job.artifacts if artifact.kind == "label"
        }
        return [code for code in self._codes if code in labels]

    def _ended(self, job: Job) -> None:
        try:
            if job.state is State.CANCELLED and self._wanted and len(self._codes) > 1:
                # Of many volumes those before the one that was stopped are complete.
                job.collected = self._read_all(job)
        except InputError as error:
            self._fail(error)
        if job.state is not State.FAILED:
            self._to_show.extend((job.collected or {}).items())
        self._show_next()

    def _show_next(self) -> None:
        """Show one case; Slicer stays alive between two of them."""
        if self._to_show and self._wanted:
            code, found = self._to_show.popleft()
            try:
                self._show(self._codes[code], found)
            except InputError as error:
                self._to_show.clear()
                self._fail(error)
            except Exception:
                self._over()
                raise
            if self._to_show:
                qt.QTimer.singleShot(0, self._show_next)
                return
        self._over()

    def _fail(self, error: InputError) -> None:
        self.job.failure, self.job.state = Failed(error.kind, error.message, error.hint), State.FAILED

    def _over(self) -> None:
        job = self.job
        for case in self._codes.values():
            if case.state is not CaseState.DONE:
                case.state = CaseState.FAILED if job.state is not State.CANCELLED else CaseState.WAITING
                case.note = case.note or (job.failure.message if job.failure else "")
            self.on_case(case)
        self._snapshots.clear()
        shutil.rmtree(job.folder, ignore_errors=True)
        self.on_end(self)

    def _show(self, case: CaseInput, found: Collected) -> None:
        result = show_result(case, found, self.channels)
        self.results.append(result)
        self.on_result(result)
        case.state = CaseState.DONE
        count = len(found.assessment.segments)
        case.note = _("1 lesion") if count == 1 else _("{n} lesions").format(n=count)


def _checked(case: CaseInput, channels: int) -> tuple[Snapshot, ...]:
    if len(case.volumes) != channels or any(volume is None for volume in case.volumes):
        raise InputError(
            _("The model takes {n} volumes per case.").format(n=channels), _("Choose one for each of its channels.")
        )
    shots = tuple(snapshot(volume) for volume in case.volumes)
    for shot in shots[1:]:
        if not shot.grid.fits(shots[0].grid):
            raise InputError(
                _("{one} and {other} do not have the same voxels.").format(one=shots[0].name, other=shot.name),
                _("Resample one to the other, with the module Resample Scalar/Vector/DWI Volume."),
            )
    return shots


def _copy(sources: Sequence[Path], targets: Sequence[Path]) -> None:
    from lossseg.images import read_volume
    from SlicerLossSegLib.volumes import write_nrrd

    for source, target in zip(sources, targets, strict=True):
        volume = read_volume(source)
        write_nrrd(target, volume.array, Grid(volume.array.shape, volume.geometry.affine))


def _keep(out: Path, code: str, name: str, folder: Path) -> str:
    """Move the files of a case to where the person wants them; returns what was found, in words."""
    folder.mkdir(parents=True, exist_ok=True)
    record = json.loads((out / f"{code}.lesions.json").read_text(encoding="utf-8"))
    for one in record["cases"]:
        one["case"] = name
    write_json(folder / f"{name}.lesions.json", record)
    header, *lines = (out / f"{code}.lesions.csv").read_text(encoding="utf-8").splitlines()
    own = [",".join([name, *line.split(",")[1:]]) for line in lines]
    write_text(folder / f"{name}.lesions.csv", "\n".join([header, *own]) + "\n")
    for path in sorted(out.glob(f"{code}_*{ENDING}")):
        shutil.move(path, folder / path.name.replace(code, name, 1))
    # The label comes last: where it is, the case is complete.
    shutil.move(out / f"{code}{ENDING}", folder / f"{name}{ENDING}")
    count = len(record["cases"][0]["lesions"])
    return _("1 lesion") if count == 1 else _("{n} lesions").format(n=count)


def remaining_text(eta_s: float | None) -> str:
    """The remaining time as a person says it; empty where unknown."""
    if eta_s is None or not math.isfinite(eta_s):
        return ""
    if eta_s < 90:
        return _("{n} s left").format(n=max(1, math.ceil(eta_s)))
    return _("{n} min left").format(n=math.ceil(eta_s / 60))
