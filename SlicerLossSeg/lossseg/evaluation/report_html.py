"""The parts of the report as HTML."""

from __future__ import annotations

import base64
import math
from collections.abc import Iterable, Mapping, Sequence
from html import escape

from lossseg import __version__
from lossseg.evaluation.cohort import Cohort
from lossseg.evaluation.lesions import Lesion, Outcome
from lossseg.evaluation.measures import MEASURES
from lossseg.evaluation.pictures import PREDICTION_COLOUR, REFERENCE_COLOUR
from lossseg.evaluation.report_style import STYLE

_LESION_ROWS = 400
_SIZES = {"volume_mm3": "Volume", "diameter_mm": "Longest diameter"}


def page(title: str, parts: Iterable[str]) -> str:
    """A whole page that needs no other file."""
    return (
        '<!DOCTYPE html>\n<html lang="en">\n<head>\n<meta charset="utf-8">\n'
        '<meta name="viewport" content="width=device-width, initial-scale=1">\n'
        f"<title>{escape(title)}</title>\n<style>{STYLE}</style>\n</head>\n<body>\n"
        + "\n".join(part for part in parts if part)
        + "\n</body>\n</html>\n"
    )


def heading(title: str, cohort: Cohort) -> str:
    found, missed = cohort.count(Outcome.FOUND), cohort.count(Outcome.MISSED)
    false, alone = cohort.count(Outcome.FALSE_POSITIVE), cohort.count(Outcome.UNMATCHED)
    sentences = [f"{_counted(len(cohort.cases), 'case')} evaluated."]
    if alone:
        sentences.append(f"{_counted(alone, 'lesion')} predicted, without a reference to compare with.")
    if found or missed or false or not alone:
        sentences.append(
            f"Of {_counted(found + missed, 'reference lesion')} {found} found and {missed} missed; "
            f"{_counted(false, 'false positive')}."
        )
    sentences += cohort.notes
    failures = "".join(f"<li><b>{escape(name)}</b>: {escape(message)}</li>" for name, message in cohort.failures)
    notice = f"{_counted(len(cohort.failures), 'case')} could not be evaluated:"
    return (
        f"<h1>{escape(title)}</h1>\n<p>{escape(' '.join(sentences))}</p>\n"
        f'<p class="soft">Made by lossseg {escape(__version__)}.</p>'
        + (f'\n<div class="notice">{notice}<ul>{failures}</ul></div>' if failures else "")
    )


def tiles(cohort: Cohort) -> str:
    """The numbers that say most, large."""
    if not cohort.cases:
        return ""
    dice, volume = cohort.measures["dice"], cohort.measures["volume_ml_prediction"]
    lesions = cohort.count(Outcome.FOUND) + cohort.count(Outcome.MISSED)
    values = [
        (number(cohort.recall), f"lesion recall, of {_counted(lesions, 'lesion')}"),
        (number(cohort.false_positives_per_case, 2), "false positives per case"),
        (number(dice.mean), f"Dice ± {number(dice.std)}, mean of {_counted(dice.cases, 'case')}"),
        (number(cohort.object_dice), f"object Dice, of {cohort.count(Outcome.FOUND)} found"),
    ]
    if all(math.isnan(case.measures["reference_lesions"]) for case in cohort.cases):
        values = [
            (str(cohort.count(Outcome.UNMATCHED)), "predicted lesions"),
            (number(volume.mean), f"ml predicted, mean of {_counted(volume.cases, 'case')}"),
        ]
    curve, precision = cohort.curve, cohort.precision_recall
    if curve is not None:
        merged = f", {_counted(curve.merged, 'merged lesion')}" if curve.merged else ""
        values.append((number(curve.average_recall), f"average recall of the FROC curve{merged}"))
    if precision is not None:
        values.append((number(precision.average_precision), "average precision by voxel"))
    return (
        '<div class="tiles">'
        + "".join(f'<div class="tile"><b>{a}</b><span>{b}</span></div>' for a, b in values)
        + "</div>"
    )


