"""Job `next_case`: which volume of a folder to correct next."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from lossseg.jobs.action import Action, Summary, argument, option
from lossseg.reporting import Reporter


@dataclass(frozen=True)
class NextCaseParams:
    model: Path = argument("Model folder or ensemble file that is in use.")
    images: Path = argument("Folder of volumes (nnU-Net's names).")
    dataset: Path | None = option(
        None, "Dataset folder whose cases are annotated already; they are left out.", metavar="FOLDER", shown="none"
    )
    by: Literal["disagreement", "lesions", "random"] | None = option(
        None,
        "What the models of an ensemble disagree on most, what has the most predicted lesions, or any.",
        shown="disagreement for an ensemble, else lesions",
    )
    seed: int = option(0, "Of the random choice, and of the volumes drawn by --limit.", low=0)
    limit: int | None = option(None, "Most volumes to segment, drawn at random.", low=1, shown="all")
    device: str = option("auto", "auto, cpu, cuda, cuda:1 or mps.")


def run(params: NextCaseParams, reporter: Reporter) -> Summary:
    from lossseg.inference import PredictSettings
    from lossseg.model import load_any
    from lossseg.studies.next_case import By, next_case

    model = load_any(params.model)
    found = next_case(
        model,
        params.images,
        params.dataset,
        By(params.by or ("disagreement" if len(model.members) > 1 else "lesions")),
        reporter,
        seed=params.seed,
        limit=params.limit,
        settings=PredictSettings(device=params.device),
    )
    return found.to_json()


ACTION = Action(
    kind="next_case",
    title="Propose which volume of a folder to correct next.",
    params=NextCaseParams,
    run=run,
    device=lambda params: params.device,
    details="Nothing is written. A volume counts as annotated when a case of the dataset has its name. "
    "Where none is left it says so, with exit code 0.",
    examples=(
        "lossseg next-case ensembles/best.json data/unlabelled --dataset study/dataset",
        "lossseg next-case models/first data/unlabelled --by lesions --limit 20",
    ),
)
