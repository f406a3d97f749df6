"""What came of presets, seed by seed: the tables of docs/results.md.

    python Testing/Benchmarks/preset_summary.py RUN [RUN ...] [--against LOSS]

RUN is the OUT folder of `lossseg preset run`. For each there are three tables in Markdown: the mean and standard
deviation over the seeds beside what the paper has; the differences between losses, paired by seed; and, where a preset
has several folds, the validation score of each. A loss in `iw(...)` is compared with the loss inside, any other with
that of `--against`, else with the first. A difference is marked where every seed agrees in its sign and the 95 %
confidence interval of its mean (Student's t, three seeds or more) leaves out 0.

`--one-each` adds what the probability maps give where a component finds one lesion only, that with which it agrees
best, so that one component around many does not count as having found them all: at the threshold and lowest confidence
that are best in Dice + F1 so counted (chosen on the held-out cases, so too good, for every loss alike), and the highest
recall with at most 8 false positives per case. Components under 11 voxels are left out. One foreground class only.
"""

from __future__ import annotations

import argparse
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from scipy import stats

from lossseg.dataset.cases import LABELS
from lossseg.evaluation import Credit, best_point, operating_points
from lossseg.files import read_json
from lossseg.images import read_label, read_volume
from lossseg.studies.presets import Preset, preset
from lossseg.studies.presets.measures import MEASURES, Judged
from lossseg.studies.state import PREDICTIONS
from lossseg.training.validation import balanced

_RESULTS, _PRESET, _EVALUATION = "results.json", "preset.json", "evaluation"
_THRESHOLDS = (0.5, 0.6, 0.7, 0.8, 0.9, 0.95, 0.97, 0.98, 0.99, 0.995, 0.998, 0.999)
_CONFIDENCES = (0.0, 0.7, 0.8, 0.9, 0.95, 0.98, 0.99, 0.995, 0.998, 0.999, 0.9999)
_SMALLEST, _FALSE_POSITIVES = 11, 8.0
_ONE_EACH = ("Recall", "False positives per case", "Dice", "Object Dice", "Recall at 8 false positives per case")


@dataclass(frozen=True)
class Group:
    """One loss of one arm: each measure by seed (NaN where undefined), and the validation scores by fold and seed."""

    arm: str
    loss: str
    measures: Mapping[str, Mapping[int, float]]
    scores: Mapping[tuple[int, int], float]


def read(out: Path, chosen: Preset) -> list[Group]:
    curves = read_json(out / _PRESET).get("froc", {})
    made = []
    for arm in chosen.arms:
        path = out / arm.name / _RESULTS
        if not path.exists():
            continue
        results = read_json(path)
        losses = dict.fromkeys(record["loss"] for record in results["losses"])
        for loss in losses:
            judged = {
                int(record["seed"]): Judged(
                    record,
                    out / arm.name / record["folder"] / _EVALUATION,
                    curves.get(f"{arm.name}/{record['folder']}", record["froc"]),
                )
                for record in results["losses"]
                if record["loss"] == loss
            }
            measures = {
                name: {seed: _defined(MEASURES[name].read(each)[0]) for seed, each in judged.items()}
                for name in chosen.measures
            }
            score = str(chosen.settings.get("score", "dice"))
            scores = {
                (int(run["fold"]), int(run["seed"])): _defined(run["scores"].get(score))
                for run in results["runs"]
                if run["loss"] == loss and run["state"] == "finished"
            }
            made.append(Group(arm.name, loss, measures, scores))
    return made


def one_each(out: Path, arm: str) -> dict[str, dict[str, dict[int, float]]]:
    """By loss, measure of `_ONE_EACH` and seed."""
    results = read_json(out / arm / _RESULTS)
    labels = Path(results["dataset"]) / LABELS
    made: dict[str, dict[str, dict[int, float]]] = {}
    for record in results["losses"]:
        pairs = []
        for path in sorted((out / arm / record["folder"] / PREDICTIONS).glob("*_prob*.nii.gz")):
            name = path.name.split("_prob")[0]
            truth = read_label(labels / f"{name}.nii.gz").array > 0
            pairs.append((truth, np.clip(read_volume(path).array, 0, 1)))
        points = operating_points(pairs, _THRESHOLDS, _SMALLEST, _CONFIDENCES, credit=Credit.BEST)
        point, few = balanced(points), best_point(points, _FALSE_POSITIVES)
        found = (point.recall, point.false_positives_per_case, point.dice, point.object_dice)
        own = made.setdefault(record["loss"], {name: {} for name in _ONE_EACH})
        for name, value in zip(_ONE_EACH, (*found, few.recall if few else math.nan), strict=True):
            own[name][int(record["seed"])] = value
    return made


def _defined(value: float | None) -> float:
    return math.nan if value is None else float(value)


def _pairs(groups: Sequence[Group], against: str | None) -> list[tuple[Group, Group]]:
    """Each group and the one that it is compared with, of the same arm."""
    made = []
    for group in groups:
        own = {each.loss: each for each in groups if each.arm == group.arm}
        inside = group.loss[3:-1] if group.loss.startswith("iw(") else ""
        base = own.get(inside) or own.get(against or "") or next(iter(own.values()))
        weighted = any(loss.startswith("iw(") for loss in own)
        if base is not group and (inside in own or not weighted or against):
            made.append((group, base))
    return made


def _number(value: float) -> str:
    return "n/a" if math.isnan(value) else f"{value:.3f}" if abs(value) < 10 else f"{value:.1f}"


