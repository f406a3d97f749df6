"""Job `evaluate`: predictions against references, by lesion and by voxel."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Literal

from lossseg.errors import InputError
from lossseg.jobs.action import Action, Summary, argument, option
from lossseg.reporting import Reporter

if TYPE_CHECKING:
    from lossseg.evaluation import Cohort
    from lossseg.evaluation.report import CaseArrays, ImageSource


@dataclass(frozen=True)
class EvaluateParams:
    predictions: Path = argument("Folder of predicted labels, one volume per case.", name="PRED_DIR")
    references: Path = argument("Folder of reference labels with the same case names.", name="REF_DIR")
    prob: Path | None = option(
        None,
        "Folder of probabilities, 0 to 1, as CASE_probability or CASE, for confidences and FROC; may be PRED_DIR.",
        metavar="FOLDER",
        shown="none",
    )
    images: Path | None = option(
        None,
        "Folder of the images for the report's pictures.",
        metavar="FOLDER",
        shown="imagesTr beside labelsTr, and so on",
    )
    out: Path | None = option(
        None,
        "Folder for lesions.csv, lesions.json, cases.csv, summary.json and report.html.",
        metavar="FOLDER",
        shown="the summary is printed only",
    )
    connectivity: Literal[6, 18, 26] = option(26, "How many neighbours of a voxel touch it: 6, 18 or 26.")
    credit: Literal["all", "best"] = option(
        "all", "One predicted component finds all lesions that it overlaps, or only the best of them."
    )
    pictures: int = option(60, "Most pictures of missed and false lesions in the report.", low=0)
    workers: int = option(1, "Cases evaluated at a time.", low=1, high=64)


def run(params: EvaluateParams, reporter: Reporter) -> Summary:
    from lossseg.evaluation import evaluate_folders

    images = _images(params)
    cohort = evaluate_folders(
        params.predictions,
        params.references,
        probability_dir=params.prob,
        connectivity=params.connectivity,
        credit=params.credit,
        reporter=reporter,
        workers=params.workers,
    )
    for failure in cohort.failures:
        reporter.warning(failure.message)
    if not cohort.cases:
        first = cohort.failures[0].message if cohort.failures else ""
        raise InputError(f"No case could be evaluated. {first}", "Both folders need volumes with the same names.")
    return {
        "cases": len(cohort.cases),
        "failures": [failure._asdict() for failure in cohort.failures],
        "summary": cohort.summary(),
        "means": {name: average._asdict() for name, average in cohort.measures.items()},
        "size_groups": [{**asdict(group), "range": group.range_text} for group in cohort.size_groups()],
        "files": _write(params, cohort, images, reporter) if params.out else [],
    }


def _images(params: EvaluateParams) -> Path | None:
    """The folder of images: the one given, or imagesXX beside references in labelsXX."""
    if params.images is not None:
        if not params.images.is_dir():
            raise InputError(f"The folder of images {params.images} does not exist.", "Check the path.")
        return params.images
    references = params.references.absolute()
    beside = references.with_name(references.name.replace("labels", "images", 1))
    return beside if beside != references and beside.is_dir() else None


def _write(params: EvaluateParams, cohort: Cohort, images: Path | None, reporter: Reporter) -> list[Path]:
    from lossseg.evaluation import (
        write_cases_csv,
        write_cohort_json,
        write_lesions_csv,
        write_lesions_json,
        write_report,
    )

    assert params.out is not None
    files = {
        name: params.out / name for name in ("lesions.csv", "lesions.json", "cases.csv", "summary.json", "report.html")
    }
    write_lesions_csv(files["lesions.csv"], cohort.cases)
    write_lesions_json(files["lesions.json"], cohort.cases)
    write_cases_csv(files["cases.csv"], cohort)
    write_cohort_json(files["summary.json"], cohort)
    source = None if images is None else _source(images, params)
    write_report(files["report.html"], cohort, source, max_pictures=params.pictures, reporter=reporter)
    for path in files.values():
        reporter.artifact(path.stem, path)
    return list(files.values())


def _source(images: Path, params: EvaluateParams) -> ImageSource:
    """Loads a case for its pictures: the first channel of its image, its reference and its prediction."""
    from lossseg.dataset.cases import image_files, split_channel
    from lossseg.images import case_name, read_label, read_volume

    def by_name(folder: Path) -> dict[str, Path]:
        found: dict[str, Path] = {}
        for path in image_files(folder):
            found.setdefault((split_channel(case_name(path)) or (case_name(path), 0))[0], path)
        return found

    shown = by_name(images)
    references = {case_name(path): path for path in image_files(params.references)}
    predictions = {case_name(path): path for path in image_files(params.predictions)}

    def load(case: str) -> CaseArrays:
        if case not in shown:
            raise InputError(f"{images} has no image of {case}.", "Give the folder of its images.")
        image = read_volume(shown[case])
        reference, prediction = read_label(references[case]), read_label(predictions[case])
        if not image.geometry.matches(reference.geometry):
            difference = image.geometry.difference(reference.geometry)
            raise InputError(
                f"{shown[case]} lies on another grid than its labels: {difference}.", "Give its own image."
            )
        return image.array, image.geometry, reference.array, prediction.array

    return load


ACTION = Action(
    kind="evaluate",
    title="Compare predictions with references, lesion by lesion.",
    params=EvaluateParams,
    run=run,
    examples=(
        "lossseg evaluate results data/unseen/labelsTr --out evaluation",
        "lossseg evaluate results truth --prob probabilities --images scans --out evaluation",
    ),
)
