"""Job `demo`: everything once, on phantoms or on a dataset of the user's."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from lossseg.jobs.action import Action, Summary, option
from lossseg.reporting import Reporter


@dataclass(frozen=True)
class DemoParams:
    out: Path = option(
        Path("demo"), "Folder for everything that the demo makes; it must not exist or be empty.", metavar="FOLDER"
    )
    data: Path | None = option(
        None, "A dataset of your own in nnU-Net v2's raw layout.", metavar="FOLDER", shown="MR angiography phantoms"
    )
    minutes: float = option(8.0, "Time for the whole demo in minutes.", low=0.1, high=1e5)


def run(params: DemoParams, reporter: Reporter) -> Summary:
    from lossseg.studies.demo import run_demo

    return dict(run_demo(params.out, params.data, params.minutes, reporter))


ACTION = Action(
    kind="demo",
    title="Train, combine, segment and evaluate once, from beginning to end.",
    params=DemoParams,
    run=run,
    device=lambda params: "auto",
    examples=(
        "lossseg demo",
        "lossseg demo --data data/aneurysms --out study --minutes 60",
    ),
)
