"""One training run from a dataset folder to a model folder, and cross-validation as a row of such runs."""

from __future__ import annotations

import math
import os
from collections.abc import Sequence
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any

import numpy as np
import torch

from lossseg import losses, networks
from lossseg.dataset import Dataset, Fold, make_folds, open_dataset, read_splits, write_splits
from lossseg.errors import InputError
from lossseg.files import read_json, write_json
from lossseg.inference.device import choose_device, reduced_precision
from lossseg.model import Model, load, save
from lossseg.preprocessing import (
    Plan,
    PlanSettings,
    PreparedCases,
    plan_dataset,
    prepare_dataset,
    prepare_maps,
    read_plan,
)
from lossseg.reporting import Reporter
from lossseg.training import checkpoint as checkpoints
from lossseg.training.augmentation import augmentation
from lossseg.training.budget import Budget, Clock, Minutes, Steps
from lossseg.training.checkpoint import Checkpoint
from lossseg.training.loop import Trainer
from lossseg.training.memory import free_memory_gb
from lossseg.training.patches import Patches, map_keys, stream
from lossseg.training.sampling import LesionSampler
from lossseg.training.settings import ALL_CASES, TrainingSettings
from lossseg.training.validation import Validator

_SETTINGS = "training.json"
_CHECKPOINTS = "checkpoints"
_SPLITS = "splits_final.json"
_RESUMABLE = ("resume", "workers", "device", "cache", "memory_gb")
"""Settings that may differ between a run and its resumption."""


def train(dataset_folder: Path, out: Path, settings: TrainingSettings, reporter: Reporter) -> Path:
    """Train one network and write its model folder `out`.

    With `settings.resume` an interrupted run in `out` goes on from its last checkpoint with the same result as if it
    had not been interrupted (for a budget in epochs; one in minutes depends on the clock).

    Returns:
        `out`, which then holds `model.json` and `weights.safetensors`.

    Raises:
        InputError: the dataset, a setting, or the output folder cannot be used.
        Cancelled: the person stopped it; a checkpoint was saved.
    """
    out = Path(out)
    if (out / "model.json").exists():
        raise InputError(f"{out} already holds a model.", "Choose another name; models are never overwritten.")
    dataset = open_dataset(dataset_folder)
    loss = losses.build(settings.loss, classes=len(dataset.labels))
    device, why = choose_device(settings.device)
    saved = _resumed(out, settings)
    if saved is None and (out / _CHECKPOINTS).exists():
        raise InputError(f"{out} holds an unfinished run.", "Add --resume to go on with it, or choose another name.")

    fold = _fold(dataset, out, settings)
    names = (*fold.train, *fold.validation)
    plan, origin = _plan(dataset, names, out, settings, device, reporter)
    cases = prepare_dataset(dataset, plan, settings.cache or out.parent / "cache", names=names, reporter=reporter)
    _write_record(out, settings, plan, fold)
    loss.spacing = plan.spacing

    torch.manual_seed(settings.seed)
    network = origin.network() if origin else networks.build(plan.network)
    training = [cases[name] for name in fold.train]
    prepare_maps(training, loss.required_maps, plan, reporter)
    sampler = LesionSampler(training, plan.patch, oversampling=settings.oversampling, batch=plan.batch)
    patches = Patches(
        training,
        sampler,
        plan,
        augmentation(plan.patch, plan.spacing, map_keys(loss.required_maps)),
        seed=settings.seed,
        maps=loss.required_maps,
    )
    autocast = reduced_precision(device) if settings.mixed_precision in (None, True) else None
    validator = (
        Validator([cases[name] for name in fold.validation], plan, device, autocast) if fold.validation else None
    )
    clock = Clock(before=saved.seconds if saved else 0.0)
    budget = _budget(settings, clock, saved.step if saved else 0)
    trainer = Trainer(network, loss, settings, budget, validator, out / _CHECKPOINTS, device, autocast, reporter)
    if saved:
        trainer.restore(saved)
    workers = _workers(settings, device)
    batches = stream(patches, batch=plan.batch, start=trainer.state.step, workers=workers, pin=device.type == "cuda")
    trainer.run(batches)
    _write_model(out, trainer, plan, settings, fold, cases, why)
    reporter.artifact("model", out)
    return out


