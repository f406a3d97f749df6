"""Evaluation of a folder of predictions against a folder of references."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from concurrent.futures import FIRST_COMPLETED, Future, ThreadPoolExecutor, wait
from dataclasses import dataclass
from pathlib import Path

from lossseg.errors import InputError, LossSegError
from lossseg.evaluation.case import CaseResult, evaluate_case
from lossseg.evaluation.cohort import Cohort, Failure, summarise
from lossseg.evaluation.matching import Credit
from lossseg.images import IMAGE_ENDINGS, Volume, case_name, image_ending, read_label, read_volume
from lossseg.reporting import Reporter, Silent, Stage

PROBABILITY = "_probability"
DISAGREEMENT = "_disagreement"
"""Behind the case's name in the files that a prediction writes beside its labels."""


@dataclass(frozen=True)
class _Files:
    name: str
    prediction: Path
    reference: Path
    probability: Path | None


def evaluate_folders(
    prediction_dir: Path | str,
    reference_dir: Path | str,
    *,
    probability_dir: Path | str | None = None,
    labels: Mapping[str, int] | None = None,
    connectivity: int = 26,
    credit: Credit | str = Credit.ALL,
    reporter: Reporter | None = None,
    workers: int = 1,
) -> Cohort:
    """Evaluate every case of two folders of label volumes, paired by file name without ending.

    One case per worker is in memory at a time. A case that cannot be evaluated (no partner, two files of one name,
    another geometry, a broken file, values that are no labels) becomes a failure with a sentence; the others go on.

    Args:
        prediction_dir: label volumes; CASE_probability and CASE_disagreement beside CASE are not taken for labels.
        reference_dir: label volumes.
        probability_dir: probabilities of any foreground, in [0, 1], one volume per case, named CASE_probability or
            CASE; may be the folder of the predictions.
        labels: the classes, name to value; default is every value that occurs in a case.
        connectivity: of lesions: 6, 18 or 26.
        credit: how many lesions one predicted component may find, see `matching.Credit`.
        reporter: hears of the progress.
        workers: cases evaluated at a time, in threads.

    Raises:
        InputError: a folder that does not exist or holds no image.
        Cancelled: the reporter was told to stop.
    """
    reporter = reporter or Silent()
    credit = Credit(credit)
    pairs, failures = _pair(
        _predictions(prediction_dir),
        _images(reference_dir, "references"),
        None if probability_dir is None else _probabilities(probability_dir),
    )
    stage = Stage(reporter, "evaluate", len(pairs))

    def evaluate(files: _Files) -> CaseResult | Failure:
        try:
            return _evaluate(files, labels, connectivity, credit)
        except LossSegError as error:
            return Failure(files.name, str(error))

    results: dict[str, CaseResult | Failure] = {}
    with ThreadPoolExecutor(max(1, workers)) as pool:
        waiting = [pool.submit(evaluate, files) for files in pairs]
        try:
            for result in _finished(waiting, reporter):
                results[result.name] = result
                stage.advance()
        except BaseException:
            pool.shutdown(wait=False, cancel_futures=True)
            raise
    settings: dict[str, str | int | float] = {
        "predictions": str(prediction_dir),
        "references": str(reference_dir),
        "probabilities": "none" if probability_dir is None else str(probability_dir),
        "connectivity": connectivity,
        "matching": "any overlap",
        "credit": credit.value,
    }
    ordered = [results[name] for name in sorted(results)]
    cohort = summarise([*ordered, *failures], settings)
    if labels is None:
        _warn_of_strangers(cohort, reporter)
    return cohort


def _finished(waiting: list[Future[CaseResult | Failure]], reporter: Reporter) -> Iterator[CaseResult | Failure]:
    remaining = set(waiting)
    while remaining:
        done, remaining = wait(remaining, timeout=0.5, return_when=FIRST_COMPLETED)
        reporter.check()
        yield from (future.result() for future in done)


