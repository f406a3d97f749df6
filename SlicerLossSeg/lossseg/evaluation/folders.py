"""Evaluation of folders of predictions against a folder of references."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from contextlib import closing
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import NamedTuple

import numpy as np
from scipy.special import expit

from lossseg.errors import InputError, LossSegError
from lossseg.evaluation.case import CaseResult, evaluate_case
from lossseg.evaluation.cohort import Cohort, Failure
from lossseg.evaluation.criteria import Credit, Matching
from lossseg.evaluation.groups import Grouping
from lossseg.evaluation.lesions import Outcome
from lossseg.evaluation.pairing import DISAGREEMENT, LOGIT, PROBABILITY, CaseFiles, pair_files
from lossseg.evaluation.parallel import in_order, sensible_workers
from lossseg.evaluation.scored import Scored, score_components
from lossseg.evaluation.voxel_tally import VoxelTally, tally
from lossseg.images import Volume, read_label, read_volume, resample_to
from lossseg.reporting import Reporter, Silent, Stage

__all__ = ["DISAGREEMENT", "PROBABILITY", "evaluate_folders"]


@dataclass(frozen=True)
class _Settings:
    """How each case is evaluated."""

    labels: dict[str, int] | None
    connectivity: int
    matching: Matching
    ignore_label: int | None
    surface: bool
    tolerance_mm: float
    resample: bool
    logits: bool
    froc_threshold: float | None


class _Evaluated(NamedTuple):
    result: CaseResult
    scored: Scored | None
    voxels: VoxelTally | None
    resampled: bool


def evaluate_folders(
    prediction_dir: Path | str,
    reference_dir: Path | str,
    *,
    probability_dir: Path | str | None = None,
    logit_dir: Path | str | None = None,
    labels: Mapping[str, int] | None = None,
    connectivity: int = 26,
    matching: Matching | str = "overlap",
    credit: Credit | str | None = None,
    ignore_label: int | None = None,
    surface: bool = True,
    tolerance_mm: float = 1.0,
    froc_threshold: float | None = None,
    resample: bool = False,
    grouping: Grouping | None = None,
    reporter: Reporter | None = None,
    workers: int | None = 1,
    stage: str = "evaluate",
) -> Cohort:
    """Evaluate every case of two folders of label volumes, paired by file name without ending.

    One case per worker is in memory at a time; of each case its rows and measures are kept, of all voxels together
    their counts in bins. A case that cannot be evaluated (no partner, two files of one name, another geometry, a broken
    file, values that are no labels or that no reference has) becomes a failure with a sentence; the others go on.

    Args:
        prediction_dir: label volumes; CASE_probability and CASE_disagreement beside CASE are not taken for labels.
        reference_dir: label volumes.
        probability_dir: probabilities of any foreground, in [0, 1], one volume per case, named CASE_probability or
            CASE; may be the folder of the predictions.
        logit_dir: instead of them logits of any foreground (log p / (1 - p)), named CASE_logit or CASE. They score the
            components of the FROC curve; probabilities are made from them.
        labels: the classes, name to value; default is every value that occurs in a case.
        connectivity: of lesions: 6, 18 or 26.
        matching: how lesions are matched, or the name of one of `criteria.MATCHINGS`.
        credit: how many lesions one predicted component may find, in place of what `matching` says.
        ignore_label: value of the references that marks regions to ignore, see `evaluate_case`.
        surface: measure the distances between surfaces too.
        tolerance_mm: within which surfaces agree for the surface Dice.
        froc_threshold: components of the FROC curve are those of probability > this, in [0, 1), of any class; default
            are the predicted components, with which the curve ends at the predictions' operating point.
        resample: put a prediction of another grid on that of its reference: labels by nearest neighbour,
            probabilities and logits linearly. Otherwise such a case fails.
        grouping: how lesions are parted by size; default are the tertiles of their volumes.
        reporter: hears of the progress.
        workers: cases evaluated at a time, in processes of their own; None for as many as pay off. A script that asks
            for several has to guard its own beginning with `if __name__ == "__main__"`.
        stage: what the progress is called.

    Raises:
        InputError: a folder that does not exist or holds no image; probabilities and logits at once; or a threshold
            outside [0, 1) or without probabilities.
        Cancelled: the reporter was told to stop.
        OutOfMemory: a worker was killed.
    """
    reporter = reporter or Silent()
    if probability_dir is not None and logit_dir is not None:
        raise InputError("There are probabilities and logits.", "Give one of them.")
    confidence_dir = probability_dir if logit_dir is None else logit_dir
    if froc_threshold is not None and (confidence_dir is None or not 0 <= froc_threshold < 1):
        raise InputError(
            f"The FROC curve cannot begin at the probability {froc_threshold:g}.",
            "Give a threshold in [0, 1), and probabilities or logits.",
        )
    how = matching if isinstance(matching, Matching) else Matching.named(matching)
    settings = _Settings(
        labels=None if labels is None else dict(labels),
        connectivity=connectivity,
        matching=how if credit is None else replace(how, credit=Credit(credit)),
        ignore_label=ignore_label,
        surface=surface,
        tolerance_mm=tolerance_mm,
        resample=resample,
        logits=logit_dir is not None,
        froc_threshold=froc_threshold,
    )
    pairs, failures = pair_files(
        prediction_dir, reference_dir, confidence_dir, PROBABILITY if logit_dir is None else LOGIT
    )
    progress = Stage(reporter, stage, len(pairs))
    workers = sensible_workers(len(pairs)) if workers is None else workers
    cases: list[CaseResult] = []
    scored: dict[str, Scored] = {}
    voxels: VoxelTally | None = None
    resampled = 0
    with closing(in_order(partial(_evaluate, settings=settings), pairs, workers, reporter.check)) as results:
        for done in results:
            if isinstance(done, Failure):
                failures.append(done)
            else:
                cases.append(done.result)
                resampled += done.resampled
                if done.scored is not None:
                    scored[done.result.name] = done.scored
                if done.voxels is not None:
                    voxels = done.voxels if voxels is None else voxels + done.voxels
            progress.advance()
    kept, strange = _without_strangers(cases) if labels is None else (cases, [])
    return Cohort(
        cases=tuple(kept),
        failures=tuple(sorted([*failures, *strange])),
        settings=_shown(settings, prediction_dir, reference_dir, confidence_dir),
        grouping=grouping or Grouping(),
        notes=_notes(kept, resampled),
        scored={case.name: scored[case.name] for case in kept if case.name in scored},
        voxels=voxels,
    )


def _evaluate(files: CaseFiles, settings: _Settings) -> _Evaluated | Failure:
    try:
        return _evaluated(files, settings)
    except LossSegError as error:
        return Failure(files.name, str(error))


def _evaluated(files: CaseFiles, settings: _Settings) -> _Evaluated:
    reference = read_label(files.reference)
    volume = read_label(files.prediction)
    prediction = _on_grid(volume, reference, 0, settings.resample)
    resampled = prediction is not volume
    probability = logits = None
    if files.confidence is not None:
        volume = read_volume(files.confidence)
        confidence = _on_grid(volume, reference, 1, settings.resample)
        resampled |= confidence is not volume
        probability = confidence.array
        if settings.logits:
            logits, probability = probability, expit(probability, dtype=np.float32)
    try:
        result = evaluate_case(
            reference.array,
            prediction.array,
            reference.geometry.spacing,
            probability,
            affine=reference.geometry.affine,
            labels=settings.labels,
            connectivity=settings.connectivity,
            matching=settings.matching,
            ignore_label=settings.ignore_label,
            surface=settings.surface,
            tolerance_mm=settings.tolerance_mm,
            name=files.name,
        )
    except InputError as error:
        raise InputError(f"Case {files.name}: {error.message}", error.hint) from error
    if probability is None:
        return _Evaluated(result, None, None, resampled)
    scored = None
    if logits is not None or settings.froc_threshold is not None:
        scored = _scored(reference, prediction.array, probability, logits, settings)
    return _Evaluated(result, scored, tally(reference.array, probability, settings.ignore_label), resampled)


def _scored(
    reference: Volume,
    prediction: np.ndarray,
    probability: np.ndarray,
    logits: np.ndarray | None,
    settings: _Settings,
) -> Scored:
    truth, ignore_label = reference.array, settings.ignore_label
    if settings.froc_threshold is not None:
        # The probability is that of any class, so its components are compared with lesions of any class.
        ignored = truth == ignore_label if ignore_label is not None else np.zeros(truth.shape, bool)
        prediction = (probability > settings.froc_threshold).astype(np.uint8)
        truth, ignore_label = np.where(ignored, 2, truth > 0).astype(np.uint8), 2
    return score_components(
        truth,
        prediction,
        probability if logits is None else logits,
        connectivity=settings.connectivity,
        matching=settings.matching,
        ignore_label=ignore_label,
        spacing=reference.geometry.spacing,
    )


def _on_grid(volume: Volume, reference: Volume, order: int, resample: bool) -> Volume:
    """The volume itself where it lies on the reference's grid, else resampled to it.

    Raises:
        InputError: it lies on another grid and must not be resampled.
    """
    if volume.geometry.matches(reference.geometry):
        return volume
    if not resample:
        raise InputError(
            f"{volume.path} lies on another grid than {reference.path}: "
            f"{volume.geometry.difference(reference.geometry)}.",
            "Resample it to the grid of the reference, or have that done here (--resample).",
        )
    return resample_to(volume, reference.geometry, order=order)


def _without_strangers(cases: Sequence[CaseResult]) -> tuple[list[CaseResult], list[Failure]]:
    """The cases without those that predict a value which no reference has: 255 against 1 is a mistake in files.

    Where no reference has any lesion, nothing can be said of values.
    """
    rows = [(case, lesion.label, lesion.outcome) for case in cases for lesion in case.lesions]
    known = {label for _, label, outcome in rows if outcome.in_reference}
    kept, failures = [], []
    for case in cases:
        false = {lesion.label for lesion in case.of(Outcome.FALSE_POSITIVE)}
        strange = sorted(false - known)
        if not strange or not known:
            kept.append(case)
            continue
        values = ", ".join(map(str, strange))
        failures.append(
            Failure(
                case.name,
                f"Case {case.name}: the prediction has the label value {values}, which no reference has (they have "
                f"{', '.join(map(str, sorted(known)))}). Give both the same values, or name the classes (--label).",
            )
        )
    return kept, failures


def _notes(cases: Sequence[CaseResult], resampled: int) -> tuple[str, ...]:
    notes = []
    empty = [case.name for case in cases if not case.lesions]
    if empty:
        some = ", ".join(empty[:5]) + (f" and {len(empty) - 5} more" if len(empty) > 5 else "")
        notes.append(
            f"{_cases(len(empty))} without any lesion in reference and prediction ({some}): overlap is undefined there "
            "and left out of the means; as images without a false positive they count."
        )
    if resampled:
        notes.append(f"{_cases(resampled)} resampled to the grid of the reference.")
    return tuple(notes)


def _cases(count: int) -> str:
    return f"{count} case" if count == 1 else f"{count} cases"


def _shown(
    settings: _Settings, prediction_dir: Path | str, reference_dir: Path | str, confidence_dir: Path | str | None
) -> dict[str, str | int | float]:
    shown: dict[str, str | int | float] = {"predictions": str(prediction_dir), "references": str(reference_dir)}
    if confidence_dir is None:
        shown["probabilities"] = "none"
    else:
        shown["logits" if settings.logits else "probabilities"] = str(confidence_dir)
    how = settings.matching
    shown |= {"connectivity": settings.connectivity, "matching": how.words, "credit": how.credit.value}
    if settings.ignore_label is not None:
        shown["ignored label"] = settings.ignore_label
    if settings.surface:
        shown["surface Dice tolerance, mm"] = settings.tolerance_mm
    if settings.labels is not None:
        shown["labels"] = ", ".join(f"{name} = {value}" for name, value in settings.labels.items() if value)
    if confidence_dir is not None:
        lowest = settings.froc_threshold
        shown["FROC components"] = "predicted" if lowest is None else f"probability > {lowest:g}"
    if settings.resample:
        shown["resample"] = "to the grid of the reference"
    return shown
