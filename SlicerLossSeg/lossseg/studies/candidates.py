"""What an ensemble can be chosen from: models, or whole sets of folds, that were validated on the same cases."""

from __future__ import annotations

import os
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from lossseg.errors import InputError
from lossseg.evaluation.measures import mean
from lossseg.model import Model, load

_FOLD = re.compile(r"fold_\d+")


@dataclass(frozen=True)
class Candidate:
    """Models that are taken or left together: those of one loss for the folds, or a single one.

    Attributes:
        name: what tells it from the others.
        models: each validated on cases of its own.
        folder: that holds the models, and their `predictions` where a study made them.
    """

    name: str
    models: tuple[Model, ...]
    folder: Path

    @property
    def cases(self) -> frozenset[str]:
        """The names of all validation cases."""
        return frozenset(name for model in self.models for name in model.training.get("validation", ()))

    def score(self, name: str) -> float | None:
        """The mean of the validation score over the models; None where it is defined for none.

        Raises:
            InputError: a model has no score of that name.
        """
        values = []
        for model in self.models:
            if name not in model.scores:
                known = ", ".join(sorted(model.scores)) or "none"
                raise InputError(f"{model.folder} has no validation score {name!r}.", f"It has: {known}.")
            values.append(model.scores[name])
        centre, _, count = mean([value for value in values if value is not None])
        return centre if count else None

    def judge(self, case: str) -> Model:
        """The model that was validated on the case, and so did not train on it."""
        return next(model for model in self.models if case in model.training["validation"])


def candidates_of(models: Sequence[Path], groups: Mapping[str, Path]) -> tuple[Candidate, ...]:
    """The candidates among model folders, or among groups, which are folders with fold_0, fold_1, ...

    Models called fold_K that lie in one folder are one candidate, all others one each.

    Raises:
        InputError: fewer than two candidates, a folder without models, models without validation cases, or candidates
            that were validated on different cases and so cannot be ranked against each other.
    """
    folders: dict[Path, list[Path]] = {}
    for model in dict.fromkeys(models):
        place = model.absolute()
        folders.setdefault(place.parent if _FOLD.fullmatch(place.name) else place, []).append(place)
    names = dict(zip(folders, _names(list(folders)), strict=True)) if folders else {}
    found = [Candidate(names[folder], _load(members), folder) for folder, members in folders.items()]
    found += [Candidate(name, _load(folds_in(name, folder)), folder.absolute()) for name, folder in groups.items()]
    if len(found) < 2:
        raise InputError("There is nothing to choose between.", "Name the models or groups of two losses or more.")
    first = found[0]
    for other in found:
        if not all(model.training.get("validation") for model in other.models):
            raise InputError(f"{other.folder} was validated on no case.", "Choose among models with validation cases.")
        if other.cases != first.cases:
            raise InputError(
                f"{other.name} and {first.name} were validated on different cases, so their scores cannot be compared.",
                "Train them with one splits file (--splits) and all folds, or in one `lossseg study`.",
            )
    return tuple(found)


def folds_in(name: str, folder: Path) -> list[Path]:
    """The models of a group, by the number of their fold.

    Raises:
        InputError: the folder does not exist or holds none.
    """
    if not folder.is_dir():
        raise InputError(f"The folder {folder} of the group {name} does not exist.", "Check the path.")
    found = [path for path in folder.glob("fold_*") if (path / "model.json").exists() and _FOLD.fullmatch(path.name)]
    if not found:
        raise InputError(
            f"{folder} holds no trained fold.",
            "Make them with `lossseg train DATASET FOLDER --cross-validate` or `lossseg study`.",
        )
    return sorted(found, key=lambda path: int(path.name[5:]))


def _load(folders: Sequence[Path]) -> tuple[Model, ...]:
    return tuple(load(folder) for folder in folders)


def _names(folders: Sequence[Path]) -> list[str]:
    """Paths from the folder that they share, with `/`."""
    if len(folders) == 1:
        return [folders[0].name]
    shared = Path(os.path.commonpath(folders))
    return [folder.relative_to(shared).as_posix() if folder != shared else folder.name for folder in folders]
