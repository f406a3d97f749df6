"""Job `import_model`: a model that nnU-Net trained, as model folders of our own."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from lossseg.jobs.action import Action, Summary, argument, option
from lossseg.reporting import Reporter


@dataclass(frozen=True)
class ImportParams:
    source: Path = argument("nnU-Net v2's result folder: TRAINER__PLANS__3d_fullres with dataset.json and plans.json.")
    out: Path = argument("Folder for models; OUT/NAME/fold_0 and so on are written.")
    name: str = option("", "Folder in OUT.", shown="the dataset's name and the configuration")
    folds: tuple[int, ...] | None = option(None, "Only these folds.", metavar="K,K,...", shown="all with a checkpoint")
    checkpoint: Literal["final", "best"] = option("final", "The last epoch's weights, or the best one's.")
    ensembles: Path | None = option(
        None, "Folder for an ensemble file NAME.json of all folds.", shown="none is written"
    )


def run(params: ImportParams, reporter: Reporter) -> Summary:
    from lossseg.exchange import import_nnunet

    imported = import_nnunet(
        params.source,
        params.out,
        name=params.name,
        folds=params.folds,
        best=params.checkpoint == "best",
        ensembles=params.ensembles,
        reporter=reporter,
    )
    for warning in imported.warnings:
        reporter.warning(warning)
    for model in imported.models:
        reporter.artifact("model", model)
    if imported.ensemble is not None:
        reporter.artifact("ensemble", imported.ensemble)
    return {"models": list(imported.models), "ensemble": imported.ensemble, "warnings": list(imported.warnings)}


ACTION = Action(
    kind="import_model",
    title="Make models of ours out of what nnU-Net v2 trained.",
    params=ImportParams,
    run=run,
    details="Nothing in the files is executed. A model predicts what nnU-Net predicts with its fold; `predict` removes "
    "small components unless --min-voxels 0 is given, and mirrors only with --mirror.",
    examples=(
        "lossseg import-model nnUNet_results/Dataset004_X/nnUNetTrainer__nnUNetPlans__3d_fullres models",
        "lossseg import-model RESULT_FOLDER models --name liver --folds 0,1 --ensembles ensembles",
    ),
)
