"""The ADAM 2020 winner's ensemble: of several groups of cross-validation models, the best model of each fold.

Ma, "Loss Ensembles for Extremely Imbalanced Segmentation", section 3.1: no loss is best in all folds, so the
ensemble takes for each fold the model that scored best on that fold's validation cases.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from lossseg.errors import InputError
from lossseg.model import Model, load


@dataclass(frozen=True)
class FoldTable:
    """Scores of folds × groups.

    Attributes:
        score: the name of the validation measure.
        groups: names, in the order of the columns.
        values: per fold one value per group; None where undefined.
        winners: per fold the index of the best group.
        members: the winning model folders, one per fold.
    """

    score: str
    groups: tuple[str, ...]
    values: tuple[tuple[float | None, ...], ...]
    winners: tuple[int, ...]
    members: tuple[Path, ...]

    @property
    def sentence(self) -> str:
        """How the members were chosen, for the ensemble file."""
        chosen = ", ".join(f"fold {fold}: {self.groups[group]}" for fold, group in enumerate(self.winners))
        return f"Best {self.score} of each fold ({chosen})."


def best_folds(groups: Mapping[str, Sequence[Path]], *, score: str = "dice") -> FoldTable:
    """For each fold the model with the highest validation `score` among the groups; the first on a tie.

    Args:
        groups: name to model folders, fold by fold; the same folds in each group.

    Raises:
        InputError: groups of different length, folds with different validation cases, an unknown score, or a fold
            in which no group's score is defined.
    """
    if not groups:
        raise InputError("No group of models was given.", "Name at least one group.")
    models = {name: [load(folder) for folder in folders] for name, folders in groups.items()}
    counts = {name: len(members) for name, members in models.items()}
    if len(set(counts.values())) > 1 or 0 in counts.values():
        words = ", ".join(f"{name} has {count}" for name, count in counts.items())
        raise InputError(f"The groups differ in their number of folds: {words}.", "Train every fold of every group.")
    rows: list[tuple[float | None, ...]] = []
    winners: list[int] = []
    for fold, members in enumerate(zip(*models.values(), strict=True)):
        _check_same_cases(fold, members)
        row = tuple(_score(model, score) for model in members)
        defined = [(value, -index) for index, value in enumerate(row) if value is not None]
        if not defined:
            raise InputError(f"No model of fold {fold} has a defined {score}.", "Choose another score.")
        rows.append(row)
        winners.append(-max(defined)[1])
    chosen = [list(models.values())[group][fold].folder for fold, group in enumerate(winners)]
    return FoldTable(score, tuple(groups), tuple(rows), tuple(winners), tuple(chosen))


def _score(model: Model, score: str) -> float | None:
    if score not in model.scores:
        known = ", ".join(sorted(model.scores)) or "none"
        raise InputError(f"{model.folder} has no validation score {score!r}.", f"It has: {known}.")
    return model.scores[score]


def _check_same_cases(fold: int, members: Sequence[Model]) -> None:
    first = members[0]
    for other in members[1:]:
        if set(other.training.get("validation", ())) != set(first.training.get("validation", ())):
            raise InputError(
                f"{other.folder} and {first.folder} were validated on different cases in fold {fold}.",
                "Train the groups with one splits file (--splits).",
            )
