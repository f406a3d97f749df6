"""What came of a study: every loss on the cases held out from its models, compared as `evaluate` compares models."""

from __future__ import annotations

import csv
import io
import math
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

from lossseg import __version__
from lossseg.dataset import Dataset, read_splits
from lossseg.dataset.cases import IMAGES, LABELS
from lossseg.errors import InputError
from lossseg.evaluation import Cohort, Comparison, compare, evaluate_folders, write_comparison_csv
from lossseg.evaluation.learning_curves import Course, read_history
from lossseg.evaluation.results import Content, Folders, write_results
from lossseg.evaluation.table import comparison_json, froc_json, plain
from lossseg.files import write_json, write_text
from lossseg.reporting import Reporter
from lossseg.studies.conditions import SPLITS_FILE, StudySettings
from lossseg.studies.fold_table import Winners, winners
from lossseg.studies.report import write_study_report
from lossseg.studies.state import PREDICTIONS, RunState, StudyRun, StudyState

RESULTS_FILE, TABLE_FILE, REPORT_FILE, RUNS_FILE = "results.json", "results.csv", "report.html", "runs.csv"
EVALUATION = "evaluation"
_COURSES = "history.jsonl"


@dataclass(frozen=True)
class Judged:
    """The finished runs of one loss and seed, on the cases held out from them.

    Attributes:
        name: as tables call it: the expression, with the seed where there are several.
        group: folder below the study's.
        first: whether its seed is the first, by which losses are compared.
    """

    name: str
    group: str
    loss: str
    seed: int
    first: bool
    cohort: Cohort


def write_study_results(
    state: StudyState, dataset: Dataset, settings: StudySettings, reporter: Reporter
) -> dict[str, Any]:
    """Evaluate the predictions of all finished runs and write results.json, results.csv, runs.csv and report.html.

    A case was segmented by the model that did not train on it. Each loss has a folder of its own, LOSS/evaluation, as
    `lossseg evaluate` writes it. Without a finished run nothing but runs.csv is written.

    Returns:
        The table of folds and winners as JSON data.

    Raises:
        InputError, DiskFull: a file cannot be written.
        Cancelled: the reporter was told to stop.
    """
    _write_runs(state.folder / RUNS_FILE, state)
    table = winners(state, settings.score)
    judged = [each for each in _judged(state, dataset, reporter) if each.cohort.cases]
    if not judged:
        return table.to_json()
    for each in judged:
        _write_own(state.folder, each, dataset, settings, reporter)
    compared = {each.name: each.cohort for each in judged if each.first}
    comparison = _comparison(compared)
    if comparison is None:
        _write_single(state.folder / TABLE_FILE, compared)
    else:
        write_comparison_csv(state.folder / TABLE_FILE, comparison)
    write_json(state.folder / RESULTS_FILE, plain(_as_json(state, table, judged, comparison)))
    links = {each.name: f"{each.group}/{EVALUATION}/report.html" for each in judged}
    title = f"Experiment: {dataset.name}"
    write_study_report(
        state.folder / REPORT_FILE, title, state, table, compared, comparison, links, spread(judged), _histories(state)
    )
    for name in (RESULTS_FILE, TABLE_FILE, REPORT_FILE):
        reporter.artifact("report" if name == REPORT_FILE else "results", state.folder / name)
    return table.to_json()


def spread(judged: list[Judged]) -> dict[str, dict[str, tuple[float, float, int]]]:
    """Of each loss with several seeds: mean, standard deviation (of a sample) and number of seeds of each figure."""
    by_loss: dict[str, list[Cohort]] = {}
    for each in judged:
        by_loss.setdefault(each.loss, []).append(each.cohort)
    return {
        loss: {key: _sample([_figures(cohort)[key] for cohort in cohorts]) for key in _figures(cohorts[0])}
        for loss, cohorts in by_loss.items()
        if len(cohorts) > 1
    }


def _sample(values: list[float]) -> tuple[float, float, int]:
    defined = [value for value in values if not math.isnan(value)]
    if not defined:
        return math.nan, math.nan, 0
    centre = sum(defined) / len(defined)
    squares = sum((value - centre) ** 2 for value in defined)
    return centre, math.sqrt(squares / (len(defined) - 1)) if len(defined) > 1 else math.nan, len(defined)


def _figures(cohort: Cohort) -> dict[str, float]:
    summary, groups = cohort.summary(), cohort.size_groups()
    return {
        "Dice": cohort.measures["dice"].mean,
        "Object Dice": summary["object_dice"],
        "Recall": summary["lesion_recall"],
        "Recall of the smallest lesions": groups[0].recall if groups else math.nan,
        "False positives per case": summary["false_positives_per_case"],
        "FROC average recall": summary.get("froc_average_recall", math.nan),
        "HD95 (mm)": cohort.measures["hd95"].mean if "hd95" in cohort.measures else math.nan,
    }


