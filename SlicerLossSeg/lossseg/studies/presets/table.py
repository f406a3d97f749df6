"""What came of a preset beside what its paper has."""

from __future__ import annotations

import csv
import io
import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from lossseg.dataset import open_dataset
from lossseg.dataset.cases import LABELS
from lossseg.errors import InputError
from lossseg.evaluation import evaluate_folders
from lossseg.evaluation.measures import mean
from lossseg.evaluation.table import froc_json, plain
from lossseg.files import read_json, write_json, write_text
from lossseg.reporting import Reporter
from lossseg.studies.presets import Preset
from lossseg.studies.presets.measures import MEASURES, Judged, of_cases
from lossseg.studies.presets.parts import Part
from lossseg.studies.results import EVALUATION, RESULTS_FILE
from lossseg.studies.state import PREDICTIONS

ALL_LABELS = "mean of all"
"""In tables, in the place of a label."""


@dataclass(frozen=True)
class Printed:
    """A figure of the paper with its standard deviation, where it has one, and the data that it was measured on."""

    data: str
    value: float
    std: float | None


@dataclass(frozen=True)
class Figure:
    """One measure of one loss; None where undefined.

    Attributes:
        value: the mean over the seeds.
        std: of the first seed, over what `Measure.spread` says.
        seeds_std: standard deviation (of a sample) over the seeds; None with one seed.
        paper: what the paper has for it.
    """

    measure: str
    value: float | None
    std: float | None
    seeds_std: float | None
    paper: tuple[Printed, ...]


@dataclass(frozen=True)
class Row:
    """One loss in one arm, on its held-out cases.

    Attributes:
        label: what the models segment; "" for all labels. Where there is a model for each label, the row of all of
            them has the mean over the labels, and its standard deviation is over every case of every label.
    """

    arm: str
    label: str
    loss: str
    name: str
    family: str
    cases: int
    seeds: int
    figures: tuple[Figure, ...]


def rows(preset: Preset, out: Path, studies: Sequence[Part], reporter: Reporter) -> tuple[list[Row], dict[str, Any]]:
    """A row for each arm and loss that has results below `out`, and the FROC curves that the preset asks for.

    With a model for each label, the row of all labels is followed by one for each. The paper's figures stand in the
    row of all.

    Args:
        studies: of the run, see `parts`.

    Raises:
        InputError: results or predictions cannot be read.
        Cancelled: the reporter was told to stop.
    """
    curves: dict[str, Any] = {}
    by_loss: dict[tuple[str, str], dict[str, list[Judged]]] = {}
    for part in studies:
        path = part.folder(out) / RESULTS_FILE
        if not path.exists():
            continue
        results = read_json(path)
        for record in results["losses"]:
            folder = part.folder(out) / record["folder"]
            curve = record["froc"]
            if preset.froc_threshold is not None:
                curve = _froc(folder, Path(results["dataset"]), preset.froc_threshold, reporter)
                curves[f"{part.name}/{record['folder']}"] = curve
            of_labels = by_loss.setdefault((part.arm, record["loss"]), {})
            of_labels.setdefault(part.label, []).append(Judged(record, folder / EVALUATION, curve))
    made = []
    for (arm, _), of_labels in by_loss.items():
        made.append(_row(preset, arm, "", list(of_labels.values())))
        if preset.each_label:
            made += [_row(preset, arm, label, [seeds]) for label, seeds in of_labels.items()]
    return made, curves


def _row(preset: Preset, arm: str, label: str, labels: Sequence[Sequence[Judged]]) -> Row:
    """The row of one label, or of several: for each the seeds."""
    first = labels[0][0]
    entry = preset.entry(first.loss)
    count = min(len(seeds) for seeds in labels)
    figures = []
    for name in preset.measures:
        found = [[MEASURES[name].read(seeds[number]) for seeds in labels] for number in range(count)]
        means = [_mean([value for value, _ in of_seed]) for of_seed in found]
        defined = [value for value in means if value is not None]
        printed = () if label else preset.figures(arm, first.loss, name)
        figures.append(
            Figure(
                name,
                _mean(defined),
                found[0][0][1] if len(labels) == 1 else _over_all_cases([seeds[0] for seeds in labels], name),
                _spread(defined) if len(defined) > 1 else None,
                tuple(Printed(each.data, each.value, each.std) for each in printed),
            )
        )
    cases = max(int(seeds[0].record["cases"]) for seeds in labels)
    return Row(arm, label, first.loss, entry.name, entry.family, cases, count, tuple(figures))