def _mean_and_spread(values: Sequence[float]) -> str:
    defined = [value for value in values if not math.isnan(value)]
    if len(defined) < 2:
        return _number(defined[0] if defined else math.nan)
    few = "" if len(defined) == len(values) else f" ({len(defined)} of {len(values)})"
    return f"{_number(float(np.mean(defined)))} ± {_number(float(np.std(defined, ddof=1)))}{few}"


def _difference(of: Mapping[int, float], base: Mapping[int, float]) -> str:
    """Seed by seed, in bold where they agree and the confidence interval leaves out 0."""
    found = [of[seed] - base[seed] for seed in of if seed in base]
    if not found or any(math.isnan(value) for value in found):
        return "n/a"
    text = ", ".join(f"{value:+.3f}" if abs(value) < 10 else f"{value:+.1f}" for value in found)
    agree = all(value > 0 for value in found) or all(value < 0 for value in found)
    if agree and len(found) > 2:
        width = stats.t.ppf(0.975, len(found) - 1) * np.std(found, ddof=1) / math.sqrt(len(found))
        return f"**{text}**" if abs(np.mean(found)) > width else f"{text} (same sign)"
    return text


def _row(cells: Sequence[str]) -> str:
    return f"| {' | '.join(cells)} |"


def _table(head: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    return "\n".join([_row(head), "|" + "---|" * len(head), *map(_row, rows)]) + "\n"


def summary(chosen: Preset, groups: Sequence[Group]) -> str:
    printed = list(
        dict.fromkeys(
            (each.measure, each.data) for each in chosen.published if each.fold is None and each.loss in chosen.losses
        )
    )
    head = [*(MEASURES[name].title for name in chosen.measures)]
    head += [f"paper: {MEASURES[name].title}{', ' if data else ''}{data}" for name, data in printed]
    rows = []
    for group in groups:
        cells = [_mean_and_spread(list(group.measures[name].values())) for name in chosen.measures]
        for name, data in printed:
            own = [each for each in chosen.figures(group.arm, group.loss, name) if each.data == data]
            cells.append(f"{own[0].value:g}" if own else "")
        rows.append([_name(chosen, group), *cells])
    return _table(["", *head], rows)


def _name(chosen: Preset, group: Group) -> str:
    loss = chosen.entry(group.loss).name or f"`{group.loss}`"
    return loss if len(chosen.arms) == 1 else f"{group.arm}, {loss}"


def differences(chosen: Preset, pairs: Sequence[tuple[Group, Group]]) -> str:
    rows = [
        [f"{_name(chosen, group)} − {_name(chosen, base)}"]
        + [_difference(group.measures[name], base.measures[name]) for name in chosen.measures]
        for group, base in pairs
    ]
    return _table(["", *(MEASURES[name].title for name in chosen.measures)], rows)


def one_each_text(out: Path, chosen: Preset, pairs: Sequence[tuple[Group, Group]]) -> str:
    """Both tables of `--one-each`, for each arm."""
    texts = []
    for arm in dict.fromkeys(group.arm for pair in pairs for group in pair):
        values = one_each(out, arm)
        rows = [
            [
                chosen.entry(loss).name or f"`{loss}`",
                *(_mean_and_spread(list(own[name].values())) for name in _ONE_EACH),
            ]
            for loss, own in values.items()
        ]
        compared = [
            [f"{_name(chosen, group)} − {_name(chosen, base)}"]
            + [_difference(values[group.loss][name], values[base.loss][name]) for name in _ONE_EACH]
            for group, base in pairs
            if group.arm == arm
        ]
        texts += [_table(["", *_ONE_EACH], rows), _table(["", *_ONE_EACH], compared)]
    return "\n".join(texts)


def folds(chosen: Preset, groups: Sequence[Group]) -> str:
    """Validation scores by fold: each seed, and in how many seeds the loss is the best of its arm."""
    numbers = sorted({fold for group in groups for fold, _ in group.scores})
    rows = []
    for fold in numbers:
        cells = []
        for group in groups:
            own = {seed: value for (place, seed), value in group.scores.items() if place == fold}
            rivals = [each for each in groups if each.arm == group.arm and each is not group]
            wins = sum(
                all(value > each.scores.get((fold, seed), math.nan) for each in rivals) for seed, value in own.items()
            )
            cells.append(f"{', '.join(map(_number, own.values()))} ({wins} of {len(own)})")
        rows.append([str(fold), *cells])
    return _table(["fold", *(_name(chosen, group) for group in groups)], rows)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("runs", type=Path, nargs="+", metavar="RUN")
    parser.add_argument("--against", metavar="LOSS", help="the loss that the others are compared with")
    parser.add_argument("--one-each", action="store_true", help="add what a component that finds one lesion gives")
    args = parser.parse_args()
    for out in args.runs:
        record = read_json(out / _PRESET)
        chosen = preset(record["preset"])
        groups = read(out, chosen)
        seeds = sorted({seed for group in groups for _, seed in group.scores})
        print(f"**{chosen.name}**, scale {record['scale']}, seeds {', '.join(map(str, seeds))}\n")
        print(summary(chosen, groups))
        pairs = _pairs(groups, args.against)
        if pairs and len(seeds) > 1:
            print(f"Differences by seed:\n\n{differences(chosen, pairs)}")
        if args.one_each:
            print(f"A component finds one lesion:\n\n{one_each_text(out, chosen, pairs)}")
        if len({fold for group in groups for fold, _ in group.scores}) > 1:
            print("Validation score by fold, each seed (in how many the best):\n")
            print(folds(chosen, groups))


if __name__ == "__main__":
    main()
