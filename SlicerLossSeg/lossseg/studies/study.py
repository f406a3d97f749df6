"""A study: losses × folds (× seeds) under equal conditions, paused and gone on with, its results at the end."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

from lossseg import losses
from lossseg.dataset import Dataset, open_dataset, read_splits
from lossseg.inference.device import choose_device
from lossseg.locking import only_one
from lossseg.preprocessing import Plan, prepare_dataset, prepare_maps
from lossseg.reporting import Reporter
from lossseg.studies.conditions import SPLITS_FILE, StudySettings, cache_folder, open_study, run_settings
from lossseg.studies.executor import OneByOne, RunExecutor
from lossseg.studies.progress import Meter, RunReporter
from lossseg.studies.results import REPORT_FILE, write_study_results
from lossseg.studies.single_run import RunOrder, RunOutcome
from lossseg.studies.state import PREDICTIONS, RunState, StudyRun, StudyState
from lossseg.training import TrainingSettings

ExecutorFor = Callable[[Plan, TrainingSettings], RunExecutor]


def run_study(
    dataset_folder: Path,
    out: Path,
    settings: StudySettings,
    reporter: Reporter,
    executor: ExecutorFor = lambda plan, settings: OneByOne(),
) -> dict[str, Any]:
    """Do every run that is not finished, then compare the losses on their held-out cases.

    The conditions are equal: one splits file, one plan, one cache, and for equal seeds the same initial weights and the
    same patches in the same order. The same call again goes on: finished runs are not repeated, an interrupted one goes
    on from its checkpoint, a failed one is tried again. Losses, folds and repeats may be added.

    Args:
        dataset_folder: nnU-Net v2's raw layout.
        out: folder of the study; new, empty, or that of the same study.
        executor: makes what does the runs, from the plan and the settings.

    Returns:
        {"out", "runs": [...], "winners", "report": path or None when nothing could be compared}

    Raises:
        InputError: a setting cannot be used, differs from what the study began with, or another process is at work.
        Cancelled: the study is paused.
        DiskFull: no room; the study is paused.
    """
    out = Path(out).absolute()
    dataset = open_dataset(dataset_folder)
    choose_device(settings.training.device)
    for loss in settings.losses:
        losses.build(loss, classes=len(dataset.labels))
    with only_one(out):
        state, plan = open_study(dataset, out, settings, reporter)
        watch = _Watch(_checked(state, reporter), settings, reporter)
        waiting = [run for run in watch.asked if run.state is not RunState.FINISHED]
        if waiting:
            _prepare(dataset, plan, out, settings, waiting, reporter)
            watch.begin(waiting)
            try:
                executor(plan, settings.training).run([_order(run, watch.state, settings) for run in waiting], watch)
            finally:
                watch.pause()
        winners = write_study_results(watch.state, dataset, settings, reporter)
    report = out / REPORT_FILE
    return {
        "out": out,
        "runs": [run.to_json() for run in watch.state.runs],
        "winners": winners,
        "report": report if report.exists() else None,
    }


def _checked(state: StudyState, reporter: Reporter) -> StudyState:
    """The state as the folders bear it out: no run is under way now, and one whose model is gone is to be done."""
    for run in state.runs:
        if run.state is RunState.RUNNING:
            state = state.with_run(replace(run, state=RunState.WAITING))
        elif run.state is RunState.FINISHED and not (state.folder / run.key / "model.json").exists():
            reporter.warning(f"The model of {run.key} is gone.", "It is trained again.")
            state = state.with_run(StudyRun(run.key, run.loss, run.fold, run.seed))
    return state


def _prepare(
    dataset: Dataset, plan: Plan, out: Path, settings: StudySettings, runs: list[StudyRun], reporter: Reporter
) -> None:
    """Preprocess once for all runs, with the maps that any of their losses needs."""
    splits = read_splits(out / SPLITS_FILE)
    names = sorted({name for run in runs for name in (*splits[run.fold].train, *splits[run.fold].validation)})
    cases = prepare_dataset(dataset, plan, cache_folder(settings.training, out), names=names, reporter=reporter)
    for loss in dict.fromkeys(run.loss for run in runs):
        needed = losses.build(loss, classes=len(dataset.labels)).required_maps
        trained = sorted({name for run in runs if run.loss == loss for name in splits[run.fold].train})
        prepare_maps([cases[name] for name in trained], needed, plan, reporter)


def _order(run: StudyRun, state: StudyState, settings: StudySettings) -> RunOrder:
    return RunOrder(
        key=run.key,
        dataset=state.dataset,
        folder=state.folder / run.key,
        predictions=state.folder / run.group / PREDICTIONS,
        settings=run_settings(settings.training, run, state.folder),
    )


class _Watch:
    """Keeps the state file as the runs are, and tells the listener of every change."""

    def __init__(self, state: StudyState, settings: StudySettings, reporter: Reporter) -> None:
        self.state, self._reporter = state, reporter
        training = settings.training
        minutes, steps = training.minutes, training.epochs_or_default * training.iterations
        self._each = steps if minutes is None else round(minutes * 60)
        forms = {losses.normal_form(loss) for loss in settings.losses}
        seeds = range(training.seed, training.seed + settings.repeats)
        self.asked = [
            run
            for run in state.runs
            if losses.normal_form(run.loss) in forms
            and run.seed in seeds
            and (settings.only_folds is None or run.fold in settings.only_folds)
        ]
        self._started: dict[str, float] = {}
        self._meter = Meter((), (), self._each)

    def begin(self, waiting: list[StudyRun]) -> None:
        """The runs that are left are about to be done."""
        keys = [run.key for run in self.asked]
        self._meter = Meter(keys, set(keys) - {run.key for run in waiting}, self._each)
        for run in waiting:
            self.state = self.state.with_run(replace(run, state=RunState.WAITING, sentence=""))
        self._write()

    def started(self, key: str) -> None:
        self._started[key] = time.monotonic()
        self._change(replace(self.state.run(key), state=RunState.RUNNING))

    def ended(self, outcome: RunOutcome) -> None:
        self._meter.ended(outcome.key)
        run = self.state.run(outcome.key)
        if outcome.sentence:
            seconds = round(time.monotonic() - self._started.get(outcome.key, time.monotonic()), 1)
            self._reporter.warning(f"{outcome.key} failed: {outcome.sentence}", "The other runs go on.")
            run = replace(run, state=RunState.FAILED, seconds=seconds, sentence=outcome.sentence)
        else:
            run = replace(
                run,
                state=RunState.FINISHED,
                seconds=outcome.seconds,
                steps=outcome.steps,
                scores=outcome.scores,
                sentence="",
            )
        self._change(run)

    def reporter(self, key: str) -> Reporter:
        return RunReporter(key, self._reporter, self._meter)

    def check(self) -> None:
        self._reporter.check()

    def pause(self) -> None:
        """What is still under way when the executor has returned was interrupted, and waits."""
        interrupted = [run for run in self.state.runs if run.state is RunState.RUNNING]
        for run in interrupted:
            self.state = self.state.with_run(replace(run, state=RunState.WAITING))
        if interrupted:
            self._write()

    def _change(self, run: StudyRun) -> None:
        self.state = self.state.with_run(run)
        self._write()

    def _write(self) -> None:
        self.state.write()
        self._reporter.artifact("study", self.state.path)
