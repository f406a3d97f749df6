"""An updated model against the one before, lesion by lesion on annotated cases."""

from __future__ import annotations

import difflib
import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any

from lossseg.dataset import Case, Dataset, shared_patients
from lossseg.errors import InputError
from lossseg.evaluation import CaseResult, Lesion, Outcome, evaluate_case
from lossseg.images import Volume, read_label, read_volume
from lossseg.inference import Predictor, PredictSettings
from lossseg.model import Ensemble
from lossseg.reporting import Reporter, Stage
from lossseg.training.validation import pooled

OLD, NEW = "old", "new"


@dataclass(frozen=True)
class LesionPair:
    """One reference lesion and what became of it with either model.

    Attributes:
        number: of the lesion within its case.
        old, new: "found" or "missed".
        old_confidence, new_confidence: highest probability of the component that found it, in [0, 1]; NaN if missed.
        old_overlap, new_overlap: Dice with that component; 0 if missed.
    """

    case: str
    number: int
    volume_mm3: float
    diameter_mm: float
    centroid_ras: tuple[float, float, float]
    old: str
    new: str
    old_confidence: float
    new_confidence: float
    old_overlap: float
    new_overlap: float


@dataclass(frozen=True)
class FalsePositive:
    """A component that overlaps no reference lesion; `model` is "old" or "new"."""

    case: str
    model: str
    volume_mm3: float
    centroid_ras: tuple[float, float, float]
    confidence: float


@dataclass(frozen=True)
class OldNew:
    """The comparison.

    Attributes:
        seen_by_old, seen_by_new: those of `cases` of whose patients the model, or one it was fine-tuned from, was
            trained on a case: on these it looks better than it is.
        measures: "old" and "new" to name to value, as of a validation (`lossseg.training.validation.Scores`).
        notes: sentences that a reader of the figures has to know.
    """

    cases: tuple[str, ...]
    seen_by_old: tuple[str, ...]
    seen_by_new: tuple[str, ...]
    lesions: tuple[LesionPair, ...]
    false_positives: tuple[FalsePositive, ...]
    measures: Mapping[str, Mapping[str, float]]
    notes: tuple[str, ...] = ()

    @property
    def gained(self) -> int:
        """Lesions that only the new model finds."""
        return sum((pair.old, pair.new) == (Outcome.MISSED, Outcome.FOUND) for pair in self.lesions)

    @property
    def lost(self) -> int:
        """Lesions that only the old model finds."""
        return sum((pair.old, pair.new) == (Outcome.FOUND, Outcome.MISSED) for pair in self.lesions)

    def to_json(self) -> dict[str, Any]:
        """Everything as JSON data; undefined values are None."""
        value: dict[str, Any] = _defined(asdict(self))
        return {**value, "gained": self.gained, "lost": self.lost}


def compare_models(
    old: Ensemble,
    new: Ensemble,
    dataset: Dataset,
    cases: Sequence[str],
    reporter: Reporter,
    settings: PredictSettings | None = None,
) -> OldNew:
    """Segment annotated cases with both models and judge each lesion; a case's images are read once for both.

    Each model has the operating point that its own validation chose, unless `settings` gives one.

    Args:
        cases: names; none stands for the validation cases of `new`, see `validation_cases`.

    Raises:
        InputError: models of different tasks, or of another than the dataset's; a case that the dataset has not; none
            to compare on; a file that cannot be read.
        OutOfMemory, Cancelled: as in a prediction.
    """
    _require_one_task(old, new, dataset)
    chosen = _chosen(cases or validation_cases(new, dataset), dataset)
    settings = settings or PredictSettings()
    predictors = {OLD: settings.predictor(old, reporter), NEW: settings.predictor(new, reporter)}
    notes = tuple(sentence for model in (old, new) for sentence in _unrecorded(model))
    for sentence in notes:
        reporter.warning(sentence, "Compare on cases that neither model can have seen.")
    stage = Stage(reporter, "compare", len(chosen))
    results: dict[str, list[CaseResult]] = {OLD: [], NEW: []}
    for case in chosen:
        volumes = [read_volume(path) for path in case.images]
        assert case.label is not None
        reference = read_label(case.label)
        for name, predictor in predictors.items():
            results[name].append(_judged(predictor, case.name, volumes, reference, dataset.ignore))
        stage.advance()
    names = tuple(case.name for case in chosen)
    return OldNew(
        cases=names,
        seen_by_old=_seen(old, names, dataset),
        seen_by_new=_seen(new, names, dataset),
        lesions=tuple(pair for both in zip(results[OLD], results[NEW], strict=True) for pair in _pairs(*both)),
        false_positives=tuple(_false(results)),
        measures={model: pooled(of_model).named() for model, of_model in results.items()},
        notes=notes,
    )


