"""Job `import_model`: what nnU-Net trained, or a MONAI bundle, as model folders of our own."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from lossseg.errors import InputError
from lossseg.jobs.action import Action, Summary, argument, option
from lossseg.reporting import Reporter


@dataclass(frozen=True)
class ImportParams:
    source: Path = argument(
        "nnU-Net v2's result folder, TRAINER__PLANS__3d_fullres with dataset.json and plans.json, or a MONAI bundle's "
        "folder with configs and models."
    )
    out: Path = argument("Folder for models; OUT/NAME/fold_0 and so on are written, OUT/NAME for a bundle.")
    name: str = option("", "Folder in OUT.", shown="the dataset's name and the configuration, or the bundle's name")
    folds: tuple[int, ...] | None = option(None, "Only these folds.", metavar="K,K,...", shown="all with a checkpoint")
    checkpoint: Literal["final", "best"] = option("final", "The last epoch's weights, or the best one's.")
    ensembles: Path | None = option(
        None, "Folder for an ensemble file NAME.json of all folds.", shown="none is written"
    )
    channels: tuple[str, ...] = option(
        (), "Names of a bundle's channels, in order.", metavar="NAME,NAME,...", shown="those of its metadata.json"
    )
    labels: tuple[str, ...] = option(
        (),
        "Names of a bundle's classes after the background, in order.",
        metavar="NAME,NAME,...",
        shown="those of its metadata.json",
    )


def run(params: ImportParams, reporter: Reporter) -> Summary:
    from lossseg.exchange import import_nnunet, is_bundle

    if is_bundle(params.source):
        return _bundle(params, reporter)
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


def _bundle(params: ImportParams, reporter: Reporter) -> Summary:
    from lossseg.exchange import import_bundle

    if params.folds is not None or params.checkpoint != "final":
        raise InputError("A MONAI bundle has neither folds nor checkpoints.", "Leave out --folds and --checkpoint.")
    imported = import_bundle(
        params.source,
        params.out,
        name=params.name,
        channels=params.channels,
        labels=params.labels,
        reporter=reporter,
    )
    for warning in imported.warnings:
        reporter.warning(warning)
    reporter.artifact("model", imported.model)
    return {"models": [imported.model], "ensemble": None, "warnings": list(imported.warnings)}


ACTION = Action(
    kind="import_model",
    title="Make models of ours out of what nnU-Net v2 trained, or out of a MONAI bundle.",
    params=ImportParams,
    run=run,
    details="Nothing in the files is executed. A model predicts what nnU-Net predicts with its fold, or what the "
    "bundle does; `predict` removes small components unless --min-voxels 0 is given, and mirrors only with --mirror. "
    "A bundle's configs/inference.json is read as data: it must be made of MONAI's own parts with constants. Members "
    "of one ensemble have equal names of channels and classes: --channels and --labels give them.",
    examples=(
        "lossseg import-model nnUNet_results/Dataset004_X/nnUNetTrainer__nnUNetPlans__3d_fullres models",
        "lossseg import-model RESULT_FOLDER models --name liver --folds 0,1 --ensembles ensembles",
        "lossseg import-model spleen_ct_segmentation models --channels CT --labels spleen",
    ),
)
