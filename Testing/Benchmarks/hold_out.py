"""Hold out a third of a dataset's cases, by patient, and a few of the others for validation.

    python Testing/Benchmarks/hold_out.py DATASET OUT --every 5 --offset 4

writes OUT/split.json ({"train", "test"}, what `plain_monai.py` takes) and OUT/splits_final.json (one fold for
`lossseg train --splits`, whose training and validation cases together are the former's "train").
"""

from __future__ import annotations

import argparse
import random
from pathlib import Path

from lossseg.dataset import Fold, open_dataset, patient_of, write_splits
from lossseg.files import write_json


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("dataset", type=Path)
    parser.add_argument("out", type=Path)
    parser.add_argument("--every", type=int, default=5, help="every so many patients one is for validation")
    parser.add_argument("--offset", type=int, default=4, help="the first of them, counted from 0")
    parser.add_argument("--seed", type=int, default=0, help="another seed holds out another third")
    args = parser.parse_args()

    names = sorted(case.name for case in open_dataset(args.dataset).cases if case.label is not None)
    patients = sorted({patient_of(name) for name in names})
    shuffled = list(patients)
    random.Random(args.seed).shuffle(shuffled)
    unseen = set(shuffled[: round(len(shuffled) / 3)])
    test = [name for name in names if patient_of(name) in unseen]
    rest = [name for name in names if patient_of(name) not in unseen]
    others = [patient for patient in patients if patient not in unseen]
    validated = {patient for index, patient in enumerate(others) if index % args.every == args.offset}
    validation = tuple(name for name in rest if patient_of(name) in validated)
    write_json(args.out / "split.json", {"train": rest, "test": test})
    write_splits(args.out / "splits_final.json", [Fold(tuple(n for n in rest if n not in validation), validation)])
    print(f"{len(rest)} to train on, {len(validation)} of them for validation, {len(test)} held out")


if __name__ == "__main__":
    main()