def _images(folder: Path | str, what: str) -> dict[str, list[Path]]:
    folder = Path(folder)
    if not folder.is_dir():
        raise InputError(f"The folder of {what} {folder} does not exist.", "Check the path.")
    found: dict[str, list[Path]] = {}
    for path in sorted(folder.iterdir()):
        if path.is_file() and image_ending(path) and not path.name.startswith("."):
            found.setdefault(case_name(path), []).append(path)
    if not found:
        raise InputError(f"The folder of {what} {folder} holds no image.", f"Files end in {', '.join(IMAGE_ENDINGS)}.")
    return found


def _predictions(folder: Path | str) -> dict[str, list[Path]]:
    """The labels in a folder; what a prediction writes beside them, CASE_probability and so on, is none."""
    found = _images(folder, "predictions")
    return {name: paths for name, paths in found.items() if not any(name.removesuffix(s) in found for s in _of(name))}


def _probabilities(folder: Path | str) -> dict[str, list[Path]]:
    """The probabilities in a folder: CASE_probability where there are such files, else all of its images."""
    found = _images(folder, "probabilities")
    named = {name.removesuffix(PROBABILITY): paths for name, paths in found.items() if name.endswith(PROBABILITY)}
    return named or found


def _of(name: str) -> list[str]:
    return [suffix for suffix in (PROBABILITY, DISAGREEMENT) if name.endswith(suffix)]


def _pair(
    predictions: dict[str, list[Path]], references: dict[str, list[Path]], probabilities: dict[str, list[Path]] | None
) -> tuple[list[_Files], list[Failure]]:
    pairs, failures = [], []
    kinds = {"prediction": predictions, "reference": references}
    if probabilities is not None:
        kinds["probability volume"] = probabilities
    for name in sorted(predictions.keys() | references.keys()):
        paths = {kind: found.get(name, []) for kind, found in kinds.items()}
        missing = next((kind for kind, found in paths.items() if not found), None)
        several = next((found for found in paths.values() if len(found) > 1), None)
        if missing:
            failures.append(Failure(name, f"Case {name} has no {missing}. Add the file or remove its partner."))
        elif several:
            both = " and ".join(str(path) for path in several[:2])
            failures.append(Failure(name, f"Case {name} is there twice: {both}. Remove one of them."))
        else:
            probability = paths["probability volume"][0] if probabilities is not None else None
            pairs.append(_Files(name, paths["prediction"][0], paths["reference"][0], probability))
    return pairs, failures


def _evaluate(files: _Files, labels: Mapping[str, int] | None, connectivity: int, credit: Credit) -> CaseResult:
    reference = read_label(files.reference)
    prediction = read_label(files.prediction)
    _require_same_grid(prediction, reference)
    probability = None
    if files.probability is not None:
        volume = read_volume(files.probability)
        _require_same_grid(volume, reference)
        probability = volume.array
    try:
        return evaluate_case(
            reference.array,
            prediction.array,
            reference.geometry.spacing,
            probability,
            affine=reference.geometry.affine,
            labels=labels,
            connectivity=connectivity,
            credit=credit,
            name=files.name,
        )
    except InputError as error:
        raise InputError(f"Case {files.name}: {error.message}", error.hint) from error


def _require_same_grid(volume: Volume, reference: Volume) -> None:
    if not volume.geometry.matches(reference.geometry):
        raise InputError(
            f"{volume.path} lies on another grid than {reference.path}: "
            f"{volume.geometry.difference(reference.geometry)}.",
            "Resample it to the grid of the reference.",
        )


def _warn_of_strangers(cohort: Cohort, reporter: Reporter) -> None:
    """Tell of values that only predictions have: 255 against 1 is a mistake in files more often than in a model."""
    in_reference: set[str] = set()
    in_prediction: set[str] = set()
    for case in cohort.cases:
        for name in case.labels:
            single = len(case.labels) == 1
            truth = case.measures["reference_lesions" if single else f"reference_lesions[{name}]"]
            found = case.measures["predicted_lesions" if single else f"predicted_lesions[{name}]"]
            in_reference |= {name} if truth else set()
            in_prediction |= {name} if found else set()
    strangers = sorted(in_prediction - in_reference)
    if strangers and in_reference:
        reporter.warning(
            f"Label value {', '.join(strangers)} occurs in predictions and in no reference.",
            "Check that both use the same values, or name the classes.",
        )
