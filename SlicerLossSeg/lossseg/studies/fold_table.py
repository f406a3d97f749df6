"""Folds × losses: the validation score of each run, and the winner of each fold."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from lossseg.evaluation.measures import mean
from lossseg.studies.state import RunState, StudyRun, StudyState


@dataclass(frozen=True)
class Winners:
    """Validation scores of the runs of the first seed.

    Attributes:
        score: name of the measure.
        losses: expressions, the columns.
        folds: the rows.
        values: per fold one value per loss; None where the run did not finish or the measure is undefined.
    """

    score: str
    losses: tuple[str, ...]
    folds: tuple[int, ...]
    values: tuple[tuple[float | None, ...], ...]

    def winner(self, row: int) -> str | None:
        """The loss of the highest value in a row, of equals the first; None where one is missing."""
        values = self.values[row]
        known = [value for value in values if value is not None]
        return None if len(known) < len(values) else self.losses[values.index(max(known))]

    def average(self, loss: str) -> tuple[float, float, int]:
        """Mean and standard deviation over the folds of a loss that have a value, and how many those are."""
        column = self.losses.index(loss)
        return mean([value for row in self.values if (value := row[column]) is not None])

    def to_json(self) -> dict[str, object]:
        means = {loss: self.average(loss) for loss in self.losses}
        return {
            "score": self.score,
            "folds": [
                {
                    "fold": fold,
                    "values": dict(zip(self.losses, self.values[row], strict=True)),
                    "winner": self.winner(row),
                }
                for row, fold in enumerate(self.folds)
            ],
            "means": {
                loss: {"mean": value if count else None, "std": spread if count else None, "folds": count}
                for loss, (value, spread, count) in means.items()
            },
        }


def winners(state: StudyState, score: str) -> Winners:
    """The table of a study; folds without any finished run have no row."""
    first = {run.loss: run.seed for run in reversed(state.runs)}
    runs = {(run.loss, run.fold): run for run in state.runs if run.seed == first[run.loss]}
    folds = sorted({fold for (_, fold), run in runs.items() if run.state is RunState.FINISHED})
    return Winners(score, state.losses, tuple(folds), tuple(_row(state.losses, fold, runs, score) for fold in folds))


def _row(
    losses: Sequence[str], fold: int, runs: Mapping[tuple[str, int], StudyRun], score: str
) -> tuple[float | None, ...]:
    return tuple(runs[loss, fold].scores.get(score) if (loss, fold) in runs else None for loss in losses)
