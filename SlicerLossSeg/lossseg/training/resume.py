"""Going on with an interrupted run: which checkpoint, and that nothing has changed which its result depends on.

Files are compared by what they hold and not by where they lie, so that a run goes on after its folder, or that of the
dataset, was moved.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from lossseg.dataset import read_splits
from lossseg.errors import InputError
from lossseg.files import read_json
from lossseg.model import load
from lossseg.preprocessing import Plan, read_plan
from lossseg.training import checkpoint as checkpoints
from lossseg.training.checkpoint import Checkpoint
from lossseg.training.record import ORIGIN, SETTINGS, plain
from lossseg.training.settings import ALL_CASES, TrainingSettings

CHECKPOINTS = "checkpoints"
_MAY_DIFFER = ("resume", "finish", "workers", "device", "cache", "memory_gb")
_FILES = ("splits", "plan", "start_from")


def newest(out: Path) -> Path | None:
    """The checkpoint of the most steps: a run killed while it validates may have its best one only."""
    found = [out / CHECKPOINTS / f"{name}.safetensors" for name in ("last", "best")]
    return max((path for path in found if path.exists()), key=checkpoints.step_of, default=None)


def resumed(out: Path, settings: TrainingSettings) -> Checkpoint | None:
    """The state to go on from; None where the run begins anew.

    Raises:
        InputError: there is nothing to go on with, it is damaged, or a setting is not that which the run began with.
    """
    if not settings.resume:
        return None
    path = newest(out)
    if path is None:
        if settings.finish:
            raise InputError(
                f"The run in {out} was stopped before its first checkpoint.", "Train it anew, or resume it."
            )
        if (out / CHECKPOINTS).exists() or not (out / SETTINGS).exists():
            raise InputError(f"{out} holds no run to resume.", "Leave out --resume to start one.")
        return None
    record = read_json(out / SETTINGS)
    before, now, defaults = record["settings"], plain(settings), plain(TrainingSettings())
    for name in now.keys() - {*_MAY_DIFFER, *_FILES}:
        # A run that an earlier version began lacks the settings that came later.
        had = before.get(name, defaults[name])
        if had != now[name]:
            raise _changed(out, name, had, now[name])
    for name in _FILES:
        if not _is_the_same(name, settings, record):
            raise _changed(out, name, before.get(name), now[name])
    return checkpoints.read(path)


def _is_the_same(name: str, settings: TrainingSettings, record: Mapping[str, Any]) -> bool:
    given: Path | None = getattr(settings, name)
    before = record["settings"].get(name)
    if given is None:
        return before is None
    if str(given) == before and not given.exists():
        # The record itself holds the cases and the plan.
        return True
    match name:
        case "splits":
            return settings.fold == ALL_CASES or _holds_fold(given, int(settings.fold), record)
        case "plan":
            # Where a model is fine-tuned its own plan holds.
            return settings.start_from is not None or read_plan(given) == Plan.from_json(record["plan"])
        case _:
            digest = record.get(ORIGIN)
            return str(given) == before if digest is None else load(given).weights_digest == digest


def _holds_fold(splits: Path, fold: int, record: Mapping[str, Any]) -> bool:
    folds = read_splits(splits)
    return fold in range(len(folds)) and all(
        sorted(getattr(folds[fold], part)) == sorted(record[part]) for part in ("train", "validation")
    )


def _changed(out: Path, name: str, before: Any, now: Any) -> InputError:
    if name in _FILES and before and now:
        return InputError(
            f"The interrupted run in {out} was begun with another {name.replace('_', ' ')} than {now} holds.",
            f"Give what it was begun with ({before}), or train into another folder.",
        )
    return InputError(
        f"The interrupted run in {out} had {name} = {before}, now it is {now}.",
        "Resume with the same settings, or train into another folder.",
    )
