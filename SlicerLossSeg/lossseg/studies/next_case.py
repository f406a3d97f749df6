"""Which volume of a folder to correct next, so that the correction teaches the model the most.

Ensemble members that disagree mark what the training set does not settle (query by committee: Seung et al., COLT 1992;
Beluch et al., CVPR 2018); many predicted lesions mean much to correct in one case; a random choice is what the other
two have to beat, and the only one that leaves the training set unbiased.
"""

from __future__ import annotations

import hashlib
import math
from collections.abc import Sequence
from dataclasses import asdict, dataclass, field, replace
from enum import StrEnum
from pathlib import Path
from typing import Any

import numpy as np

from lossseg.components import label as components
from lossseg.dataset import Case, CaseRegister, find_images, read_description
from lossseg.dataset.cases import training_cases
from lossseg.dataset.register import DATASET
from lossseg.errors import InputError, LossSegError, OutOfMemory
from lossseg.images import read_volume
from lossseg.inference import Prediction, Predictor, PredictSettings
from lossseg.model import Ensemble
from lossseg.reporting import Reporter, Stage

_FAINT = 0.05
_SMALLEST = 11.0


class By(StrEnum):
    """What decides."""

    DISAGREEMENT = "disagreement"
    LESIONS = "lesions"
    RANDOM = "random"


@dataclass(frozen=True)
class Candidate:
    """A volume that could be corrected.

    Attributes:
        channels: its image files.
        score: by which it is ranked, the highest first.
        lesions: predicted ones; None when chosen at random.
        disagreement: see `disagreement_of`; None when chosen at random, or without a second model.
    """

    case: str
    channels: tuple[Path, ...]
    score: float
    lesions: int | None = None
    disagreement: float | None = None


@dataclass(frozen=True)
class NextCase:
    """The ranking, the best first, and a sentence for the person.

    Attributes:
        left: volumes that are not in the training set, those that were not looked at among them.
        failures: volumes that could not be segmented, and why.
    """

    by: By
    ranking: tuple[Candidate, ...]
    sentence: str
    left: int
    failures: dict[str, str] = field(default_factory=dict)

    @property
    def next(self) -> Candidate | None:
        return self.ranking[0] if self.ranking else None

    def to_json(self) -> dict[str, Any]:
        return {**asdict(self), "next": asdict(self.next) if self.next else None}


def next_case(
    model: Ensemble,
    images: Path,
    dataset: Path | None,
    by: By,
    reporter: Reporter,
    *,
    seed: int = 0,
    limit: int | None = None,
    settings: PredictSettings | None = None,
) -> NextCase:
    """Rank the volumes in `images` that are not annotated yet.

    Args:
        images: a folder as for prediction; its files are only read.
        dataset: cases that are in it by their name, or by the file that the study's register gives as their origin,
            are left out.
        seed: of the random choice, which stays the same for the volumes that are left when one was annotated.
        limit: most volumes to segment, drawn by `seed`; None looks at all.

    Raises:
        InputError: no images; `by` disagreement with one model; a damaged dataset; no volume could be segmented.
        OutOfMemory: no volume could be segmented for lack of memory.
        Cancelled: the person asked to stop.
    """
    if by is By.DISAGREEMENT and len(model.members) < 2:
        raise InputError(
            f"{model.name} is one model, which has no other to disagree with.",
            "Give an ensemble, or choose by lesions or at random.",
        )
    every = find_images(images, len(model.channels))
    known = _annotated(dataset) if dataset is not None else _Annotated()
    left = [case for case in every if not known.has(case)]
    drawn = sorted(left, key=lambda case: -_lot(seed, case.name))
    looked_at = drawn if limit is None else drawn[:limit]
    failures: dict[str, LossSegError] = {}
    ranking: list[Candidate] = []
    if by is By.RANDOM:
        ranking = [Candidate(case.name, case.images, _lot(seed, case.name)) for case in looked_at]
    elif looked_at:
        chosen = settings or PredictSettings()
        ranking = _segmented(chosen.predictor(model, reporter), looked_at, by, reporter, failures)
        if failures and not ranking:
            raise _all_failed(images, failures)
    found = NextCase(by, tuple(ranking), "", len(left), {name: str(error) for name, error in failures.items()})
    return replace(found, sentence=_sentence(found, images, len(every), model.name))


