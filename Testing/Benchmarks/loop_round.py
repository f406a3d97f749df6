"""One round of the correction loop with a dataset's own truth in the place of the person who corrects.

    python Testing/Benchmarks/loop_round.py DATASET OUT --seed 1

The cases are shuffled into 6 to begin with (one of them for validation), a pool of unlabelled ones, and a third that is
judged on. A first model is trained; `lossseg next-case` then chooses three of the pool, whose truth is added to the
training set, and the model is updated on the nine. Beside it stands a control: the same further steps on the first six.
Both are compared with the first model on the held-out third, lesion by lesion (`lossseg compare`).

What is finished in OUT is not done again.
"""

from __future__ import annotations

import argparse
import json
import random
import shutil
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from lossseg.dataset import Dataset, Fold, open_dataset, write_splits
from lossseg.files import read_json, write_json

FIRST, ADDED = 6, 3


def subset(source: Dataset, names: Sequence[str], folder: Path) -> Path:
    """A dataset of some of the cases."""
    chosen = [case for case in source.cases if case.name in names]
    for kind in ("imagesTr", "labelsTr"):
        (folder / kind).mkdir(parents=True, exist_ok=True)
    for case in chosen:
        assert case.label is not None
        for path in case.images:
            shutil.copyfile(path, folder / "imagesTr" / path.name)
        shutil.copyfile(case.label, folder / "labelsTr" / case.label.name)
    write_json(folder / "dataset.json", {**read_json(source.folder / "dataset.json"), "numTraining": len(chosen)})
    return folder


def lossseg(*arguments: object) -> dict[str, Any]:
    """The summary of a command of the engine."""
    command = [sys.executable, "-m", "lossseg", *map(str, arguments), "--json"]
    print("lossseg", *arguments, flush=True)
    lines = subprocess.run(command, check=True, stdout=subprocess.PIPE, text=True).stdout.splitlines()
    events = [json.loads(line) for line in lines]
    return next(dict(event["summary"]) for event in reversed(events) if event["event"] == "finished")


def train(dataset: Path, out: Path, epochs: int, splits: Path, seed: int, *more: object) -> Path:
    if not (out / "model.json").exists():
        resume = ("--resume",) if (out / "training.json").exists() else ()
        settings = ("--splits", splits, "--epochs", epochs, "--iterations", 100, "--seed", seed, "--validations", 1)
        lossseg("train", dataset, out, *settings, "--loss", "dice + ce + 0.1*iw(ce)", *more, *resume)
    return out


def row(name: str, summary: dict[str, Any]) -> str:
    old, new = summary["measures"]["old"], summary["measures"]["new"]
    figures = [f"{measures[key]:.3f}" for key in ("dice", "object_dice", "recall") for measures in (old, new)]
    false = [sum(one["model"] == which for one in summary["false_positives"]) for which in ("old", "new")]
    return f"| {name} | {' | '.join(figures)} | {false[0]} | {false[1]} | {summary['gained']} | {summary['lost']} |"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("dataset", type=Path)
    parser.add_argument("out", type=Path)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--epochs", type=int, default=6, help="of 100 steps, for the first model")
    parser.add_argument("--more", type=int, default=3, help="of 100 steps, for the update")
    args = parser.parse_args()

    source = open_dataset(args.dataset)
    names = [case.name for case in source.cases if case.label is not None]
    random.Random(args.seed).shuffle(names)
    held_out, first, pool = names[: len(names) // 3], *_parts(names[len(names) // 3 :])
    beginning = subset(source, first, args.out / "first_six")
    test = subset(source, held_out, args.out / "held_out")
    unlabelled = subset(source, pool, args.out / "pool")
    write_splits(args.out / "six.json", [Fold(tuple(first[1:]), tuple(first[:1]))])
    design = ("--filters", "16,32,64,128,128", "--patch", 64, 64, 64, "--batch", 2, "--optimizer", "adamw")
    model = train(beginning, args.out / "models" / "first", args.epochs, args.out / "six.json", args.seed, *design)

    ranking = lossseg("next-case", model, unlabelled / "imagesTr", "--by", "lesions")["ranking"]
    added = [entry["case"] for entry in ranking[:ADDED]]
    print("corrected:", ", ".join(added))
    grown = subset(source, [*first, *added], args.out / "with_three_more")
    write_splits(args.out / "nine.json", [Fold((*first[1:], *added), tuple(first[:1]))])
    tuned = ("--start-from", model, "--optimizer", "adamw")
    updated = train(grown, args.out / "models" / "updated", args.more, args.out / "nine.json", args.seed, *tuned)
    control = train(beginning, args.out / "models" / "control", args.more, args.out / "six.json", args.seed, *tuned)

    print("\n| against the first model | DSC | | object Dice | | recall | | false positives | | gained | lost |")
    print("|---|---|---|---|---|---|---|---|---|---|---|")
    for name, new in (("updated with three more cases", updated), ("control: as many steps on the six", control)):
        cases = [part for case in held_out for part in ("--case", case)]
        print(row(name, lossseg("compare", model, new, test, args.out / f"compare_{new.name}", *cases)), flush=True)


def _parts(rest: list[str]) -> tuple[list[str], list[str]]:
    return rest[:FIRST], rest[FIRST:]


if __name__ == "__main__":
    main()
