"""Job `ensemble`: a small file that names the models whose probabilities are averaged."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from lossseg.errors import InputError
from lossseg.jobs.action import Action, Summary, argument, option
from lossseg.reporting import Reporter

if TYPE_CHECKING:
    from lossseg.studies.best_folds import FoldTable


@dataclass(frozen=True)
class EnsembleParams:
    out: Path = argument("File to write, such as ensembles/best.json.")
    models: tuple[Path, ...] = argument("Model folders.", default=())
    weights: tuple[float, ...] | None = option(
        None, "Share of each model in the mean, in their order.", metavar="W,W,...", shown="equal shares"
    )
    best_folds: bool = option(False, "Take the better model of each fold from several groups.")
    groups: dict[str, Path] = option(
        {},
        "A group for --best-folds: its name and the folder with its fold_0, fold_1, ... Repeat it for each group.",
        flags=("--group",),
        metavar="NAME=FOLDER",
        shown="none",
    )
    score: str = option("dice", "Validation score by which --best-folds chooses.")


def run(params: EnsembleParams, reporter: Reporter) -> Summary:
    from lossseg.model import save_ensemble

    table: FoldTable | None = None
    members, chosen = list(params.models), "Named by hand."
    if params.best_folds:
        table = _best(params)
        members, chosen = list(table.members), table.sentence
    elif params.groups:
        raise InputError("Groups were given without --best-folds.", "Add --best-folds, or name the models instead.")
    if not members:
        raise InputError("No model was given.", "Name model folders, or use --best-folds with --group NAME=FOLDER.")
    ensemble = save_ensemble(params.out, members, weights=params.weights, chosen=chosen)
    reporter.artifact("ensemble", params.out)
    return {
        "ensemble": params.out,
        "chosen": ensemble.chosen,
        "members": [
            {"folder": member.model.folder, "weight": member.weight, "scores": member.model.scores}
            for member in ensemble.members
        ],
        "table": table,
    }


def _best(params: EnsembleParams) -> FoldTable:
    from lossseg.studies.best_folds import best_folds

    if params.models:
        raise InputError("Models were named together with --best-folds.", "Give groups only: --group NAME=FOLDER.")
    if not params.groups:
        raise InputError("--best-folds needs groups of models.", "Give each as --group NAME=FOLDER.")
    return best_folds({name: _folds(name, folder) for name, folder in params.groups.items()}, score=params.score)


def _folds(name: str, folder: Path) -> list[Path]:
    """The models of a group, by the number of their fold."""
    if not folder.is_dir():
        raise InputError(f"The folder {folder} of the group {name} does not exist.", "Check the path.")
    found = [path for path in folder.glob("fold_*") if (path / "model.json").exists() and path.name[5:].isdigit()]
    if not found:
        raise InputError(
            f"{folder} holds no trained fold.", "Make them with `lossseg train DATASET FOLDER --cross-validate`."
        )
    return sorted(found, key=lambda path: int(path.name[5:]))


ACTION = Action(
    kind="ensemble",
    title="Put models together, so that their mean decides.",
    params=EnsembleParams,
    run=run,
    details="The file names its members relative to itself: moved together with them, it stays valid.",
    examples=(
        "lossseg ensemble ensembles/all.json models/cv/fold_0 models/cv/fold_1 models/cv/fold_2",
        "lossseg ensemble ensembles/best.json --best-folds --group ce=models/ce --group topk=models/topk",
    ),
)
