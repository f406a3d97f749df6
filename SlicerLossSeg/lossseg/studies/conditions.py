"""What is the same for every run of a study: splits, plan and settings; fixed at its beginning, held ever after."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, fields, replace
from pathlib import Path
from typing import Any

from lossseg.dataset import Dataset, Fold, digests, make_folds, read_splits, write_splits
from lossseg.errors import InputError
from lossseg.files import write_json
from lossseg.inference.device import choose_device
from lossseg.locking import LOCK_FILE
from lossseg.losses import normal_form
from lossseg.model import load
from lossseg.preprocessing import Plan, PlanSettings, plan_dataset, read_plan
from lossseg.reporting import Reporter
from lossseg.studies.state import STATE_FILE, StudyRun, StudyState, folder_name
from lossseg.training import TrainingSettings
from lossseg.training.memory import free_memory_gb
from lossseg.training.record import ORIGIN

SPLITS_FILE, PLAN_FILE = "splits_final.json", "plan.json"
_OF_A_RUN = ("loss", "fold", "resume", "workers", "device", "cache", "memory_gb", "splits", "plan")
"""Settings that differ between runs, that change no result, or that have a file of their own in the study."""


@dataclass(frozen=True)
class StudySettings:
    """What a person may choose about a study.

    Attributes:
        losses: expressions.
        training: settings of every run. Its `loss`, `fold`, `splits` and `plan` are set for each run; its `seed` is
            that of the splits and of the first repetition.
        only_folds: the folds to do; None for all.
        repeats: trainings of each loss and fold, with the seeds seed, seed + 1, ...
        score: validation score by which the winner of a fold is named.
        pictures: most pictures in the report of each loss.
    """

    losses: tuple[str, ...]
    training: TrainingSettings
    only_folds: tuple[int, ...] | None = None
    repeats: int = 1
    score: str = "dice"
    pictures: int = 60

    def __post_init__(self) -> None:
        if not self.losses:
            raise InputError("There is no loss to train with.", 'Give one or more: --loss "dice + ce" --loss ...')
        seen: dict[str, str] = {}
        for loss in self.losses:
            form = normal_form(loss)
            if form in seen:
                raise InputError(f"The loss {loss} is given twice (as {seen[form]}).", "Give each loss once.")
            seen[form] = loss
        if self.repeats < 1:
            raise InputError(f"The number of repeats is {self.repeats}.", "Give 1 or more.")


def open_study(dataset: Dataset, out: Path, settings: StudySettings, reporter: Reporter) -> tuple[StudyState, Plan]:
    """The study in `out` with the runs that `settings` ask for, begun or gone on with; its file is written.

    Splits and plan are made once, from all annotated cases of the splits, before anything is written. Runs of losses,
    folds or repeats that the study does not have yet are appended.

    Raises:
        InputError: the folder is in use by something else, or a setting differs from what the study began with.
    """
    out = Path(out).absolute()
    conditions = _conditions(settings.training)
    if (out / STATE_FILE).exists():
        state, folds, plan = _unchanged(StudyState.read(out), dataset, conditions, settings.training, reporter)
    else:
        if out.exists() and (not out.is_dir() or any(entry.name != LOCK_FILE for entry in out.iterdir())):
            raise InputError(f"{out} is not empty and holds no study.", "Choose another folder for the study.")
        folds = _folds(dataset, settings.training)
        _checked(settings.only_folds, folds)
        plan = _plan(dataset, folds, settings.training, reporter)
        cases = digests(dataset, _cases(folds))
        state = StudyState(out, dataset.folder.absolute(), conditions, cases=cases)
        write_splits(out / SPLITS_FILE, folds)
        write_json(out / PLAN_FILE, plan.to_json())
    state = with_runs(state, settings, _checked(settings.only_folds, folds))
    state.write()
    return state, plan


def with_runs(state: StudyState, settings: StudySettings, folds: Sequence[int]) -> StudyState:
    """The study with a run for each loss, seed and fold; those that it has stay as they are.

    The first fold of every loss comes first, so that an early look compares all of them.
    """
    names = {normal_form(run.loss): run.key.split("/")[0] for run in state.runs}
    typed = {normal_form(run.loss): run.loss for run in state.runs}
    for loss in settings.losses:
        form = normal_form(loss)
        names.setdefault(form, folder_name(loss, names.values()))
        typed.setdefault(form, loss)
    first = settings.training.seed
    runs = list(state.runs)
    known = {run.key for run in runs}
    for seed in range(first, first + settings.repeats):
        for fold in folds:
            for form in map(normal_form, settings.losses):
                middle = "" if seed == first else f"seed_{seed}/"
                key = f"{names[form]}/{middle}fold_{fold}"
                if key not in known:
                    runs.append(StudyRun(key, typed[form], fold, seed))
    return replace(state, runs=tuple(runs))


def run_settings(settings: TrainingSettings, run: StudyRun, out: Path) -> TrainingSettings:
    """The settings of one run: those of the study, and the study's splits and plan."""
    return replace(
        settings,
        loss=run.loss,
        fold=run.fold,
        seed=run.seed,
        splits=out / SPLITS_FILE,
        plan=None if settings.start_from else out / PLAN_FILE,
        cache=cache_folder(settings, out),
    )