def _mean(values: Iterable[float | None]) -> float | None:
    defined = [value for value in values if value is not None]
    return sum(defined) / len(defined) if defined else None


def _over_all_cases(labels: Sequence[Judged], name: str) -> float | None:
    """The standard deviation of a measure over every case of every label; None for what is no measure of a case."""
    if not MEASURES[name].of_a_case:
        return None
    cases = [each for judged in labels for each in of_cases(judged.evaluation, (name,)).values()]
    _, std, count = mean([each[name] for each in cases])
    return std if count else None


def _spread(values: Sequence[float]) -> float:
    centre = sum(values) / len(values)
    return math.sqrt(sum((value - centre) ** 2 for value in values) / (len(values) - 1))


def _froc(folder: Path, dataset: Path, threshold: float, reporter: Reporter) -> Any:
    """The FROC curve of a loss from all components above a probability, rather than those predicted."""
    predictions = folder / PREDICTIONS
    cohort = evaluate_folders(
        predictions,
        dataset / LABELS,
        probability_dir=predictions,
        labels=open_dataset(dataset).labels,
        surface=False,
        froc_threshold=threshold,
        reporter=reporter,
        workers=None,
        stage=f"FROC {folder.name}",
    )
    return plain(froc_json(cohort.curve))


def write_table(
    preset: Preset,
    scale: str,
    out: Path,
    made: Sequence[Row],
    curves: Mapping[str, Any],
    ensembles: Mapping[str, Any],
) -> dict[str, Any]:
    """Write preset.json and preset.csv into `out`; returns what preset.json holds.

    Args:
        curves: FROC curves by the folder of their loss.
        ensembles: of arms, by name, as JSON data.

    Raises:
        InputError: `out` holds another preset, or this one at another scale.
    """
    check_same(preset, scale, out)
    titles = {name: {"title": MEASURES[name].title, "std_over": MEASURES[name].spread} for name in preset.measures}
    value = {
        "preset": preset.name,
        "scale": scale,
        "measures": titles,
        "rows": [asdict(row) for row in made],
        "ensembles": dict(ensembles),
    }
    write_json(out / "preset.json", {**value, "froc": dict(curves)})
    write_text(out / "preset.csv", table_text(preset, made))
    return value


def table_text(preset: Preset, made: Iterable[Row]) -> str:
    """The rows as CSV; a measure has a column of its own for each data set of the paper."""
    data = {name: _data(preset, name) for name in preset.measures}
    columns = ["arm", *(["label"] if preset.each_label else []), "loss", "name", "family", "cases", "seeds"]
    for name in preset.measures:
        columns += [name, f"{name} sd", f"{name} sd over seeds"]
        for each in data[name]:
            columns += [_printed(name, each), f"{_printed(name, each)}, sd"]
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(columns)
    for row in made:
        label = [row.label or ALL_LABELS] if preset.each_label else []
        cells = [row.arm, *label, row.loss, row.name, row.family, str(row.cases), str(row.seeds)]
        for figure in row.figures:
            cells += [number(figure.value), number(figure.std), number(figure.seeds_std)]
            paper = {each.data: each for each in figure.paper}
            for each in data[figure.measure]:
                cells += [number(paper[each].value), number(paper[each].std)] if each in paper else ["n/a", "n/a"]
        writer.writerow(cells)
    return text.getvalue()


def _data(preset: Preset, measure: str) -> list[str]:
    figures = [each for each in preset.published if each.measure == measure and each.fold is None]
    return list(dict.fromkeys(each.data for each in figures if each.loss in preset.losses))


def _printed(measure: str, data: str) -> str:
    return f"{measure} in the paper" + (f", {data}" if data else "")


def check_same(preset: Preset, scale: str, out: Path) -> None:
    """Raises InputError if `out` holds another preset, or this one at another scale."""
    path = out / "preset.json"
    if not path.exists():
        return
    before = read_json(path)
    if (before.get("preset"), before.get("scale")) != (preset.name, scale):
        raise InputError(
            f"{out} holds the preset {before.get('preset')} at scale {before.get('scale')}.", "Choose another folder."
        )


def number(value: float | None) -> str:
    return "n/a" if value is None or math.isnan(value) else f"{value:.4f}"
