"""One training run from a dataset folder to a model folder, and cross-validation as a row of such runs."""

from __future__ import annotations

import os
from collections.abc import Iterator, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import torch

from lossseg import losses, networks
from lossseg.dataset import Dataset, open_dataset
from lossseg.errors import InputError
from lossseg.files import read_json, write_json
from lossseg.inference.device import choose_device, reduced_precision
from lossseg.locking import only_one
from lossseg.losses import Loss
from lossseg.model import Model, load
from lossseg.preprocessing import (
    CachedCase,
    Plan,
    PlanSettings,
    plan_dataset,
    prepare_dataset,
    prepare_maps,
    read_plan,
)
from lossseg.reporting import Reporter
from lossseg.training.augmentation import augmentation
from lossseg.training.budget import Budget, Clock, Minutes, Steps
from lossseg.training.held_out import SPLITS, fold_of, folds_of
from lossseg.training.history import HISTORY, HistoryReporter
from lossseg.training.loop import Trainer
from lossseg.training.memory import free_memory_gb
from lossseg.training.patches import Patches, map_keys, stream
from lossseg.training.record import SETTINGS, interrupted_settings, write_model, write_record
from lossseg.training.resume import CHECKPOINTS, newest, resumed
from lossseg.training.sampling import LesionSampler
from lossseg.training.settings import TrainingSettings
from lossseg.training.validation import Validator


def train(dataset_folder: Path, out: Path, settings: TrainingSettings, reporter: Reporter) -> Path:
    """Train one network and write its model folder `out`.

    With `settings.resume` an interrupted run in `out` goes on from its last checkpoint with the same result as if it
    had not been interrupted (for a budget in epochs; one in minutes depends on the clock). With `settings.finish` it
    ends where it is: its best validated weights become the model, or the last ones, validated now; all other settings
    are those that it was begun with.

    Returns:
        `out`, which then holds `model.json` and `weights.safetensors`, and every metric in `history.jsonl`.

    Raises:
        InputError: the dataset, a setting, or the output folder cannot be used, or another process trains into it.
        Cancelled: the person stopped it; a checkpoint was saved.
    """
    out = Path(out)
    _refuse_model(out)
    if settings.finish:
        settings = interrupted_settings(out, settings)
    dataset = open_dataset(dataset_folder)
    loss = losses.build(settings.loss, classes=len(dataset.labels))
    chosen = choose_device(settings.device)
    with only_one(out):
        _train(dataset, loss, out, settings, chosen, reporter)
    reporter.artifact("model", out)
    return out


def _refuse_model(out: Path) -> None:
    if (out / "model.json").exists():
        raise InputError(f"{out} already holds a model.", "Choose another name; models are never overwritten.")


def _train(
    dataset: Dataset,
    loss: Loss,
    out: Path,
    settings: TrainingSettings,
    chosen: tuple[torch.device, str],
    reporter: Reporter,
) -> None:
    """What `train` does in a folder that no other process touches meanwhile."""
    device, why = chosen
    # Another process may have finished it just before.
    _refuse_model(out)
    saved = resumed(out, settings)
    if saved is None and (out / CHECKPOINTS).exists():
        raise InputError(f"{out} holds an unfinished run.", "Add --resume to go on with it, or choose another name.")

    if saved is None:
        # What a run left that was killed before its first checkpoint says nothing of this one.
        (out / SETTINGS).unlink(missing_ok=True)

    fold = fold_of(dataset, out, settings)
    names = (*fold.train, *fold.validation)
    plan, origin = _plan(dataset, names, out, settings, device, reporter)
    cases = prepare_dataset(dataset, plan, settings.cache or out.parent / "cache", names=names, reporter=reporter)
    write_record(out, settings, plan, fold, origin)
    loss.spacing = plan.spacing
    loss.ignore = dataset.ignore

    torch.manual_seed(settings.seed)
    network = origin.network() if origin else networks.build(plan.network)
    autocast = reduced_precision(device) if settings.mixed_precision in (None, True) else None
    validator = (
        Validator([cases[name] for name in fold.validation], plan, device, autocast) if fold.validation else None
    )
    clock = Clock(before=saved.seconds if saved else 0.0)
    budget = _budget(settings, clock, saved.step if saved else 0)
    with HistoryReporter(out / HISTORY, reporter, step=saved.step if saved else 0) as told:
        trainer = Trainer(network, loss, settings, budget, validator, out / CHECKPOINTS, device, autocast, told)
        if saved:
            trainer.restore(saved)
        if settings.finish:
            trainer.finish()
        else:
            training = [cases[name] for name in fold.train]
            trainer.run(_batches(training, trainer, plan, settings, device, reporter))
    write_model(out, trainer, plan, settings, fold, cases, origin, why)


