"""Job `study`: an experiment, losses × folds under equal conditions, to be paused and gone on with."""

from __future__ import annotations

import dataclasses
from pathlib import Path
from typing import TYPE_CHECKING, Any, get_type_hints

from lossseg.errors import InputError
from lossseg.jobs.action import Action, Summary, argument, option
from lossseg.jobs.actions.train import TrainParams
from lossseg.reporting import Reporter

if TYPE_CHECKING:
    from lossseg.preprocessing import Plan
    from lossseg.studies.executor import RunExecutor
    from lossseg.training import TrainingSettings

_OF_ONE_TRAINING = ("dataset", "out", "loss", "fold", "cross_validate", "resume", "finish")


@dataclasses.dataclass(frozen=True)
class _OfAStudy:
    """The parameters that a single training has not, or has in another meaning."""

    dataset: Path = argument("Dataset folder in nnU-Net v2's raw layout (dataset.json, imagesTr, labelsTr).")
    out: Path = argument("Folder of the study: new, or that of the same study, which then goes on.")
    losses: tuple[str, ...] = option(
        (), "A loss to compare; `lossseg losses` lists what it can hold. Repeat it for each.", flags=("--loss",)
    )
    only_folds: tuple[int, ...] | None = option(None, "Folds to do now.", metavar="N,N,...", shown="all")
    repeats: int = option(1, "Trainings of each loss and fold, with the seeds SEED, SEED + 1, ...", low=1, high=1000)
    score: str = option("dice", "Validation score by which the winner of each fold is named.")
    pictures: int = option(60, "Most pictures of missed and false lesions in the report of each loss.", low=0)
    parallel: int = option(1, "Runs at a time on this machine, each in its own process, as far as memory fits.", low=1)
    ray: str | None = option(
        None, "Ray cluster that does the runs, or local to start one here.", metavar="ADDRESS", shown="none"
    )
    gpus: float | None = option(
        None, "GPUs that a run takes on the cluster; 0.5 puts two runs on one.", low=0, high=64, shown="by --device"
    )
    cpus: float = option(1.0, "Processor cores that a run takes on the cluster.", low=0.01, high=1024)


def _params() -> type[Any]:
    """All parameters: those above, then those of a training as `train` describes them, so that neither drifts."""
    own, training = dataclasses.fields(_OfAStudy), dataclasses.fields(TrainParams)
    hints = {**get_type_hints(TrainParams), **get_type_hints(_OfAStudy)}
    shared = [field for field in training if field.name not in _OF_ONE_TRAINING]
    made = [(field.name, hints[field.name], _copy(field)) for field in (*own, *shared)]
    return dataclasses.make_dataclass("StudyParams", made, frozen=True)


def _copy(field: dataclasses.Field[Any]) -> Any:
    if field.default_factory is not dataclasses.MISSING:
        return dataclasses.field(default_factory=field.default_factory, metadata=field.metadata)
    return dataclasses.field(default=field.default, metadata=field.metadata)


StudyParams = _params()
TRAINING = tuple(field.name for field in dataclasses.fields(TrainParams) if field.name not in _OF_ONE_TRAINING)
"""The settings that every run of a study is trained with."""


def run(params: Any, reporter: Reporter) -> Summary:
    from lossseg.studies.conditions import StudySettings
    from lossseg.studies.study import run_study
    from lossseg.training import Optimizer, TrainingSettings

    if params.ray is not None and params.parallel > 1:
        raise InputError("--parallel is for this machine, --ray for a cluster.", "Leave out one of the two.")
    chosen = {name: getattr(params, name) for name in TRAINING}
    chosen["optimizer"] = Optimizer(params.optimizer)
    settings = StudySettings(
        losses=params.losses,
        training=TrainingSettings(**chosen),
        only_folds=params.only_folds,
        repeats=params.repeats,
        score=params.score,
        pictures=params.pictures,
    )

    def executor(plan: Plan, training: TrainingSettings) -> RunExecutor:
        return _executor(params, plan, training, reporter)

    return run_study(params.dataset, params.out, settings, reporter, executor)


def _executor(params: Any, plan: Plan, training: TrainingSettings, reporter: Reporter) -> RunExecutor:
    from lossseg.studies.executor import OneByOne

    if params.ray is not None:
        from lossseg.studies.ray_cluster import OnRay

        gpus = params.gpus if params.gpus is not None else float(training.device.startswith("cuda"))
        return OnRay(params.ray, gpus=gpus, cpus=params.cpus)
    if params.parallel == 1:
        return OneByOne()
    from lossseg.inference import choose_device
    from lossseg.studies.processes import InProcesses, fitting

    count = fitting(params.parallel, plan, choose_device(training.device)[0])
    if count < params.parallel:
        reporter.warning(
            f"The memory suffices for {count} run{'s' if count > 1 else ''} at a time, not for {params.parallel}.",
            "A smaller --patch or --batch lets more of them fit, in a new study.",
        )
    if training.minutes is not None and count > 1 and training.device in ("auto", "cpu"):
        reporter.warning(
            "Runs at the same time share the machine, so each does less in its minutes.",
            "A budget in --epochs gives every run the same number of steps.",
        )
    return InProcesses(count) if count > 1 else OneByOne()


ACTION = Action(
    kind="study",
    title="Compare losses under equal conditions: every loss on every fold.",
    params=StudyParams,
    run=run,
    device=lambda params: "cpu" if params.ray is not None else params.device,
    details=(
        "Runs have the same splits, plan, initial weights and patches. Ctrl-C pauses, the same command goes on: what "
        "is finished is not repeated. Losses, folds and repeats may be added. A run that fails is named in the "
        "results, the others go on; the exit code is 1 then."
    ),
    examples=(
        'lossseg study data/aneurysms studies/first --loss "dice + ce" --loss "dice + topk(k=0.1)" --minutes 30',
        'lossseg study data/aneurysms studies/first --loss "iw(dice)" --only-folds 0 --minutes 30',
        'lossseg study data/nodules studies/big --loss "dice + ce" --loss "iw(dice)" --epochs 99 --ray auto --gpus 0.5',
    ),
    failed=lambda summary: any(run["state"] == "failed" for run in summary["runs"]),
)
