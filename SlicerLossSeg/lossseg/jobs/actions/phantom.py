"""Job `phantom`: a dataset of made-up volumes with known truth."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from lossseg.jobs.action import Action, Summary, argument, option
from lossseg.reporting import Reporter


@dataclass(frozen=True)
class PhantomParams:
    kind: Literal["tof", "ct", "us"] = argument(
        "Kind of volumes: tof (MR angiography, aneurysms), ct (chest, nodules) or us (ultrasound, three muscles)."
    )
    out: Path = argument("Folder of the new dataset; it must not exist or be empty.")
    cases: int = option(12, "Number of cases.", low=1, high=10_000)
    size: tuple[int, int, int] = option(
        (96, 96, 96), "Size of each volume in voxels, along z, y and x.", metavar="Z Y X"
    )
    enlarge: int = option(
        1,
        "Make each voxel a block of N along each axis, for large volumes in little time.",
        low=1,
        high=64,
        metavar="N",
    )
    seed: int = option(0, "The same seed gives the same volumes.", low=0)


def run(params: PhantomParams, reporter: Reporter) -> Summary:
    from lossseg.phantoms import make_dataset

    dataset = make_dataset(
        params.kind, params.out, params.cases, params.size, params.seed, reporter, enlarge=params.enlarge
    )
    reporter.artifact("dataset", dataset.folder)
    return {
        "dataset": dataset.folder,
        "cases": len(dataset.cases),
        "channels": dataset.channels,
        "labels": dataset.labels,
    }


ACTION = Action(
    kind="phantom",
    title="Make a dataset of made-up volumes with known truth.",
    params=PhantomParams,
    run=run,
    examples=(
        "lossseg phantom tof data/aneurysms --cases 12",
        "lossseg phantom ct data/nodules --cases 6 --size 64 96 96 --seed 7",
        "lossseg phantom us data/muscles",
        "lossseg phantom us data/long --cases 1 --size 1443 512 512 --enlarge 8",
    ),
)