def _judged(state: StudyState, dataset: Dataset, reporter: Reporter) -> list[Judged]:
    splits = read_splits(state.folder / SPLITS_FILE)
    several = len({run.seed for run in state.runs}) > 1
    first = {run.loss: run.seed for run in reversed(state.runs)}
    judged = []
    for group, runs in state.groups.items():
        finished = [run for run in runs if run.state is RunState.FINISHED]
        if not finished:
            continue
        run = finished[0]
        name = f"{run.loss}, seed {run.seed}" if several and run.seed != first[run.loss] else run.loss
        folder = state.folder / group / PREDICTIONS
        cohort = evaluate_folders(
            folder,
            dataset.folder / LABELS,
            probability_dir=folder,
            labels=dataset.labels,
            reporter=reporter,
            workers=None,
            stage=f"evaluate {group}",
        )
        held_out = {case for each in finished for case in splits[each.fold].validation}
        # References of cases that are still to be predicted are no failures.
        cohort = replace(
            cohort,
            cases=tuple(case for case in cohort.cases if case.name in held_out),
            failures=tuple(failure for failure in cohort.failures if failure.name in held_out),
        )
        for failure in cohort.failures:
            reporter.warning(f"{name}: {failure.message}")
        judged.append(Judged(name, group, run.loss, run.seed, run.seed == first[run.loss], cohort))
    return judged


def _write_own(folder: Path, each: Judged, dataset: Dataset, settings: StudySettings, reporter: Reporter) -> None:
    place = Folders(folder / each.group / PREDICTIONS, dataset.folder / LABELS, _images(dataset))
    content = Content(settings.pictures)
    write_results(folder / each.group / EVALUATION, each.cohort, place, content, name=each.name, reporter=reporter)


def _images(dataset: Dataset) -> Path | None:
    folder = dataset.folder / IMAGES
    return folder if folder.is_dir() else None


def _comparison(cohorts: Mapping[str, Cohort]) -> Comparison | None:
    """None with one loss only, or as long as no case was segmented by all."""
    common = set.intersection(*({case.name for case in cohort.cases} for cohort in cohorts.values()))
    return compare(cohorts) if len(cohorts) > 1 and common else None


def _as_json(state: StudyState, table: Winners, judged: list[Judged], comparison: Comparison | None) -> dict[str, Any]:
    return {
        "format": "lossseg-study-results",
        "version": 1,
        "engine_version": __version__,
        "dataset": str(state.dataset),
        "conditions": dict(state.conditions),
        "runs": [run.to_json() for run in state.runs],
        "winners": table.to_json(),
        "losses": [
            {
                "name": each.name,
                "loss": each.loss,
                "seed": each.seed,
                "folder": each.group,
                "report": f"{each.group}/{EVALUATION}/report.html",
                "cases": len(each.cohort.cases),
                "failures": [failure._asdict() for failure in each.cohort.failures],
                "summary": each.cohort.summary(),
                "means": {key: average._asdict() for key, average in each.cohort.measures.items()},
                "size_groups": [{**asdict(group), "range": group.range_text} for group in each.cohort.size_groups()],
                "froc": froc_json(each.cohort.curve),
            }
            for each in judged
        ],
        "comparison": None if comparison is None else comparison_json(comparison),
        "seeds": {
            loss: {key: {"mean": centre, "std": width, "seeds": count} for key, (centre, width, count) in rows.items()}
            for loss, rows in spread(judged).items()
        },
    }


def _write_single(path: Path, cohorts: Mapping[str, Cohort]) -> None:
    """The figures of losses that cannot be compared, in the columns that a comparison has as far as they hold."""
    rows = [
        (loss, key, "n/a" if math.isnan(value) else f"{value:.4f}", str(len(cohort.cases)))
        for loss, cohort in cohorts.items()
        for key, value in _figures(cohort).items()
    ]
    _write_csv(path, ("model", "title", "value", "cases"), rows)


def _write_runs(path: Path, state: StudyState) -> None:
    scores = list(dict.fromkeys(name for run in state.runs for name in run.scores))
    rows = [
        (
            run.key,
            run.loss,
            str(run.fold),
            str(run.seed),
            run.state.value,
            _number(run.seconds, 1),
            _number(run.steps, 0),
            *(_number(run.scores.get(name), 4) for name in scores),
            run.sentence,
        )
        for run in state.runs
    ]
    _write_csv(path, ("run", "loss", "fold", "seed", "state", "seconds", "steps", *scores, "sentence"), rows)


def _write_csv(path: Path, columns: Sequence[str], rows: Sequence[Sequence[str]]) -> None:
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(columns)
    writer.writerows(rows)
    write_text(path, text.getvalue())


def _number(value: float | None, decimals: int) -> str:
    return "n/a" if value is None else f"{value:.{decimals}f}"


def _histories(state: StudyState) -> dict[str, tuple[Course, ...]]:
    """The courses of one run per loss: the first fold that all losses have finished, else none."""
    first = {run.loss: run.seed for run in reversed(state.runs)}
    finished = [run for run in state.runs if run.state is RunState.FINISHED and run.seed == first[run.loss]]
    for fold in sorted({run.fold for run in finished}):
        runs: list[StudyRun] = [run for run in finished if run.fold == fold]
        if len(runs) == len(first):
            courses = {}
            for run in runs:
                try:
                    courses[run.loss] = read_history(state.folder / run.key / _COURSES)
                except InputError:
                    # A training of an older engine kept no course; the others are still worth drawing.
                    continue
            return courses
    return {}