def cache_folder(settings: TrainingSettings, out: Path) -> Path:
    """Where the preprocessed cases of all runs lie: as for a single training, beside the folder of the results."""
    return (settings.cache or out.parent / "cache").absolute()


def _conditions(settings: TrainingSettings) -> dict[str, Any]:
    kept = {name: value for name, value in asdict(settings).items() if name not in _OF_A_RUN}
    if settings.start_from is not None:
        kept["start_from"] = settings.start_from.absolute()
        kept[ORIGIN] = load(settings.start_from).weights_digest
    plain: dict[str, Any] = json.loads(json.dumps(kept, default=str))
    return plain


def _unchanged(
    state: StudyState, dataset: Dataset, now: Mapping[str, Any], settings: TrainingSettings, reporter: Reporter
) -> tuple[StudyState, tuple[Fold, ...], Plan]:
    """The study with its files where they lie now, its folds and its plan.

    Dataset, splits, plan and the model to fine-tune are compared by what they hold: they may have been moved.
    """
    # A study that an earlier version began lacks the settings that came later.
    before = {**_conditions(TrainingSettings()), **state.conditions}
    same_origin = before.get(ORIGIN) is not None and before.get(ORIGIN) == now.get(ORIGIN)
    for name, value in now.items():
        if name == ORIGIN or (name == "start_from" and same_origin):
            continue
        if before.get(name) != value:
            raise _changed(state, name, before.get(name), value)
    if state.conditions.get(ORIGIN) is not None and not same_origin:
        raise _changed(state, "start_from", "other weights", now.get("start_from"))
    folds = read_splits(state.folder / SPLITS_FILE, [case.name for case in dataset.cases])
    state = _with_dataset(state, dataset, _cases(folds), reporter)
    plan = read_plan(state.folder / PLAN_FILE)
    if settings.splits is not None and read_splits(settings.splits) != folds:
        raise _changed(state, "splits", SPLITS_FILE, settings.splits)
    if settings.plan is not None and read_plan(settings.plan) != plan:
        raise _changed(state, "plan", PLAN_FILE, settings.plan)
    return replace(state, conditions={**state.conditions, **now}), folds, plan


def _with_dataset(state: StudyState, dataset: Dataset, names: Sequence[str], reporter: Reporter) -> StudyState:
    """The study with its dataset where it lies now, which must hold the same cases."""
    here, cases = dataset.folder.absolute(), digests(dataset, names)
    changed = sorted(name for name, digest in state.cases.items() if cases.get(name) != digest)
    if here != state.dataset and (changed or not state.cases):
        raise _changed(state, "dataset", state.dataset, here)
    if changed:
        reporter.warning(
            f"The case {changed[0]} was changed since the study was last worked on"
            f"{f', and {len(changed) - 1} more' if changed[1:] else ''}.",
            "Runs that were finished before were trained with the old files.",
        )
    return replace(state, dataset=here, cases=cases)


def _cases(folds: Sequence[Fold]) -> list[str]:
    return sorted({name for fold in folds for name in (*fold.train, *fold.validation)})


def _changed(state: StudyState, name: str, before: Any, now: Any) -> InputError:
    return InputError(
        f"The study in {state.folder} was begun with {name} = {before}, now it is {now}.",
        "Go on with the same settings, or begin another study elsewhere. Losses, folds and repeats may be added.",
    )


def _folds(dataset: Dataset, settings: TrainingSettings) -> tuple[Fold, ...]:
    names = [case.name for case in dataset.cases if case.label is not None]
    if settings.splits is not None:
        return read_splits(settings.splits, names)
    return make_folds(names, settings.folds, settings.seed)


def _checked(only: tuple[int, ...] | None, folds: Sequence[Fold]) -> list[int]:
    chosen = list(range(len(folds))) if only is None else list(dict.fromkeys(only))
    strange = [fold for fold in chosen if not 0 <= fold < len(folds)]
    if strange or not chosen:
        named = strange[0] if strange else "none"
        raise InputError(f"The fold asked for is {named}.", f"Give numbers from 0 to {len(folds) - 1}.")
    return chosen


def _plan(dataset: Dataset, folds: Sequence[Fold], settings: TrainingSettings, reporter: Reporter) -> Plan:
    if settings.start_from is not None:
        plan = load(settings.start_from).plan
        return replace(plan, patch=settings.patch or plan.patch, batch=settings.batch or plan.batch)
    if settings.plan is not None:
        return read_plan(settings.plan)
    device, _ = choose_device(settings.device)
    names = _cases(folds)
    chosen = {each.name: getattr(settings, each.name) for each in fields(PlanSettings)}
    chosen["memory_gb"] = settings.memory_gb or free_memory_gb(device)
    given = PlanSettings(**{name: value for name, value in chosen.items() if value is not None})
    return plan_dataset(dataset, given, names=names, reporter=reporter)[1]
