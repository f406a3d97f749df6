"""What a run writes beside its checkpoints: `training.json` when it begins, the model folder when it ends."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import asdict, fields, replace
from pathlib import Path
from typing import Any

import numpy as np

from lossseg.dataset import Fold
from lossseg.errors import InputError
from lossseg.files import found, from_here, read_json, write_json
from lossseg.model import Model, save
from lossseg.preprocessing import Plan, PreparedCases
from lossseg.training import checkpoint as checkpoints
from lossseg.training.loop import Trainer
from lossseg.training.settings import TrainingSettings

SETTINGS = "training.json"
ORIGIN = "start_from_weights"
"""Key of the digest of the weights that a run began with, see `Model.weights_digest`."""

_WAYS = "ways"
_FILES = ("splits", "plan", "start_from", "cache")
_OF_THE_MACHINE = ("device", "workers", "memory_gb")


def write_record(out: Path, settings: TrainingSettings, plan: Plan, fold: Fold, origin: Model | None) -> None:
    """Write `training.json` unless the run has it already; `origin` is the model that is fine-tuned."""
    if not (out / SETTINGS).exists():
        record = {
            "settings": plain(settings),
            # The same files as seen from this folder, for when all was moved.
            _WAYS: {name: from_here(path, out) for name in _FILES if (path := getattr(settings, name)) is not None},
            "plan": plan.to_json(),
            "train": list(fold.train),
            "validation": list(fold.validation),
            "seen": _seen(origin),
            ORIGIN: origin.weights_digest if origin else None,
        }
        write_json(out / SETTINGS, record)


def interrupted_settings(out: Path, now: TrainingSettings) -> TrainingSettings:
    """The settings that the run in `out` was begun with; device, workers and paths as `now` gives them.

    Raises:
        InputError: no run was begun there.
    """
    if not (out / SETTINGS).exists():
        raise InputError(f"{out} holds no run to finish.", "Give the folder of an interrupted training.")
    try:
        record = read_json(out / SETTINGS)
        before = _settings_from_json(record["settings"])
        ways = record.get(_WAYS, {})
        lying = {
            name: found(path, ways.get(name), out) for name in _FILES if (path := getattr(before, name)) is not None
        }
    except (KeyError, TypeError, AttributeError) as error:
        raise InputError(f"{out / SETTINGS} cannot be read ({error!r}).", "Restore it from a copy.") from error
    given = {name: getattr(now, name) for name in _FILES if getattr(now, name) is not None}
    machine = {name: getattr(now, name) for name in _OF_THE_MACHINE}
    return replace(before, resume=True, finish=True, **machine, **{**lying, **given})


def write_model(
    out: Path,
    trainer: Trainer,
    plan: Plan,
    settings: TrainingSettings,
    fold: Fold,
    cases: PreparedCases,
    origin: Model | None,
    why: str,
) -> Model:
    """Write the model folder: the weights that were validated best, or the averaged ones without validation.

    Args:
        origin: the model that was fine-tuned. The record names the cases that it had seen as `seen`.
        why: of the device, in words.
    """
    state = trainer.state
    if trainer.validator is not None:
        best = checkpoints.read(trainer.best)
        weights = best.averaged if state.best_averaged else best.network
    else:
        weights = trainer.averaged.network.state_dict()
    record = {
        "settings": plain(settings),
        "train": list(fold.train),
        "validation": list(fold.validation),
        "seen": _seen(origin),
        "lesions": sum(cases[name].lesions for name in fold.train),
        "empty_cases": sum(cases[name].lesions == 0 for name in fold.train),
        "steps": state.step,
        "epochs": round(state.step / settings.iterations, 2),
        "seconds": round(trainer.budget.seconds, 1),
        "waiting_for_data_seconds": round(trainer.waiting_s, 1),
        "weights": {"step": state.best_step or state.step, "averaged": state.best_averaged},
        "finished_early": settings.finish,
        "device": why,
        "started_from": origin.name if origin else None,
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


def plain(settings: TrainingSettings) -> dict[str, Any]:
    """The settings as JSON data."""

    def convert(value: Any) -> Any:
        if isinstance(value, Path):
            return str(value)
        if isinstance(value, tuple):
            return [convert(entry) for entry in value]
        if isinstance(value, dict):
            return {key: convert(entry) for key, entry in value.items()}
        return value.item() if isinstance(value, np.generic) else value

    return {name: convert(value) for name, value in asdict(settings).items()}


def _settings_from_json(value: Mapping[str, Any]) -> TrainingSettings:
    """The settings that `plain` gave; what an older engine did not know yet has its default."""

    def convert(name: str, entry: Any) -> Any:
        if name in _FILES and entry is not None:
            return Path(entry)
        if isinstance(entry, list):
            return tuple(entry)
        return {key: tuple(limits) for key, limits in entry.items()} if isinstance(entry, dict) else entry

    known = {field.name for field in fields(TrainingSettings)}
    return TrainingSettings(**{name: convert(name, entry) for name, entry in value.items() if name in known})


def _seen(origin: Model | None) -> list[str]:
    return sorted(origin.seen_cases) if origin else []
