"""Many cases: each volume segmented, its label volume and its lesion table written."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from lossseg.dataset import Case
from lossseg.errors import InputError, LossSegError, OutOfMemory
from lossseg.evaluation import CaseResult, evaluate_case
from lossseg.evaluation.folders import DISAGREEMENT, PROBABILITY
from lossseg.evaluation.table import write_lesions_csv, write_lesions_json
from lossseg.images import IMAGE_ENDINGS, read_volume, write_volume
from lossseg.inference.backend_choice import backend_factory
from lossseg.inference.coarse_to_fine import LookedAt
from lossseg.inference.predictor import Prediction, Predictor
from lossseg.model import Ensemble
from lossseg.reporting import Reporter, Stage


@dataclass(frozen=True)
class PredictSettings:
    """How cases are segmented and what is written; see `options.Options` for those not explained here.

    Attributes:
        device: "auto", "cpu", "cuda", "cuda:1" or "mps".
        roi: (r0, r1, a0, a1, s0, s1) in RAS mm.
        backend: "auto", "torch" or "openvino", see `backend_choice`.
        precision: "auto", "full" or "int8", which is calibrated on the first cases, see `int8_backend`.
        keep_probability: write CASE_probability, float32 in [0, 1] of any foreground.
        keep_disagreement: write CASE_disagreement, float32, its standard deviation over the members.
        file_ending: of the volumes written.
        overwrite: replace results that are there.
        resume: leave cases alone that are complete already, and write the others.
    """

    device: str = "auto"
    overlap: float = 0.5
    mirror: bool = False
    threshold: float | None = None
    min_voxels: int = 11
    min_volume_mm3: float | None = None
    min_confidence: float | None = None
    small_rule: str = "component"
    roi: tuple[float, float, float, float, float, float] | None = None
    keep_probability: bool = False
    keep_disagreement: bool = False
    file_ending: str = ".nii.gz"
    overwrite: bool = False
    resume: bool = False
    precision: str = "auto"
    backend: str = "auto"
    coarse_to_fine: bool = False

    def predictor(self, ensemble: Ensemble, reporter: Reporter, cases: Sequence[Case] = ()) -> Predictor:
        """A predictor with these settings.

        Args:
            cases: what 8 bits are calibrated on where the model was not yet.

        Raises:
            InputError: a setting out of its range, or a device that is not there.
        """
        return Predictor(
            ensemble,
            self.device,
            overlap=self.overlap,
            mirror=self.mirror,
            threshold=self.threshold,
            min_voxels=self.min_voxels,
            min_volume_mm3=self.min_volume_mm3,
            min_confidence=self.min_confidence,
            small_rule=self.small_rule,
            roi=self.roi,
            precision=self.precision,
            coarse_to_fine=self.coarse_to_fine,
            reporter=reporter,
            backend=backend_factory(self.backend, reporter, cases),
        )


class Predicted(list[Path]):
    """The label volumes written, in the order of the cases, and in `failures` why each other case has none.

    With a first pass, `looked_at` says how much of each case was run in full.
    """

    def __init__(self) -> None:
        super().__init__()
        self.failures: dict[str, LossSegError] = {}
        self.looked_at: dict[str, LookedAt] = {}


@dataclass(frozen=True)
class Outputs:
    """The files of one case. The label comes last: where it is, the case is complete."""

    label: Path
    csv: Path
    json: Path
    probability: Path | None
    disagreement: Path | None

    @classmethod
    def of(cls, case: str, out: Path, settings: PredictSettings) -> Outputs:
        ending = settings.file_ending
        return cls(
            out / f"{case}{ending}",
            out / f"{case}.lesions.csv",
            out / f"{case}.lesions.json",
            out / f"{case}{PROBABILITY}{ending}" if settings.keep_probability else None,
            out / f"{case}{DISAGREEMENT}{ending}" if settings.keep_disagreement else None,
        )

    @property
    def paths(self) -> tuple[Path, ...]:
        chain = (self.probability, self.disagreement, self.csv, self.json, self.label)
        return tuple(path for path in chain if path is not None)


def predict_cases(
    ensemble: Ensemble, cases: Sequence[Case], out: Path, settings: PredictSettings, reporter: Reporter
) -> Predicted:
    """Segment `cases` and write for each OUT/CASE.nii.gz, OUT/CASE.lesions.csv and OUT/CASE.lesions.json.

    A case that cannot be segmented does not stop the others: it is reported as a warning and listed in `failures`.

    Raises:
        InputError: a result is there already (before anything is computed), a setting out of range, or no case could
            be segmented.
        OutOfMemory: no case could be segmented for lack of memory.
        DiskFull: no room for the results; those written before are complete.
        Cancelled: the person asked to stop; results written before are complete.
    """
    out = Path(out)
    if settings.file_ending not in IMAGE_ENDINGS or settings.file_ending == ".mhd":
        raise InputError(f"Volumes cannot be written as {settings.file_ending!r}.", "Use .nii.gz, .nii, .nrrd or .mha.")
    outputs = {case.name: Outputs.of(case.name, out, settings) for case in cases}
    _protect_inputs(cases, outputs)
    if not settings.overwrite and not settings.resume:
        _refuse_existing(outputs.values())
    predictor = settings.predictor(ensemble, reporter, cases)
    written = Predicted()
    stage = Stage(reporter, "cases", len(cases))
    for case in cases:
        files = outputs[case.name]
        if settings.resume and all(path.exists() for path in files.paths):
            written.append(files.label)
        else:
            try:
                looked_at = _predict_case(predictor, case, files, settings, reporter)
            except (InputError, OutOfMemory) as error:
                written.failures[case.name] = error
                if len(cases) > 1:
                    reporter.warning(f"The case {case.name} was not segmented: {error.message}", error.hint)
            else:
                written.append(files.label)
                if looked_at is not None:
                    written.looked_at[case.name] = looked_at
        stage.advance()
    if written.failures and not written:
        raise _all_failed(written.failures)
    return written


def lesion_table(case: str, prediction: Prediction, labels: dict[str, int]) -> CaseResult:
    """The lesions of a prediction with size, place in RAS mm and confidence, judged by no reference."""
    geometry = prediction.geometry
    return evaluate_case(
        None,
        prediction.label,
        geometry.spacing,
        prediction.confidence,
        affine=geometry.affine,
        labels=labels,
        name=case,
    )


def _predict_case(
    predictor: Predictor, case: Case, files: Outputs, settings: PredictSettings, reporter: Reporter
) -> LookedAt | None:
    volumes = [read_volume(path, lean=True) for path in case.images]
    prediction = predictor.predict(
        volumes,
        keep_probability=settings.keep_probability,
        keep_disagreement=settings.keep_disagreement,
        release=True,
    )
    table = lesion_table(case.name, prediction, predictor.ensemble.labels)
    reporter.check()
    for kind, path, array in (
        ("probability", files.probability, prediction.probability),
        ("disagreement", files.disagreement, prediction.disagreement),
    ):
        if path is not None and array is not None:
            write_volume(path, array, prediction.geometry)
            reporter.artifact(kind, path)
    write_lesions_csv(files.csv, [table])
    write_lesions_json(files.json, [table], prediction.looked_at.record if prediction.looked_at else None)
    write_volume(files.label, prediction.label, prediction.geometry)
    for kind, path in (("lesions", files.csv), ("lesions", files.json), ("label", files.label)):
        reporter.artifact(kind, path)
    return prediction.looked_at


def _protect_inputs(cases: Sequence[Case], outputs: Mapping[str, Outputs]) -> None:
    images = {path.resolve() for case in cases for path in case.images}
    for files in outputs.values():
        for path in files.paths:
            if path.resolve() in images:
                raise InputError(f"The result {path} would replace the image itself.", "Choose another output folder.")


def _refuse_existing(outputs: Iterable[Outputs]) -> None:
    existing = [path for files in outputs for path in files.paths if path.exists()]
    if existing:
        more = f" and {len(existing) - 1} more results" if len(existing) > 1 else ""
        raise InputError(
            f"{existing[0]}{more} already exist{'' if more else 's'}.",
            "Choose another folder, resume to keep them, or ask to overwrite them.",
        )


def _all_failed(failures: dict[str, LossSegError]) -> LossSegError:
    errors = list(failures.values())
    if len(errors) == 1:
        return errors[0]
    kind = OutOfMemory if all(isinstance(error, OutOfMemory) for error in errors) else InputError
    reasons = " ".join(f"{name}: {error.message}" for name, error in failures.items())
    return kind(f"None of {len(errors)} cases could be segmented. {reasons}", errors[0].hint)
