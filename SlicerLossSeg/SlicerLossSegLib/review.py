"""What happens to a result after it was made: correction, comparison with a reference, export. No widgets."""

from __future__ import annotations

import csv
import io
import math
from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import slicer
from slicer.i18n import tr as _

from lossseg.errors import InputError
from lossseg.files import write_json, write_text
from SlicerLossSegLib import segmentation_io
from SlicerLossSegLib.assessment import Assessment, assess
from SlicerLossSegLib.lesion_row import COLUMNS, LesionRow, Verdict, cell
from SlicerLossSegLib.lesion_table import LesionTable, Role
from SlicerLossSegLib.volumes import Grid, grid_of


@dataclass(frozen=True, eq=False)
class Question:
    """What a thread needs to look at a result anew: arrays and values, no nodes.

    Attributes:
        segments: (z, y, x) uint16, 0 or 1 + the place of the voxel's segment in `ids`.
        classes: of the segments, as value and name, in the order of `ids`.
    """

    grid: Grid
    segments: np.ndarray
    ids: list[str]
    classes: list[tuple[int, str]]
    labels: dict[str, int]
    rows: list[LesionRow]
    probability: np.ndarray | None
    reference: np.ndarray | None

    def answer(self) -> Answer:
        """Find and measure the lesions as they are now."""
        value = np.array([0, *(label for label, _name in self.classes)], np.uint16)
        seen = assess(
            value[self.segments], self.grid, self.labels, probability=self.probability, reference=self.reference
        )
        return Answer(seen, _parents(seen.lesions, self.segments, len(seen.segments), self.ids))


@dataclass(frozen=True, eq=False)
class Answer:
    """Lesions as they are now.

    Attributes:
        parents: for each of them, in their order, the segments that its voxels belong to, and whether it is exactly
            one whole segment.
    """

    seen: Assessment
    parents: list[tuple[tuple[str, ...], bool]]


def ask(table: LesionTable) -> Question:
    """Gather in the GUI thread what `Question.answer` needs.

    Raises:
        InputError: the segmentation or the reference is gone or lies elsewhere.
    """
    segmentation = table.linked(Role.SEGMENTATION)
    if segmentation is None:
        raise InputError(
            _("The segmentation of {name} is not in the scene any more.").format(name=table.node.GetName()),
            _("Segment the volume again."),
        )
    grid, labels = table.grid, table.labels
    segments, ids = segmentation_io.read(segmentation, grid)
    names = {value: name for name, value in labels.items()}
    inside = segmentation.GetSegmentation()
    classes = [segmentation_io.class_of(inside.GetSegment(segment_id), names) for segment_id in ids]
    probability = table.linked(Role.PROBABILITY)
    return Question(
        grid,
        segments,
        ids,
        classes,
        labels,
        table.rows,
        _probability(probability, grid),
        _reference(table.linked(Role.REFERENCE), grid, labels),
    )


def apply(table: LesionTable, question: Question, answer: Answer) -> None:
    """Bring table and segmentation up to date with an answer.

    A lesion that is still exactly its segment keeps it; otherwise all segments are made anew, one per lesion. Verdicts
    and confidences go along where a lesion came from lesions of one verdict. Rejected lesions stay in the table.
    """
    segmentation = table.linked(Role.SEGMENTATION)
    if segmentation is None:
        return
    seen = answer.seen
    same = all(whole for _parents_of, whole in answer.parents) and len(answer.parents) == len(question.ids)
    if same:
        ids = [parents[0] for parents, _whole in answer.parents]
    else:
        with slicer.util.NodeModify(segmentation):
            segmentation.GetSegmentation().RemoveAllSegments()
            ids = segmentation_io.fill(segmentation, seen.lesions, seen.segments, seen.grid)
    before = {segment: row for row in question.rows for segment in row.segments if row.verdict is not Verdict.REJECTED}
    rows = [
        _with_past(row, ones, answer.parents, before)
        for row, ones in zip(seen.rows_with(ids), seen.components, strict=True)
    ]
    rejected = [row for row in question.rows if row.verdict is Verdict.REJECTED]
    if rejected and not rows[0].is_lesion:
        rows = []
    first = max((row.number for row in rows), default=0) + 1
    rows += [replace(row, key=f"x{place}", number=first + place) for place, row in enumerate(rejected)]
    table.note_compared()
    table.fill(rows, seen.measures)
    table.show_segmentation()


def compare_with(table: LesionTable, reference: Any | None) -> None:
    """Set or take away the reference of a table; ask and apply follow."""
    table.link(Role.REFERENCE, reference)


def write_csv(table: LesionTable, path: Path) -> None:
    """One row per lesion, with verdicts; undefined is "n/a", a case without any lesion has a row that says so.

    Of a sequence all frames are written, with a column of their index values.

    Raises:
        InputError, DiskFull: the file cannot be written.
    """
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(["case", *(["frame"] if table.frame else []), *(column.key for column in COLUMNS)])
    for one in table.whole():
        start = [one.source_name, one.frame] if one.frame else [one.source_name]
        for row in one.rows:
            writer.writerow([*start, *(_text(cell(row, column.key)) for column in COLUMNS)])
    write_text(path, text.getvalue())