def sizes(cohort: Cohort) -> str:
    """Recall by lesion size."""
    groups = cohort.size_groups()
    if not groups:
        return ""
    rows = [
        [
            group.name,
            f"{_bar(group.recall)} {number(group.recall)}",
            f"{group.found} of {group.lesions}",
            number(group.object_dice),
            group.range_text,
        ]
        for group in groups
    ]
    columns = ["Lesions", "Recall", "Found", "Object Dice", _SIZES[groups[0].size]]
    return "<h2>Recall by lesion size</h2>\n" + table(columns, rows, raw=("Recall",))


def measures(cohort: Cohort) -> str:
    """Every measure as a mean over the cases, with the number of cases behind it."""
    rows = []
    for key, average in cohort.measures.items():
        name, _, of_class = key.partition("[")
        measure = MEASURES[name]
        title = measure.title + (f" ({of_class.rstrip(']')})" if of_class else "")
        decimals = max(measure.decimals, 2)
        unit = measure.unit or "share"
        rows.append([title, number(average.mean, decimals), number(average.std, decimals), unit, str(average.cases)])
    columns = ["Measure", "Mean", "SD", "Unit", "Cases behind it"]
    return "<h2>Means over the cases</h2>\n" + table(columns, rows, left=("Unit",)) if rows else ""


def cases(cohort: Cohort) -> str:
    if not cohort.cases:
        return ""
    columns = ["Case", "Dice", "HD95 mm", "Found", "Missed", "False positives", "Object Dice"]
    columns += ["Reference ml", "Predicted ml"]
    keys = ["dice", "hd95", "", "", "false_positives", "object_dice", "volume_ml_reference", "volume_ml_prediction"]
    rows = []
    for case in cohort.cases:
        row = [number(case.measures.get(key, math.nan), MEASURES[key].decimals) if key else "" for key in keys]
        known = not math.isnan(case.measures["reference_lesions"])
        for place, outcome in ((2, Outcome.FOUND), (3, Outcome.MISSED)):
            row[place] = str(len(case.of(outcome))) if known else "n/a"
        rows.append([case.name, *row])
    return "<h2>Cases</h2>\n" + table(columns, rows)


def lesions(cohort: Cohort) -> str:
    """The detection table."""
    columns = ["Case", "No.", "Outcome", "Label", "Volume mm³", "Diameter mm", "R mm", "A mm", "S mm"]
    columns += ["Highest confidence", "Overlap (Dice)", "Remarks"]
    rows = [
        [
            name,
            str(lesion.number),
            lesion.outcome.words,
            str(lesion.label),
            number(lesion.volume_mm3, 1),
            number(lesion.diameter_mm, 1),
            *(number(position, 1) for position in lesion.centroid_ras),
            number(lesion.confidence_max),
            number(lesion.overlap),
            _relation(lesion),
        ]
        for name, lesion in cohort.lesions
    ]
    if not rows:
        return ""
    left_out = f"<p>The first {_LESION_ROWS} of {len(rows)}.</p>\n" if len(rows) > _LESION_ROWS else ""
    return f"<h2>All lesions</h2>\n{left_out}" + table(columns, rows[:_LESION_ROWS], left=("Outcome", "Remarks"))


def gallery(title: str, pictures: Sequence[tuple[str, Lesion, bytes]], note: str) -> str:
    """Pictures with captions; `note` says what is left out and why."""
    if not pictures and not note:
        return ""
    figures = "\n".join(_figure(name, lesion, picture) for name, lesion, picture in pictures)
    return (
        f"<h2>{escape(title)}</h2>\n"
        + (f'<p class="soft">{escape(note)}</p>\n' if note else "")
        + (f'<div class="lesions">\n{figures}\n</div>' if pictures else "")
    )


