"""Importing an nnU-Net training or a MONAI bundle as models of the study: the engine translates in its own process."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from SlicerLossSegLib.jobs import Job, JobQueue, State
from SlicerLossSegLib.study import Study
from SlicerLossSegLib.volumes import short_folder


@dataclass(frozen=True)
class Imported:
    """What an import left in the study.

    Attributes:
        models: their folders, one per fold.
        ensemble: the file that puts the folds together, None for a single one.
        warnings: what differs from the original.
    """

    models: tuple[Path, ...]
    ensemble: Path | None
    warnings: tuple[str, ...]


def start_import(
    queue: JobQueue,
    study: Study,
    source: Path,
    on_change: Callable[[Job], None] = lambda job: None,
    on_log: Callable[[str], None] = lambda line: None,
    on_end: Callable[[Job], None] = lambda job: None,
) -> Job:
    """Import the folder of a trained nnU-Net configuration or of a MONAI bundle, and come back at once.

    Args:
        source: the folder with dataset.json, plans.json and fold_0, fold_1, ...;
            of a bundle the one with configs and models.
        on_end: called when the job is over; after success its `collected` is an `Imported`.
    """
    folder = short_folder("import")
    parameters = {"source": Path(source), "out": study.models_folder, "ensembles": study.ensembles_folder}

    def ended(job: Job) -> None:
        if job.state is State.FINISHED:
            job.collected = _read(job)
        shutil.rmtree(folder, ignore_errors=True)
        on_end(job)

    return queue.add(Job("import_model", parameters, folder, on_change=on_change, on_log=on_log, on_end=ended))


def _read(job: Job) -> Imported:
    summary = job.summary
    ensemble = summary.get("ensemble")
    return Imported(
        tuple(Path(path) for path in summary.get("models", ())),
        Path(ensemble) if ensemble else None,
        tuple(map(str, summary.get("warnings", ()))),
    )
