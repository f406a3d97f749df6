"""The kept probabilities of validation cases: what a choice of models would have made of cases none trained on."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from lossseg.dataset.cases import LABELS
from lossseg.errors import InputError
from lossseg.evaluation.measures import mean, ratio
from lossseg.evaluation.pairing import PROBABILITY, images_in
from lossseg.images import read_label, read_volume
from lossseg.reporting import Reporter, Stage
from lossseg.studies.candidates import Candidate
from lossseg.studies.state import PREDICTIONS, STATE_FILE, StudyState

_PLAIN_THRESHOLD = 0.5
_LEVELS_UP = 4


@dataclass(frozen=True)
class HeldOutCase:
    """One case as every candidate saw it, in the voxels that can matter.

    Attributes:
        probabilities: float32 (candidates, voxels) of any foreground.
        reference: bool (voxels,).
        thresholds: (candidates,) from which probability a voxel is foreground.
    """

    name: str
    probabilities: np.ndarray
    reference: np.ndarray
    thresholds: np.ndarray

    def dice(self, weights: np.ndarray) -> float:
        """Dice of the weighted mean of the probabilities at that of the thresholds; NaN when both masks are empty.

        Args:
            weights: (candidates,), 0 or more, not all 0.
        """
        share = np.asarray(weights, float) / np.sum(weights)
        used = np.flatnonzero(share)
        predicted = share[used] @ self.probabilities[used] >= share[used] @ self.thresholds[used]
        return ratio(2.0 * np.count_nonzero(predicted & self.reference), predicted.sum() + self.reference.sum())


def mean_dice(cases: Sequence[HeldOutCase], weights: np.ndarray) -> float:
    """The mean over the cases in which Dice is defined; NaN without such a case."""
    return mean([case.dice(weights) for case in cases])[0]


def read_held_out(
    candidates: Sequence[Candidate], references: Path | None, reporter: Reporter
) -> tuple[HeldOutCase, ...]:
    """Read every validation case's probability of each candidate, from the `predictions` in the candidate's folder.

    Each was made by that model of the candidate which did not train on the case, and is held against that model's
    threshold. A mean cannot reach its threshold where no candidate reaches the lowest one, so only the other voxels and
    those of the reference are kept: memory does not grow with the volumes.

    Args:
        references: folder of label volumes; None takes that of the study in which the first candidate lies.

    Raises:
        InputError: predictions or references are missing, or lie on different grids.
        Cancelled: the reporter was told to stop.
    """
    labels = images_in(references or references_of(candidates[0]), "references")
    kept = [_probabilities(candidate) for candidate in candidates]
    names = sorted(candidates[0].cases)
    stage = Stage(reporter, "read held-out cases", len(names))
    cases = []
    for name in names:
        if name not in labels:
            raise InputError(f"The case {name} has no reference.", "Give the folder of references (--references).")
        cases.append(_case(name, labels[name][0], kept, candidates))
        stage.advance()
    return tuple(cases)


def references_of(candidate: Candidate) -> Path:
    """The labels of the dataset of the study in which the candidate lies.

    Raises:
        InputError: it lies in none.
    """
    for folder in list(candidate.folder.parents)[:_LEVELS_UP]:
        if (folder / STATE_FILE).exists():
            try:
                return StudyState.read(folder).dataset / LABELS
            except InputError:
                continue
    raise InputError(
        f"{candidate.folder} lies in no study that would know its references.", "Give their folder (--references)."
    )


def _probabilities(candidate: Candidate) -> dict[str, Path]:
    folder = candidate.folder / PREDICTIONS
    found = {}
    if folder.is_dir():
        found = {name: paths[0] for name, paths in images_in(folder, "predictions").items()}
    missing = sorted(name for name in candidate.cases if f"{name}{PROBABILITY}" not in found)
    if missing:
        raise InputError(
            f"{folder} lacks the probability of the validation case {missing[0]}.",
            "`lossseg study` keeps them; go on with the study, or choose in another way.",
        )
    return {name: found[f"{name}{PROBABILITY}"] for name in candidate.cases}


def _case(name: str, label: Path, kept: Sequence[dict[str, Path]], candidates: Sequence[Candidate]) -> HeldOutCase:
    reference = read_label(label)
    mask = (reference.array > 0).ravel()
    points = [candidate.judge(name).operating_point for candidate in candidates]
    thresholds = np.array([point.threshold if point else _PLAIN_THRESHOLD for point in points])
    volumes = []
    matters = mask.copy()
    for paths in kept:
        volume = read_volume(paths[name])
        if not volume.geometry.matches(reference.geometry):
            raise InputError(
                f"{paths[name]} lies on another grid than {label}: {volume.geometry.difference(reference.geometry)}.",
                "Give the references of the same dataset.",
            )
        volumes.append(np.asarray(volume.array, np.float32).ravel())
        matters |= volumes[-1] >= thresholds.min()
    return HeldOutCase(name, np.stack([volume[matters] for volume in volumes]), mask[matters], thresholds)
