"""What presets are tested with: scales of seconds, and their tables as a person sees them."""

from __future__ import annotations

import csv
import io
from dataclasses import replace
from pathlib import Path

import pytest
from rich.console import Console

from lossseg.cli.show_preset import show_preset
from lossseg.jobs.actions import ACTIONS, study
from lossseg.jobs.actions.preset import PresetParams
from lossseg.jobs.typed import parse
from lossseg.reporting import Silent
from lossseg.studies import presets
from lossseg.studies.presets import BEST_OF_FOLDS, Preset, Scale, preset
from lossseg.training import TrainingSettings

RUN = ACTIONS["preset"].run
TINY = {
    "epochs": 1,
    "iterations": 2,
    "validations": 1,
    "patch": [16, 16, 16],
    "batch": 2,
    "pictures": 0,
    "ema_decay": 0.0,
}


def shrink(monkeypatch: pytest.MonkeyPatch, name: str, **changes) -> Preset:
    """The preset with a scale of seconds in place of small; losses may be fewer."""
    chosen = preset(name)
    kept = changes.pop("losses", chosen.losses)
    phantoms = changes.pop("phantoms", chosen.scale("small").phantoms)
    scale = Scale({**chosen.scale("small").settings, **TINY, **changes}, phantoms)
    entries = tuple(entry for entry in chosen.entries if entry.loss in kept)
    published = tuple(each for each in chosen.published if each.loss in (*kept, BEST_OF_FOLDS))
    made = replace(chosen, entries=entries, published=published, scales={"small": scale})
    monkeypatch.setattr(presets, "preset", lambda _: made)
    return made


def run(name: str, out: Path, **chosen) -> dict:
    with pytest.MonkeyPatch.context() as patched:
        # A few tiny cases are not worth the start of processes.
        patched.setattr("lossseg.evaluation.folders.sensible_workers", lambda items: 1)
        return RUN(PresetParams("run", name, out, device="cpu", workers=0, **chosen), Silent())


def shown(summary: dict) -> str:
    console = Console(file=io.StringIO(), width=200)
    show_preset(summary, console)
    return console.file.getvalue()


def rows(path: Path) -> list[dict[str, str]]:
    with path.open(encoding="utf-8") as file:
        return list(csv.DictReader(file))


def training(chosen: Preset, scale: str = "paper"):
    record = chosen.study(chosen.arms[0], chosen.scale(scale)) | {"dataset": "data", "out": "out"}
    params = parse(study.StudyParams, record, chosen.name)
    settings = TrainingSettings(**{name: getattr(params, name) for name in study.TRAINING})
    return params, settings
