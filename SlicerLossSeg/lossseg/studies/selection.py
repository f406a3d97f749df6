"""Choosing the members of an ensemble: the best few, or greedily with replacement."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from lossseg.errors import InputError
from lossseg.studies.candidates import Candidate
from lossseg.studies.held_out import HeldOutCase, mean_dice

ROUNDS = 25


@dataclass(frozen=True)
class GreedyChoice:
    """What greedy selection took.

    Attributes:
        counts: of each candidate, how often it was taken: its weight.
        score: mean Dice of the held-out cases.
        path: the score after each round.
    """

    counts: tuple[int, ...]
    score: float
    path: tuple[float, ...]


def best(candidates: Sequence[Candidate], count: int, score: str) -> list[int]:
    """The places of the `count` candidates with the highest mean validation score, the best first.

    Of equals the first counts. Fewer false positives are better; of all other scores more is.

    Raises:
        InputError: a candidate's score is unknown or undefined.
    """
    worth = []
    for place, candidate in enumerate(candidates):
        value = candidate.score(score)
        if value is None:
            raise InputError(f"{candidate.name} has no defined {score}.", "Choose another score.")
        worth.append((value if score == "false_positives" else -value, place))
    return [place for _, place in sorted(worth)[:count]]


def greedy(cases: Sequence[HeldOutCase], rounds: int = ROUNDS) -> GreedyChoice:
    """Ensemble selection with replacement (Caruana et al., "Ensemble Selection from Libraries of Models", ICML 2004).

    In each round the candidate is taken with which the mean of the probabilities scores highest, though it may have
    been taken before or the score may fall; of equals the first. The choice is that of the best round, of equals the
    earliest.

    Args:
        cases: with the probabilities of every candidate, see `read_held_out`.
        rounds: candidates that are taken.

    Raises:
        InputError: the score is undefined because no case has a lesion or a prediction, or fewer than one round.
    """
    if rounds < 1:
        raise InputError(f"The number of rounds is {rounds}.", "Give 1 or more.")
    count = len(cases[0].thresholds)
    one = np.eye(count, dtype=int)
    counts, path, taken = np.zeros(count, int), list[float](), list[np.ndarray]()
    for _ in range(rounds):
        scores = [mean_dice(cases, counts + one[place]) for place in range(count)]
        if all(np.isnan(scores)):
            raise InputError(
                "Dice is undefined for every held-out case.", "Choose among models with validated lesions."
            )
        place = int(np.nanargmax(scores))
        counts = counts + one[place]
        path.append(float(scores[place]))
        taken.append(counts)
    end = int(np.argmax(path))
    return GreedyChoice(tuple(int(each) for each in taken[end]), path[end], tuple(path))