def write_json_file(table: LesionTable, path: Path) -> None:
    """Everything in full precision; undefined is null, a case without lesions has an empty list.

    Of a sequence `frames` holds measures and lesions of each frame.

    Raises:
        InputError, DiskFull: the file cannot be written.
    """
    record: dict[str, Any] = {"case": table.source_name, "labels": table.labels}
    if table.frame:
        record["frames"] = [{"frame": one.frame, **_findings(one)} for one in table.whole()]
    else:
        record.update(_findings(table))
    write_json(path, {"format": "lossseg-review", "version": 1, **record})


def _findings(table: LesionTable) -> dict[str, Any]:
    lesions = [
        {column.key: _jsonable(cell(row, column.key)) for column in COLUMNS} for row in table.rows if row.is_lesion
    ]
    return {"measures": {name: _jsonable(value) for name, value in table.measures.items()}, "lesions": lesions}


def measures_text(measures: dict[str, float]) -> str:
    """The measures of a case in one line; undefined is "n/a"."""
    if not measures:
        return ""

    def number(name: str, decimals: int) -> str:
        value = measures.get(name, math.nan)
        return f"{value:.{decimals}f}" if math.isfinite(value) else "n/a"

    return _(
        "Sensitivity {recall}, false positives {false}, object Dice {object}, DSC {dice}, HD95 {hd95} mm, volumetric "
        "similarity {similarity}"
    ).format(
        recall=number("recall", 2),
        false=number("false_positives", 0),
        object=number("object_dice", 2),
        dice=number("dice", 2),
        hd95=number("hd95", 1),
        similarity=number("volumetric_similarity", 2),
    )


def _text(value: str | int | float) -> str:
    if isinstance(value, float):
        return f"{value:.4f}".rstrip("0").rstrip(".") if math.isfinite(value) else "n/a"
    return str(value)


def _jsonable(value: str | int | float) -> str | int | float | None:
    return None if isinstance(value, float) and not math.isfinite(value) else value


def _with_past(
    row: LesionRow,
    components: tuple[int, ...],
    parents: list[tuple[tuple[str, ...], bool]],
    before: Mapping[str, LesionRow],
) -> LesionRow:
    old = [before[segment] for one in components for segment in parents[one - 1][0] if segment in before]
    verdicts = {other.verdict for other in old}
    if len(verdicts) == 1:
        row = row.judged(verdicts.pop())
    unchanged = all(parents[one - 1][1] for one in components)
    if unchanged and old and not math.isfinite(row.confidence_max):
        best = max(old, key=lambda other: other.confidence_max if math.isfinite(other.confidence_max) else -1.0)
        row = replace(row, confidence_max=best.confidence_max, confidence_mean=best.confidence_mean)
    return row


def _parents(
    lesions: np.ndarray, segments: np.ndarray, count: int, ids: list[str]
) -> list[tuple[tuple[str, ...], bool]]:
    voxels = np.flatnonzero(lesions)
    ours, theirs = lesions.reshape(-1)[voxels], segments.reshape(-1)[voxels]
    pairs = np.unique(np.stack((ours, theirs)), axis=1) if len(voxels) else np.zeros((2, 0), np.uint16)
    sizes = np.bincount(ours, minlength=count + 1)
    theirs_sizes = np.bincount(theirs, minlength=len(ids) + 1)
    found = []
    for number in range(1, count + 1):
        of_it = pairs[1][pairs[0] == number]
        whole = len(of_it) == 1 and sizes[number] == theirs_sizes[of_it[0]]
        found.append((tuple(ids[one - 1] for one in of_it), bool(whole)))
    return found


def _probability(node: Any | None, grid: Grid) -> np.ndarray | None:
    if node is None or node.GetImageData() is None or not grid_of(node).fits(grid):
        return None
    return np.clip(slicer.util.arrayFromVolume(node), 0.0, 1.0)


def _reference(node: Any | None, grid: Grid, labels: dict[str, int]) -> np.ndarray | None:
    """The reference's segments as classes: by the name of a label, else as the first label."""
    if node is None:
        return None
    values, ids = segmentation_io.read(node, grid)
    by_name = {name.lower(): value for name, value in labels.items()}
    first = next(iter(labels.values()), 1)
    numbers = [0]
    for segment_id in ids:
        segment = node.GetSegmentation().GetSegment(segment_id)
        label, name = segmentation_io.class_of(segment, {})
        if label not in labels.values() or name.lower() not in by_name:
            words = segment.GetName().lower()
            label = next((value for key, value in by_name.items() if key in words), first)
        numbers.append(label)
    return np.array(numbers, np.uint16)[values]
