"""What the study's dataset holds: its cases with their states, and what the data look like. Works in a thread.

No widgets and no nodes. What takes reading voxels (lesions, foreground) is kept in STUDY/cache/facts.json until a
case's files change.
"""

from __future__ import annotations

import json
import math
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from slicer.i18n import tr as _

from lossseg.errors import Cancelled, InputError
from lossseg.files import write_json

if TYPE_CHECKING:
    from lossseg.dataset import Case, CaseRecord, Dataset
    from lossseg.losses.advisor import Suggestion
    from lossseg.preprocessing.fingerprint import CaseFingerprint

_FACTS = Path("cache") / "facts.json"
_VERSION = 1


@dataclass(frozen=True)
class CaseRow:
    """One case of the dataset.

    Attributes:
        state, by, when: how its label came about, who touched it last, and on which day.
        fold: training, validation, or empty where nothing is said.
        lesions: number of lesions, and the volume of the smallest; None while unknown, NaN without a lesion.
        problem: why its files cannot be used; empty when they can.
    """

    name: str
    state: str = ""
    by: str = ""
    when: str = ""
    fold: str = ""
    lesions: int | None = None
    smallest_mm3: float | None = None
    problem: str = ""


@dataclass(frozen=True)
class DatasetView:
    """The dataset as the panel shows it.

    Attributes:
        channels, labels: None while there is no dataset.
        looks: a line with what the data look like; empty without a case.
        suggestion: of a loss; None while unknown.
        is_measured: whether the voxels were looked at.
        warning: what a person should know of the dataset.
    """

    channels: tuple[str, ...] | None = None
    labels: dict[str, int] | None = None
    rows: tuple[CaseRow, ...] = ()
    looks: str = ""
    suggestion: Suggestion | None = None
    is_measured: bool = False
    warning: str = ""

    @property
    def names(self) -> list[str]:
        return [row.name for row in self.rows]

    @property
    def validation(self) -> list[str]:
        """The cases that are marked for validation."""
        return [row.name for row in self.rows if row.fold == "validation"]


class Progress:
    """What a thread has done so far, and whether it is to stop."""

    def __init__(self) -> None:
        self.done = self.total = 0
        self.is_stopped = False

    def stop(self) -> None:
        self.is_stopped = True


def list_cases(study: Path) -> DatasetView:
    """The cases with their states; no voxel is read.

    Raises:
        InputError: the folder holds something else than a dataset, or a damaged one.
    """
    from lossseg.dataset import CaseRegister, open_dataset, read_description

    folder = study / "dataset"
    # The register says in a sentence what is wrong with a folder that holds something else.
    register = CaseRegister.read(study)
    if not (folder / "dataset.json").exists():
        return DatasetView()
    rows = tuple(_row(record) for record in register.active)
    known = open_dataset(folder) if rows else read_description(folder)
    gone = register.missing
    return DatasetView(
        tuple(known.channels),
        dict(known.labels),
        rows,
        warning=_("The files of {names} are gone.").format(names=", ".join(gone)) if gone else "",
    )


def measure(study: Path, view: DatasetView, progress: Progress) -> DatasetView:
    """The same cases with lesions, what the data look like, and the loss that is worth trying first.

    Raises:
        Cancelled: `progress` was stopped.
    """
    from lossseg.dataset import open_dataset

    if not view.rows:
        return replace(view, is_measured=True)
    dataset = open_dataset(study / "dataset")
    progress.total = len(dataset.cases)
    kept = _read_facts(study / _FACTS)
    facts: dict[str, CaseFingerprint | str] = {}
    records: dict[str, Any] = {}
    for case in dataset.cases:
        if progress.is_stopped:
            raise Cancelled()
        stamp = _stamp(case)
        found = kept.get(case.name)
        if found is None or found[0] != stamp:
            found = stamp, _look(dataset, case)
        facts[case.name] = found[1]
        if not isinstance(found[1], str):
            records[case.name] = {"stamp": stamp, "facts": asdict(found[1])}
        progress.done += 1
    if records != {name: {"stamp": stamp, "facts": asdict(one)} for name, (stamp, one) in kept.items()}:
        write_json(study / _FACTS, {"version": _VERSION, "cases": records})
    sound = [one for one in facts.values() if not isinstance(one, str)]
    return replace(
        view,
        rows=tuple(_measured(row, facts[row.name]) if row.name in facts else row for row in view.rows),
        looks=looks(sound),
        suggestion=_suggest(dataset, sound),
        is_measured=True,
    )