def legend(with_images: bool = True) -> str:
    """How to read the pictures."""
    bare = "" if with_images else "<p>There were no images to show: only the outlines.</p>\n"
    return (
        "<h2>Pictures</h2>\n<p>Axial, coronal and sagittal plane through each lesion, 48 mm wide or as wide as the "
        "lesion needs. The patient's right is on the left; up is anterior (axial) or superior; anterior is on the left "
        f'of the sagittal plane.</p>\n<p><span class="key" style="color:{REFERENCE_COLOUR}"></span>reference'
        f'<span class="key" style="color:{PREDICTION_COLOUR}"></span>prediction</p>'
        f"{bare}"
    )


def settings(values: Mapping[str, str | int | float]) -> str:
    rows = [[name.replace("_", " "), str(value)] for name, value in values.items()]
    return "<h2>Settings</h2>\n" + table(["Setting", "Value"], rows, left=("Value",)) if rows else ""


def definitions() -> str:
    entries = [(measure.title, measure.definition) for measure in MEASURES.values()]
    entries += [
        ("Found", "A predicted component of the same class overlaps the reference lesion by one voxel or more."),
        ("Longest diameter", "Greatest distance between two face centres of the lesion's voxels, in mm."),
        (
            "Position",
            "Mean of the lesion's voxels in mm: R to the right, A to the front, S to the head of the patient.",
        ),
        ("n/a", "Not defined for this case; such cases are left out of the mean."),
    ]
    return (
        "<h2>Definitions</h2>\n<dl>"
        + "".join(f"<dt>{escape(term)}</dt><dd>{escape(text)}</dd>" for term, text in entries)
        + "</dl>"
    )


def table(
    columns: Sequence[str], rows: Iterable[Sequence[str]], left: Sequence[str] = (), raw: Sequence[str] = ()
) -> str:
    """A table; `left` columns are aligned left, `raw` columns hold HTML."""
    side = [' class="left"' if column in left else "" for column in columns]
    head = "".join(f'<th scope="col"{side[i]}>{escape(column)}</th>' for i, column in enumerate(columns))
    body = "\n".join(
        "<tr>"
        + "".join(f"<td{side[i]}>{cell if columns[i] in raw else escape(cell)}</td>" for i, cell in enumerate(row))
        + "</tr>"
        for row in rows
    )
    return f'<div class="wide"><table>\n<thead><tr>{head}</tr></thead>\n<tbody>\n{body}\n</tbody></table></div>'


def number(value: float, decimals: int = 3) -> str:
    """As a person reads it; "n/a" when undefined."""
    return f"{round(value, decimals) + 0.0:.{decimals}f}" if math.isfinite(value) else "n/a"


def _figure(name: str, lesion: Lesion, picture: bytes) -> str:
    r, a, s = lesion.centroid_ras
    facts = [
        f"{lesion.volume_mm3:.4g} mm³",
        f"diameter {lesion.diameter_mm:.1f} mm",
        f"RAS {number(r, 1)}, {number(a, 1)}, {number(s, 1)} mm",
    ]
    if math.isfinite(lesion.confidence_max):
        facts.append(f"confidence {lesion.confidence_max:.2f} (mean {lesion.confidence_mean:.2f})")
    source = base64.b64encode(picture).decode()
    described = escape(f"{lesion.outcome.words or 'lesion'} {lesion.number} of {name}: three planes")
    return (
        f'<figure><img alt="{described}" src="data:image/png;base64,{source}">'
        f"<figcaption><b>{escape(name)}, lesion {lesion.number}</b><br>{' · '.join(facts)}</figcaption></figure>"
    )


def _relation(lesion: Lesion) -> str:
    """What is remarkable about how lesion and components lie on each other."""
    merged = f"merged with {', '.join(map(str, lesion.merged_with))}" if lesion.merged_with else ""
    split = f"split into {lesion.parts}" if lesion.parts > 1 else ""
    return "; ".join(part for part in (merged, split, "at the border" if lesion.at_border else "") if part)


def _bar(share: float) -> str:
    return "" if math.isnan(share) else f'<span class="bar"><i style="width:{100 * share:.1f}%"></i></span>'


def _counted(count: int, word: str) -> str:
    return f"{count} {word}" if count == 1 else f"{count} {word}s"
