"""Job `evaluate`: predictions against references, by lesion and by voxel, of one model or of several."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

from lossseg.errors import InputError
from lossseg.jobs.action import Action, Summary, argument, option
from lossseg.reporting import Reporter

if TYPE_CHECKING:
    from lossseg.evaluation import Cohort, Grouping
    from lossseg.evaluation.learning_curves import Course
    from lossseg.evaluation.results import Content, Folders


@dataclass(frozen=True)
class EvaluateParams:
    predictions: Path | tuple[Path, ...] = argument(
        "Folder of predicted labels, one volume per case; several folders are compared.", name="PRED_DIR"
    )
    references: Path = argument("Folder of reference labels with the same case names.", name="REF_DIR")
    prob: Path | tuple[Path, ...] | None = option(
        None,
        "Folder of probabilities, 0 to 1, as CASE_probability or CASE, for confidences, FROC, precision-recall and "
        "calibration; may be PRED_DIR. Once for each PRED_DIR.",
        metavar="FOLDER",
        shown="none",
    )
    logits: Path | tuple[Path, ...] | None = option(
        None,
        "Folder of logits, as CASE_logit or CASE, instead of probabilities: they never saturate. Once for each "
        "PRED_DIR.",
        metavar="FOLDER",
        shown="none",
    )
    images: Path | None = option(
        None,
        "Folder of the images for the report's pictures.",
        metavar="FOLDER",
        shown="imagesTr beside labelsTr, and so on; else outlines only",
    )
    out: Path | None = option(
        None,
        "Folder for lesions.csv, lesions.json, cases.csv, summary.json and report.html; with several models one such "
        "folder each, and comparison.csv, comparison.json and comparison.html.",
        metavar="FOLDER",
        shown="the summary is printed only",
    )
    label: dict[str, Any] | None = option(
        None,
        "A class and its value; may be repeated.",
        metavar="NAME=VALUE",
        shown="dataset.json beside REF_DIR, else every value that occurs",
    )
    connectivity: Literal[6, 18, 26] = option(26, "How many neighbours of a voxel touch it: 6, 18 or 26.")
    matching: Literal["overlap", "adam", "luna16", "picai", "panoptic"] = option(
        "overlap", "When a lesion is found: any overlap, or as a challenge or tool counts."
    )
    credit: Literal["all", "best"] = option(
        "all", "One predicted component finds all lesions that it overlaps, or only the best of them."
    )
    ignore_label: int | None = option(
        None, "Value of the references that marks regions which count for nothing.", low=1, shown="the dataset's"
    )
    surface: bool = option(True, "Measure distances between surfaces: HD95, mean surface distance, surface Dice.")
    tolerance: float = option(1.0, "Distance within which surfaces agree for the surface Dice, in mm.", low=0.0)
    groups: str = option(
        "tertiles",
        "Lesions by size: tertiles of volume; nodules (10 mm), metastases (5 mm), liver (12 mm); or edges of the "
        "longest diameter in mm.",
        metavar="NAME|MM,MM",
    )
    froc_threshold: float | None = option(
        None,
        "Components of the FROC curve are those above this probability.",
        low=0.0,
        high=1.0,
        shown="the predicted ones",
    )
    paper_froc: bool = option(
        False, "Also count as the published table of the inverse-weighting paper did; needs --logits."
    )
    resample: bool = option(False, "Put predictions of another grid on that of their reference.")
    test: Literal["wilcoxon", "bootstrap"] = option("wilcoxon", "How several models are compared, case by case.")
    alpha: float = option(0.05, "Level of significance of the comparison.", low=0.0, high=1.0)
    pictures: int = option(60, "Most pictures of missed and false lesions in the report.", low=0)
    figures: str = option(
        "", "Also write each figure as a file: svg, pdf, png, or several.", metavar="KIND,KIND", shown="none"
    )
    history: Path | tuple[Path, ...] | None = option(
        None,
        "Folder of a training, its history.jsonl or its events, drawn as learning curves; may be repeated.",
        metavar="FILE",
        shown="none",
    )
    workers: int | None = option(
        None, "Cases evaluated at a time.", low=1, high=64, shown="one per core, at most 4, for 8 cases each"
    )


def run(params: EvaluateParams, reporter: Reporter) -> Summary:
    from lossseg.evaluation import Grouping
    from lossseg.evaluation.results import Content, Folders, write_results

    folders = _several(params.predictions)
    names = model_names(folders)
    if params.paper_froc and params.logits is None:
        raise InputError("The paper's way of counting needs logits.", "Give their folder with --logits.")
    if len(folders) > 1 and not 0 < params.alpha < 1:
        raise InputError(f"The level of significance {params.alpha:g} is not between 0 and 1.", "Give 0.05, say.")
    grouping = Grouping.parse(params.groups)
    content = Content(params.pictures, _kinds(params), _histories(params))
    images = _images(params)
    places = {
        name: Folders(each, params.references, images, params.resample)
        for name, each in zip(names, folders, strict=True)
    }
    probabilities = dict(zip(names, _for_each(params.prob, folders, "--prob"), strict=True))
    logits = dict(zip(names, _for_each(params.logits, folders, "--logits"), strict=True))
    several = len(names) > 1
    cohorts = {
        name: _evaluate(
            params,
            name if several else "",
            places[name].predictions,
            probabilities[name],
            logits[name],
            grouping,
            reporter,
        )
        for name in names
    }
    if several:
        return _compare(params, cohorts, places, content, reporter)
    cohort, place = cohorts[names[0]], places[names[0]]
    files = write_results(params.out, cohort, place, content, reporter=reporter) if params.out else []
    return {**_model_summary(cohort, params), "files": files}


def model_names(folders: Sequence[Path]) -> list[str]:
    """A name for each folder: its own, with as much of the path before it as tells it from the others.

    Raises:
        InputError: a folder is given twice.
    """
    paths = [folder.absolute() for folder in folders]
    if len(set(paths)) < len(paths):
        raise InputError("A folder of predictions is given twice.", "Give each model's folder once.")
    for depth in range(1, max(len(path.parts) for path in paths) + 1):
        names = ["/".join(path.parts[-depth:]) for path in paths]
        if len(set(names)) == len(names):
            return names
    return [str(path) for path in paths]


def _several(value: Path | tuple[Path, ...] | None) -> tuple[Path, ...]:
    return () if value is None else (value,) if isinstance(value, Path) else value


def _for_each(value: Path | tuple[Path, ...] | None, folders: Sequence[Path], flag: str) -> Sequence[Path | None]:
    given = _several(value)
    if not given:
        return [None] * len(folders)
    if len(given) != len(folders):
        raise InputError(
            f"There are {len(folders)} folders of predictions and {len(given)} of {flag}.",
            f"Give {flag} once for each PRED_DIR, in the same order.",
        )
    return given


def _evaluate(
    params: EvaluateParams,
    name: str,
    folder: Path,
    probability: Path | None,
    logit: Path | None,
    grouping: Grouping,
    reporter: Reporter,
) -> Cohort:
    from lossseg.evaluation import evaluate_folders

    labels, ignore = _labels(params)
    cohort = evaluate_folders(
        folder,
        params.references,
        probability_dir=probability,
        logit_dir=logit,
        labels=labels,
        connectivity=params.connectivity,
        matching=params.matching,
        credit=params.credit,
        ignore_label=ignore,
        surface=params.surface,
        tolerance_mm=params.tolerance,
        froc_threshold=params.froc_threshold,
        resample=params.resample,
        grouping=grouping,
        reporter=reporter,
        workers=params.workers,
        stage=f"evaluate {name}".strip(),
    )
    head = f"{name}: " if name else ""
    for said in (*(failure.message for failure in cohort.failures), *cohort.notes):
        reporter.warning(head + said)
    if not cohort.cases:
        first = cohort.failures[0].message if cohort.failures else ""
        of = f" of {name}" if name else ""
        raise InputError(f"No case{of} could be evaluated. {first}", "Both folders need volumes with the same names.")
    return cohort


def _labels(params: EvaluateParams) -> tuple[dict[str, int] | None, int | None]:
    """The classes and the label to ignore that were named, or those of the dataset that the references belong to."""
    from lossseg.dataset.description import FILE, checked_values
    from lossseg.files import read_json

    asked = params.ignore_label
    if params.label is not None:
        named = {}
        for name, value in params.label.items():
            if not str(value).isdigit():
                raise InputError(f"--label cannot read {name}={value}.", "Write it as NAME=VALUE with a whole number.")
            named[name] = int(value)
        return named, asked
    file = params.references.absolute().parent / FILE
    if not params.references.name.startswith("labels") or not file.is_file():
        return None, asked
    try:
        labels, ignore = checked_values(dict(read_json(file))["labels"], file)
        return labels, ignore if asked is None else asked
    except (InputError, KeyError, ValueError):
        # A description that no training could use still has references that can be evaluated value by value.
        return None, asked


def _images(params: EvaluateParams) -> Path | None:
    """The folder of images: the one given, or imagesXX beside references in labelsXX."""
    if params.images is not None:
        if not params.images.is_dir():
            raise InputError(f"The folder of images {params.images} does not exist.", "Check the path.")
        return params.images
    references = params.references.absolute()
    beside = references.with_name(references.name.replace("labels", "images", 1))
    return beside if beside != references and beside.is_dir() else None


def _histories(params: EvaluateParams) -> dict[str, tuple[Course, ...]]:
    from lossseg.evaluation.learning_curves import read_history

    files = _several(params.history)
    return dict(zip(model_names(files), map(read_history, files), strict=True)) if files else {}


def _kinds(params: EvaluateParams) -> tuple[str, ...]:
    from lossseg.evaluation.figure_style import KINDS

    kinds = tuple(part.strip() for part in params.figures.split(",") if part.strip())
    unknown = [kind for kind in kinds if kind not in KINDS]
    if unknown:
        raise InputError(f"Figures cannot be written as {unknown[0]!r}.", f"Choose {', '.join(KINDS)}.")
    if kinds and params.out is None:
        raise InputError("There is no folder for the figures.", "Give one with --out.")
    return kinds


def _model_summary(cohort: Cohort, params: EvaluateParams) -> Summary:
    from lossseg.evaluation import MEASURES
    from lossseg.evaluation.table import froc_json

    def described(key: str) -> dict[str, Any]:
        measure = MEASURES[key.partition("[")[0]]
        return {"title": measure.title, "unit": measure.unit, "decimals": measure.decimals}

    curve = froc_json(cohort.curve)
    paper = cohort.froc(mode="paper") if params.paper_froc else None
    return {
        "cases": len(cohort.cases),
        "failures": [failure._asdict() for failure in cohort.failures],
        "notes": list(cohort.notes),
        "summary": cohort.summary(),
        "means": {name: {**average._asdict(), **described(name)} for name, average in cohort.measures.items()},
        "size_groups": [{**asdict(group), "range": group.range_text} for group in cohort.size_groups()],
        "froc": curve and {name: curve[name] for name in ("average_recall", "merged_lesions", "bootstrap", "at")},
        "froc_as_published": None if paper is None else paper.bootstrap(n=50).mean,
    }


def _compare(
    params: EvaluateParams,
    cohorts: Mapping[str, Cohort],
    places: Mapping[str, Folders],
    content: Content,
    reporter: Reporter,
) -> Summary:
    from lossseg.evaluation import compare
    from lossseg.evaluation.results import write_comparison
    from lossseg.evaluation.table import comparison_json

    comparison = compare(cohorts, test=params.test, alpha=params.alpha)
    files = []
    if params.out is not None:
        files = write_comparison(params.out, comparison, cohorts, places, content, reporter=reporter)
    return {
        "comparison": comparison_json(comparison),
        "models": {name: _model_summary(cohort, params) for name, cohort in cohorts.items()},
        "failures": [
            {"model": name, **failure._asdict()} for name, cohort in cohorts.items() for failure in cohort.failures
        ],
        "files": files,
    }


ACTION = Action(
    kind="evaluate",
    title="Compare predictions with references, lesion by lesion.",
    params=EvaluateParams,
    run=run,
    examples=(
        "lossseg evaluate results data/unseen/labelsTr --out evaluation",
        "lossseg evaluate results truth --prob results --images scans --groups 5,10 --out evaluation",
        "lossseg evaluate ours theirs truth --prob ours --prob theirs --figures svg,png --out comparison",
    ),
    details="Cases that cannot be evaluated are listed, the others are evaluated; the exit code is 1 then.",
    failed=lambda summary: bool(summary["failures"]),
)
