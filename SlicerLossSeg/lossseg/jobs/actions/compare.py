"""Job `compare`: an updated model against the one before, lesion by lesion."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from lossseg.jobs.action import Action, Summary, argument, option
from lossseg.reporting import Reporter


@dataclass(frozen=True)
class CompareParams:
    old: Path = argument("Model folder or ensemble file that is in use.")
    new: Path = argument("Model folder or ensemble file that may take its place.")
    dataset: Path = argument("Dataset folder in nnU-Net v2's raw layout with the cases to compare on.")
    out: Path = argument("Folder for compare.csv and compare.json.")
    cases: tuple[str, ...] = option(
        (),
        "Case to compare on; repeat it for more.",
        flags=("--case",),
        metavar="NAME",
        shown="those that NEW was validated on",
    )
    device: str = option("auto", "auto, cpu, cuda, cuda:1 or mps.")


def run(params: CompareParams, reporter: Reporter) -> Summary:
    from lossseg.dataset import open_dataset
    from lossseg.inference import PredictSettings
    from lossseg.model import load_any
    from lossseg.studies.old_new import compare_models
    from lossseg.studies.old_new_files import write_old_new

    result = compare_models(
        load_any(params.old),
        load_any(params.new),
        open_dataset(params.dataset),
        params.cases,
        reporter,
        PredictSettings(device=params.device),
    )
    for path in write_old_new(params.out, result):
        reporter.artifact("comparison", path)
    return result.to_json() | {"out": params.out}


ACTION = Action(
    kind="compare",
    title="Compare a new model with the old one, lesion by lesion.",
    params=CompareParams,
    run=run,
    device=lambda params: params.device,
    details="Cases that a model was trained on, or a model that it was fine-tuned from, are marked as seen.",
    examples=(
        "lossseg compare models/first models/tuned data/aneurysms comparison",
        "lossseg compare models/first ensembles/best.json data/unseen comparison --case TOF_001 --case TOF_002",
    ),
)