def validation_cases(model: Ensemble, dataset: Dataset) -> tuple[str, ...]:
    """The cases of `dataset` that the members were validated on: on all of them, else on one of them, in this order.

    Cases of patients whom no member was trained on come before all others.

    Raises:
        InputError: there are none.
    """
    held_out = [set(map(str, member.model.training.get("validation", ()))) for member in model.members]
    here = {case.name for case in dataset.cases}
    unseen = here - set(_seen(model, sorted(here), dataset))
    for eligible in (unseen, here):
        for names in (set.intersection(*held_out), set.union(*held_out)):
            if names & eligible:
                return tuple(sorted(names & eligible))
    raise InputError(
        f"{model.name} was validated on no case of {dataset.folder}.", "Name the cases to compare on (--case)."
    )


def _require_one_task(old: Ensemble, new: Ensemble, dataset: Dataset) -> None:
    for what in ("channels", "labels"):
        first, second, wanted = (getattr(one, what) for one in (old, new, dataset))
        for name, found in ((old.name, first), (new.name, second)):
            if found != wanted:
                raise InputError(
                    f"{name} has the {what} {', '.join(found)}, the dataset {dataset.folder} has {', '.join(wanted)}.",
                    "Compare models of one task on a dataset of that task.",
                )


def _chosen(names: Iterable[str], dataset: Dataset) -> list[Case]:
    known = {case.name: case for case in dataset.cases if case.label is not None}
    chosen = []
    for name in dict.fromkeys(names):
        if name not in known:
            near = difflib.get_close_matches(name, known, n=1)
            raise InputError(
                f"The dataset {dataset.folder} has no annotated case {name}.",
                f"Did you mean {near[0]}?" if near else "Check the name.",
            )
        chosen.append(known[name])
    return chosen


def _judged(
    predictor: Predictor, name: str, volumes: Sequence[Volume], reference: Volume, ignore: int | None
) -> CaseResult:
    geometry = volumes[0].geometry
    if not reference.geometry.matches(geometry):
        raise InputError(
            f"The label of the case {name} lies on another grid than its image: "
            f"{reference.geometry.difference(geometry)}.",
            "Resample the label to the image's grid.",
        )
    prediction = predictor.predict(volumes, keep_probability=True)
    return evaluate_case(
        reference.array,
        prediction.label,
        geometry.spacing,
        prediction.probability,
        affine=geometry.affine,
        labels=predictor.ensemble.labels,
        ignore_label=ignore,
        surface=False,
        name=name,
    )


def _pairs(old: CaseResult, new: CaseResult) -> list[LesionPair]:
    """The rows of the reference lesions, which have the same order and numbers in both."""
    both = zip(old.of(Outcome.FOUND, Outcome.MISSED), new.of(Outcome.FOUND, Outcome.MISSED), strict=True)
    return [
        LesionPair(
            case=old.name,
            number=one.number,
            volume_mm3=one.volume_mm3,
            diameter_mm=one.diameter_mm,
            centroid_ras=one.centroid_ras,
            old=one.outcome.value,
            new=other.outcome.value,
            old_confidence=one.confidence_max,
            new_confidence=other.confidence_max,
            old_overlap=one.overlap,
            new_overlap=other.overlap,
        )
        for one, other in both
    ]


def _false(results: Mapping[str, Sequence[CaseResult]]) -> Iterable[FalsePositive]:
    for both in zip(results[OLD], results[NEW], strict=True):
        for model, result in zip((OLD, NEW), both, strict=True):
            for row in result.of(Outcome.FALSE_POSITIVE):
                yield _as_false_positive(result.name, model, row)


def _as_false_positive(case: str, model: str, row: Lesion) -> FalsePositive:
    return FalsePositive(case, model, row.volume_mm3, row.centroid_ras, row.confidence_max)


def _seen(model: Ensemble, names: Sequence[str], dataset: Dataset) -> tuple[str, ...]:
    """Those of `names` of whose patients a member was trained on a case."""
    trained = frozenset().union(*(member.model.seen_cases for member in model.members))
    seen = shared_patients([case.name for case in dataset.cases], trained)
    return tuple(name for name in names if name in seen)


def _unrecorded(model: Ensemble) -> Iterable[str]:
    """What the members do not say of the cases that they have seen."""
    for member in model.members:
        record = member.model.training
        if "train" not in record:
            yield f"{member.model.name} does not say which cases it was trained on."
        elif record.get("started_from") and "seen" not in record:
            yield f"{member.model.name} does not say which cases {record['started_from']}, its origin, was trained on."


def _defined(value: Any) -> Any:
    if isinstance(value, float):
        return value if math.isfinite(value) else None
    if isinstance(value, Mapping):
        return {key: _defined(entry) for key, entry in value.items()}
    return [_defined(entry) for entry in value] if isinstance(value, list | tuple) else value