def cross_validate(dataset_folder: Path, out: Path, settings: TrainingSettings, reporter: Reporter) -> list[Path]:
    """Train every fold into `out`/fold_0, fold_1, …; finished folds are kept, an interrupted one goes on.

    A budget in minutes or epochs is that of each fold.
    """
    out = Path(out)
    dataset = open_dataset(dataset_folder)
    folds = _folds(dataset, out, settings)
    plan_path = settings.plan or out / "plan.json"
    if settings.start_from is None and not plan_path.exists():
        names = (*folds[0].train, *folds[0].validation)
        device, _ = choose_device(settings.device)
        plan, _ = _plan(dataset, names, out, settings, device, reporter)
        write_json(plan_path, plan.to_json())
    models: list[Path] = []
    for fold in range(len(folds)):
        folder = out / f"fold_{fold}"
        if not (folder / "model.json").exists():
            resume = settings.resume or (folder / _CHECKPOINTS / "last.safetensors").exists()
            chosen = replace(
                settings,
                fold=fold,
                resume=resume,
                splits=settings.splits or out / _SPLITS,
                plan=None if settings.start_from else plan_path,
                cache=settings.cache or out.parent / "cache",
            )
            train(dataset_folder, folder, chosen, reporter)
        models.append(folder)
    return models


def _resumed(out: Path, settings: TrainingSettings) -> Checkpoint | None:
    path = out / _CHECKPOINTS / "last.safetensors"
    if not settings.resume:
        return None
    if not path.exists():
        if (out / _CHECKPOINTS).exists() or not (out / _SETTINGS).exists():
            raise InputError(f"{out} holds no run to resume.", "Leave out --resume to start one.")
        return None
    before = read_json(out / _SETTINGS)["settings"]
    now = _plain(settings)
    for name in now.keys() - set(_RESUMABLE):
        if before.get(name) != now[name]:
            raise InputError(
                f"The interrupted run in {out} had {name} = {before.get(name)}, now it is {now[name]}.",
                "Resume with the same settings, or train into another folder.",
            )
    return checkpoints.read(path)


def _plan(
    dataset: Dataset,
    names: Sequence[str],
    out: Path,
    settings: TrainingSettings,
    device: torch.device,
    reporter: Reporter,
) -> tuple[Plan, Model | None]:
    """The plan of the run being resumed, of the model to fine-tune, or a new one; and that model."""
    origin = load(settings.start_from) if settings.start_from else None
    if (out / _SETTINGS).exists():
        return Plan.from_json(read_json(out / _SETTINGS)["plan"]), origin
    if origin:
        for what, own, theirs in (
            ("channels", dataset.channels, origin.channels),
            ("labels", dataset.labels, origin.labels),
        ):
            if own != theirs:
                raise InputError(
                    f"{dataset.folder} has the {what} {', '.join(own)}, "
                    f"the model {origin.folder} has {', '.join(theirs)}.",
                    "Fine-tune on data of the same task.",
                )
        plan = origin.plan
        return replace(plan, patch=settings.patch or plan.patch, batch=settings.batch or plan.batch), origin
    if settings.plan is not None:
        return read_plan(settings.plan), None
    return plan_dataset(dataset, _plan_settings(settings, device), names=names, reporter=reporter)[1], None


def _plan_settings(settings: TrainingSettings, device: torch.device) -> PlanSettings:
    defaults = PlanSettings()
    return PlanSettings(
        memory_gb=settings.memory_gb or free_memory_gb(device),
        base_filters=settings.base_filters or defaults.base_filters,
        max_filters=settings.max_filters,
        filters=settings.filters,
        patch=settings.patch,
        batch=settings.batch,
        spacing=settings.spacing,
        windows=settings.windows,
        deep_supervision=settings.deep_supervision,
    )