def disagreement_of(prediction: Prediction) -> float:
    """How far the members differ where any of them sees something: sum of deviations / (sum of means + 11).

    The sums are over the voxels whose mean probability is 0.05 or more; 11 voxels, the smallest lesion that is kept,
    steady the ratio where there is next to nothing. 0 where all agree; towards sqrt(n - 1) where one of n members
    alone is sure. It does not grow with the size of the lesions, which would hide the small ones.
    """
    assert prediction.probability is not None and prediction.disagreement is not None
    seen = prediction.probability >= _FAINT
    mean = float(prediction.probability[seen].sum(dtype=np.float64))
    return float(prediction.disagreement[seen].sum(dtype=np.float64)) / (mean + _SMALLEST)


@dataclass(frozen=True)
class _Annotated:
    """What is in the training set: names of cases, and the files that they were made from."""

    names: frozenset[str] = frozenset()
    files: frozenset[Path] = frozenset()

    def has(self, case: Case) -> bool:
        return case.name in self.names or any(path.resolve() in self.files for path in case.images)


def _annotated(dataset: Path) -> _Annotated:
    if dataset.name == DATASET and dataset.parent.is_dir():
        # In a study a case may have another name than its file, and there may be no dataset yet.
        register = CaseRegister.read(dataset.parent)
        origins = [Path(record.origin) for record in register.active if record.origin]
        return _Annotated(
            frozenset(record.name for record in register.active),
            frozenset(path.resolve() for path in origins if path.is_absolute()),
        )
    return _Annotated(frozenset(case.name for case in training_cases(dataset, read_description(dataset))))


def _segmented(
    predictor: Predictor, cases: Sequence[Case], by: By, reporter: Reporter, failures: dict[str, LossSegError]
) -> list[Candidate]:
    stage = Stage(reporter, "cases", len(cases))
    several = len(predictor.ensemble.members) > 1
    found = []
    for case in cases:
        try:
            volumes = [read_volume(path) for path in case.images]
            prediction = predictor.predict(volumes, keep_probability=several, keep_disagreement=several)
        except (InputError, OutOfMemory) as error:
            failures[case.name] = error
            reporter.warning(f"The case {case.name} was not segmented: {error.message}", error.hint)
        else:
            lesions = _lesions(prediction.label)
            disagreement = disagreement_of(prediction) if several else None
            score = float(lesions) if by is By.LESIONS or disagreement is None else disagreement
            found.append(Candidate(case.name, case.images, score, lesions, disagreement))
        stage.advance()
    # Equal scores, such as no lesion in any, stay in the order that was drawn.
    return sorted(found, key=lambda candidate: -candidate.score)


def _lesions(label: np.ndarray) -> int:
    """Connected components of each class."""
    return sum(components(label == value)[1] for value in np.unique(label) if value)


def _lot(seed: int, name: str) -> float:
    """A number in [0, 1) that a case draws by itself, so that the order of the others does not change without it."""
    digest = hashlib.sha256(f"{seed}:{name}".encode()).digest()
    return math.ldexp(int.from_bytes(digest[:6], "big"), -48)


def _sentence(found: NextCase, images: Path, total: int, model: str) -> str:
    if found.next is None:
        return f"No volume in {images} is left to correct: {_all(total)} in the training set."
    name, others = found.next.case, len(found.ranking) - 1
    why = {
        By.DISAGREEMENT: f"the models of {model} disagree most on it",
        By.LESIONS: f"{model} sees the most lesions in it ({found.next.lesions})",
        By.RANDOM: "it was drawn at random",
    }[found.by]
    if found.by is By.LESIONS and found.next.lesions == 0:
        why = f"{model} sees a lesion in none"
    rest = found.left - 1
    looked = "" if others == rest or found.by is By.RANDOM else f", {others} of which were looked at"
    return f"Correct {name} next: {why}. {_more(rest)} left after it{looked}."


def _all(count: int) -> str:
    return "the only one is" if count == 1 else f"all {count} are"


def _more(count: int) -> str:
    return "No other is" if count == 0 else "1 more is" if count == 1 else f"{count} more are"


def _all_failed(images: Path, failures: dict[str, LossSegError]) -> LossSegError:
    kind = OutOfMemory if all(isinstance(error, OutOfMemory) for error in failures.values()) else InputError
    name, first = next(iter(failures.items()))
    return kind(f"No volume in {images} could be segmented. {name}: {first.message}", first.hint)
