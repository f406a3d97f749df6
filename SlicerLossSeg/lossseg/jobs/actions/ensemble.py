"""Job `ensemble`: a small file that names the models whose probabilities are averaged."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

from lossseg.errors import InputError
from lossseg.jobs.action import Action, Summary, argument, option
from lossseg.reporting import Reporter

if TYPE_CHECKING:
    from lossseg.studies.best_folds import FoldTable
    from lossseg.studies.candidates import Candidate
    from lossseg.studies.held_out import HeldOutCase


@dataclass(frozen=True)
class EnsembleParams:
    out: Path = argument("File to write, such as ensembles/best.json.")
    models: tuple[Path, ...] = argument("Model folders.", default=())
    weights: tuple[float, ...] | None = option(
        None, "Share of each model in the mean, in their order.", metavar="W,W,...", shown="equal shares"
    )
    best_folds: bool = option(False, "Take the better model of each fold from several groups.")
    best: int | None = option(
        None, "Take the best K candidates by their validation score.", low=1, metavar="K", shown="none"
    )
    greedy: bool = option(
        False,
        "Take candidates one after the other, the same one again if that is best, by the Dice of their mean on the "
        "held-out cases that a study keeps (Caruana et al. 2004). How often each was taken is its weight.",
    )
    rounds: int = option(25, "Candidates that --greedy takes; the best round counts.", low=1, high=1000)
    groups: dict[str, Path] = option(
        {},
        "A group for --best-folds, --best or --greedy: its name and the folder with its fold_0, fold_1, ... Repeat it "
        "for each group.",
        flags=("--group",),
        metavar="NAME=FOLDER",
        shown="none",
    )
    score: str = option("dice", "Validation score by which --best-folds and --best choose.")
    references: Path | None = option(
        None,
        "Folder of reference labels of the held-out cases.",
        metavar="FOLDER",
        shown="those of the study's dataset",
    )


@dataclass(frozen=True)
class _Choice:
    """The members with their weights, and how they were chosen, in words and in figures."""

    members: list[Path]
    weights: tuple[float, ...] | None
    words: str
    table: FoldTable | None = None
    candidates: list[dict[str, Any]] = field(default_factory=list)
    held_out: dict[str, Any] | None = None


def run(params: EnsembleParams, reporter: Reporter) -> Summary:
    from lossseg.model import save_ensemble

    choice = _choice(params, reporter)
    ensemble = save_ensemble(params.out, choice.members, weights=choice.weights, chosen=choice.words)
    reporter.artifact("ensemble", params.out)
    return {
        "ensemble": params.out,
        "chosen": ensemble.chosen,
        "members": [
            {"folder": member.model.folder, "weight": member.weight, "scores": member.model.scores}
            for member in ensemble.members
        ],
        "table": choice.table,
        "candidates": choice.candidates,
        "held_out": choice.held_out,
    }


def _choice(params: EnsembleParams, reporter: Reporter) -> _Choice:
    asked = [
        flag
        for flag, chosen in (("best-folds", params.best_folds), ("best", params.best), ("greedy", params.greedy))
        if chosen
    ]
    if len(asked) > 1:
        raise InputError(f"--{asked[0]} and --{asked[1]} choose in different ways.", "Give one of them.")
    if params.out.exists():
        raise InputError(f"{params.out} already exists.", "Choose another name; ensembles are never overwritten.")
    if params.best_folds:
        return _best_folds(params)
    if asked:
        return _of_candidates(params, reporter)
    if params.groups:
        raise InputError(
            "Groups were given without a way to choose.", "Add --best-folds, --best K or --greedy, or name the models."
        )
    if not params.models:
        raise InputError("No model was given.", "Name model folders, or use --best-folds with --group NAME=FOLDER.")
    return _Choice(list(params.models), params.weights, "Named by hand.")


def _best_folds(params: EnsembleParams) -> _Choice:
    from lossseg.studies.best_folds import best_folds
    from lossseg.studies.candidates import folds_in

    if params.models:
        raise InputError("Models were named together with --best-folds.", "Give groups only: --group NAME=FOLDER.")
    if not params.groups:
        raise InputError("--best-folds needs groups of models.", "Give each as --group NAME=FOLDER.")
    table = best_folds({name: folds_in(name, folder) for name, folder in params.groups.items()}, score=params.score)
    sentence = (
        "No case is held out from all winners, so this ensemble has no honest validation score; test it on new cases."
    )
    held_out = {"dice": None, "sentence": sentence}
    return _Choice(list(table.members), params.weights, table.sentence, table=table, held_out=held_out)


def _of_candidates(params: EnsembleParams, reporter: Reporter) -> _Choice:
    from lossseg.studies.candidates import candidates_of
    from lossseg.studies.held_out import read_held_out
    from lossseg.studies.selection import best, greedy

    if params.weights is not None:
        raise InputError("Weights were given for members that are still to be chosen.", "Leave out --weights.")
    candidates = candidates_of(params.models, params.groups)
    weights = [0] * len(candidates)
    cases, missing = None, ""
    try:
        cases = read_held_out(candidates, params.references, reporter)
    except InputError as error:
        if params.greedy:
            raise
        missing = error.message
    if params.greedy:
        assert cases is not None
        weights = list(greedy(cases, params.rounds).counts)
        how = f"Greedy selection in {sum(weights)} of {params.rounds} rounds"
    else:
        assert params.best is not None
        if params.best > len(candidates):
            reporter.warning(f"There are {len(candidates)} candidates, not {params.best}.", "All of them are taken.")
        for place in best(candidates, params.best, params.score):
            weights[place] = 1
        how = f"Best {sum(weights)} of {len(candidates)} by {params.score}"
    taken = [(candidate, weight) for candidate, weight in zip(candidates, weights, strict=True) if weight]
    names = ", ".join(
        f"{candidate.name} × {weight}" if params.greedy else candidate.name for candidate, weight in taken
    )
    rows, held_out = _judged(candidates, weights, params.score, cases, missing)
    members = [(model.folder, float(weight)) for candidate, weight in taken for model in candidate.models]
    return _Choice(
        [folder for folder, _ in members],
        tuple(weight for _, weight in members),
        f"{how} ({names}).",
        candidates=rows,
        held_out=held_out,
    )


def _judged(
    candidates: tuple[Candidate, ...],
    weights: list[int],
    score: str,
    cases: tuple[HeldOutCase, ...] | None,
    missing: str,
) -> tuple[list[dict[str, Any]], dict[str, Any]]:
    """Every candidate's scores, and what the ensemble scores on the cases that were held out from its models."""
    import numpy as np

    from lossseg.studies.held_out import mean_dice

    alone: list[float | None] = [None] * len(candidates)
    held_out: dict[str, Any]
    if cases is None:
        held_out = {"dice": None, "cases": 0, "sentence": f"The ensemble was not scored. {missing}"}
    else:
        alone = [mean_dice(cases, row) for row in np.eye(len(candidates))]
        sentence = (
            "Dice of each held-out case from the mean over the losses of the models that did not train on it, at the "
            "mean of their thresholds, before small components are removed. The choice saw these cases, so it is a "
            "little too good."
        )
        held_out = {"dice": mean_dice(cases, np.array(weights)), "cases": len(cases), "sentence": sentence}
    rows: list[dict[str, Any]] = [
        {
            "name": candidate.name,
            "models": len(candidate.models),
            "score_name": score,
            "score": candidate.score(score),
            "held_out_dice": dice,
            "weight": weight,
        }
        for candidate, dice, weight in zip(candidates, alone, weights, strict=True)
    ]
    return rows, held_out


ACTION = Action(
    kind="ensemble",
    title="Put models together, so that their mean decides.",
    params=EnsembleParams,
    run=run,
    details=(
        "The file names its members relative to itself: moved together with them, it stays valid. Candidates for "
        "--best and --greedy are all folds of a loss together, or single models, and must have been validated on the "
        "same cases. Within a run the averaged weights already compete with the last ones for its model (`lossseg "
        "train --ema-decay`)."
    ),
    examples=(
        "lossseg ensemble ensembles/all.json models/cv/fold_0 models/cv/fold_1 models/cv/fold_2",
        "lossseg ensemble ensembles/best.json --best-folds --group ce=models/ce --group topk=models/topk",
        "lossseg ensemble ensembles/two.json --best 2 --group ce=study/ce --group topk=study/topk --group iw=study/iw",
        "lossseg ensemble ensembles/greedy.json --greedy --group ce=study/dice_ce --group topk=study/dice_topk_k_0.1",
    ),
)
