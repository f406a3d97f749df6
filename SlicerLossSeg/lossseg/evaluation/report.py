"""The HTML report of an evaluation: what was found, and a picture of everything that went wrong."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import NamedTuple

import numpy as np

from lossseg.errors import LossSegError
from lossseg.evaluation import report_figures as charts
from lossseg.evaluation import report_html as html
from lossseg.evaluation.cohort import Cohort
from lossseg.evaluation.lesions import Lesion, Outcome
from lossseg.evaluation.pictures import lesion_picture
from lossseg.files import write_text
from lossseg.images import Geometry
from lossseg.reporting import Reporter, Silent, Stage

CaseArrays = tuple[np.ndarray, Geometry, "np.ndarray | None", np.ndarray]
ImageSource = Callable[[str], CaseArrays]
"""From a case name: image (z, y, x), its geometry, reference labels or None, and predicted labels, all on one grid."""

_MOST_BYTES = 6_500_000

_GALLERIES = {
    Outcome.MISSED: ("Missed lesions", "largest first"),
    Outcome.FALSE_POSITIVE: ("False positives", "most confident first"),
    Outcome.UNMATCHED: ("Predicted lesions", "most confident first"),
}


class _Shown(NamedTuple):
    case: str
    lesion: Lesion


def write_report(
    path: Path | str,
    cohort: Cohort,
    image_source: ImageSource | None = None,
    *,
    title: str = "Lesion evaluation",
    max_pictures: int = 60,
    with_images: bool = True,
    histories: charts.Histories | None = None,
    reporter: Reporter | None = None,
) -> None:
    """Write one self-contained HTML file under 10 MB that needs neither network nor scripts.

    It holds the summary, recall by lesion size, where there are probabilities the FROC curve, precision-recall and
    reliability, tables of cases and lesions, and a picture of each missed lesion (largest first), then of each false
    positive (most confident first). Cases are loaded one at a time. What has no picture, for their number or because
    the image could not be read, is counted in the report. Figures need the extra `report` (matplotlib); without it a
    sentence takes their place.

    Args:
        path: of the file; replaced as a whole.
        cohort: what was evaluated. Its `settings` are shown.
        image_source: loads the arrays of a case; without it there are no pictures.
        title: of the page.
        max_pictures: at most.
        with_images: false when `image_source` has labels only and gives images without content.
        histories: the courses of trainings, for learning curves.
        reporter: hears of the progress.

    Raises:
        InputError, DiskFull: the file cannot be written.
        Cancelled: the reporter was told to stop.
    """
    reporter = reporter or Silent()
    wanted = _wanted(cohort)
    pictures, broken = _draw(_chosen(wanted, max_pictures), image_source, reporter)
    galleries = []
    for outcome, (name, order) in _GALLERIES.items():
        lesions = [shown for shown in wanted if shown.lesion.outcome is outcome]
        drawn = [(*shown, pictures[shown]) for shown in lesions if shown in pictures]
        if lesions and image_source is not None:
            galleries.append(html.gallery(name, drawn, _note(len(drawn), len(lesions), order)))
    parts = [
        html.heading(title, cohort),
        html.tiles(cohort),
        html.sizes(cohort),
        charts.sizes({"": cohort}),
        charts.froc({"": cohort}),
        charts.probabilities({"": cohort}),
        charts.learning(histories),
        html.legend(with_images) if pictures else "",
        html.gallery("Images that could not be drawn", [], " ".join(broken)) if broken else "",
        *galleries,
        html.measures(cohort),
        html.cases(cohort),
        html.lesions(cohort),
        html.settings(cohort.settings),
        html.definitions(),
    ]
    write_text(Path(path), html.page(title, parts))


def _wanted(cohort: Cohort) -> list[_Shown]:
    """Every lesion worth a picture, the most important first."""
    order = list(_GALLERIES)

    def importance(shown: _Shown) -> tuple[int, float, float]:
        lesion = shown.lesion
        confidence = np.nan_to_num(0.0 if lesion.outcome is Outcome.MISSED else lesion.confidence_max)
        return order.index(lesion.outcome), -float(confidence), -lesion.volume_mm3

    shown = [_Shown(name, lesion) for name, lesion in cohort.lesions if lesion.outcome in order]
    return sorted(shown, key=importance)


def _chosen(wanted: Sequence[_Shown], most: int) -> list[_Shown]:
    """The most important ones; a third of the places is for false positives, where there are that many."""
    missed = [shown for shown in wanted if shown.lesion.outcome is Outcome.MISSED]
    others = [shown for shown in wanted if shown.lesion.outcome is not Outcome.MISSED]
    kept = missed[: max(most - min(len(others), most // 3), 0)]
    return [*kept, *others[: most - len(kept)]]


def _draw(
    wanted: Sequence[_Shown], image_source: ImageSource | None, reporter: Reporter
) -> tuple[dict[_Shown, bytes], list[str]]:
    """Pictures by lesion and a sentence for each case that gave none. Each case is loaded once."""
    if image_source is None:
        return {}, []
    names = dict.fromkeys(shown.case for shown in wanted)
    drawn: dict[_Shown, bytes] = {}
    broken: list[str] = []
    stage = Stage(reporter, "report", len(names))
    for name in names:
        try:
            drawn.update(_draw_case([shown for shown in wanted if shown.case == name], image_source(name)))
        except LossSegError as error:
            broken.append(f"{name}: {error}")
        stage.advance()
    kept: dict[_Shown, bytes] = {}
    size = 0
    for shown in wanted:
        size += len(drawn.get(shown, b""))
        if shown in drawn and size <= _MOST_BYTES:
            kept[shown] = drawn[shown]
    return kept, broken


def _draw_case(lesions: Sequence[_Shown], arrays: CaseArrays) -> dict[_Shown, bytes]:
    return {shown: lesion_picture(*arrays, shown.lesion) for shown in lesions}


def _note(drawn: int, lesions: int, order: str) -> str:
    left_out = lesions - drawn
    if not left_out:
        return f"All {lesions}, {order}." if lesions > 1 else ""
    return f"{drawn} of {lesions}, {order}; {left_out} left out here, all are in the table of lesions."
