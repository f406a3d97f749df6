"""Run the benchmarks one after the other and put their rows into one table.

    python Testing/Benchmarks/all.py
    python Testing/Benchmarks/all.py --only training preprocessing --out build/bench

Each benchmark is a process of its own and prints what it always prints; at the end the rows of all are printed as one
table, and written to `table.md` and `table.csv`, beside `growth.csv` and `growth.png`. Peers that are not installed are
left out: nnunetv2, panoptica, picai_eval and scikit-image are extras of this table and no dependencies.

Exit code 1 if an aim is missed or a benchmark fails.
"""

from __future__ import annotations

import argparse
import csv
import subprocess
import sys
from dataclasses import asdict
from pathlib import Path

import rows

HERE = Path(__file__).parent
# In the table's order. The size of a prediction is that of a brain scan.
BENCHMARKS: dict[str, tuple[str, ...]] = {
    "losses": ("losses_speed.py",),
    "evaluation": ("evaluation_speed.py",),
    "inspect": ("inspect_speed.py",),
    "preprocessing": ("preprocessing_speed.py",),
    "prediction": ("prediction_speed.py", "--size", "140", "240", "240"),
    "brain": ("prediction_speed.py", "--size", "140", "240", "240", "--brain"),
    "training": ("training_speed.py",),
    "ensemble": ("ensemble_memory.py", "--overlap", "0"),
    "limits": ("limits.py",),
    "growth": ("growth.py",),
}


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--only", nargs="+", choices=BENCHMARKS, default=list(BENCHMARKS), metavar="NAME")
    parser.add_argument("--out", type=Path, default=Path("build/bench"))
    arguments = parser.parse_args()
    arguments.out.mkdir(parents=True, exist_ok=True)
    collected = arguments.out / "rows.jsonl"
    collected.unlink(missing_ok=True)
    failed = []
    for name in arguments.only:
        script, *options = BENCHMARKS[name]
        print(f"\n## {name}\n", flush=True)
        options += ["--out", str(arguments.out)] if name == "growth" else ["--rows", str(collected)]
        before = len(rows.read(collected))
        code = subprocess.run([sys.executable, str(HERE / script), *options]).returncode
        # 1 is a missed aim as well as an error; only the first leaves rows.
        if code and (code != 1 or len(rows.read(collected)) == before):
            failed.append(name)
    found = rows.read(collected)
    print(f"\n## All\n\n{rows.markdown(found)}")
    (arguments.out / "table.md").write_text(rows.markdown(found) + "\n", encoding="utf-8")
    with (arguments.out / "table.csv").open("w", encoding="utf-8", newline="") as opened:
        writer = csv.DictWriter(opened, [*asdict(found[0]), "ratio", "verdict"] if found else ["group"])
        writer.writeheader()
        writer.writerows(asdict(row) | {"ratio": row.ratio, "verdict": row.verdict} for row in found)
    missed = [f"{row.group}: {row.what}" for row in found if row.met is False]
    for what, names in (("Missed", missed), ("Failed", failed)):
        if names:
            print(f"\n{what}: {'; '.join(names)}")
    return 1 if missed or failed else 0


if __name__ == "__main__":
    sys.exit(main())