def _folds(dataset: Dataset, out: Path, settings: TrainingSettings) -> tuple[Fold, ...]:
    """The folds of the run's file; made once, so that every run of a study holds out the same cases."""
    path = settings.splits or out / _SPLITS
    if path.exists():
        folds = read_splits(path)
        known = {case.name for case in dataset.cases}
        for fold in folds:
            missing = sorted({*fold.train, *fold.validation} - known)
            if missing:
                raise InputError(
                    f"{path} names {missing[0]}, which {dataset.folder} lacks.", "Correct the splits file."
                )
        return folds
    if settings.splits and path.name != _SPLITS:
        raise InputError(f"{path} does not exist.", "Give an existing splits file or leave it out.")
    names = [case.name for case in dataset.cases if case.label is not None]
    folds = make_folds(names, settings.folds, settings.seed)
    write_splits(path, folds)
    return folds


def _fold(dataset: Dataset, out: Path, settings: TrainingSettings) -> Fold:
    if settings.fold == ALL_CASES:
        return Fold(tuple(case.name for case in dataset.cases if case.label is not None), ())
    folds = _folds(dataset, out, settings)
    if not 0 <= int(settings.fold) < len(folds):
        raise InputError(f"The fold is {settings.fold}.", f"Give a number from 0 to {len(folds) - 1}.")
    return folds[int(settings.fold)]


def _budget(settings: TrainingSettings, clock: Clock, step: int) -> Budget:
    if settings.minutes is not None:
        return Minutes(settings.minutes, clock)
    return Steps(settings.epochs_or_default * settings.iterations, clock, step)


def _workers(settings: TrainingSettings, device: torch.device) -> int:
    if settings.workers is not None:
        return settings.workers
    cores = os.cpu_count() or 1
    # On a CPU the network takes every core; one worker fills the gaps between its parallel stretches.
    return min(cores - 1, 8) if device.type == "cuda" else min(1, cores - 1)


def _write_record(out: Path, settings: TrainingSettings, plan: Plan, fold: Fold) -> None:
    if not (out / _SETTINGS).exists():
        record = {
            "settings": _plain(settings),
            "plan": plan.to_json(),
            "train": list(fold.train),
            "validation": list(fold.validation),
        }
        write_json(out / _SETTINGS, record)


def _write_model(
    out: Path, trainer: Trainer, plan: Plan, settings: TrainingSettings, fold: Fold, cases: PreparedCases, why: str
) -> Model:
    state = trainer.state
    if trainer.validator is not None:
        best = checkpoints.read(trainer.best)
        weights = best.averaged if state.best_averaged else best.network
    else:
        weights = trainer.averaged.network.state_dict()
    record = {
        "settings": _plain(settings),
        "train": list(fold.train),
        "validation": list(fold.validation),
        "lesions": sum(cases[name].lesions for name in fold.train),
        "empty_cases": sum(cases[name].lesions == 0 for name in fold.train),
        "steps": state.step,
        "epochs": round(state.step / settings.iterations, 2),
        "seconds": round(trainer.budget.seconds, 1),
        "waiting_for_data_seconds": round(trainer.waiting_s, 1),
        "weights": {"step": state.best_step or state.step, "averaged": state.best_averaged},
        "device": why,
        "started_from": str(settings.start_from.name) if settings.start_from else None,
    }
    scores = {k: math.nan if v is None else v for k, v in (state.best_scores or {}).items()}
    return save(
        out,
        plan=plan,
        weights=weights,
        loss=trainer.loss.expression,
        training=record,
        scores=scores,
        operating_point=state.best_point,
    )


def _plain(settings: TrainingSettings) -> dict[str, Any]:
    """The settings as JSON data."""

    def plain(value: Any) -> Any:
        if isinstance(value, Path):
            return str(value)
        if isinstance(value, tuple):
            return [plain(entry) for entry in value]
        if isinstance(value, dict):
            return {key: plain(entry) for key, entry in value.items()}
        return value.item() if isinstance(value, np.generic) else value

    return {name: plain(value) for name, value in asdict(settings).items()}