def cross_validate(dataset_folder: Path, out: Path, settings: TrainingSettings, reporter: Reporter) -> list[Path]:
    """Train every fold into `out`/fold_0, fold_1, …; finished folds are kept, an interrupted one goes on.

    A budget in minutes or epochs is that of each fold. With `settings.finish` the folds that were begun end where they
    are, and the others are left out.
    """
    out = Path(out)
    with only_one(out):
        return (_finish_folds if settings.finish else _train_folds)(dataset_folder, out, settings, reporter)


def _train_folds(dataset_folder: Path, out: Path, settings: TrainingSettings, reporter: Reporter) -> list[Path]:
    dataset = open_dataset(dataset_folder)
    folds = folds_of(dataset, out, settings)
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
            resume = settings.resume or newest(folder) is not None
            chosen = replace(
                settings,
                fold=fold,
                resume=resume,
                splits=settings.splits or out / SPLITS,
                plan=None if settings.start_from else plan_path,
                cache=settings.cache or out.parent / "cache",
            )
            train(dataset_folder, folder, chosen, reporter)
        models.append(folder)
    return models


def _finish_folds(dataset_folder: Path, out: Path, settings: TrainingSettings, reporter: Reporter) -> list[Path]:
    folders = [folder for folder in out.glob("fold_*") if folder.name[5:].isdigit()]
    models: list[Path] = []
    for folder in sorted(folders, key=lambda folder: int(folder.name[5:])):
        if not (folder / "model.json").exists():
            if newest(folder) is None:
                continue
            train(dataset_folder, folder, settings, reporter)
        models.append(folder)
    if not models:
        raise InputError(f"{out} holds no fold that was begun.", "Train it first.")
    return models


def _batches(
    training: Sequence[CachedCase],
    trainer: Trainer,
    plan: Plan,
    settings: TrainingSettings,
    device: torch.device,
    reporter: Reporter,
) -> Iterator[dict[str, Any]]:
    """The patches that the trainer goes on with."""
    maps = trainer.loss.required_maps
    prepare_maps(training, maps, plan, reporter)
    sampler = LesionSampler(training, plan.patch, oversampling=settings.oversampling, batch=plan.batch)
    augment = augmentation(plan.patch, plan.spacing, map_keys(maps))
    patches = Patches(training, sampler, plan, augment, seed=settings.seed, maps=maps)
    return stream(
        patches,
        batch=plan.batch,
        start=trainer.state.step,
        workers=_workers(settings, device),
        pin=device.type == "cuda",
    )


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
    if (out / SETTINGS).exists():
        return Plan.from_json(read_json(out / SETTINGS)["plan"]), origin
    if origin:
        if origin.plan.monai is not None:
            raise InputError(
                f"{origin.folder} was imported from a MONAI bundle and only predicts.",
                "Fine-tune a model that lossseg trained.",
            )
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
    return PlanSettings(
        memory_gb=settings.memory_gb or free_memory_gb(device),
        network=settings.network,
        base_filters=settings.base_filters,
        max_filters=settings.max_filters,
        filters=settings.filters,
        dilations=settings.dilations,
        patch=settings.patch,
        batch=settings.batch,
        spacing=settings.spacing,
        windows=settings.windows,
        deep_supervision=settings.deep_supervision,
    )


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
