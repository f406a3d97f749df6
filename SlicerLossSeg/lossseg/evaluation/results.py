"""The folder of results of an evaluation: tables, report and figures of one model, or of several side by side."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from lossseg.evaluation.case_source import folder_source
from lossseg.evaluation.cohort import Cohort
from lossseg.evaluation.comparison import Comparison
from lossseg.evaluation.figure_style import write_figures
from lossseg.evaluation.learning_curves import Course
from lossseg.evaluation.report import write_report
from lossseg.evaluation.report_compare import write_comparison_report
from lossseg.evaluation.report_figures import figures_of
from lossseg.evaluation.table import (
    write_cases_csv,
    write_cohort_json,
    write_comparison_csv,
    write_comparison_json,
    write_lesions_csv,
    write_lesions_json,
)
from lossseg.reporting import Reporter, Silent


@dataclass(frozen=True)
class Folders:
    """Where the volumes of an evaluation lie, for the pictures of its report.

    Attributes:
        predictions: label volumes.
        references: label volumes.
        images: None when there are none; the pictures are outlines then.
        resample: labels of another grid are put on that of the image.
    """

    predictions: Path
    references: Path
    images: Path | None = None
    resample: bool = False


@dataclass(frozen=True)
class Content:
    """What is written besides the tables.

    Attributes:
        pictures: most pictures of missed and false lesions in a report; 0 for none.
        figures: kinds of files that each figure is written as, see `figure_style.KINDS`.
        histories: the courses of trainings by their names, for learning curves.
    """

    pictures: int = 60
    figures: Sequence[str] = ()
    histories: Mapping[str, tuple[Course, ...]] = field(default_factory=dict)


def write_results(
    out: Path,
    cohort: Cohort,
    folders: Folders,
    content: Content,
    *,
    name: str = "",
    reporter: Reporter | None = None,
) -> list[Path]:
    """Write lesions.csv, lesions.json, cases.csv, summary.json, report.html and the figures of one model.

    Args:
        out: the folder.
        cohort: what was evaluated.
        folders: where its volumes lie.
        content: what is written besides the tables.
        name: of the model, in the report's title.
        reporter: hears of the progress and of each file.

    Raises:
        InputError, DiskFull: a file cannot be written.
        MissingDependency: figures were asked for without matplotlib.
        Cancelled: the reporter was told to stop.
    """
    reporter = reporter or Silent()
    writers: dict[str, Callable[[Path], None]] = {
        "lesions.csv": lambda path: write_lesions_csv(path, cohort.cases),
        "lesions.json": lambda path: write_lesions_json(path, cohort.cases),
        "cases.csv": lambda path: write_cases_csv(path, cohort),
        "summary.json": lambda path: write_cohort_json(path, cohort),
    }
    for file, write in writers.items():
        write(out / file)
    source = folder_source(folders.predictions, folders.references, folders.images, resample=folders.resample)
    write_report(
        out / "report.html",
        cohort,
        source if content.pictures else None,
        title=f"Lesion evaluation: {name}" if name else "Lesion evaluation",
        max_pictures=content.pictures,
        with_images=folders.images is not None,
        histories=content.histories,
        reporter=reporter,
    )
    files = [*(out / file for file in writers), out / "report.html"]
    for path in files:
        reporter.artifact(path.stem, path)
    return [*files, *_figures(out, {"": cohort}, content)]


def write_comparison(
    out: Path,
    comparison: Comparison,
    cohorts: Mapping[str, Cohort],
    folders: Mapping[str, Folders],
    content: Content,
    *,
    reporter: Reporter | None = None,
) -> list[Path]:
    """Write a folder for each model as `write_results` does, and comparison.csv, .json and .html and the figures.

    Args:
        out: the folder.
        comparison: of the models.
        cohorts: by the model's name.
        folders: where its volumes lie, by the model's name.
        content: what is written besides the tables; figures and learning curves of all models together.
        reporter: hears of the progress and of each file.

    Raises:
        InputError, DiskFull, MissingDependency, Cancelled: as `write_results`.
    """
    reporter = reporter or Silent()
    written: list[Path] = []
    inside = {name: name.replace("/", "_").replace("\\", "_") for name in cohorts}
    for name, cohort in cohorts.items():
        alone = Content(content.pictures)
        written += write_results(out / inside[name], cohort, folders[name], alone, name=name, reporter=reporter)
    files = [out / f"comparison.{ending}" for ending in ("csv", "json", "html")]
    write_comparison_csv(files[0], comparison)
    write_comparison_json(files[1], comparison)
    links = {name: f"{folder}/report.html" for name, folder in inside.items()}
    write_comparison_report(files[2], comparison, cohorts, links=links, histories=content.histories)
    for path in files:
        reporter.artifact(path.stem, path)
    return [*written, *files, *_figures(out, cohorts, content)]


def _figures(out: Path, cohorts: Mapping[str, Cohort], content: Content) -> list[Path]:
    if not content.figures:
        return []
    return write_figures(out / "figures", figures_of(cohorts, content.histories), content.figures)