def looks(facts: list[CaseFingerprint]) -> str:
    """Foreground, lesions per case and their sizes in one line."""
    sizes = sorted(size for case in facts for size in case.lesions_mm3)
    if not facts:
        return ""
    if not sizes:
        return _("{n} cases without any lesion.").format(n=len(facts))
    shares = sorted(case.foreground for case in facts if case.lesions_mm3)
    counts = sorted(len(case.lesions_mm3) for case in facts)
    return _(
        "Foreground: 1 voxel in {share:,.0f}. Lesions per case: {least} to {most}, middle {middle}. "
        "Volumes: {smallest} to {largest} mm³, middle {median}."
    ).format(
        share=1 / shares[len(shares) // 2],
        least=counts[0],
        most=counts[-1],
        middle=counts[len(counts) // 2],
        smallest=short(sizes[0]),
        largest=short(sizes[-1]),
        median=short(sizes[len(sizes) // 2]),
    )


def short(value: float) -> str:
    """A volume in mm3 with two or three digits that say something."""
    if not math.isfinite(value):
        return "n/a"
    return f"{value:,.0f}" if value >= 10 else f"{value:.1f}" if value >= 1 else f"{value:.2g}"


def _row(record: CaseRecord) -> CaseRow:
    last = record.changes[-1] if record.changes else None
    return CaseRow(
        record.name,
        _(record.state.value),
        last.by if last else "",
        last.time[:10] if last else "",
        "" if record.fold is None else str(record.fold),
    )


def _measured(row: CaseRow, facts: CaseFingerprint | str) -> CaseRow:
    if isinstance(facts, str):
        return replace(row, problem=facts)
    return replace(row, lesions=len(facts.lesions_mm3), smallest_mm3=min(facts.lesions_mm3, default=math.nan))


def _look(dataset: Dataset, case: Case) -> CaseFingerprint | str:
    from lossseg.preprocessing.fingerprint import fingerprint

    try:
        return fingerprint(dataset, names=[case.name]).cases[0]
    except InputError as error:
        return f"{error.message} {error.hint}".strip()


def _suggest(dataset: Dataset, facts: list[CaseFingerprint]) -> Suggestion | None:
    if not any(case.lesions_mm3 for case in facts):
        return None
    from lossseg.losses.advisor import advise
    from lossseg.networks.planning import fit_patch
    from lossseg.preprocessing import Plan, PlanSettings, imbalance
    from lossseg.preprocessing.fingerprint import Fingerprint
    from lossseg.preprocessing.planning import median_shape, resampled_shapes, target_spacing

    known = Fingerprint(tuple(facts), ())
    spacing = target_spacing(known)
    shapes = resampled_shapes(known, spacing)
    patch, batch, network = fit_patch(
        spacing,
        median_shape(shapes),
        int(PlanSettings().memory_gb * 2**30),
        in_channels=len(dataset.channels),
        out_channels=len(dataset.labels),
        dataset_voxels=sum(math.prod(shape) for shape in shapes),
    )
    return advise(imbalance(known, Plan((), spacing, patch, batch, dict(dataset.labels), network)))[0]


def _stamp(case: Case) -> list[list[Any]]:
    """Size and time of a case's files: other ones mean another content."""
    files = [*case.images, *([case.label] if case.label else [])]
    return [[path.name, path.stat().st_size, path.stat().st_mtime_ns] for path in files]


def _read_facts(path: Path) -> dict[str, tuple[list[list[Any]], CaseFingerprint]]:
    """What was kept; nothing when the file is missing or of another version: the cases are then looked at anew."""
    from lossseg.preprocessing.fingerprint import CaseFingerprint

    try:
        record = json.loads(path.read_text(encoding="utf-8"))
        if record["version"] != _VERSION:
            return {}
        return {
            name: (one["stamp"], CaseFingerprint(**{key: _tuple(value) for key, value in one["facts"].items()}))
            for name, one in record["cases"].items()
        }
    except (OSError, ValueError, KeyError, TypeError, AttributeError):
        return {}


def _tuple(value: Any) -> Any:
    return tuple(value) if isinstance(value, list) else value
