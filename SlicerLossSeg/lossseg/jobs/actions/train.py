"""Job `train`: from annotated cases to a model folder, or to one for each fold."""

from __future__ import annotations

from dataclasses import dataclass, fields
from pathlib import Path
from typing import Literal

from lossseg.errors import InputError
from lossseg.jobs.action import Action, Summary, argument, option
from lossseg.networks.catalogue import NetworkName
from lossseg.reporting import Reporter


@dataclass(frozen=True)
class TrainParams:
    dataset: Path = argument("Dataset folder in nnU-Net v2's raw layout (dataset.json, imagesTr, labelsTr).")
    out: Path = argument("Model folder to write; with --cross-validate the folder that gets fold_0, fold_1, ...")
    loss: str = option("dice + ce", "Loss expression; `lossseg losses` lists what it can hold.", metavar="EXPRESSION")
    minutes: float | None = option(
        None, "Budget of each run in minutes, validation included.", low=0.01, high=1e6, shown="by --epochs"
    )
    epochs: int | None = option(None, "Budget of each run in epochs.", low=1, high=10**6, shown="1000")
    iterations: int = option(250, "Steps per epoch.", low=1, high=10**6)
    cross_validate: bool = option(False, "Train every fold; finished ones are kept, an interrupted one goes on.")
    folds: int = option(5, "Folds to split the patients into.", low=2, high=100)
    fold: int | Literal["all"] = option(0, "Fold to hold out for validation, or all to train on every case.")
    splits: Path | None = option(
        None, "Splits in nnU-Net's form (splits_final.json).", metavar="FILE", shown="made from --folds and --seed"
    )
    start_from: Path | None = option(None, "Model folder to fine-tune.", metavar="FOLDER", shown="from scratch")
    resume: bool = option(False, "Go on from the last checkpoint in OUT.")
    finish: bool = option(
        False, "End an interrupted training: its best checkpoint becomes the model. Its own settings hold."
    )
    optimizer: Literal["sgd", "adamw"] = option("sgd", "SGD with Nesterov momentum, or AdamW.")
    learning_rate: float | None = option(
        None, "At the start; --schedule tells how it falls.", low=1e-8, high=10, shown="0.01 for sgd, 0.001 for adamw"
    )
    momentum: float | None = option(None, "Of sgd; 0 for none.", low=0, high=0.9999, shown="0.99")
    schedule: Literal["poly", "step"] = option(
        "poly", "The learning rate falls to 0 as (1 - share done)^0.9, or in one step to a part of itself."
    )
    step_at: float = option(0.8, "Share of the run after which --schedule step lowers the rate.", low=0, high=1)
    step_factor: float = option(0.1, "What --schedule step multiplies the rate by.", low=0, high=1)
    oversampling: float = option(0.5, "Share of each batch that is centred on a lesion, 0 to 1.", low=0, high=1)
    ema_decay: float = option(0.999, "Decay of the averaged weights per step, 0 to below 1.", low=0, high=0.99999)
    validations: int = option(4, "How often the validation cases are segmented during a run.", low=1)
    validate_from: float = option(0.5, "Share of the run after which the first of them comes.", low=0, high=0.99)
    seed: int = option(0, "Of weights, patches and splits.", low=0)
    device: str = option("auto", "auto, cpu, cuda, cuda:1 or mps.")
    workers: int | None = option(None, "Processes that cut and augment patches.", low=0, high=64, shown="by the device")
    mixed_precision: bool | None = option(None, "Compute in 16 bits.", shown="where the device is fast in them")
    plan: Path | None = option(
        None, "Plan to train by, as `lossseg plan --out` writes it.", metavar="FILE", shown="made from the fold's cases"
    )
    memory_gb: float | None = option(
        None, "Memory that a step may take, in GiB.", low=0.1, high=4096, shown="what the device has free"
    )
    network: NetworkName = option(
        "unet",
        "Network to plan; `lossseg networks` tells about each. A plan or a model to fine-tune has its own.",
    )
    base_filters: int | None = option(
        None, "Filters of the first stage, doubled per stage.", low=1, shown="by the network, 32 for unet"
    )
    max_filters: int = option(320, "Most filters of a stage.", low=1)
    filters: tuple[int, ...] | None = option(
        None, "Filters of every stage, instead of the two above.", metavar="N,N,...", shown="doubled per stage"
    )
    dilations: tuple[int, ...] | None = option(
        None, "Rates of dilated filters, for networks that have such.", metavar="N,N,...", shown="1,2,3,4"
    )
    patch: tuple[int, int, int] | None = option(
        None, "Size of a patch in voxels, along z, y and x.", metavar="Z Y X", shown="fitted to the memory"
    )
    batch: int | None = option(None, "Patches per step.", low=1, shown="fitted to the memory")
    spacing: tuple[float, float, float] | None = option(
        None, "Voxel size to resample to in mm, along z, y and x.", metavar="Z Y X", shown="the dataset's median"
    )
    windows: dict[str, tuple[float, float]] = option(
        {},
        "Fixed intensity window of a channel in its units, such as CT=-1000:300. Repeat it for more channels.",
        flags=("--window",),
        metavar="CHANNEL=LOW:HIGH",
        shown="by the channel's name",
    )
    deep_supervision: bool = option(True, "Train the lower resolutions of the network too.")
    cache: Path | None = option(
        None, "Folder for preprocessed cases.", metavar="FOLDER", shown="the folder cache beside OUT"
    )


_NO_SETTINGS = {"dataset", "out", "cross_validate"}


def run(params: TrainParams, reporter: Reporter) -> Summary:
    from lossseg.model import load
    from lossseg.training import Optimizer, TrainingSettings, cross_validate, train

    chosen = {field.name: getattr(params, field.name) for field in fields(params) if field.name not in _NO_SETTINGS}
    chosen["optimizer"] = Optimizer(params.optimizer)
    settings = TrainingSettings(**chosen)
    if params.cross_validate:
        if params.fold != 0:
            raise InputError("A fold was named together with cross-validation.", "Leave out one of the two.")
        folders = cross_validate(params.dataset, params.out, settings, reporter)
    else:
        folders = [train(params.dataset, params.out, settings, reporter)]
    models = [load(folder) for folder in folders]
    return {
        "loss": models[0].loss,
        "models": [
            {"folder": model.folder, "scores": model.scores, "seconds": model.training.get("seconds")}
            for model in models
        ],
    }


ACTION = Action(
    kind="train",
    title="Train a network, or one for each fold.",
    params=TrainParams,
    run=run,
    device=lambda params: params.device,
    details="A killed training goes on with --resume, or ends where it is with --finish. Ctrl-C saves a checkpoint "
    "first. OUT/history.jsonl keeps every metric: `lossseg evaluate ... --history OUT` draws it.",
    examples=(
        "lossseg train data/aneurysms models/first --minutes 10",
        'lossseg train data/aneurysms models/topk --loss "dice + topk(k=0.1)" --cross-validate --minutes 60',
        "lossseg train data/aneurysms models/first --minutes 10 --resume",
        "lossseg train data/aneurysms models/first --finish",
        "lossseg train data/new models/tuned --start-from models/first --epochs 20",
    ),
)
